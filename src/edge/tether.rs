//! Streams outlive the moment they were admitted in, but not their permit: WebSockets, event streams and gRPC calls are
//! cut when their session ends, their account changes, or their proofs grow too old.

use crate::identity::{AccountId, SessionId, SessionRules};
use crate::session::LiveSession;
use crate::stdx::clock::Time;
use crate::stdx::lifeline::Lifeline;
use dashmap::DashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The open streams, each tied to its session.
#[derive(Default)]
pub struct Tethers {
    /// Written when a stream opens and ends, read by revocations and by the sweep; never held across an await.
    open: DashMap<u64, Tied>,
    next: AtomicU64,
}

struct Tied {
    session: Arc<LiveSession>,
    until: Time,
    lifeline: Lifeline,
}

/// Ties one stream; dropping it unties.
pub struct Tether {
    number: u64,
    tethers: Arc<Tethers>,
}

impl Drop for Tether {
    fn drop(&mut self) {
        self.tethers.open.remove(&self.number);
    }
}

impl Tethers {
    /// Ties a stream to its session: at `until` at the latest its connection is cut.
    pub fn tie(self: &Arc<Self>, session: Arc<LiveSession>, until: Time, lifeline: Lifeline) -> Tether {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.open.insert(number, Tied { session: session.clone(), until, lifeline: lifeline.clone() });
        // Whoever ended the session before it was tied cut nothing here; the mark is set before anything is cut.
        if session.is_stale() {
            lifeline.cut();
        }
        Tether { number, tethers: self.clone() }
    }

    /// Cuts the streams of a session.
    pub fn cut_session(&self, session: SessionId) {
        self.cut(|tied| tied.session.id == session);
    }

    /// Cuts the streams of an account: what it may reach has changed, and clients connect again.
    pub fn cut_account(&self, account: AccountId) {
        self.cut(|tied| tied.session.account.id == account);
    }

    /// Cuts the streams whose permit or session is over.
    pub fn cut_lapsed(&self, now: Time, rules: SessionRules) {
        // A session that was raised is another object by now, and this one's last use stands still.
        self.cut(|tied| now >= tied.until || (!tied.session.is_stale() && !tied.session.lives(now, rules)));
    }

    /// How many streams are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn cut(&self, which: impl Fn(&Tied) -> bool) {
        let chosen: Vec<Lifeline> =
            self.open.iter().filter(|tied| which(tied)).map(|tied| tied.lifeline.clone()).collect();
        chosen.iter().for_each(Lifeline::cut);
    }
}
