//! A request's context: three boxes, each filled whole when its phase succeeded; decides nothing.

use super::finding::MOST_FINDINGS;
use super::upgrade::Early;
use super::{Authorization, Failure, Finding, Refusal};
use crate::edition::{Held, Ready, RoutePlan};
use crate::listen::{Connection, Underway};
use crate::policy::{Carrier, Permit};
use crate::pool::{Pick, PoolStatus, Tried};
use crate::reply::Remark;
use crate::session::LiveSession;
use crate::session::cookie::Transport;
use crate::stdx::clock::Time;
use crate::telemetry::Outcome;
use http::HeaderValue;
use pingora::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

crate::id!(
    /// Names a request in responses, logs and at services.
    RequestId,
    "req"
);

/// One request on its way.
pub struct Passage {
    /// Its name, which even a request that cannot be read has.
    pub id: RequestId,
    /// The same as the value of a header field.
    pub name: HeaderValue,
    /// The edition it sees, from beginning to end.
    pub edition: Held,
    /// When its header was complete, for durations.
    pub began: Instant,
    /// What was read of it, once it could be read safely.
    pub arrival: Option<Arrival>,
    /// Why it was turned away before it could be judged.
    pub turned_away: Option<Refusal>,
    /// Why it may be forwarded, once it may.
    pub admission: Option<Admission>,
    /// Where it went, once it went.
    pub forwarding: Option<Forwarding>,
    /// What it fell under although it may not be forwarded.
    pub denied: Option<Denied>,
    /// How it ended at the gate, for the log.
    pub outcome: Outcome,
    /// Why it was refused, in a word, for the log; with the decision's id where there is one.
    pub refused: Option<(&'static str, Option<super::DecisionId>)>,
    /// What the portal has the log say of its answer.
    pub remark: Option<Box<Remark>>,
    /// What broke, if something did.
    pub failure: Option<Failure>,
    /// Held past the log line: while it lives, the connection is busy.
    pub underway: Option<Underway>,
    /// Bytes of its body that came so far.
    pub body: u64,
}

/// A request that was read: canonical, and safe to judge.
#[derive(Debug)]
pub struct Arrival {
    /// When it is judged.
    pub now: Time,
    /// The connection it came on.
    pub connection: Arc<Connection>,
    /// Canonical host, without a port.
    pub host: Arc<str>,
    /// The port, if the request named one.
    pub port: Option<u16>,
    /// How the client reaches us.
    pub transport: Transport,
    /// The client's address, after trusted proxies were believed.
    pub client: IpAddr,
    /// Whether the peer is a trusted proxy, whose `X-Forwarded-For` is continued.
    pub by_proxy: bool,
    /// Whether it asks to become a WebSocket.
    pub upgrade: bool,
    /// Whether it asks for a stream of events.
    pub events: bool,
}

impl Arrival {
    /// The origin that it came to, as browsers write it.
    pub fn origin(&self) -> String {
        self.transport.origin(&self.host, self.port)
    }

