//! The arithmetic of a counter of failed attempts, the same in every engine; knows neither keys nor where it is kept.

use super::{Reserved, ThrottleRule};
use crate::stdx::clock::Time;
use std::time::Duration;

/// How long nobody must have failed for a `Backoff` to begin its waits anew: long enough that guessing once per wait
/// gains nothing by pausing, short enough that yesterday's typing errors make nobody wait.
const REST: Duration = Duration::from_secs(24 * 3600);

/// The failures of one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counter {
    /// Failures that count: consecutive ones for a `Backoff`, those of the window for a `Window`.
    pub failures: u32,
    /// For a `Backoff`, those of them that were followed by a day's rest: they still count, and nobody waits for them.
    pub rested: u32,
    /// For a `Backoff`, when the next attempt may be made; for a `Window`, when it is over.
    pub until: Time,
    /// From when the counter holds nobody back; [`Time::NEVER`] while it is locked.
    pub expires: Time,
}

impl Counter {
    /// Counts an attempt, or says why not and changes nothing.
    ///
    /// A stored time is only ever moved forward, so a clock that is turned back unlocks nothing.
    pub fn reserve(&mut self, rule: ThrottleRule, now: Time) -> Reserved {
        match rule {
            ThrottleRule::Backoff { locked_at, .. } if self.failures >= locked_at => Reserved::Locked,
            ThrottleRule::Backoff { .. } if now < self.until => Reserved::Wait(self.until),
            ThrottleRule::Backoff { free, first, longest, locked_at } => {
                if now >= self.expires {
                    self.rested = self.failures;
                }
                self.failures = self.failures.saturating_add(1);
                if let Some(doublings) = self.failures.saturating_sub(self.rested).checked_sub(free) {
                    self.until = self.until.max(now.plus(wait(first, doublings).min(longest)));
                }
                let locked = self.failures >= locked_at;
                self.expires = if locked { Time::NEVER } else { self.until.max(now.plus(REST)) };
                Reserved::Go
            }
            ThrottleRule::Window { most, per } => {
                let over = now >= self.until;
                let (failures, until) = if over { (0, now.plus(per)) } else { (self.failures, self.until) };
                if failures >= most {
                    return Reserved::Wait(until);
                }
                *self = Counter { failures: failures.saturating_add(1), rested: 0, until, expires: until };
                Reserved::Go
            }
        }
    }

    /// What remains after an attempt succeeded; `None` if nothing does.
    pub fn forgiven(self, rule: ThrottleRule) -> Option<Counter> {
        match rule {
            ThrottleRule::Backoff { .. } => None,
            ThrottleRule::Window { .. } => {
                let failures = self.failures.saturating_sub(1);
                (failures > 0).then_some(Counter { failures, ..self })
            }
        }
    }
}

/// `first`, doubled that many times; saturates.
fn wait(first: Duration, doublings: u32) -> Duration {
    first.saturating_mul(2u32.checked_pow(doublings).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: ThrottleRule =
        ThrottleRule::Backoff { free: 2, first: Duration::from_secs(1), longest: Duration::from_secs(3), locked_at: 6 };

    #[test]
    fn waits_double_up_to_the_longest_and_then_the_key_is_locked() {
        let mut counter = Counter::default();
        let mut now = Time::from_secs(1000);
        assert_eq!(counter.reserve(BACKOFF, now), Reserved::Go);
        for wait in [1, 2, 3, 3] {
            assert_eq!(counter.reserve(BACKOFF, now), Reserved::Go);
            let next = now.plus(Duration::from_secs(wait));
            assert_eq!(counter.reserve(BACKOFF, now), Reserved::Wait(next));
            now = next;
        }
        assert_eq!(counter.reserve(BACKOFF, now), Reserved::Go);
        assert_eq!(counter.reserve(BACKOFF, Time::NEVER), Reserved::Locked);
        assert_eq!((counter.failures, counter.expires), (6, Time::NEVER));
    }

    #[test]
    fn a_day_s_rest_starts_the_waits_over_and_never_the_count() {
        let mut counter = Counter::default();
        let mut now = Time::from_secs(1000);
        for tried in 1..=6 {
            assert_eq!(counter.reserve(BACKOFF, now), Reserved::Go, "try {tried}");
            now = now.plus(REST);
        }
        assert_eq!(counter.reserve(BACKOFF, now), Reserved::Locked);
    }

    #[test]
    fn a_clock_that_goes_back_is_no_rest() {
        let mut counter = Counter::default();
        for _ in 0..2 {
            counter.reserve(BACKOFF, Time::from_secs(1_000_000));
        }
        counter.reserve(BACKOFF, Time::from_secs(1_000_001));
        assert_eq!(counter.reserve(BACKOFF, Time::from_secs(1)), Reserved::Wait(Time::from_secs(1_000_003)));
        assert_eq!((counter.failures, counter.rested), (3, 0));
    }

    #[test]
    fn free_failures_are_free_even_if_the_clock_goes_back() {
        let mut counter = Counter::default();
        assert_eq!(counter.reserve(BACKOFF, Time::from_secs(1000)), Reserved::Go);
        assert_eq!(counter.reserve(BACKOFF, Time::from_secs(10)), Reserved::Go);
    }

    #[test]
    fn a_clock_that_goes_back_unlocks_nothing() {
        let mut counter = Counter::default();
        counter.reserve(BACKOFF, Time::from_secs(1000));
        counter.reserve(BACKOFF, Time::from_secs(1000));
        assert_eq!(counter.reserve(BACKOFF, Time::from_secs(10)), Reserved::Wait(Time::from_secs(1001)));
        let window = ThrottleRule::Window { most: 1, per: Duration::from_secs(60) };
        let mut counter = Counter::default();
        counter.reserve(window, Time::from_secs(1000));
        assert_eq!(counter.reserve(window, Time::from_secs(10)), Reserved::Wait(Time::from_secs(1060)));
    }

    #[test]
    fn a_window_that_allows_nothing_never_opens() {
        let window = ThrottleRule::Window { most: 0, per: Duration::from_secs(60) };
        let now = Time::from_secs(5);
        assert_eq!(Counter::default().reserve(window, now), Reserved::Wait(Time::from_secs(65)));
    }

    #[test]
    fn enormous_counts_do_not_overflow() {
        let rule = ThrottleRule::Backoff { free: 0, first: Duration::MAX, longest: Duration::MAX, locked_at: u32::MAX };
        let mut counter = Counter { failures: u32::MAX - 2, expires: Time::NEVER, ..Counter::default() };
        assert_eq!(counter.reserve(rule, Time::EPOCH), Reserved::Go);
        assert_eq!(counter.until, Time::NEVER);
    }
}
