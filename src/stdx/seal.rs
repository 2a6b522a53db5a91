//! Authenticated encryption with a current and a previous key, and keys for each purpose from one master key; knows
//! nothing of what is sealed.

use super::digest::Mac;
use super::entropy;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

/// The key from which every other key is derived (HKDF-SHA-256, RFC 5869), one per purpose.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// A master key from 32 secret bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        MasterKey(Zeroizing::new(bytes))
    }

    /// A fresh master key.
    pub fn fresh() -> Self {
        MasterKey::new(entropy::bytes())
    }

    /// The secret bytes, for writing them to their file once.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A sealing key for one purpose, for example `"totp-seed"`.
    pub fn seal(&self, purpose: &str) -> Seal {
        Seal { current: Key::new(&self.derive(purpose)), previous: None }
    }

    /// A MAC key for one purpose.
    pub fn mac(&self, purpose: &str) -> Mac {
        Mac::new(&self.derive(purpose))
    }

    /// 32 bytes for one purpose.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"portcullis/1");
        let mut out = Zeroizing::new([0; 32]);
        salt.extract(&self.0[..])
            .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut out[..]))
            .expect("32 bytes are within HKDF's limit");
        out
    }
}

/// AES-256-GCM under a current key; what the previous key sealed still opens.
pub struct Seal {
    current: Key,
    previous: Option<Key>,
}

struct Key {
    aead: LessSafeKey,
    /// First byte of every sealed text, so that opening needs no trial.
    id: u8,
}

impl Key {
    fn new(bytes: &[u8; 32]) -> Self {
        let id = super::digest::sha256(bytes)[0];
        let key = UnboundKey::new(&AES_256_GCM, bytes).expect("AES-256 takes 32 bytes");
        Key { aead: LessSafeKey::new(key), id }
    }

    fn open(&self, aad: &[u8], nonce: [u8; 12], sealed: &[u8]) -> Option<Vec<u8>> {
        let mut buffer = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = self.aead.open_in_place(nonce, Aad::from(aad), &mut buffer).ok()?;
        Some(plain.to_vec())
    }
}

impl Seal {
    /// The same seal, which also opens what `previous` sealed.
    pub fn with_previous(mut self, previous: Seal) -> Self {
        self.previous = Some(previous.current);
        self
    }

    /// Seals `plain`, bound to `aad`: it opens only where the same `aad` is given.
    pub fn seal(&self, aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; 12] = entropy::bytes();
        let mut out = Vec::with_capacity(13 + plain.len() + 16);
        out.push(self.current.id);
        out.extend_from_slice(&nonce);
        let mut body = plain.to_vec();
        self.current
            .aead
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut body)
            .expect("the text is shorter than AES-GCM's limit of 64 GiB");
        out.extend_from_slice(&body);
        out
    }

    /// Opens what [`Seal::seal`] sealed with the same `aad`; `None` if it was altered or sealed by another key.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (&id, rest) = sealed.split_first()?;
        let (nonce, body) = rest.split_first_chunk::<12>()?;
        let keys = std::iter::once(&self.current).chain(&self.previous);
        keys.filter(|key| key.id == id).find_map(|key| key.open(aad, *nonce, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_only_with_the_same_key_purpose_and_binding() {
        let master = MasterKey::new([1; 32]);
        let sealed = master.seal("a").seal(b"row 1", b"seed");
        assert_eq!(master.seal("a").open(b"row 1", &sealed).as_deref(), Some(&b"seed"[..]));
        assert_eq!(master.seal("a").open(b"row 2", &sealed), None);
        assert_eq!(master.seal("b").open(b"row 1", &sealed), None);
        assert_eq!(MasterKey::new([2; 32]).seal("a").open(b"row 1", &sealed), None);
    }

    #[test]
    fn an_altered_text_does_not_open() {
        let seal = MasterKey::new([1; 32]).seal("a");
        let mut sealed = seal.seal(b"", b"seed");
        for at in 0..sealed.len() {
            sealed[at] ^= 1;
            assert_eq!(seal.open(b"", &sealed), None, "byte {at}");
            sealed[at] ^= 1;
        }
        assert_eq!(seal.open(b"", &sealed[..5]), None);
    }

    #[test]
    fn what_the_previous_key_sealed_still_opens() {
        let old = MasterKey::new([1; 32]);
        let sealed = old.seal("a").seal(b"", b"seed");
        let new = MasterKey::new([2; 32]).seal("a").with_previous(old.seal("a"));
        assert_eq!(new.open(b"", &sealed).as_deref(), Some(&b"seed"[..]));
    }
}
