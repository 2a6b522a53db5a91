//! Sessions and their tokens in memory.

use super::{Memory, Token};
use crate::identity::{Account, AccountId, AccountName, Proofs, Session, SessionId, SessionRules, TokenHash};
use crate::stdx::clock::Time;
use crate::store::{Change, Opened, Opening, Result, Sessions, beyond};
use async_trait::async_trait;
use std::cmp::Reverse;

#[async_trait]
impl Sessions for Memory {
    async fn open(&self, session: &Session, opening: Opening<'_>) -> Result<Option<Vec<SessionId>>> {
        let mut state = self.state()?;
        let lends = |id| state.sessions.get(&id).is_some_and(|lender| lender.account == session.account);
        let account = state.accounts.get(&session.account).filter(|account| !account.disabled);
        if account.is_none() || !opening.lender.is_none_or(lends) {
            return Ok(None);
        }
        let others = state.of(session.account).cloned().collect();
        let over = opening.most.map_or_else(Vec::new, |most| beyond(others, most));
        let ended = state.end_where(|held| over.contains(&held.id));
        state.sessions.insert(session.id, session.clone());
        if let Some((token, host)) = opening.token {
            state.tokens.insert(token, Token { session: session.id, host: host.to_owned() });
        }
        Ok(Some(ended))
    }

    async fn add_token(&self, id: SessionId, token: TokenHash, host: &str) -> Result<bool> {
        let mut state = self.state()?;
        if !state.sessions.contains_key(&id) {
            return Ok(false);
        }
        let before = state.tokens.len();
        state.tokens.retain(|_, held| held.session != id || held.host != host);
        if state.tokens.len() < before {
            state.note(Change::SessionRaised(id));
        }
        state.tokens.insert(token, Token { session: id, host: host.to_owned() });
        Ok(true)
    }

    async fn by_id(&self, id: SessionId) -> Result<Option<(Session, Account)>> {
        let state = self.state()?;
        let session = state.sessions.get(&id).cloned();
        Ok(session.and_then(|session| Some((session.clone(), state.accounts.get(&session.account)?.clone()))))
    }

    async fn by_token(&self, token: &TokenHash) -> Result<Option<Opened>> {
        let state = self.state()?;
        let Some(token) = state.tokens.get(token) else { return Ok(None) };
        let Some(session) = state.sessions.get(&token.session) else { return Ok(None) };
        let account = state.accounts.get(&session.account);
        Ok(account.map(|account| Opened {
            session: session.clone(),
            account: account.clone(),
            host: token.host.clone(),
        }))
    }

    async fn raise(&self, id: SessionId, proofs: &Proofs, token: TokenHash, host: &str) -> Result<bool> {
        let mut state = self.state()?;
        let Some(session) = state.sessions.get_mut(&id) else { return Ok(false) };
        session.proofs = proofs.clone();
        state.tokens.retain(|_, held| held.session != id);
        state.tokens.insert(token, Token { session: id, host: host.to_owned() });
        state.note(Change::SessionRaised(id));
        Ok(true)
    }

    async fn end(&self, id: SessionId) -> Result<bool> {
        Ok(!self.state()?.end_where(|session| session.id == id).is_empty())
    }

    async fn end_all(&self, account: AccountId, except: Option<SessionId>) -> Result<usize> {
        Ok(self.state()?.end_where(|session| session.account == account && Some(session.id) != except).len())
    }

    async fn end_every(&self) -> Result<usize> {
        Ok(self.state()?.end_where(|_| true).len())
    }

    async fn of(&self, account: AccountId) -> Result<Vec<Session>> {
        let state = self.state()?;
        let mut of: Vec<Session> = state.of(account).cloned().collect();
        of.sort_by_key(|session| Reverse(session.used));
        Ok(of)
    }

    async fn list(&self, limit: usize) -> Result<Vec<(AccountName, Session)>> {
        let state = self.state()?;
        let name = |session: &Session| state.accounts.get(&session.account).map(|account| account.name.clone());
        let mut all: Vec<_> = state.sessions.values().filter_map(|held| Some((name(held)?, held.clone()))).collect();
        all.sort_by_key(|(_, session)| Reverse(session.used));
        all.truncate(limit);
        Ok(all)
    }

    async fn touch(&self, uses: &[(SessionId, Time)]) -> Result<()> {
        let mut state = self.state()?;
        for (id, used) in uses {
            if let Some(session) = state.sessions.get_mut(id) {
                session.used = session.used.max(*used);
            }
        }
        Ok(())
    }

    async fn sweep(&self, now: Time, rules: SessionRules) -> Result<usize> {
        Ok(self.state()?.end_where(|session| rules.end_of(session.created, session.used) <= now).len())
    }
}
