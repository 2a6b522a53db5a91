//! What the gateway would do with a request, found by the same functions in the same order: host, path, method, what is
//! its own, route, policy.

use super::question::Question;
use super::report::{Fact, Judged, Report};
use super::somebody::Asks;
use crate::config::{Loaded, uncertified};
use crate::edge::{Fault, forbidden};
use crate::edition::RoutePlan;
use crate::identity::Account;
use crate::policy::{Line, Recourse, decide, judge as judge_all};
use crate::route::{Ask, CanonicalHost, CanonicalPath, Found, HostPattern};
use http::Method;

/// Hosts that are named where a request's host has no route. A few help to see a slip; all are in `routes`.
const MOST_HOSTS: usize = 8;

/// What would become of a request.
pub enum Verdict<'a> {
    /// It cannot be read safely.
    Malformed {
        /// The status that says so.
        status: u16,
        /// One sentence.
        why: String,
    },
    /// The gateway answers it itself.
    Own(&'static str),
    /// No route has its host.
    NoHost,
    /// No route of its host is for it.
    NoRoute,
    /// A policy judged it.
    Judged {
        /// The route it falls under.
        route: &'a RoutePlan,
        /// What a caller who is refused can do; `None` for a permit.
        recourse: Option<Recourse>,
        /// Every condition.
        lines: Vec<Line>,
    },
}

/// Judges a request by a configuration.
pub fn judge<'a>(loaded: &'a Loaded, question: &Question) -> Verdict<'a> {
    let host = match CanonicalHost::parse(question.address.authority.as_bytes()) {
        Ok(host) => host,
        Err(fault) => return malformed(&Fault::Host(fault)),
    };
    let path = match CanonicalPath::parse(question.address.target.as_bytes()) {
        Ok(path) => path,
        Err(fault) => return malformed(&Fault::Path(fault)),
    };
    if question.method == Method::TRACE || question.method == Method::CONNECT {
        return malformed(&Fault::Method);
    }
    if path.path().starts_with("/.portcullis/") {
        return Verdict::Own("the gateway answers under /.portcullis/ itself, on every host");
    }
    if loaded.plan.portal.as_ref().is_some_and(|portal| portal.host == host.name()) {
        return Verdict::Own("this is the portal's host; the gateway answers it itself");
    }
    let ask = Ask { host: host.name(), path: path.path(), method: &question.method, headers: &question.headers };
    match loaded.routes.find(&ask) {
        Found::NoHost => Verdict::NoHost,
        Found::NoRoute => Verdict::NoRoute,
        Found::Route(route) => {
            let facts = question.facts();
            let recourse = decide(&route.policy, &facts).err().map(|denial| denial.recourse);
            Verdict::Judged { route, recourse, lines: judge_all(&route.policy, &facts) }
        }
    }
}

impl Verdict<'_> {
    /// The verdict in words.
    pub fn report(self, loaded: &Loaded, question: &Question) -> Report {
        let report = Report { facts: facts(question), notes: notes(loaded, question), ..Report::default() };
        match self {
            Verdict::Malformed { status, why } => {
                Report { outcome: "malformed".to_owned(), answer: format!("{why} ({status})"), ..report }
            }
            Verdict::Own(why) => {
                Report { permitted: true, outcome: "own".to_owned(), answer: why.to_owned(), ..report }
            }
            Verdict::NoHost => {
                Report { outcome: "no-host".to_owned(), answer: format!("{} (421)", hosts(loaded)), ..report }
            }
            Verdict::NoRoute => Report {
                outcome: "no-route".to_owned(),
                answer: "the host has routes, and none is for this path, method and headers (404)".to_owned(),
                ..report
            },
            Verdict::Judged { route, recourse, lines } => {
                let (outcome, answer) = outcome(recourse, &lines);
                let (lines, answer) = question.asks.told(lines, answer);
                let conditions = lines.iter().map(Judged::from).collect();
                let mut report = Report { conditions, outcome: outcome.to_owned(), answer, ..report };
                report.permitted = recourse.is_none();
                report.facts.extend([
                    ("route", Fact::Text(route.name.to_string())),
                    ("where", Fact::Text(route.place.clone())),
                    ("policy", Fact::Text(route.policy.name.to_string())),
                    ("pool", Fact::Text(route.pool.to_string())),
                    ("members", Fact::List(members(loaded, &route.pool))),
                ]);
                report
            }
        }
    }
}

