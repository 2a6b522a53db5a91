//! One-time values in memory.

use super::{Kept, Memory};
use crate::identity::AccountId;
use crate::stdx::clock::Time;
use crate::store::{Once, OnceKind, Result};
use async_trait::async_trait;

#[async_trait]
impl Once for Memory {
    async fn put(
        &self,
        kind: OnceKind,
        key: [u8; 32],
        owner: Option<AccountId>,
        value: &[u8],
        expires: Time,
    ) -> Result<()> {
        let mut state = self.state()?;
        if owner.is_none_or(|owner| state.accounts.contains_key(&owner)) {
            state.once.insert((kind, key), Kept { owner, value: value.to_vec(), expires });
        }
        Ok(())
    }

    async fn mark(&self, kind: OnceKind, key: [u8; 32], (now, expires): (Time, Time)) -> Result<bool> {
        let mut state = self.state()?;
        let is_new = state.once.get(&(kind, key)).is_none_or(|kept| kept.expires <= now);
        if is_new {
            state.once.insert((kind, key), Kept { owner: None, value: Vec::new(), expires });
        }
        Ok(is_new)
    }

    async fn peek(&self, kind: OnceKind, key: [u8; 32], now: Time) -> Result<Option<Vec<u8>>> {
        let state = self.state()?;
        let kept = state.once.get(&(kind, key)).filter(|kept| now < kept.expires);
        Ok(kept.map(|kept| kept.value.clone()))
    }

    async fn take(&self, kind: OnceKind, key: [u8; 32], now: Time) -> Result<Option<Vec<u8>>> {
        let kept = self.state()?.once.remove(&(kind, key));
        Ok(kept.filter(|kept| now < kept.expires).map(|kept| kept.value))
    }

    async fn until(&self, kind: OnceKind, owner: AccountId, now: Time) -> Result<Option<Time>> {
        let state = self.state()?;
        let theirs = state.once.iter().filter(|((of, _), kept)| *of == kind && kept.owner == Some(owner));
        Ok(theirs.map(|(_, kept)| kept.expires).filter(|expires| now < *expires).max())
    }

    async fn sweep(&self, now: Time) -> Result<usize> {
        let mut state = self.state()?;
        let before = state.once.len();
        state.once.retain(|_, kept| now < kept.expires);
        Ok(before - state.once.len())
    }
}
