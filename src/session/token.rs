//! Secret tokens of 256 random bits and their text; the store only ever sees a token's hash.

use crate::identity::TokenHash;
use crate::stdx::{digest, entropy};
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

/// A token of 256 random bits: what opens a session, continues an attempt, enrols, or hands a session over.
#[derive(Clone)]
pub struct SecretToken(Zeroizing<[u8; 32]>);

/// The token that opens a session.
pub type SessionToken = SecretToken;

impl SecretToken {
    /// How many characters the text has.
    pub const LENGTH: usize = 43;

    /// A token from 256 bits that the caller drew at random.
    pub fn new(bits: [u8; 32]) -> Self {
        SecretToken(Zeroizing::new(bits))
    }

    /// A fresh token.
    pub fn fresh() -> Self {
        Self::new(entropy::bytes())
    }

    /// Reads the text strictly: 43 characters of canonical base64url, nothing around them.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != Self::LENGTH {
            return None;
        }
        let mut bits = Zeroizing::new([0; 32]);
        let written = BASE64URL_NOPAD.decode_mut(text, &mut bits[..]).ok()?;
        (written == bits.len()).then(|| SecretToken(bits))
    }

    /// The text, for a cookie or a link.
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64URL_NOPAD.encode(&self.0[..]))
    }

    /// SHA-256 of the token: what the store and the cache know it by.
    pub fn hash(&self) -> TokenHash {
        TokenHash(digest::sha256(&self.0[..]))
    }
}

impl std::fmt::Debug for SecretToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_as_printed() {
        let token = SecretToken::fresh();
        let read = SecretToken::parse(token.text().as_bytes()).expect("its own text");
        assert_eq!(read.hash(), token.hash());
    }

    #[test]
    fn anything_but_43_canonical_characters_is_refused() {
        let text = SecretToken::new([0; 32]).text();
        assert!(SecretToken::parse(format!("{}=", text.as_str()).as_bytes()).is_none());
        assert!(SecretToken::parse(b"").is_none());
        assert!(SecretToken::parse(&[b'%'; 43]).is_none());
        assert!(SecretToken::parse(format!("{}B", &text[..42]).as_bytes()).is_none(), "trailing bits must be zero");
    }
}
