//! What was refused lately, by decision id, for whoever asks "why"; bounded, in memory, holding no secret.

use super::{Edge, Failure, Finding, Passage, Refusal};
use crate::edition::RoutePlan;
use crate::identity::{AccountId, AccountName};
use crate::policy::Line;
use crate::reply::Remark;
use crate::session::LiveSession;
use crate::stdx::bounded::BoundedMap;
use crate::stdx::clock::Time;
use http::header::HOST;
use pingora::http::RequestHeader;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

crate::id!(
    /// Names one refusal.
    DecisionId,
    "dec"
);

/// Refusals remembered on each shelf. A person who reads an id off a page asks within the hour.
const REMEMBERED: usize = 10_000;

/// The same for requests that could not even be read. Nobody waits for an explanation of most of them, and they are the
/// cheapest to send.
const MALFORMED: usize = 1_000;

/// Characters of a host or a path that are kept of a request that nobody judged.
const LONGEST_TEXT: usize = 256;

/// One refusal, as `explain` shows it.
#[derive(Clone, Debug)]
pub struct Decided {
    /// When.
    pub at: Time,
    /// The request's name.
    pub request: super::RequestId,
    /// The edition that decided.
    pub edition: u64,
    /// `METHOD host path`, without the query.
    pub what: String,
    /// From where.
    pub client: IpAddr,
    /// The word for the refusal.
    pub outcome: &'static str,
    /// One sentence.
    pub sentence: String,
    /// What it fell under, if that was found out.
    pub found: Under,
    /// Every condition, if a policy judged.
    pub lines: Vec<Line>,
}

/// What a refused request fell under.
#[derive(Clone, Debug, Default)]
pub struct Under {
    /// The account, if a session said so.
    pub account: Option<(AccountId, AccountName)>,
    /// The route, if one was found.
    pub route: Option<String>,
    /// The policy, if one judged.
    pub policy: Option<String>,
    /// The pool, if a member was looked for.
    pub pool: Option<String>,
    /// What was found out about its members.
    pub members: Vec<Finding>,
}

/// The refusals remembered, on shelves of their own by who can cause them, so that what is cheap to cause does not push
/// out what somebody asks about: a flood of nonsense leaves the answers given to people where they are.
pub struct Decisions([BoundedMap<DecisionId, Arc<Decided>>; 4]);

/// Who can cause a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shelf {
    /// Somebody with a session.
    Account,
    /// Our own machinery and the members.
    Failure,
    /// Anybody, with a request that can be read.
    Stranger,
    /// Anybody at all.
    Malformed,
}

impl Default for Decisions {
    fn default() -> Self {
        Self::new()
    }
}

impl Decisions {
    /// None yet.
    pub fn new() -> Self {
        Decisions([REMEMBERED, REMEMBERED, REMEMBERED, MALFORMED].map(BoundedMap::new))
    }

    /// Remembers what became of a request and names it.
    pub fn keep(&self, refusal: &Refusal, decided: Decided) -> DecisionId {
        self.put(Shelf::of(refusal), decided)
    }

    fn put(&self, shelf: Shelf, decided: Decided) -> DecisionId {
        let id = DecisionId::new(fastrand::u128(..).to_be_bytes());
        self.0[shelf as usize].insert(id, Arc::new(decided));
        id
    }

    /// The refusal of that name, if it is still remembered.
    pub fn find(&self, id: DecisionId) -> Option<Arc<Decided>> {
        self.0.iter().find_map(|shelf| shelf.get(&id))
    }

    /// The refusal of that request, if it is still remembered. Looks through all of them: for people, not for requests.
    pub fn of_request(&self, request: super::RequestId) -> Option<(DecisionId, Arc<Decided>)> {
        let mut found = None;
        for shelf in &self.0 {
            shelf.for_each(|id, decided| {
                if decided.request == request {
                    found = Some((*id, decided.clone()));
                }
            });
        }
        found
    }
}

impl Shelf {
    fn of(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Denied { session: Some(_), .. } => Shelf::Account,
            Refusal::NoStore { .. } | Refusal::Broken(_) => Shelf::Failure,
            Refusal::Denied { session: None, .. }
            | Refusal::Token { .. }
            | Refusal::NotEncrypted
            | Refusal::AboutServer
            | Refusal::Misdirected
            | Refusal::NoHost
            | Refusal::NoRoute => Shelf::Stranger,
            Refusal::Malformed(_) => Shelf::Malformed,
        }
    }
}

