//! What an account holds to prove itself: a named, dated, opaque state of one factor; knows no factor's inside.

use super::{AccountId, FactorName};
use crate::stdx::clock::Time;

crate::id!(
    /// Names one credential of one account.
    CredentialId,
    "crd"
);

/// One credential: a password, an authenticator app, a passkey, a set of recovery codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Never changes.
    pub id: CredentialId,
    /// Whose it is.
    pub account: AccountId,
    /// Which factor reads its state.
    pub factor: FactorName,
    /// What the person calls it.
    pub label: String,
    /// When it was enrolled.
    pub created: Time,
    /// When it last proved something.
    pub used: Option<Time>,
    /// What whoever holds it presents it by, if anything; no two credentials of any accounts have the same.
    pub handle: Option<Vec<u8>>,
    /// Written and read by its factor alone; secrets in it are hashed or sealed.
    pub state: Vec<u8>,
    /// Raised by the store at each change of `state`, so that a change made from an older reading is refused.
    pub version: u64,
}
