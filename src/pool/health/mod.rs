//! What active health checks say of members; knows neither pools nor requests.
//!
//! Probes implement Pingora's `HealthCheck`, so that any check written for Pingora fits, but are not Pingora's own:
//! its two checks build a TLS connector each, with the operating system's whole trust store, bound no answer's total
//! time, and read bodies to their end. Ours need a socket and hyper. Pingora's loops are not used either: they know
//! neither jitter nor a bound on how much they probe at once.

mod prober;

mod http;
mod tcp;

pub(super) use prober::{Prober, Wanted, Watched};

use super::member::MemberState;
use super::plan::{HealthPlan, Probe};
use crate::stdx::clock::Time;
use crate::stdx::descriptors;
use pingora::ErrorType;
use pingora_load_balancing::health_check::HealthCheck;
use pingora_load_balancing::{Backend, Extensions};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// What is known of a member's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not probed yet.
    Unknown,
    /// Its probes succeed, or it has none.
    Healthy,
    /// Its probes fail.
    Unhealthy,
}

impl Health {
    /// Its word in logs, metrics and the operator's views.
    pub const fn word(self) -> &'static str {
        match self {
            Health::Unknown => "unknown",
            Health::Healthy => "healthy",
            Health::Unhealthy => "unhealthy",
        }
    }

    fn code(self) -> u8 {
        match self {
            Health::Unknown => 0,
            Health::Healthy => 1,
            Health::Unhealthy => 2,
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One way of probing, shared by every check that uses it.
pub(super) struct Method {
    plan: HealthPlan,
    probe: Box<dyn HealthCheck + Send + Sync>,
}

impl Method {
    /// The way that `plan` describes.
    pub fn new(plan: &HealthPlan) -> Self {
        let probe: Box<dyn HealthCheck + Send + Sync> = match &plan.probe {
            Probe::Tcp => Box::new(tcp::TcpProbe::new(plan)),
            Probe::Http { path, host } => Box::new(http::HttpProbe::new(plan, path, host.as_deref())),
        };
        Method { plan: plan.clone(), probe }
    }
}

/// One member probed in one way, however many pools want it so; holds what came of it.
///
/// The last three are written by the prober alone; `health` is read by every pick, the others by the operator's views.
/// A pick that sees the previous health is as good as one a moment earlier, so relaxed atomics are enough.
pub(super) struct Check {
    /// Unlike any other check's in this process.
    id: u64,
    member: Arc<MemberState>,
    method: Arc<Method>,
    /// Answers in a row that contradict `health`.
    contradictions: AtomicU32,
    health: AtomicU8,
    /// When `health` last changed, in milliseconds since the Unix epoch; 0: never.
    since: AtomicU64,
}

/// What one answer did to what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing yet.
    None,
    /// The member is healthy and was not before.
    Rose,
    /// The member is unhealthy and was not before.
    Fell,
}

impl Check {
    /// A check of which nothing is known yet.
    pub fn new(id: u64, member: Arc<MemberState>, method: Arc<Method>) -> Self {
        Check {
            id,
            member,
            method,
            contradictions: AtomicU32::new(0),
            health: AtomicU8::new(Health::Unknown.code()),
            since: AtomicU64::new(0),
        }
    }

    pub fn id(&self) -> u64 {
        self.id
    }

    pub fn address(&self) -> SocketAddr {
        self.member.address()
    }

    pub fn plan(&self) -> &HealthPlan {
        &self.method.plan
    }

    /// What is known of the member.
    pub fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            1 => Health::Healthy,
            2 => Health::Unhealthy,
            _unknown => Health::Unknown,
        }
    }

    /// When that last changed; `None` if it never did.
    pub fn since(&self) -> Option<Time> {
        Some(self.since.load(Ordering::Relaxed)).filter(|millis| *millis != 0).map(Time::from_millis)
    }

    /// Asks the member once; the error says what was wrong with the answer, in the access log's words. `None` if it could
    /// not be asked, because this process had no descriptor left or no memory for it: that says nothing of the member.
    /// Takes no longer than the plan's timeout.
    pub async fn ask(&self) -> Option<Result<(), String>> {
        let target = Backend { addr: self.address().into(), weight: 1, ext: Extensions::new() };
        match tokio::time::timeout(self.method.plan.timeout, self.method.probe.check(&target)).await {
            Ok(Err(error)) if descriptors::are_exhausted(error.root_cause()) => None,
            Ok(answer) => Some(answer.map_err(|error| word(error.etype()))),
            Err(_elapsed) => Some(Err("timed-out".to_owned())),
        }
    }

    /// Counts one answer, at `now`. The first answer decides at once: a member is not kept waiting for traffic, nor
    /// given any, on a guess. A member that is found healthy anew is no longer left out for what it failed before.
    pub fn settle(&self, answer: &Result<(), String>, now: Time) -> Turn {
        let good = answer.is_ok();
        let needed = match (self.health(), good) {
            (Health::Unknown, _) => 1,
            (Health::Healthy, true) | (Health::Unhealthy, false) => return self.agree(),
            (Health::Healthy, false) | (Health::Unhealthy, true) => self.method.probe.health_threshold(good),
        };
        let seen = self.contradictions.load(Ordering::Relaxed).saturating_add(1);
        if usize::try_from(seen).is_ok_and(|seen| seen < needed) {
            self.contradictions.store(seen, Ordering::Relaxed);
            return Turn::None;
        }
        if good {
            self.member.readmit();
            self.enter(Health::Healthy, now);
            Turn::Rose
        } else {
            self.enter(Health::Unhealthy, now);
            Turn::Fell
        }
    }

    /// Forgets what was known: a check that nobody ran for a while says nothing about now.
    pub fn forget(&self) {
        self.contradictions.store(0, Ordering::Relaxed);
        self.health.store(Health::Unknown.code(), Ordering::Relaxed);
        self.since.store(0, Ordering::Relaxed);
    }

    fn agree(&self) -> Turn {
        self.contradictions.store(0, Ordering::Relaxed);
        Turn::None
    }

    fn enter(&self, health: Health, now: Time) {
        self.contradictions.store(0, Ordering::Relaxed);
        self.since.store(now.millis(), Ordering::Relaxed);
        self.health.store(health.code(), Ordering::Relaxed);
    }
}

