//! What programs prove themselves with: a signed assertion (RFC 7523 §3) or a client certificate (RFC 8705 §2.2); keeps no
//! secret, and is no way in for people, so it stands outside [`super::ALL`].

mod assertion;
mod kept;

pub use assertion::{ASSERTION_LIFE, Asserted, Expected, Wrong};
pub use kept::{Unfit, fingerprint, label, read};

use super::Verified;
use crate::identity::{FactorName, Kind, Kinds, Proof};
use crate::stdx::clock::Time;
use crate::stdx::digest::same;
use kept::Kept;

/// The word in records.
pub const NAME: FactorName = FactorName("client_key");

/// One kind, whichever of the two it is: a program's key is held.
const fn proof(at: Time) -> Proof {
    Proof { factor: NAME, kinds: Kinds::of(Kind::Possession), phishing_resistant: false, recovery: false, at }
}

/// Checks an assertion against one key's state.
///
/// # Errors
/// Why it is wrong; [`Wrong::Key`] too if the state is no key's.
pub fn verify_assertion(state: &[u8], assertion: &str, expected: Expected<'_>) -> Result<Asserted, Wrong> {
    match Kept::parse(state) {
        Some(Kept::Key(jwk)) => assertion::check(&jwk, assertion, expected),
        Some(Kept::Certificate(_)) | None => Err(Wrong::Key),
    }
}

/// Checks the SHA-256 of a certificate, whose key its holder has proved to have in the TLS handshake, against one
/// certificate's state.
pub fn verify_certificate(state: &[u8], presented: &[u8; 32], now: Time) -> Option<Verified> {
    match Kept::parse(state)? {
        Kept::Certificate(known) if same(&known, presented) => Some(Verified::new(proof(now), None)),
        Kept::Certificate(_) | Kept::Key(_) => None,
    }
}
