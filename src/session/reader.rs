//! The hot path's reader: a bounded cache of live sessions, the store only on a miss; never writes a session.

mod bearer;

#[cfg(test)]
mod tests;

pub use bearer::{Bearer, Carried, Known, Thumbprint};

use super::LiveSession;
use super::barred::{Barred, Bars};
use crate::identity::{Account, AccountId, Session, SessionId, SessionRules, TokenHash};
use crate::stdx::bounded::BoundedMap;
use crate::stdx::clock::Time;
use crate::stdx::hash::FastState;
use crate::store::{Change, Sessions, Unavailable};
use dashmap::DashMap;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Tokens kept in memory. At about half a kibibyte each, the most they take is half a gigabyte.
const CACHED_TOKENS: usize = 1_000_000;

/// Store reads at once: a flood of made-up tokens waits here and never becomes a flood on the store.
const READS_AT_ONCE: usize = 32;

/// Store reads that may wait; beyond that the answer is "unavailable" at once.
const READS_WAITING: usize = 1_024;

/// How long the feed may not even look: as long as it may hear nothing, and one look more, which gives up after
/// seconds.
const FROZEN: Duration = Duration::from_secs(70);

/// Reads live sessions by token.
pub struct Reader {
    tokens: BoundedMap<TokenHash, Arc<Entry>, FastState>,
    /// The sessions behind the cached tokens, so that several hosts share one. Written on a miss and by the feed.
    sessions: DashMap<SessionId, Arc<LiveSession>>,
    store: Arc<dyn Sessions>,
    gate: Semaphore,
    /// Misses that wait at the gate.
    waiting: AtomicU64,
    /// Raised by every change that was applied: a store reading older than the newest change is not kept.
    epoch: AtomicU64,
    /// Set by the feed when it has not heard from the store for too long: then nobody may be believed.
    blind: AtomicBool,
    /// When the feed last looked, in milliseconds since `origin`: if it does not look at all any more, nobody may be
    /// believed either. Written by the feed, read by requests.
    looked: AtomicU64,
    origin: Instant,
    /// What an operator ended without the store. Written by orders, read by requests.
    bars: Bars,
    /// Uses not yet written down, by session. Written by requests at most every few seconds each, taken by the feed's
    /// task; never held across an await.
    uses: Mutex<HashMap<SessionId, Time>>,
}

struct Entry {
    session: Arc<LiveSession>,
    scope: Scope,
}

/// Where a token opens its session.
enum Scope {
    /// On one host, as a cookie.
    Cookie(Box<str>),
    /// As a bearer token.
    Bearer(Arc<Bearer>),
}

impl Scope {
    /// Whether it may open anything from now on, if its session lives.
    fn is_open(&self, now: Time) -> bool {
        match self {
            Scope::Cookie(_) => true,
            Scope::Bearer(bearer) => now < bearer.until,
        }
    }
}

/// A token and where it was presented.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// The token's hash.
    pub token: &'a TokenHash,
    /// The canonical host it came to.
    pub host: &'a str,
    /// When.
    pub now: Time,
    /// When sessions end.
    pub rules: SessionRules,
}

impl Reader {
    /// A reader with an empty cache.
    pub fn new(store: Arc<dyn Sessions>) -> Self {
        Reader {
            tokens: BoundedMap::hashed(CACHED_TOKENS),
            sessions: DashMap::new(),
            store,
            gate: Semaphore::new(READS_AT_ONCE),
            waiting: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            blind: AtomicBool::new(false),
            looked: AtomicU64::new(0),
            origin: Instant::now(),
            bars: Bars::default(),
            uses: Mutex::new(HashMap::new()),
        }
    }

    /// The live session that a cookie's token opens on a host, if it does. No await is reached when the session is cached.
    ///
    /// # Errors
    /// If the session is not cached and the store cannot be asked, or the store was silent for too long.
    pub async fn read(&self, reading: Reading<'_>) -> Result<Option<Arc<LiveSession>>, Unavailable> {
        self.check_sight()?;
        let entry = match self.tokens.get(reading.token) {
            // One that seems to be over is read again too: it may have been used through another process.
            Some(entry) if !entry.session.is_stale() && entry.session.lives(reading.now, reading.rules) => entry,
            // Boxed, because it is large: a request whose session is cached must not carry room for it.
            Some(_) | None => match Box::pin(self.load(reading.token)).await? {
                Some(entry) => entry,
                None => return Ok(None),
            },
        };
        match &entry.scope {
            Scope::Cookie(host) if **host == *reading.host => Ok(self.admit(&entry.session, &reading)),
            Scope::Cookie(_) | Scope::Bearer(_) => Ok(None),
        }
    }

    /// Believes nobody if the store was silent for too long.
    fn check_sight(&self) -> Result<(), Unavailable> {
        match self.is_blind() {
            true => Err(Unavailable("no word from it for too long, so no session can be trusted".to_owned())),
            false => Ok(()),
        }
    }

    fn admit(&self, session: &Arc<LiveSession>, reading: &Reading<'_>) -> Option<Arc<LiveSession>> {
        if !session.lives(reading.now, reading.rules) || self.bars.hold(session) {
            return None;
        }
        self.note_use(session, reading.now);
        Some(session.clone())
    }

    /// Notes that a session was used, by a request or by what a client sends on an open stream.
    pub fn note_use(&self, session: &LiveSession, now: Time) {
        if session.touch(now) {
            let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
            uses.insert(session.id, now);
        }
    }

