//! The engine that keeps everything in memory and forgets it with the process; for tests and demonstrations.

mod accounts;
mod credentials;
mod keys;
mod once;
mod records;
mod sessions;
mod throttles;

use super::counter::Counter;
use super::{Chain, Change, EventRow, FileId, Ground, OnceKind, Result, SealedKey, Store, Throttled, Unavailable};
use crate::identity::{Account, AccountId, Credential, Session, SessionId, TokenHash};
use crate::stdx::clock::{Clock, SystemClock, Time};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// An empty store.
pub fn open() -> Store {
    let memory = Memory::default();
    Store {
        accounts: Arc::new(memory.clone()),
        credentials: Arc::new(memory.clone()),
        sessions: Arc::new(memory.clone()),
        once: Arc::new(memory.clone()),
        throttles: Arc::new(memory.clone()),
        events: Arc::new(memory.clone()),
        changes: Arc::new(memory.clone()),
        keys: Arc::new(memory.clone()),
        ground: Arc::new(memory),
    }
}

#[derive(Clone, Default)]
struct Memory {
    /// Every trait reads and writes this under one lock, which makes each call one transaction; never held across an
    /// await.
    state: Arc<Mutex<State>>,
    /// What events are chained under: what was said first, or a key of its own that goes with the process.
    chain: Arc<OnceLock<Chain>>,
}

#[derive(Default)]
struct State {
    accounts: HashMap<AccountId, Account>,
    /// In the order in which they were added.
    credentials: Vec<Credential>,
    sessions: HashMap<SessionId, Session>,
    tokens: HashMap<TokenHash, Token>,
    once: HashMap<(OnceKind, [u8; 32]), Kept>,
    throttles: HashMap<Throttled, Counter>,
    /// Each with its hash.
    events: Vec<(EventRow, [u8; 32])>,
    changes: Vec<Changed>,
    /// The number of the newest change, though it may be forgotten.
    newest_change: u64,
    /// The master key's fingerprint, once it was said.
    master: Option<[u8; 32]>,
    /// Newest first.
    signing: Vec<SealedKey>,
}

struct Token {
    session: SessionId,
    host: String,
}

/// A one-time value.
struct Kept {
    owner: Option<AccountId>,
    value: Vec<u8>,
    expires: Time,
}

struct Changed {
    number: u64,
    at: Time,
    what: Change,
}

impl Memory {
    /// The state; unavailable for ever if a caller panicked while changing it.
    fn state(&self) -> Result<MutexGuard<'_, State>> {
        self.state.lock().map_err(|_| Unavailable("a change to it was interrupted by a panic".to_owned()))
    }
}

/// Memory goes nowhere.
#[async_trait]
impl Ground for Memory {
    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn files(&self) -> Vec<(String, FileId)> {
        Vec::new()
    }

    async fn write_back(&self) -> Result<()> {
        Ok(())
    }
}

impl State {
    /// Appends to the feed. Its time only serves to forget old changes, so the system's clock does.
    fn note(&mut self, what: Change) {
        self.newest_change += 1;
        self.changes.push(Changed { number: self.newest_change, at: SystemClock.now(), what });
    }

    /// The sessions of an account.
    fn of(&self, account: AccountId) -> impl Iterator<Item = &Session> {
        self.sessions.values().filter(move |held| held.account == account)
    }

    /// Ends the sessions for which `over` says so; gives them.
    fn end_where(&mut self, over: impl Fn(&Session) -> bool) -> Vec<SessionId> {
        let ended: Vec<SessionId> = self.sessions.values().filter(|held| over(held)).map(|held| held.id).collect();
        for id in &ended {
            self.sessions.remove(id);
            self.note(Change::SessionEnded(*id));
        }
        self.tokens.retain(|_, token| !ended.contains(&token.session));
        ended
    }
}