fn outcome(recourse: Option<Recourse>, lines: &[Line]) -> (&'static str, String) {
    match recourse {
        None => ("permitted", "it is forwarded".to_owned()),
        Some(Recourse::SignIn) => {
            ("sign-in", "a browser is sent to sign in (303), a program gets 401 with a challenge".to_owned())
        }
        Some(Recourse::StepUp) => (
            "step-up",
            "a browser is asked to prove more (303), a program gets 401 insufficient_user_authentication".to_owned(),
        ),
        Some(Recourse::Bind) => {
            ("unbound", "a browser is refused (403), a program gets 401 and is told to use DPoP".to_owned())
        }
        Some(Recourse::Forbidden) => {
            ("forbidden", format!("{} (403)", forbidden(lines.iter().find(|line| !line.holds))))
        }
    }
}

fn malformed<'a>(fault: &Fault) -> Verdict<'a> {
    Verdict::Malformed { status: fault.status(), why: fault.sentence() }
}

/// What was asked.
fn facts(question: &Question) -> Vec<(&'static str, Fact)> {
    let address = &question.address;
    let groups = |account: &Account| Some(account.groups.iter().map(ToString::to_string).collect());
    let caller = match &question.asks {
        Asks::Nobody => Fact::Caller { account: None, groups: None },
        Asks::Disabled(account) => Fact::Caller { account: Some(account.name.to_string()), groups: groups(account) },
        Asks::Somebody(somebody) => Fact::Caller {
            account: somebody.named.then(|| somebody.account.name.to_string()),
            groups: groups(&somebody.account),
        },
    };
    vec![
        ("request", Fact::Text(format!("{} {}{}", question.method, address.authority, address.target))),
        ("from", Fact::Text(question.client.to_string())),
        ("caller", caller),
    ]
}

fn notes(loaded: &Loaded, question: &Question) -> Vec<String> {
    let mut notes = question.notes.clone();
    let host = CanonicalHost::parse(question.address.authority.as_bytes()).ok();
    let port = host.as_ref().and_then(CanonicalHost::port);
    let usual = if question.address.scheme == "http" { 80 } else { 443 };
    let listener = loaded.plan.listeners.iter().find(|listener| listener.address.port() == port.unwrap_or(usual));
    if question.address.scheme == "http" && listener.is_some_and(|listener| listener.redirect_to_https) {
        notes.push("over http it is first redirected to https (308); this is what follows there".to_owned());
    }
    let host = host.and_then(|host| HostPattern::parse(host.name()).ok());
    if let Some(host) = host.filter(|host| question.address.scheme == "https" && loaded.plan.lacks_certificate(host)) {
        notes.push(uncertified(&host));
    }
    notes
}

fn members(loaded: &Loaded, pool: &str) -> Vec<String> {
    let plan = loaded.plan.pools.iter().find(|plan| &*plan.name == pool);
    plan.into_iter().flat_map(|plan| &plan.members).map(|member| member.address.to_string()).collect()
}

fn hosts(loaded: &Loaded) -> String {
    let mut hosts: Vec<String> = loaded.routes.hosts().map(HostPattern::to_string).collect();
    let more = if hosts.len() > MOST_HOSTS { ", …" } else { "" };
    hosts.truncate(MOST_HOSTS);
    format!("no route has this host; there are routes for {}{more}", hosts.join(", "))
}