impl Edge {
    /// Notes a refusal for `explain`; `None` if it is none, but only an answer that needs no service.
    pub(super) fn remember(&self, request: &RequestHeader, passage: &Passage, refusal: &Refusal) -> Option<DecisionId> {
        if matches!(refusal, Refusal::NotEncrypted | Refusal::AboutServer) {
            return None;
        }
        let decided = Decided {
            outcome: refusal.word(),
            sentence: super::refuse::sentence(refusal).unwrap_or_default(),
            found: Under::of(passage, refusal),
            lines: if let Refusal::Denied { denial, .. } = refusal { denial.lines.clone() } else { Vec::new() },
            ..self.undecided(request, passage)
        };
        Some(self.decisions.keep(refusal, decided))
    }

    /// Takes down what the log is to say of an answer of the portal's: it is counted, and if it is a refusal, `explain`
    /// knows it like any other.
    pub fn remark(&self, request: &RequestHeader, passage: &mut Passage, remark: Box<Remark>) {
        if let Some((grant, result)) = remark.counted {
            self.metrics.program(grant, result);
        }
        if let Some(word) = remark.refused {
            let program = remark.program.as_ref().map(|program| format!(", asked for by the program {program}"));
            let decided = Decided {
                outcome: word,
                sentence: format!("{}{}", remark.why, program.unwrap_or_default()),
                found: Under { account: remark.account.clone(), ..Under::default() },
                ..self.undecided(request, passage)
            };
            let shelf = if remark.account.is_some() { Shelf::Account } else { Shelf::Stranger };
            passage.refused = Some((word, Some(self.decisions.put(shelf, decided))));
        }
        passage.remark = Some(remark);
    }

    /// What is known of a request before anything is decided.
    fn undecided(&self, request: &RequestHeader, passage: &Passage) -> Decided {
        let path = super::record::loggable(request.uri.path());
        let (at, client, what) = match &passage.arrival {
            Some(arrival) => (arrival.now, arrival.client, format!("{} {} {path}", request.method, arrival.host)),
            None => {
                let host = request.headers.get(HOST).map_or(&b""[..], http::HeaderValue::as_bytes);
                let (host, path) = (shortened(&String::from_utf8_lossy(host)), shortened(path));
                let peer = passage.connection().map(|connection| connection.peer.ip().to_canonical());
                let client = peer.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
                (self.clock.now(), client, format!("{} {host} {path}", request.method))
            }
        };
        Decided {
            at,
            request: passage.id,
            edition: passage.edition.number,
            what,
            client,
            outcome: "",
            sentence: String::new(),
            found: Under::default(),
            lines: Vec::new(),
        }
    }
}

impl Under {
    fn of(passage: &Passage, refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Denied { route, session, .. } => Self::route(route, session.as_ref()),
            Refusal::NoStore { route } | Refusal::Token { route, .. } => Self::route(route, None),
            Refusal::Broken(Failure::NoMember(_) | Failure::Unreachable | Failure::TimedOut | Failure::Internal) => {
                let Some(admission) = &passage.admission else { return Under::default() };
                let members = passage.forwarding.as_ref().map_or_else(Vec::new, |found| found.findings.clone());
                let pool = Some(admission.route.pool.to_string());
                Under { pool, members, ..Self::route(&admission.route, admission.session.as_ref()) }
            }
            Refusal::Malformed(_)
            | Refusal::NotEncrypted
            | Refusal::AboutServer
            | Refusal::Misdirected
            | Refusal::NoHost
            | Refusal::NoRoute => Under::default(),
        }
    }

    fn route(route: &RoutePlan, session: Option<&Arc<LiveSession>>) -> Self {
        let account = session.map(|session| (session.account.id, session.account.name.clone()));
        let (route, policy) = (route.name.to_string(), route.policy.name.to_string());
        Under { account, route: Some(route), policy: Some(policy), ..Under::default() }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::{Fault, RequestId};

    fn decided() -> Decided {
        Decided {
            at: Time::from_secs(1),
            request: RequestId::new([1; 16]),
            edition: 1,
            what: "GET a.test /".to_owned(),
            client: Ipv4Addr::LOCALHOST.into(),
            outcome: "malformed",
            sentence: String::new(),
            found: Under::default(),
            lines: Vec::new(),
        }
    }

    #[test]
    fn a_flood_of_nonsense_pushes_out_no_other_refusal() {
        let decisions = Decisions::new();
        let kept =
            [Refusal::NoRoute, Refusal::Broken(Failure::TimedOut)].map(|refusal| decisions.keep(&refusal, decided()));
        let nonsense = Refusal::Malformed(Fault::Method);
        let flood: Vec<_> = (0..3 * MALFORMED).map(|_| decisions.keep(&nonsense, decided())).collect();
        assert!(kept.iter().all(|id| decisions.find(*id).is_some()));
        assert_eq!(flood.iter().filter(|id| decisions.find(**id).is_some()).count(), MALFORMED);
        assert!(flood.last().is_some_and(|newest| decisions.find(*newest).is_some()));
    }
}
