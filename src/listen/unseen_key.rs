//! What stands for a private key that was not seen: it signs nothing, so no handshake with it succeeds.

use rustls::sign::{Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};

/// A key that nobody here has.
#[derive(Debug)]
pub struct UnseenKey;

impl SigningKey for UnseenKey {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        None
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::Anonymous
    }
}
