//! Streams outlive the moment they were admitted in, but not their permit: WebSockets, event streams and gRPC calls are
//! cut when their session ends, their account changes, their proofs grow too old, or the present edition would not admit
//! them any more.

use super::admit::caller;
use crate::edition::Edition;
use crate::identity::{AccountId, SessionId, SessionRules};
use crate::policy::{Carrier, Facts, decide};
use crate::route::{Ask, CanonicalPath, Found};
use crate::session::LiveSession;
use crate::stdx::clock::Time;
use crate::stdx::lifeline::Lifeline;
use dashmap::DashMap;
use http::{HeaderMap, Method};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The open streams.
#[derive(Default)]
pub struct Tethers {
    /// Written when a stream opens and ends, read by revocations and by the ticks; never held across an await.
    open: DashMap<u64, Tied>,
    next: AtomicU64,
    /// What streams were cut for lately, and when, for those that were not tied yet. Written by revocations, read when a
    /// stream is tied.
    gone: DashMap<Gone, Instant>,
}

/// Whose streams were cut.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Gone {
    Session(SessionId),
    Account(AccountId),
}

/// How long that is remembered. A stream that began earlier and whose session changed since is not believed.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// A stream: all that deciding about it again takes.
pub struct Stream {
    /// Its request's method.
    pub method: Method,
    /// Its canonical host.
    pub host: Arc<str>,
    /// Its path and query, as they came.
    pub target: Box<[u8]>,
    /// Its request's header fields: routes may depend on them.
    pub headers: HeaderMap,
    /// Where it comes from.
    pub client: IpAddr,
    /// Whose it is.
    pub session: Option<Arc<LiveSession>>,
    /// What carries that session.
    pub carrier: Carrier,
    /// When its request began.
    pub began: Instant,
    /// When its session or its proofs end at the latest.
    pub until: Option<Time>,
    /// When its member must have begun to answer; `None` if it has.
    pub answer_by: Option<Time>,
}

struct Tied {
    stream: Stream,
    lifeline: Lifeline,
    /// Written once, before the lifeline is cut; read when the stream's line is written.
    ended: Arc<OnceLock<Ended>>,
}

/// Why a stream was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its session was ended.
    Session,
    /// Its account was changed.
    Account,
    /// Its session or its proofs are too old.
    Lapsed,
    /// It would not be admitted any more.
    Withdrawn,
    /// Its member did not begin to answer in time.
    Unanswered,
}

impl Ended {
    /// The word for logs.
    pub const fn word(self) -> &'static str {
        match self {
            Ended::Session => "session-ended",
            Ended::Account => "account-changed",
            Ended::Lapsed => "permit-lapsed",
            Ended::Withdrawn => "permit-withdrawn",
            Ended::Unanswered => "unanswered",
        }
    }
}

/// Ties one stream; dropping it unties.
pub struct Tether {
    number: u64,
    tethers: Arc<Tethers>,
    ended: Arc<OnceLock<Ended>>,
}

impl Tether {
    /// Why the stream was cut, if it was.
    pub fn ended(&self) -> Option<Ended> {
        self.ended.get().copied()
    }
}

impl Drop for Tether {
    fn drop(&mut self) {
        self.tethers.open.remove(&self.number);
    }
}

impl Tethers {
    /// Ties a stream to its connection's lifeline.
    pub fn tie(self: &Arc<Self>, stream: Stream, lifeline: Lifeline) -> Tether {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (session, began, ended) = (stream.session.clone(), stream.began, Arc::new(OnceLock::new()));
        let tied = Tied { stream, lifeline, ended: Arc::clone(&ended) };
        // Whoever ended the session before it was tied cut nothing here, but remembered it before cutting anything.
        self.open.insert(number, tied);
        if let Some(why) = session.and_then(|session| self.over(&session, began)) {
            self.cut(why, |open| Arc::ptr_eq(&open.ended, &ended));
        }
        Tether { number, tethers: self.clone(), ended }
    }

    /// Cuts the streams of a session.
    pub fn cut_session(&self, session: SessionId) {
        self.gone.insert(Gone::Session(session), Instant::now());
        self.cut(Ended::Session, |tied| tied.session().is_some_and(|own| own.id == session));
    }

    /// Cuts the streams of an account: what it may reach has changed, and clients connect again.
    pub fn cut_account(&self, account: AccountId) {
        self.gone.insert(Gone::Account(account), Instant::now());
        self.cut(Ended::Account, |tied| tied.session().is_some_and(|own| own.account.id == account));
    }

    /// Cuts the streams whose session or proofs are over, or that wait for their member for too long.
    pub fn cut_lapsed(&self, now: Time, rules: SessionRules) {
        // A session that was raised is another object by now, and this one's last use stands still.
        self.gone.retain(|_, at| at.elapsed() < REMEMBERED);
        let over = |session: &Arc<LiveSession>| !session.is_stale() && !session.lives(now, rules);
        let late = |tied: &Tied| tied.stream.until.is_some_and(|until| now >= until);
        self.cut(Ended::Lapsed, |tied| late(tied) || tied.session().is_some_and(over));
        self.cut(Ended::Unanswered, |tied| tied.stream.answer_by.is_some_and(|by| now >= by));
    }

    /// Cuts the streams that `edition` would not admit at `now`: its routes and policies may be others than those they
    /// began with, and hours pass.
    pub fn cut_withdrawn(&self, edition: &Edition, now: Time) {
        self.cut(Ended::Withdrawn, |tied| !tied.stream.is_permitted(edition, now));
    }

    /// How many streams are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Why a session's streams that began then are cut, if they are. A session that is only stale may have been raised,
    /// or lent to another host.
    fn over(&self, session: &LiveSession, began: Instant) -> Option<Ended> {
        if !session.is_stale() {
            return None;
        }
        if self.gone.contains_key(&Gone::Session(session.id)) || began.elapsed() >= REMEMBERED {
            return Some(Ended::Session);
        }
        let changed = self.gone.get(&Gone::Account(session.account.id)).is_some_and(|at| *at >= began);
        changed.then_some(Ended::Account)
    }

    fn cut(&self, why: Ended, which: impl Fn(&Tied) -> bool) {
        let chosen = self.open.iter().filter(|tied| which(tied));
        let chosen: Vec<_> = chosen.map(|tied| (Arc::clone(&tied.ended), tied.lifeline.clone())).collect();
        for (ended, lifeline) in chosen {
            // The first reason stands.
            let _ = ended.set(why);
            lifeline.cut();
        }
    }
}

impl Tied {
    fn session(&self) -> Option<&Arc<LiveSession>> {
        self.stream.session.as_ref()
    }
}

impl Stream {
    fn is_permitted(&self, edition: &Edition, now: Time) -> bool {
        let Ok(path) = CanonicalPath::parse(&self.target) else { return false };
        let ask = Ask { host: &self.host, path: path.path(), method: &self.method, headers: &self.headers };
        let Found::Route(route) = edition.routes.find(&ask) else { return false };
        let caller = self.session.as_deref().map(|session| caller(session, self.carrier));
        decide(&route.policy, &Facts { now, caller, client: self.client, method: &self.method }).is_ok()
    }
}
