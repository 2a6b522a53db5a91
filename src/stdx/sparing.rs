//! How often a warning is repeated that would otherwise come with every failure: an attack, or a fault that lasts, must
//! not flood the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Says when a warning may be repeated.
#[derive(Debug)]
pub struct Sparing {
    origin: Instant,
    period: Duration,
    /// Milliseconds after `origin` from which the next warning may come. Written by whoever warns.
    next: AtomicU64,
}

impl Sparing {
    /// One warning per ten seconds: an operator sees that it goes on, and the log stays readable.
    pub fn new() -> Self {
        Self::every(Duration::from_secs(10))
    }

    /// One warning per `period`.
    pub fn every(period: Duration) -> Self {
        Sparing { origin: Instant::now(), period, next: AtomicU64::new(0) }
    }

    /// Whether a warning may come now; if so, it counts as given.
    pub fn due(&self) -> bool {
        let now = millis(self.origin.elapsed());
        let next = self.next.load(Ordering::Relaxed);
        let later = now.saturating_add(millis(self.period));
        now >= next && self.next.compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Default for Sparing {
    fn default() -> Self {
        Self::new()
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_warning_is_repeated_after_ten_seconds_and_not_before() {
        let sparing = Sparing::new();
        assert!(sparing.due());
        assert!(!sparing.due());
        tokio::time::advance(Duration::from_millis(9_999)).await;
        assert!(!sparing.due());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(sparing.due());
    }
}