    async fn load(&self, token: &TokenHash) -> Result<Option<Arc<Entry>>, Unavailable> {
        let _turn = self.turn().await?;
        let before = self.epoch.load(Ordering::Acquire);
        let Some(opened) = self.store.by_token(token).await? else {
            self.tokens.remove(token);
            return Ok(None);
        };
        let session = self.keep((opened.session, opened.account), before);
        Ok(Some(self.remember_token(token, session, Scope::Cookie(opened.host.into()))))
    }

    /// A turn to ask the store.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, Unavailable> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= READS_WAITING as u64 {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Unavailable("too many sessions are being read".to_owned()));
        }
        let permit = self.gate.acquire().await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        permit.map_err(|_| Unavailable("stopping".to_owned()))
    }

    /// Keeps a session as the store had it; `before` is the epoch when it was asked.
    fn keep(&self, (session, account): (Session, Account), before: u64) -> Arc<LiveSession> {
        let fresh = Arc::new(LiveSession::new(session, account));
        let session = {
            let mut slot = self.sessions.entry(fresh.id).or_insert_with(|| fresh.clone());
            if slot.is_stale() || slot.proofs != fresh.proofs {
                // Tokens that still hold the old one must read again: no change would ever reach it any more.
                slot.mark_stale();
                fresh.used_at(slot.used());
                *slot = fresh.clone();
            }
            slot.used_at(fresh.used());
            slot.clone()
        };
        if self.epoch.load(Ordering::Acquire) != before {
            // A change came in while we read: what we hold may be from before it. It serves this request, whose
            // reading began before the change was known, and is read again by the next.
            session.mark_stale();
        }
        session
    }

    fn remember_token(&self, token: &TokenHash, session: Arc<LiveSession>, scope: Scope) -> Arc<Entry> {
        let entry = Arc::new(Entry { session, scope });
        self.tokens.insert(*token, entry.clone());
        entry
    }

    /// Takes note of a change: whatever it is about is read again at its next use.
    pub fn apply(&self, change: Change) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        match change {
            Change::Account(account) => self.forget_account(account),
            Change::SessionEnded(session) | Change::SessionRaised(session) => self.forget(session),
        }
    }

    /// Refuses sessions from now on, whatever the store says, for as long as this process lives.
    pub fn bar(&self, barred: Barred, now: Time) {
        self.bars.add(barred, now);
        self.apply(match barred {
            Barred::Session(session) => Change::SessionEnded(session),
            Barred::Account(account) => Change::Account(account),
        });
    }

    /// Lets go of the order to refuse a session, because the store has it ended.
    pub fn unbar_session(&self, session: SessionId) {
        self.bars.lift_session(session);
    }

    /// Lets go of the order to refuse an account's sessions that were opened until then, because the store has them ended:
    /// what is known of them is read again at its next use.
    pub fn unbar_account(&self, account: AccountId, until: Time) {
        self.apply(Change::Account(account));
        self.bars.lift_account(account, until);
    }

    /// The accounts whose sessions are refused, each with until when those were opened.
    pub fn barred_accounts(&self) -> Vec<(AccountId, Time)> {
        self.bars.accounts()
    }

    /// How many orders to refuse sessions are in force.
    pub fn barred(&self) -> usize {
        self.bars.len()
    }

    /// Forgets what is known of one session, before the answer to whoever changed it goes out. Only its last use is
    /// remembered: the store may not know of it yet.
    pub fn forget(&self, session: SessionId) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        if let Some(session) = self.sessions.get(&session) {
            session.mark_stale();
        }
    }

    fn forget_account(&self, account: AccountId) {
        self.sessions.iter().filter(|session| session.account.id == account).for_each(|session| session.mark_stale());
    }

    /// Lets go of tokens and sessions that are stale or over, and of sessions that no cached token opens.
    pub fn sweep(&self, now: Time, rules: SessionRules) {
        let wanted = |session: &LiveSession| !session.is_stale() && session.lives(now, rules);
        self.tokens.retain(|_, entry| wanted(&entry.session) && entry.scope.is_open(now));
        let uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        self.sessions
            .retain(|id, session| uses.contains_key(id) || (wanted(session) && Arc::strong_count(session) > 1));
    }

    /// The uses noted since the last call.
    pub fn take_uses(&self) -> Vec<(SessionId, Time)> {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *uses).into_iter().collect()
    }

    /// Puts back uses that could not be written.
    pub fn return_uses(&self, unwritten: Vec<(SessionId, Time)>) {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        for (session, at) in unwritten {
            let held = uses.entry(session).or_insert(at);
            *held = (*held).max(at);
        }
    }

    /// Notes that the feed is alive, whatever it heard.
    pub fn note_look(&self) {
        let now = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.looked.store(now, Ordering::Relaxed);
    }

    /// Whether the store was silent for too long, as the feed judges.
    pub fn set_blind(&self, blind: Blind) {
        self.blind.store(blind == Blind::Yes, Ordering::Release);
    }

    /// Whether nobody is believed at the moment.
    pub fn is_blind(&self) -> bool {
        let looked = Duration::from_millis(self.looked.load(Ordering::Relaxed));
        self.blind.load(Ordering::Acquire) || self.origin.elapsed().saturating_sub(looked) > FROZEN
    }

    /// How many tokens are cached.
    pub fn cached(&self) -> usize {
        self.tokens.len()
    }
}

/// Whether the feed still hears from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blind {
    /// It does not.
    Yes,
    /// It does.
    No,
}
