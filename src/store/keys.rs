//! What a store knows of keys: the fingerprint of the one it was made with, and the signing keys, sealed; opens none.

use super::Result;
use crate::stdx::clock::Time;
use async_trait::async_trait;

/// A signing key as it is kept: only who sealed it can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedKey {
    /// Counted from 1; each number is given to one key.
    pub number: u64,
    /// When it was made.
    pub made: Time,
    /// The key.
    pub sealed: Vec<u8>,
}

/// What a store knows of keys.
#[async_trait]
pub trait Keys: Send + Sync {
    /// The fingerprint of the master key that the store was made with; `None` if nobody said.
    async fn master(&self) -> Result<Option<[u8; 32]>>;
    /// Says what the master key's fingerprint is, once and for all; gives the one that was said first.
    async fn settle_master(&self, fingerprint: [u8; 32]) -> Result<[u8; 32]>;
    /// The signing keys, newest first.
    async fn signing(&self) -> Result<Vec<SealedKey>>;
    /// Adds the signing key that comes next, and forgets all but the newest `kept`. `false`, and nothing changes, if
    /// there is one of that number already or its number is not the next: of several who make a key at once, one does.
    async fn add_signing(&self, key: &SealedKey, kept: usize) -> Result<bool>;
}
