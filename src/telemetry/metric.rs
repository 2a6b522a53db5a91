//! The metrics registry, made once and passed down; every label has a bounded set of values.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

/// How a request ended, seen from the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was forwarded.
    Permitted,
    /// It was answered by the gateway's own pages.
    Own,
    /// It was sent to sign in.
    SignIn,
    /// It was asked to prove more.
    StepUp,
    /// It was refused for good.
    Forbidden,
    /// It could not be read safely.
    Malformed,
    /// No route or host.
    Unknown,
    /// No member, no store, or a broken part.
    Failed,
}

impl Outcome {
    /// Every outcome, in the order of [`Metrics`]' counters.
    pub const ALL: [Outcome; 8] = [
        Outcome::Permitted,
        Outcome::Own,
        Outcome::SignIn,
        Outcome::StepUp,
        Outcome::Forbidden,
        Outcome::Malformed,
        Outcome::Unknown,
        Outcome::Failed,
    ];

    /// The word in metrics and in the access log.
    pub const fn word(self) -> &'static str {
        match self {
            Outcome::Permitted => "permitted",
            Outcome::Own => "own",
            Outcome::SignIn => "sign-in",
            Outcome::StepUp => "step-up",
            Outcome::Forbidden => "forbidden",
            Outcome::Malformed => "malformed",
            Outcome::Unknown => "unknown",
            Outcome::Failed => "failed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MemberLabel {
    pool: String,
    state: &'static str,
}

/// The counters of one route: resolved once an edition, so that counting is one atomic addition.
#[derive(Clone, Debug, Default)]
pub struct RouteCounters {
    /// Requests that were forwarded.
    pub permitted: Counter,
    /// Requests that were refused.
    pub refused: Counter,
}

/// Every metric of one gateway.
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: [Counter; Outcome::ALL.len()],
    route_permitted: Family<RouteLabel, Counter>,
    route_refused: Family<RouteLabel, Counter>,
    /// Seconds from the first byte of a request to the end of its response.
    pub duration: Histogram,
    reloads: Family<ResultLabel, Counter>,
    sign_ins: Family<ResultLabel, Counter>,
    members: Family<MemberLabel, Gauge>,
    /// The number of the current edition.
    pub edition: Gauge,
    /// Editions that are no longer current but still held by requests.
    pub editions_held: Gauge,
    /// Session tokens in the cache.
    pub sessions_cached: Gauge,
    /// Questions that the store did not answer.
    pub store_failures: Counter,
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
    /// A registry with every metric at zero.
    pub fn new() -> Self {
        let requests: Family<OutcomeLabel, Counter> = Family::default();
        let metrics = Metrics {
            requests: Outcome::ALL
                .map(|outcome| requests.get_or_create_owned(&OutcomeLabel { outcome: outcome.word() })),
            registry: Mutex::default(),
            route_permitted: Family::default(),
            route_refused: Family::default(),
            // 0.5 ms to 8 s, doubling.
            duration: Histogram::new(exponential_buckets(0.0005, 2.0, 15)),
            reloads: Family::default(),
            sign_ins: Family::default(),
            members: Family::default(),
            edition: Gauge::default(),
            editions_held: Gauge::default(),
            sessions_cached: Gauge::default(),
            store_failures: Counter::default(),
            panics: Counter::default(),
            access_lost: Counter::default(),
            events_lost: Counter::default(),
        };
        metrics.register(requests);
        metrics
    }

    fn register(&self, requests: Family<OutcomeLabel, Counter>) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = registry.sub_registry_with_prefix("portcullis");
        registry.register("requests", "Requests by how they ended", requests);
        registry.register("route_permitted", "Requests forwarded, by route", self.route_permitted.clone());
        registry.register("route_refused", "Requests refused, by route", self.route_refused.clone());
        registry.register("request_duration_seconds", "From a request's header to its end", self.duration.clone());
        registry.register("reloads", "Configurations loaded, by result", self.reloads.clone());
        registry.register("sign_ins", "Sign-ins, by result", self.sign_ins.clone());
        registry.register("pool_members", "Members of pools, by state", self.members.clone());
        registry.register("edition", "Number of the current edition", self.edition.clone());
        registry.register("editions_held", "Past editions still in use", self.editions_held.clone());
        registry.register("sessions_cached", "Session tokens in memory", self.sessions_cached.clone());
        registry.register("store_failures", "Questions the store did not answer", self.store_failures.clone());
        registry.register("panics", "Filters that panicked", self.panics.clone());
        registry.register("access_log_lost", "Access log lines not written", self.access_lost.clone());
        registry.register("events_lost", "Security events not written", self.events_lost.clone());
    }

    /// Lets another room add what it counts.
    pub fn extend(&self, add: impl FnOnce(&mut Registry)) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        add(registry.sub_registry_with_prefix("portcullis"));
    }

    /// Counts a request.
    pub fn request(&self, outcome: Outcome) {
        self.requests[outcome as usize].inc();
    }

    /// Counts a reload: `applied` or `refused`.
    pub fn reload(&self, result: &'static str) {
        self.reloads.get_or_create_owned(&ResultLabel { result }).inc();
    }

    /// Counts a step of a sign-in: `succeeded`, `wrong` or `throttled`.
    pub fn sign_in(&self, result: &'static str) {
        self.sign_ins.get_or_create_owned(&ResultLabel { result }).inc();
    }

    /// The counters of a route, the same ones for the same name.
    pub fn route(&self, name: &str) -> RouteCounters {
        let label = RouteLabel { route: name.to_owned() };
        RouteCounters {
            permitted: self.route_permitted.get_or_create_owned(&label),
            refused: self.route_refused.get_or_create_owned(&label),
        }
    }

    /// Forgets the counters of a route that exists no more.
    pub fn forget_route(&self, name: &str) {
        let label = RouteLabel { route: name.to_owned() };
        self.route_permitted.remove(&label);
        self.route_refused.remove(&label);
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
    fn a_route_that_exists_no_more_is_forgotten() {
        let metrics = Metrics::new();
        metrics.route("orders").permitted.inc();
        assert!(metrics.text().contains(r#"route="orders""#));
        metrics.forget_route("orders");
        assert!(!metrics.text().contains(r#"route="orders""#));
    }
}
