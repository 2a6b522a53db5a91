//! Credentials in memory.

use super::{Kept, Memory, State};
use crate::identity::{AccountId, Credential, CredentialId, SessionId};
use crate::stdx::clock::Time;
use crate::store::{Credentials, Enrolment, EnrolmentLink, Instead, OnceKind, Place, Reset, Result, Right};
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

    async fn by_handle(&self, handle: &[u8]) -> Result<Option<Credential>> {
        let state = self.state()?;
        Ok(state.credentials.iter().find(|held| held.handle.as_deref() == Some(handle)).cloned())
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
        if enrolment.credentials.iter().any(|credential| state.is_taken(credential, enrolment.place)) {
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
            state.throttles.retain(|whose, _| !whose.is_of(account, factor));
        }
        state.spend_all(account, OnceKind::Attempt);
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

    async fn rename(&self, id: CredentialId, account: AccountId, label: &str) -> Result<bool> {
        let mut state = self.state()?;
        let held = state.credentials.iter_mut().find(|held| held.id == id && held.account == account);
        Ok(held.map(|held| label.clone_into(&mut held.label)).is_some())
    }

    async fn remove(
        &self,
        id: CredentialId,
        by: SessionId,
        staying: &[CredentialId],
    ) -> Result<Option<Vec<SessionId>>> {
        let mut state = self.state()?;
        let Some(account) = state.sessions.get(&by).map(|session| session.account) else { return Ok(None) };
        let has = |id: &CredentialId| state.credentials.iter().any(|held| held.account == account && held.id == *id);
        if !has(&id) || !staying.iter().all(has) {
            return Ok(None);
        }
        state.credentials.retain(|held| held.id != id);
        state.spend_all(account, OnceKind::Attempt);
        Ok(Some(state.end_where(|session| session.account == account && session.id != by)))
    }

    async fn offer(&self, account: AccountId, link: &EnrolmentLink<'_>) -> Result<()> {
        let mut state = self.state()?;
        state.spend_all(account, OnceKind::Enrolment);
        if state.accounts.contains_key(&account) {
            state.keep_link(account, link);
        }
        Ok(())
    }

    async fn reset(&self, account: AccountId, instead: Instead<'_>) -> Result<Option<Reset>> {
        let mut state = self.state()?;
        if !state.accounts.contains_key(&account) {
            return Ok(None);
        }
        let credentials = state.credentials.extract_if(.., |held| held.account == account).collect();
        state.once.retain(|_, kept| kept.owner != Some(account));
        match instead {
            Instead::Nothing => {}
            Instead::Link(link) => state.keep_link(account, link),
            Instead::Credentials(given) => state.credentials.extend_from_slice(given),
        }
        let sessions = state.end_where(|session| session.account == account);
        Ok(Some(Reset { credentials, sessions }))
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

    /// Whether another credential, which stays, has the handle of this one.
    fn is_taken(&self, credential: &Credential, place: Place) -> bool {
        let goes = |held: &Credential| {
            place == Place::Instead && held.account == credential.account && held.factor == credential.factor
        };
        let same = |held: &&Credential| held.handle.is_some() && held.handle == credential.handle;
        self.credentials.iter().filter(same).any(|held| !goes(held))
    }

    fn spend_all(&mut self, account: AccountId, kind: OnceKind) {
        self.once.retain(|(of, _), kept| *of != kind || kept.owner != Some(account));
    }

    fn keep_link(&mut self, account: AccountId, link: &EnrolmentLink<'_>) {
        let kept = Kept { owner: Some(account), value: link.value.to_vec(), expires: link.expires };
        self.once.insert((OnceKind::Enrolment, link.key), kept);
    }
}
