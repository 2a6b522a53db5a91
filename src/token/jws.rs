//! A signed token in its compact form (RFC 7515 §7.1), read strictly and before any cryptography; looks for no key.

use super::key::PublicKey;
use super::strict::{Object, object, text};
use data_encoding::BASE64URL_NOPAD;

/// Longer tokens are not read. Ours have about 700 bytes, proofs about 500.
pub const LONGEST: usize = 4 * 1024;

/// The one algorithm that tokens are signed with (RFC 8725 §3.1): never what a token says.
const ALGORITHM: &str = "ES256";

/// A signed token whose signature was not looked at yet.
pub struct Jws<'t> {
    /// The header.
    pub header: Object,
    /// The claims.
    pub claims: Object,
    signed: &'t [u8],
    signature: Vec<u8>,
}

impl<'t> Jws<'t> {
    /// Reads a token of one type (RFC 8725 §3.11). `None` if it is anything but three canonical parts, asks for an
    /// extension (`crit`), or names another algorithm.
    pub fn parse(token: &'t [u8], typ: &str) -> Option<Self> {
        if token.len() > LONGEST {
            return None;
        }
        let mut parts = token.split(|byte| *byte == b'.');
        let [header, claims, signature] = std::array::from_fn(|_| parts.next());
        let (header, claims, signature) = (header?, claims?, signature?);
        if parts.next().is_some() {
            return None;
        }
        let signed = &token[..header.len() + 1 + claims.len()];
        let decode = |part: &[u8]| BASE64URL_NOPAD.decode(part).ok();
        let (header, claims) = (object(&decode(header)?)?, object(&decode(claims)?)?);
        let known = text(&header, "alg") == Some(ALGORITHM) && text(&header, "typ") == Some(typ);
        if !known || header.contains_key("crit") {
            return None;
        }
        Some(Jws { header, claims, signed, signature: decode(signature)? })
    }

    /// Whether this key signed it.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.signed(self.signed, &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(header: &str, claims: &str) -> String {
        let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        format!("{}.{}.{}", part(header), part(claims), BASE64URL_NOPAD.encode(&[0; 64]))
    }

    fn reads(token: &str) -> bool {
        Jws::parse(token.as_bytes(), "at+jwt").is_some()
    }

    const HEADER: &str = r#"{"alg":"ES256","typ":"at+jwt"}"#;

    #[test]
    fn only_the_one_algorithm_and_type_are_read() {
        assert!(reads(&token(HEADER, "{}")));
        for odd in [
            r#"{"alg":"none","typ":"at+jwt"}"#,
            r#"{"alg":"None","typ":"at+jwt"}"#,
            r#"{"alg":"nOnE","typ":"at+jwt"}"#,
            r#"{"alg":"HS256","typ":"at+jwt"}"#,
            r#"{"alg":"es256","typ":"at+jwt"}"#,
            r#"{"alg":["ES256"],"typ":"at+jwt"}"#,
            r#"{"typ":"at+jwt"}"#,
            r#"{"alg":"ES256"}"#,
            r#"{"alg":"ES256","typ":"JWT"}"#,
            r#"{"alg":"ES256","typ":"dpop+jwt"}"#,
            r#"{"alg":"ES256","typ":"at+jwt","crit":["exp"]}"#,
            r#"{"alg":"ES256","typ":"at+jwt","crit":[]}"#,
            r#"{"alg":"none","alg":"ES256","typ":"at+jwt"}"#,
        ] {
            assert!(!reads(&token(odd, "{}")), "{odd}");
        }
    }

    #[test]
    fn anything_but_three_canonical_parts_is_refused() {
        let whole = token(HEADER, "{}");
        let two = whole.rsplit_once('.').expect("parts").0;
        for odd in [
            two.to_owned(),
            format!("{two}."),
            format!("{whole}."),
            format!("{whole}.AA"),
            format!("{whole}="),
            format!(" {whole}"),
            whole.replace("AA", "A+"),
            format!("{}B", &whole[..whole.len() - 1]),
            String::new(),
            "..".to_owned(),
        ] {
            // A missing signature is read as an empty one, which no key has made.
            let read = Jws::parse(odd.as_bytes(), "at+jwt").is_some_and(|read| !read.signature.is_empty());
            assert!(!read, "{odd}");
        }
        assert!(!reads(&token(HEADER, &format!(r#"{{"a":"{}"}}"#, "a".repeat(LONGEST)))));
    }

    proptest! {
        #[test]
        fn no_made_up_token_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Jws::parse(&bytes, "at+jwt");
        }

        #[test]
        fn nor_one_with_made_up_parts(header in ".{0,60}", claims in ".{0,60}") {
            let _ = Jws::parse(token(&header, &claims).as_bytes(), "at+jwt");
        }
    }
}
