//! A session as the hot path holds it: shared, immutable but for two atomics and a memo; knows no store.

use crate::identity::{Account, Device, Proofs, Session, SessionId, SessionRules};
use crate::stdx::clock::Time;
use crate::stdx::memo::Memo;
use http::HeaderValue;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How much later a use must be than the one on record to be recorded: idle times are minutes, so seconds are exact
/// enough, and a busy session writes nothing on most requests.
const USE_GRAIN_MILLIS: u64 = 5_000;

/// A live session.
pub struct LiveSession {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub account: Account,
    /// What was proved.
    pub proofs: Proofs,
    /// When it was opened.
    pub created: Time,
    /// Where it was opened.
    pub device: Device,
    /// What services were last told of it.
    pub stamps: Memo<Stamp>,
    /// Last use, milliseconds. Written by requests, read by requests; no order with anything else matters.
    used: AtomicU64,
    /// Set once when something about it changed: whoever holds it must read it again. Written by the feed and by the
    /// keeper, read by requests.
    stale: AtomicBool,
}

/// The header values that tell one service about one session, made once and used for minutes.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// `X-Portcullis-Account`.
    pub account: HeaderValue,
    /// `X-Portcullis-Groups`; `None` if the policy names none of the account's.
    pub groups: Option<HeaderValue>,
    /// `X-Portcullis-Assurance`.
    pub assurance: HeaderValue,
    /// `X-Portcullis-Assertion`.
    pub assertion: HeaderValue,
    /// Until when the assertion may be sent.
    pub until: Time,
}

impl LiveSession {
    /// A session as it was read from the store.
    pub fn new(session: Session, account: Account) -> Self {
        let Session { id, account: _, proofs, created, used, device } = session;
        LiveSession {
            id,
            account,
            proofs,
            created,
            device,
            stamps: Memo::new(),
            used: AtomicU64::new(used.millis()),
            stale: AtomicBool::new(false),
        }
    }

    /// When it was last used.
    pub fn used(&self) -> Time {
        Time::from_millis(self.used.load(Ordering::Relaxed))
    }

    /// Whether it is alive by these rules.
    pub fn lives(&self, now: Time, rules: SessionRules) -> bool {
        now < rules.end_of(self.created, self.used()) && !self.account.disabled
    }

    /// Until when it lives if it is not used again.
    pub fn ends(&self, rules: SessionRules) -> Time {
        rules.end_of(self.created, self.used())
    }

    /// Notes a use; `true` if it is news worth writing down.
    pub fn touch(&self, now: Time) -> bool {
        let news = now.millis() >= self.used.load(Ordering::Relaxed).saturating_add(USE_GRAIN_MILLIS);
        if news {
            self.used_at(now);
        }
        news
    }

    /// Takes over a use that somebody else noted.
    pub(super) fn used_at(&self, at: Time) {
        self.used.fetch_max(at.millis(), Ordering::Relaxed);
    }

    /// Whether it must be read again.
    pub fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Acquire)
    }

    pub(super) fn mark_stale(&self) {
        self.stale.store(true, Ordering::Release);
    }
}
