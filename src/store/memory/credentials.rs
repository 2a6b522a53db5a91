//! Credentials in memory.

use super::Memory;
use crate::identity::{AccountId, Credential, CredentialId};
use crate::stdx::clock::Time;
use crate::store::{Credentials, OnceKind, Result};
use async_trait::async_trait;

#[async_trait]
impl Credentials for Memory {
    async fn of(&self, account: AccountId) -> Result<Vec<Credential>> {
        let state = self.state()?;
        let mut of: Vec<Credential> =
            state.credentials.iter().filter(|held| held.account == account).cloned().collect();
        of.sort_by_key(|held| held.created);
        Ok(of)
    }

    async fn add(&self, credential: &Credential) -> Result<()> {
        let mut state = self.state()?;
        if state.accounts.contains_key(&credential.account) {
            state.credentials.push(credential.clone());
        }
        Ok(())
    }

    async fn enrol(&self, credentials: &[Credential], link: Option<[u8; 32]>, now: Time) -> Result<bool> {
        let mut state = self.state()?;
        if let Some(link) = link {
            let spent = state.once.remove(&(OnceKind::Enrolment, link));
            if spent.is_none_or(|kept| now >= kept.expires) {
                return Ok(false);
            }
        }
        for credential in credentials {
            state.credentials.retain(|held| held.account != credential.account || held.factor != credential.factor);
            if state.accounts.contains_key(&credential.account) {
                state.credentials.push(credential.clone());
            }
        }
        Ok(true)
    }

    async fn advance(&self, id: CredentialId, version: u64, new: &[u8], used: Time) -> Result<bool> {
        let mut state = self.state()?;
        let held = state.credentials.iter_mut().find(|held| held.id == id && held.version == version);
        let Some(credential) = held else { return Ok(false) };
        credential.state = new.to_vec();
        credential.used = Some(used);
        credential.version = credential.version.saturating_add(1);
        Ok(true)
    }

    async fn remove(&self, account: AccountId, id: CredentialId) -> Result<bool> {
        let mut state = self.state()?;
        let before = state.credentials.len();
        state.credentials.retain(|held| held.account != account || held.id != id);
        Ok(state.credentials.len() < before)
    }

    async fn clear(&self, account: AccountId) -> Result<()> {
        self.state()?.credentials.retain(|held| held.account != account);
        Ok(())
    }
}
