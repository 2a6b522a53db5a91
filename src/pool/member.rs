//! What is known of one member whatever pool it serves in: how busy it is and whether it can be reached.

use super::plan::Ejection;
use crate::stdx::clock::Time;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// One member, shared by every pool of every edition that names its address. Its health is kept beside it, in the
/// check that asks for it, because two pools may ask the same member differently.
///
/// All four numbers are written by requests and read by requests and the operator's views. They are independent of
/// each other, so relaxed atomics are enough.
#[derive(Debug)]
pub struct MemberState {
    address: SocketAddr,
    /// Requests it is serving.
    in_flight: AtomicU32,
    /// Requests it failed since it last began to answer one.
    failures: AtomicU32,
    /// In milliseconds since the Unix epoch; 0: not ejected.
    ejected_until: AtomicU64,
    /// When it was last ejected, in the same way.
    ejected_since: AtomicU64,
}

/// Whether a failure was one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consequence {
    /// It stays, or was out already.
    None,
    /// It is left out from now on.
    Ejected,
}

impl MemberState {
    /// A member of which nothing is known yet.
    pub(super) fn new(address: SocketAddr) -> Self {
        MemberState {
            address,
            in_flight: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            ejected_since: AtomicU64::new(0),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests it is serving, over all pools.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it is left out at `now` because it failed requests.
    pub fn is_ejected(&self, now: Time) -> bool {
        self.ejected_until.load(Ordering::Relaxed) > now.millis()
    }

    /// Since when it is left out, if it is at `now`.
    pub fn ejected_since(&self, now: Time) -> Option<Time> {
        self.is_ejected(now).then(|| Time::from_millis(self.ejected_since.load(Ordering::Relaxed)))
    }

    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether it failed a request and has answered none since.
    pub(super) fn has_failed(&self) -> bool {
        self.failures.load(Ordering::Relaxed) != 0
    }

    pub(super) fn failed(&self, rule: Ejection, now: Time) -> Consequence {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if rule.failures == 0 || failures < rule.failures {
            return Consequence::None;
        }
        let until = now.plus(rule.time).millis();
        let before = self.ejected_until.fetch_max(until, Ordering::Relaxed);
        if before > now.millis() {
            return Consequence::None;
        }
        self.ejected_since.store(now.millis(), Ordering::Relaxed);
        Consequence::Ejected
    }

    /// Reads before it writes: on the usual path there is nothing to reset, and a store would cost every other core
    /// its copy of the line.
    pub(super) fn succeeded(&self) {
        if self.has_failed() {
            self.failures.store(0, Ordering::Relaxed);
            self.readmit();
        }
    }

    /// Ends its ejection before its time. Its failures stay: it is out again at its next one, until it answers.
    pub(super) fn readmit(&self) {
        self.ejected_until.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const RULE: Ejection = Ejection { failures: 2, time: Duration::from_secs(10) };
    const NOW: Time = Time::from_secs(1000);

    fn member() -> MemberState {
        MemberState::new(SocketAddr::from(([127, 0, 0, 1], 1)))
    }

    fn eject(member: &MemberState) {
        member.failed(RULE, NOW);
        assert_eq!(member.failed(RULE, NOW), Consequence::Ejected);
    }

    #[test]
    fn a_member_takes_at_most_128_bytes() {
        assert!(size_of::<MemberState>() <= 128, "{}", size_of::<MemberState>());
    }

    #[test]
    fn a_member_is_ejected_once_however_many_requests_fail_meanwhile() {
        let member = member();
        let consequences = [(); 5].map(|()| member.failed(RULE, NOW));
        assert_eq!(consequences.iter().filter(|c| **c == Consequence::Ejected).count(), 1);
        assert!(member.is_ejected(NOW));
    }

    #[test]
    fn a_member_is_ejected_since_its_last_failure_but_one_too_many() {
        let member = member();
        assert_eq!(member.ejected_since(NOW), None);
        eject(&member);
        let soon = NOW.plus(Duration::from_secs(3));
        member.failed(RULE, soon);
        assert_eq!(member.ejected_since(soon), Some(NOW));
        let later = soon.plus(RULE.time);
        assert_eq!(member.ejected_since(later), None);
        member.failed(RULE, later);
        assert_eq!(member.ejected_since(later), Some(later));
    }

    #[test]
    fn a_success_between_failures_starts_the_count_again() {
        let member = member();
        member.failed(RULE, NOW);
        member.succeeded();
        assert_eq!(member.failed(RULE, NOW), Consequence::None);
    }

    #[test]
    fn a_member_that_comes_back_is_out_again_at_its_first_failure() {
        let member = member();
        eject(&member);
        let later = NOW.plus(RULE.time);
        assert!(!member.is_ejected(later));
        assert_eq!(member.failed(RULE, later), Consequence::Ejected);
    }

    #[test]
    fn a_member_that_is_readmitted_is_out_again_at_its_first_failure() {
        let member = member();
        eject(&member);
        member.readmit();
        assert!(!member.is_ejected(NOW));
        assert_eq!(member.failed(RULE, NOW), Consequence::Ejected);
    }

    #[test]
    fn a_success_ends_an_ejection() {
        let member = member();
        eject(&member);
        member.succeeded();
        assert!(!member.is_ejected(NOW));
    }

    #[test]
    fn a_rule_of_zero_failures_ejects_nobody() {
        let member = member();
        let never = Ejection { failures: 0, ..RULE };
        assert!([(); 9].map(|()| member.failed(never, NOW)).iter().all(|c| *c == Consequence::None));
    }
}
