//! Signed and sealed statements: assertions to services, access tokens of programs and the proofs that go with them, and
//! the sealed ticket that carries a return address to the portal; knows no header it arrives in.

mod assertion;
mod bearer;
mod dpop;
mod jws;
mod key;
mod keyring;
mod replay;
mod strict;
mod ticket;

pub use assertion::{ASSERTION_LIFE, Audience, Mint};
pub use bearer::{AccessTokens, Grant};
pub use dpop::{ProofFault, Proofs, Proved};
pub use keyring::{KEY_LIFE, KeyFailure, Keyring};
pub use ticket::{Destination, TICKET_LIFE, Ticket, Tickets};

use jsonwebtoken::Header;
use serde::Serialize;

/// Signs claims with the key of the day; `None` if it cannot, which the operator is told.
fn sign(keys: &Keyring, mut header: Header, claims: &impl Serialize) -> Option<String> {
    let key = keys.current();
    header.kid = Some(key.kid.clone());
    let signed = jsonwebtoken::encode(&header, claims, &key.key);
    signed.inspect_err(|error| tracing::error!(%error, "cannot sign a token")).ok()
}
