//! The only writer of sessions: opens, raises, lends to another host, and ends them; knows no page.

use super::{LiveSession, Reader, SessionToken};
use crate::audit::{Event, Recorder};
use crate::factor::Proven;
use crate::identity::{AccountId, Device, Session, SessionId};
use crate::stdx::clock::Time;
use crate::store::{Opening, Sessions, Unavailable};
use std::sync::Arc;

/// Writes sessions, and tells the reader before anybody is answered.
#[derive(Clone)]
pub struct Keeper {
    store: Arc<dyn Sessions>,
    reader: Arc<Reader>,
    recorder: Recorder,
}

impl Keeper {
    /// A keeper that writes to `store` and keeps `reader` honest.
    pub fn new(store: Arc<dyn Sessions>, reader: Arc<Reader>, recorder: Recorder) -> Self {
        Keeper { store, reader, recorder }
    }

    /// Opens a session for what was proven, with its first token, which is for `host`. Beyond `most` sessions of the
    /// account, others end. If the account is gone or disabled by now, the token finds no session.
    ///
    /// # Errors
    /// If the store cannot be written; then there is no session.
    pub async fn open(
        &self,
        proven: &Proven,
        device: Device,
        (host, most): (&str, Option<usize>),
        now: Time,
    ) -> Result<(SessionId, SessionToken), Unavailable> {
        let (account, proofs) = (proven.account(), proven.proofs().clone());
        let session = Session { id: SessionId::fresh(), account, proofs, created: now, used: now, device };
        let token = SessionToken::fresh();
        let opening = Opening { token: Some((token.hash(), host)), lender: None, most };
        let ended = self.store.open(&session, opening).await?;
        self.note_ended((account, &ended.unwrap_or_default()), "limit", now);
        Ok((session.id, token))
    }

    /// Opens a session that no cookie carries, for a program, by the approval of a session or by what the program itself
    /// proved. `None` if the account is gone or disabled by now, or the approving session has ended, wherever it did.
    ///
    /// # Errors
    /// If the store cannot be written; then there is no session.
    pub async fn open_for_program(
        &self,
        proven: &Proven,
        device: Device,
        (lender, most): (Option<SessionId>, Option<usize>),
        now: Time,
    ) -> Result<Option<SessionId>, Unavailable> {
        let (account, proofs) = (proven.account(), proven.proofs().clone());
        let session = Session { id: SessionId::fresh(), account, proofs, created: now, used: now, device };
        let ended = self.store.open(&session, Opening { token: None, lender, most }).await?;
        let Some(ended) = ended else { return Ok(None) };
        self.note_ended((account, &ended), "limit", now);
        Ok(Some(session.id))
    }

    /// Raises a session to what was proven since. Every token it had ends; the new one is for `host`.
    /// `None` if the session ended meanwhile, or is not the account's that was proven.
    ///
    /// # Errors
    /// If the store cannot be written; then nothing changed.
    pub async fn raise(
        &self,
        session: &LiveSession,
        proven: &Proven,
        host: &str,
    ) -> Result<Option<SessionToken>, Unavailable> {
        if session.account.id != proven.account() {
            return Ok(None);
        }
        let token = SessionToken::fresh();
        let raised = self.store.raise(session.id, proven.proofs(), token.hash(), host).await?;
        self.reader.forget(session.id);
        Ok(raised.then_some(token))
    }

    /// A token for a live session on one more host, in place of one it had there; `None` if the session ended
    /// meanwhile.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn lend(&self, session: SessionId, host: &str) -> Result<Option<SessionToken>, Unavailable> {
        let token = SessionToken::fresh();
        let lent = self.store.add_token(session, token.hash(), host).await?;
        self.reader.forget(session);
        Ok(lent.then_some(token))
    }

    /// Ends one session.
    ///
    /// # Errors
    /// If the store cannot be written; then the session lives on.
    pub async fn end(&self, session: SessionId) -> Result<(), Unavailable> {
        self.store.end(session).await?;
        self.reader.forget(session);
        Ok(())
    }

    /// Ends the sessions of an account, except one; gives how many.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn end_all(&self, account: AccountId, except: Option<SessionId>) -> Result<usize, Unavailable> {
        let theirs = self.store.of(account).await?;
        let ended = self.store.end_all(account, except).await?;
        theirs.iter().filter(|session| Some(session.id) != except).for_each(|session| self.reader.forget(session.id));
        Ok(ended)
    }

    /// Takes note of sessions that ended with something else, in one transaction.
    pub fn forget(&self, ended: &[SessionId]) {
        ended.iter().for_each(|session| self.reader.forget(*session));
    }

    /// The same of an account's sessions, and puts them on record.
    pub fn note_ended(&self, (account, ended): (AccountId, &[SessionId]), by: &'static str, now: Time) {
        self.forget(ended);
        for session in ended {
            self.recorder.report(now, Event::SessionEnded { account, session: *session, by });
        }
    }

    /// The sessions of an account, newest use first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn of(&self, account: AccountId) -> Result<Vec<Session>, Unavailable> {
        self.store.of(account).await
    }
}
