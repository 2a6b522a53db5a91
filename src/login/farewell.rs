//! Where codes went until it was removed, kept for a while: the news of a removal goes there as well, since whoever
//! removed it may be somebody else.

use crate::factor::message;
use crate::identity::{Credential, CredentialId};
use crate::stdx::clock::Time;
use crate::stdx::digest::sha256;
use crate::store::{Once, OnceKind, Store, Unavailable};
use std::time::Duration;

/// How long it is kept: news older than this are told to nobody.
pub const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Keeps the places among these, sealed as they were.
///
/// # Errors
/// If the store cannot be written.
pub(super) async fn keep(store: &Store, gone: &[Credential], now: Time) -> Result<(), Unavailable> {
    for credential in gone.iter().filter(|gone| gone.factor == message::NAME) {
        store.once.put(OnceKind::Farewell, key(credential.id), None, &credential.state, now.plus(KEPT)).await?;
    }
    Ok(())
}

/// The state of a credential that was removed; `None` if it sent no codes, or that is long ago.
///
/// # Errors
/// If the store cannot be read.
pub async fn state(once: &dyn Once, id: CredentialId, now: Time) -> Result<Option<Vec<u8>>, Unavailable> {
    once.peek(OnceKind::Farewell, key(id), now).await
}

fn key(id: CredentialId) -> [u8; 32] {
    sha256(&id.bits())
}