    /// Whether a session may be carried here: encrypted, or to `localhost` and below, where nobody else listens.
    pub fn may_carry_session(&self) -> bool {
        let local = &*self.host == "localhost" || self.host.ends_with(".localhost");
        self.transport == Transport::Secure || local
    }
}

/// A request that may be forwarded.
pub struct Admission {
    /// The route it falls under.
    pub route: Arc<RoutePlan>,
    /// Why it may pass.
    pub permit: Permit,
    /// Whose it is.
    pub session: Option<Arc<LiveSession>>,
    /// What carries that session, if there is one.
    pub carrier: Carrier,
    /// Whether its `Authorization` is ours.
    pub authorization: Authorization,
}

/// A request that was refused after its route was found.
pub struct Denied {
    /// The route it falls under.
    pub route: Arc<RoutePlan>,
    /// Whose it is, if that is known.
    pub session: Option<Arc<LiveSession>>,
}

/// A request that was forwarded.
#[derive(Default)]
pub struct Forwarding {
    /// The member it is with; dropping it frees the member.
    pub pick: Option<Pick>,
    /// Members that could not be reached, or broke off before they answered.
    pub tried: Tried,
    /// How often another member may still be tried.
    pub retries_left: u32,
    /// How often a member was picked.
    pub tries: u32,
    /// What was found out about members that did not answer, the earliest first.
    pub findings: Vec<Finding>,
    /// When the last of them was given up.
    pub given_up: Option<Instant>,
    /// When the member's response header came.
    pub answered: Option<Instant>,
    /// Whether it goes on for longer than answers do.
    pub long: bool,
    /// Keeps a stream tied to its permit.
    pub tether: Option<super::tether::Tether>,
    /// What the client said before its WebSocket was open.
    pub early: Early,
}

impl Forwarding {
    /// The member that was picked did not answer; `began` is when the request began.
    pub fn give_up(&mut self, error: &Error, began: Instant) {
        let Some(pick) = &self.pick else { return };
        let now = Instant::now();
        let took = now.saturating_duration_since(self.given_up.unwrap_or(began));
        self.find(Finding::asked(pick.address(), error, took));
        self.given_up = Some(now);
    }

    /// Uses up one of the tries of another member; `true` if there was one.
    pub fn take_retry(&mut self) -> bool {
        let again = self.retries_left > 0;
        self.retries_left = self.retries_left.saturating_sub(1);
        again
    }

    /// No member is left: those that were not asked were left out.
    pub fn leave_out(&mut self, pool: &PoolStatus) {
        for status in &pool.members {
            if !self.findings.iter().any(|finding| finding.member == status.address) {
                self.find(Finding::left_out(status));
            }
        }
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        }
    }
}

impl Passage {
    /// A request that sees `edition`.
    pub fn new(edition: Held) -> Self {
        let id = RequestId::new(fastrand::u128(..).to_be_bytes());
        Passage {
            id,
            name: HeaderValue::from_bytes(&id.text()).expect("an identifier is letters, digits and an underscore"),
            edition,
            began: Instant::now(),
            arrival: None,
            turned_away: None,
            admission: None,
            forwarding: None,
            denied: None,
            outcome: Outcome::Failed,
            refused: None,
            remark: None,
            failure: None,
            underway: None,
            body: 0,
        }
    }

    /// What the admitted route needs at hand.
    pub fn ready(&self) -> Option<&Ready> {
        self.edition.ready(&self.admission.as_ref()?.route)
    }

    /// Notes a refusal for the log.
    pub fn note(&mut self, refusal: &Refusal, decision: Option<super::DecisionId>) {
        self.outcome = refusal.outcome();
        self.refused = Some((refusal.word(), decision));
        self.denied = match refusal {
            Refusal::Denied { route, session, .. } => Some(Denied { route: route.clone(), session: session.clone() }),
            Refusal::NoStore { route } | Refusal::Token { route, .. } => {
                Some(Denied { route: route.clone(), session: None })
            }
            Refusal::Malformed(_)
            | Refusal::NotEncrypted
            | Refusal::AboutServer
            | Refusal::Misdirected
            | Refusal::NoHost
            | Refusal::NoRoute
            | Refusal::Broken(_) => None,
        };
    }

    /// Why it ended before its answer did: its permit is over, the gateway stops, or the client went away.
    pub fn broken_off(&self) -> &'static str {
        let tether = self.forwarding.as_ref().and_then(|forwarding| forwarding.tether.as_ref());
        let cut = || self.connection().is_some_and(|connection| connection.lifeline.is_cut());
        match tether.and_then(super::tether::Tether::ended) {
            Some(ended) => ended.word(),
            None if cut() => "cut",
            None => "client-gone",
        }
    }

    /// The connection it is on; known even of a request that cannot be read.
    pub fn connection(&self) -> Option<&Connection> {
        self.underway.as_ref().map(Underway::connection)
    }

    /// Whether its connection is to be closed after its answer, because the gateway stops.
    pub fn is_last(&self) -> bool {
        self.connection().is_some_and(Connection::is_stopping)
    }
}
