//! The metrics registry, made once and passed down; every label has a bounded set of values.

use super::Outcome;
use super::process::{Process, seconds};
use crate::stdx::clock::Time;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignInLabel {
    factor: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabel {
    limit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GrantLabel {
    grant: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NameLabel {
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VersionLabel {
    version: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MemberLabel {
    pool: String,
    state: &'static str,
}

/// What programs ask for, and what can come of it. `user_code` is what people type.
const PROGRAMS: [(&str, &[&str]); 5] = [
    ("device", &["granted", "pending", "refused", "reused"]),
    ("code", &["granted", "refused", "reused"]),
    ("refresh", &["granted", "refused", "reused"]),
    ("service", &["granted", "refused"]),
    ("user_code", &["wrong", "throttled"]),
];

/// The counters of one route: resolved once an edition, so that counting is one atomic addition.
#[derive(Clone, Debug, Default)]
pub struct RouteCounters {
    /// Requests that a member answered, or would have if the client had stayed.
    permitted: Counter,
    /// Requests that were refused.
    refused: Counter,
    /// Requests that might have passed, but something broke.
    failed: Counter,
}

impl RouteCounters {
    /// The labels of the three. A route has no more: whole fleets have tens of thousands of routes.
    const OUTCOMES: [&'static str; 3] = ["permitted", "refused", "failed"];

    /// The counter for requests that ended so.
    pub fn of(&self, outcome: Outcome) -> &Counter {
        match outcome {
            Outcome::Permitted | Outcome::Own | Outcome::Gone => &self.permitted,
            Outcome::SignIn | Outcome::StepUp | Outcome::Forbidden | Outcome::Malformed | Outcome::Unknown => {
                &self.refused
            }
            Outcome::Failed => &self.failed,
        }
    }
}

/// Every metric of one gateway.
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: [Counter; Outcome::ALL.len()],
    route_requests: Family<RouteLabel, Counter>,
    headers_refused: Family<ReasonLabel, Counter>,
    /// Seconds from the first byte of a request to the end of its response.
    pub duration: Histogram,
    reloads: Family<ResultLabel, Counter>,
    sign_ins: Family<SignInLabel, Counter>,
    programs: Family<GrantLabel, Counter>,
    codes_refused: Family<LimitLabel, Counter>,
    members: Family<MemberLabel, Gauge>,
    /// 1 while the gateway should get traffic.
    pub ready: Gauge,
    /// 1 while it serves, but cannot do everything.
    pub degraded: Gauge,
    /// 1 while what is written is refused.
    pub configuration_refused: Gauge,
    certificates: Family<NameLabel, Gauge<f64, AtomicU64>>,
    /// The number of the current edition.
    pub edition: Gauge,
    /// Editions that are no longer current but still held by requests.
    pub editions_held: Gauge,
    /// Session tokens in the cache.
    pub sessions_cached: Gauge,
    store_failures: Family<OperationLabel, Counter>,
    /// How often the clock was found set back.
    pub clock_set_back: Counter,
    /// How often the clock was found set forward.
    pub clock_set_forward: Counter,
    /// Filters that panicked; each denied one request.
    pub panics: Counter,
    /// Access log lines that found the writer's queue full.
    access_lost: Counter,
    /// Security events that found the writer's queue full or could not be written.
    events_lost: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A registry with every metric at zero: what exists only from its first event on cannot be watched for that event.
    pub fn new() -> Self {
        let requests: Family<OutcomeLabel, Counter> = Family::default();
        let at_zero = |results: &[&'static str]| {
            let family: Family<ResultLabel, Counter> = Family::default();
            results.iter().for_each(|result| drop(family.get_or_create_owned(&ResultLabel { result })));
            family
        };
        let metrics = Metrics {
            requests: Outcome::ALL
                .map(|outcome| requests.get_or_create_owned(&OutcomeLabel { outcome: outcome.word() })),
            registry: Mutex::default(),
            route_requests: Family::default(),
            headers_refused: Family::default(),
            // 0.5 ms to 8 s, doubling.
            duration: Histogram::new(exponential_buckets(0.0005, 2.0, 15)),
            reloads: at_zero(&["applied", "refused"]),
            sign_ins: Family::default(),
            programs: Family::default(),
            codes_refused: Family::default(),
            members: Family::default(),
            ready: Gauge::default(),
            degraded: Gauge::default(),
            configuration_refused: Gauge::default(),
            certificates: Family::default(),
            edition: Gauge::default(),
            editions_held: Gauge::default(),
            sessions_cached: Gauge::default(),
            store_failures: Family::default(),
            clock_set_back: Counter::default(),
            clock_set_forward: Counter::default(),
            panics: Counter::default(),
            access_lost: Counter::default(),
            events_lost: Counter::default(),
        };
        for (grant, results) in PROGRAMS {
            results.iter().for_each(|result| metrics.count_program((grant, result), 0));
        }
        ["account", "recipient", "source"].iter().for_each(|limit| metrics.set_codes_refused(limit, 0));
        metrics.register(requests);
        metrics
    }

    fn register(&self, requests: Family<OutcomeLabel, Counter>) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = registry.sub_registry_with_prefix("portcullis");
        registry.register("requests", "Requests by how they ended", requests);
        registry.register("route_requests", "Requests by route and how they ended", self.route_requests.clone());
        registry.register("headers_refused", "Headers that became no request", self.headers_refused.clone());
        registry.register("request_duration_seconds", "From a request's header to its end", self.duration.clone());
        registry.register("reloads", "Configurations loaded, by result", self.reloads.clone());
        registry.register("sign_ins", "Answers in sign-ins, by factor and result", self.sign_ins.clone());
        registry.register("programs", "What programs asked for, by grant and result", self.programs.clone());
        registry.register("codes_refused", "Codes not sent because of a limit", self.codes_refused.clone());
        registry.register("pool_members", "Members of pools, by state", self.members.clone());
        registry.register("ready", "Whether traffic should come here", self.ready.clone());
        registry.register("degraded", "Whether not everything can be done", self.degraded.clone());
        let refused = self.configuration_refused.clone();
        registry.register("configuration_refused", "Whether what is written is refused", refused);
        registry.register(
            "certificate_not_after_seconds",
            "When the first certificate for a name expires, Unix time",
            self.certificates.clone(),
        );
        registry.register("edition", "Number of the current edition", self.edition.clone());
        registry.register("editions_held", "Past editions still in use", self.editions_held.clone());
        registry.register("sessions_cached", "Session tokens in memory", self.sessions_cached.clone());
        registry.register("store_failures", "Operations that the store failed, by sort", self.store_failures.clone());
        registry.register("clock_set_back", "Times the clock was found set back", self.clock_set_back.clone());
        let forward = self.clock_set_forward.clone();
        registry.register("clock_set_forward", "Times the clock was found set forward", forward);
        registry.register("panics", "Filters that panicked", self.panics.clone());
        registry.register("access_log_lost", "Access log lines not written", self.access_lost.clone());
        registry.register("events_lost", "Security events not written", self.events_lost.clone());
    }

    /// Lets another room add what it counts.
    pub fn extend(&self, add: impl FnOnce(&mut Registry)) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        add(registry.sub_registry_with_prefix("portcullis"));
    }

    /// Lets the process be told of too: which version it is, and what the system says of it. It was started then.
    pub fn describe_process(&self, started: Time) {
        self.extend(|registry| {
            let build: Family<VersionLabel, Gauge> = Family::default();
            build.get_or_create_owned(&VersionLabel { version: env!("CARGO_PKG_VERSION") }).set(1);
            registry.register("build_info", "Which version this is", build);
        });
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(Process::new(started)));
    }

    /// Counts a request.
    pub fn request(&self, outcome: Outcome) {
        self.requests[outcome as usize].inc();
    }

    /// Counts a reload: `applied` or `refused`.
    pub fn reload(&self, result: &'static str) {
        self.reloads.get_or_create_owned(&ResultLabel { result }).inc();
    }

    /// Shows the results of these factors at zero.
    pub fn expect_factors(&self, factors: impl Iterator<Item = &'static str>) {
        for factor in factors {
            for result in ["succeeded", "wrong", "counter", "throttled"] {
                drop(self.sign_ins.get_or_create_owned(&SignInLabel { factor, result }));
            }
        }
    }

    /// Counts an answer to a factor: `succeeded`, or why not.
    pub fn sign_in(&self, factor: &'static str, result: &'static str) {
        self.sign_ins.get_or_create_owned(&SignInLabel { factor, result }).inc();
    }

    /// Takes over how many answers to a factor were refused unseen so far.
    pub fn set_throttled(&self, factor: &'static str, tries: u64) {
        let throttled = self.sign_ins.get_or_create_owned(&SignInLabel { factor, result: "throttled" });
        throttled.inner().store(tries, Ordering::Relaxed);
    }

    /// Takes over how many codes a limit kept back so far.
    pub fn set_codes_refused(&self, limit: &'static str, codes: u64) {
        self.codes_refused.get_or_create_owned(&LimitLabel { limit }).inner().store(codes, Ordering::Relaxed);
    }

    /// Counts what came of something that a program asked for.
    pub fn program(&self, grant: &'static str, result: &'static str) {
        self.count_program((grant, result), 1);
    }

    fn count_program(&self, (grant, result): (&'static str, &'static str), count: u64) {
        self.programs.get_or_create_owned(&GrantLabel { grant, result }).inc_by(count);
    }

    /// The counter of operations of one sort that the store failed.
    pub fn store_failures(&self, operation: &'static str) -> Counter {
        self.store_failures.get_or_create_owned(&OperationLabel { operation })
    }

    /// The counters of a route, the same ones for the same name.
    pub fn route(&self, name: &str) -> RouteCounters {
        let counter = |outcome| {
            let label = RouteLabel { route: name.to_owned(), outcome };
            self.route_requests.get_or_create_owned(&label)
        };
        let [permitted, refused, failed] = RouteCounters::OUTCOMES.map(counter);
        RouteCounters { permitted, refused, failed }
    }

    /// Forgets the counters of a route that exists no more.
    pub fn forget_route(&self, name: &str) {
        for outcome in RouteCounters::OUTCOMES {
            self.route_requests.remove(&RouteLabel { route: name.to_owned(), outcome });
        }
    }

    /// The counter of headers that never became a request for one reason.
    pub fn headers_refused(&self, reason: &'static str) -> Counter {
        self.headers_refused.get_or_create_owned(&ReasonLabel { reason })
    }

    /// Takes over how many lines of the access log and how many security events were lost so far.
    pub fn set_lost(&self, lines: u64, events: u64) {
        self.access_lost.inner().store(lines, Ordering::Relaxed);
        self.events_lost.inner().store(events, Ordering::Relaxed);
    }

    /// Sets how many members of a pool are in a state.
    pub fn set_members(&self, pool: &str, state: &'static str, count: usize) {
        let label = MemberLabel { pool: pool.to_owned(), state };
        self.members.get_or_create_owned(&label).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Sets when the certificates for each name expire. Of several for one name the first to expire counts.
    pub fn set_certificates<'a>(&self, ends: impl Iterator<Item = (&'a str, Time)>) {
        let mut first: BTreeMap<&str, Time> = BTreeMap::new();
        for (name, until) in ends {
            first.entry(name).and_modify(|earliest| *earliest = until.min(*earliest)).or_insert(until);
        }
        self.certificates.clear();
        for (name, until) in first {
            self.certificates.get_or_create_owned(&NameLabel { name: name.to_owned() }).set(seconds(until));
        }
    }

    /// Forgets every pool's members, before they are set anew.
    pub fn clear_members(&self) {
        self.members.clear();
    }

    /// Everything in the OpenMetrics text format.
    pub fn text(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        if encode(&mut text, &registry).is_err() {
            tracing::error!("metrics could not be written as text");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_counts_under_its_own_label() {
        let metrics = Metrics::new();
        metrics.request(Outcome::Failed);
        metrics.request(Outcome::Permitted);
        metrics.request(Outcome::Permitted);
        let text = metrics.text();
        assert!(text.contains(r#"portcullis_requests_total{outcome="permitted"} 2"#), "{text}");
        assert!(text.contains(r#"portcullis_requests_total{outcome="failed"} 1"#), "{text}");
    }

    #[test]
    fn what_has_not_happened_yet_is_there_at_zero() {
        let metrics = Metrics::new();
        metrics.expect_factors(["password"].into_iter());
        let text = metrics.text();
        for series in [
            r#"portcullis_reloads_total{result="applied"} 0"#,
            r#"portcullis_reloads_total{result="refused"} 0"#,
            r#"portcullis_sign_ins_total{factor="password",result="succeeded"} 0"#,
            r#"portcullis_sign_ins_total{factor="password",result="wrong"} 0"#,
            r#"portcullis_sign_ins_total{factor="password",result="throttled"} 0"#,
            r#"portcullis_programs_total{grant="refresh",result="reused"} 0"#,
        ] {
            assert!(text.contains(series), "{series} is not in\n{text}");
        }
    }

    #[test]
    fn the_certificate_that_expires_first_counts_for_a_name() {
        let metrics = Metrics::new();
        let ends = [("a.test", 30), ("b.test", 20), ("a.test", 10), ("a.test", 40)];
        metrics.set_certificates(ends.into_iter().map(|(name, secs)| (name, Time::from_secs(secs))));
        let text = metrics.text();
        for (name, until) in [("a.test", 10), ("b.test", 20)] {
            let line = format!("portcullis_certificate_not_after_seconds{{name=\"{name}\"}} {until}");
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
        metrics.set_certificates(std::iter::empty());
        assert!(!metrics.text().contains("a.test"), "one that is configured no more is forgotten");
    }

    #[test]
    fn a_route_that_exists_no_more_is_forgotten() {
        let metrics = Metrics::new();
        metrics.route("orders").of(Outcome::Permitted).inc();
        assert!(metrics.text().contains(r#"route="orders""#));
        metrics.forget_route("orders");
        assert!(!metrics.text().contains(r#"route="orders""#));
    }
}
