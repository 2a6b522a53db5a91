//! What was used once and must not be used again for a while; bounded, and full means no, not forgotten.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::stdx::clock::Time;

/// What became of a name that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It is the first time.
    First,
    /// It was used before.
    Again,
    /// There is no room to remember it, so it may not be used.
    Full,
}

/// Names that were used, for at least one period and at most two.
pub struct Replays {
    period: Duration,
    most: usize,
    /// Written and read by whoever uses a name; held for two look-ups, never across an await.
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Which period `current` is of.
    number: u64,
    current: HashSet<[u8; 16]>,
    previous: HashSet<[u8; 16]>,
}

impl Replays {
    /// Remembers names for `period`, at most `most` in each.
    pub fn new(period: Duration, most: usize) -> Self {
        Replays { period, most, kept: Mutex::default() }
    }

    /// Uses a name.
    pub fn take(&self, name: [u8; 16], now: Time) -> Use {
        let number = now.secs() / self.period.as_secs().max(1);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.turn_to(number);
        if kept.current.contains(&name) || kept.previous.contains(&name) {
            return Use::Again;
        }
        if kept.current.len() >= self.most {
            return Use::Full;
        }
        kept.current.insert(name);
        Use::First
    }
}

impl Kept {
    /// A clock that is set back forgets nothing.
    fn turn_to(&mut self, number: u64) {
        if number <= self.number {
            return;
        }
        let next = number == self.number + 1;
        self.previous = std::mem::take(&mut self.current);
        if !next {
            self.previous.clear();
        }
        self.number = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_remembered_for_a_period_at_least() {
        let replays = Replays::new(Duration::from_secs(10), 100);
        let take = |name: u8, secs| replays.take([name; 16], Time::from_secs(secs));
        assert_eq!((take(1, 19), take(1, 19), take(1, 29)), (Use::First, Use::Again, Use::Again));
        assert_eq!((take(2, 29), take(1, 30)), (Use::First, Use::First));
        assert_eq!((take(2, 5), take(2, 31)), (Use::Again, Use::Again), "nor does a clock set back forget");
    }

    #[test]
    fn a_full_memory_lets_nobody_pass_until_there_is_room() {
        let replays = Replays::new(Duration::from_secs(10), 2);
        let take = |name: u8, secs| replays.take([name; 16], Time::from_secs(secs));
        assert_eq!((take(1, 10), take(2, 10), take(3, 10)), (Use::First, Use::First, Use::Full));
        assert_eq!((take(1, 10), take(3, 20), take(1, 20)), (Use::Again, Use::First, Use::Again));
    }
}