/// What a failed probe comes to.
fn word(error: &ErrorType) -> String {
    match error {
        ErrorType::ConnectRefused => "refused".to_owned(),
        ErrorType::ConnectTimedout => "connect-timed-out".to_owned(),
        ErrorType::ConnectNoRoute => "no-network-route".to_owned(),
        ErrorType::HTTPStatus(status) => format!("status {status}"),
        ErrorType::ConnectionClosed => "closed".to_owned(),
        ErrorType::ReadError | ErrorType::WriteError => "reset".to_owned(),
        ErrorType::H1Error => "malformed-answer".to_owned(),
        _ => "failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Time = Time::from_secs(1000);

    fn check(rise: u32, fall: u32) -> Check {
        let (every, timeout) = (Duration::from_secs(5), Duration::from_secs(1));
        let plan = HealthPlan { probe: Probe::Tcp, every, timeout, rise, fall };
        Check::new(1, member(SocketAddr::from(([127, 0, 0, 1], 1))), Arc::new(Method::new(&plan)))
    }

    fn member(address: SocketAddr) -> Arc<MemberState> {
        Arc::new(MemberState::new(address))
    }

    /// Settles one answer for each letter: `g`ood or `b`ad.
    fn settle(check: &Check, answers: &str) -> Vec<Turn> {
        let answer = |letter| if letter == 'g' { Ok(()) } else { Err(String::from("bad")) };
        answers.chars().map(|letter| check.settle(&answer(letter), NOW)).collect()
    }

    #[test]
    fn the_first_answer_decides() {
        let (one, other) = (check(3, 3), check(3, 3));
        assert_eq!((settle(&one, "g"), one.health()), (vec![Turn::Rose], Health::Healthy));
        assert_eq!((settle(&other, "b"), other.health()), (vec![Turn::Fell], Health::Unhealthy));
        assert_eq!(other.since(), Some(NOW));
    }

    #[test]
    fn a_healthy_member_falls_after_as_many_bad_answers_in_a_row_as_its_plan_says() {
        let check = check(2, 3);
        settle(&check, "gbbgbb");
        assert_eq!(check.health(), Health::Healthy);
        assert_eq!(settle(&check, "b"), [Turn::Fell]);
    }

    #[test]
    fn an_unhealthy_member_rises_after_as_many_good_answers_in_a_row_as_its_plan_says() {
        let check = check(2, 3);
        settle(&check, "bgbg");
        assert_eq!(check.health(), Health::Unhealthy);
        assert_eq!(settle(&check, "g"), [Turn::Rose]);
    }

    #[tokio::test]
    async fn a_member_that_refuses_is_told_in_a_word() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
        let (every, timeout) = (Duration::from_secs(5), Duration::from_secs(5));
        for probe in [Probe::Tcp, Probe::Http { path: "/".to_owned(), host: None }] {
            let plan = HealthPlan { probe, every, timeout, rise: 1, fall: 1 };
            let check = Check::new(1, member(free), Arc::new(Method::new(&plan)));
            assert_eq!(check.ask().await, Some(Err("refused".to_owned())));
        }
    }

    /// A probe for which there is no descriptor.
    struct NoDescriptor;

    #[async_trait::async_trait]
    impl HealthCheck for NoDescriptor {
        async fn check(&self, _: &Backend) -> pingora::Result<()> {
            let error = std::io::Error::from_raw_os_error(24);
            Err(pingora::Error::because(ErrorType::ConnectError, "connecting", error))
        }

        fn health_threshold(&self, _: bool) -> usize {
            1
        }
    }

    #[tokio::test]
    async fn having_no_descriptor_left_is_no_answer_of_the_member() {
        let plan = check(1, 1).plan().clone();
        let method = Method { plan, probe: Box::new(NoDescriptor) };
        let check = Check::new(1, member(SocketAddr::from(([127, 0, 0, 1], 1))), Arc::new(method));
        assert_eq!(check.ask().await, None);
    }

    #[test]
    fn thresholds_of_zero_mean_one() {
        let check = check(0, 0);
        assert_eq!(settle(&check, "gbg"), [Turn::Rose, Turn::Fell, Turn::Rose]);
    }

    #[test]
    fn a_forgotten_member_is_unknown() {
        let check = check(1, 1);
        settle(&check, "g");
        check.forget();
        assert_eq!((check.health(), check.since()), (Health::Unknown, None));
    }
}
