//! Credentials in memory.

use super::{Memory, State};
use crate::identity::{AccountId, Credential, CredentialId, SessionId};
use crate::stdx::clock::Time;
use crate::store::{Credentials, Enrolment, OnceKind, Place, Result, Right, Throttled};
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

    async fn enrol(&self, enrolment: &Enrolment<'_>, now: Time) -> Result<Option<Vec<SessionId>>> {
        let mut state = self.state()?;
        let account = enrolment.account;
        if state.accounts.get(&account).is_none_or(|account| account.disabled) || !state.allows(enrolment, now) {
            return Ok(None);
        }
        if let Right::Link(link) = enrolment.right {
            state.once.remove(&(OnceKind::Enrolment, link));
        }
        for credential in enrolment.credentials {
            let factor = credential.factor;
            if enrolment.place == Place::Instead {
                state.credentials.retain(|held| held.account != account || held.factor != factor);
            }
            state.credentials.push(credential.clone());
            state.throttles.remove(&Throttled::Account(account, factor));
        }
        state.spend_attempts(account);
        Ok(Some(state.end_where(|session| session.account == account && Right::Session(session.id) != enrolment.right)))
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
        let removed = state.credentials.len() < before;
        if removed {
            state.spend_attempts(account);
        }
        Ok(removed)
    }

    async fn clear(&self, account: AccountId) -> Result<()> {
        self.state()?.credentials.retain(|held| held.account != account);
        Ok(())
    }
}

impl State {
    /// Whether the right of an enrolment still holds.
    fn allows(&self, enrolment: &Enrolment<'_>, now: Time) -> bool {
        match enrolment.right {
            Right::Link(link) => self.once.get(&(OnceKind::Enrolment, link)).is_some_and(|kept| now < kept.expires),
            Right::Session(id) => self.sessions.get(&id).is_some_and(|session| session.account == enrolment.account),
        }
    }

    fn spend_attempts(&mut self, account: AccountId) {
        self.once.retain(|(kind, _), kept| *kind != OnceKind::Attempt || kept.owner != Some(account));
    }
}
