//! SHA-256 and keyed digests, and comparing them in constant time; knows nothing of what is hashed.

use aws_lc_rs::{constant_time, digest, hmac};

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// A key for HMAC-SHA-256 (RFC 2104).
#[derive(Clone)]
pub struct Mac(hmac::Key);

impl Mac {
    /// A key from 32 secret bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        Mac(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The tag of `parts`, each preceded by its length so that no two lists collide.
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }
}

/// Whether two byte strings are equal, in time that depends on their length alone.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_depends_on_where_one_part_ends() {
        let mac = Mac::new(&[7; 32]);
        assert_ne!(mac.tag(&[b"ab", b"c"]), mac.tag(&[b"a", b"bc"]));
    }

    #[test]
    fn sha256_matches_the_published_vector() {
        let hex = data_encoding::HEXLOWER.encode(&sha256(b"abc"));
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
