//! What a store in memory knows of keys.

use super::Memory;
use crate::store::{Keys, Result, SealedKey};
use async_trait::async_trait;

#[async_trait]
impl Keys for Memory {
    async fn master(&self) -> Result<Option<[u8; 32]>> {
        Ok(self.state()?.master)
    }

    async fn settle_master(&self, fingerprint: [u8; 32]) -> Result<[u8; 32]> {
        Ok(*self.state()?.master.get_or_insert(fingerprint))
    }

    async fn signing(&self) -> Result<Vec<SealedKey>> {
        Ok(self.state()?.signing.clone())
    }

    async fn add_signing(&self, key: &SealedKey, kept: usize) -> Result<bool> {
        let mut state = self.state()?;
        let next = state.signing.first().map_or(1, |newest| newest.number + 1);
        if key.number == next {
            state.signing.insert(0, key.clone());
            state.signing.truncate(kept);
        }
        Ok(key.number == next)
    }
}
