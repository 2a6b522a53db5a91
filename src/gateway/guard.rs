//! Looks once a second whether what everything rests on still holds: the store's file in its place, and a clock that
//! goes forward. Says so loudly if not; mends nothing.

use crate::audit::Event;
use crate::edge::Edge;
use crate::edition::Live;
use crate::stdx::clock::Time;
use crate::stdx::sparing::Sparing;
use crate::store::{Store, Unavailable};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A clock set back by more than this is worth an alarm; less is how clocks are kept right.
const ALARM: Duration = Duration::from_secs(5);

/// By how much sessions may live longer in all because the clock was set back. Beyond it all end: how old they are,
/// nobody can say any more.
const TOLERATED: Duration = Duration::from_secs(60);

/// How often it is said that sessions cannot be ended. It is tried at each look.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// The look-out of one gateway.
pub(super) struct Guard {
    edge: Arc<Edge>,
    store: Store,
    live: Arc<Live>,
    ground: Ground,
    hands: Hands,
    unended: Sparing,
}

/// What was last seen of the store's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    Firm,
    Gone,
}

impl Guard {
    /// A guard who knows that no session was used later than now.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn new(edge: Arc<Edge>, store: Store, live: Arc<Live>) -> Result<Self, Unavailable> {
        let newest = store.sessions.list(1).await?.first().map_or(Time::EPOCH, |(_, session)| session.used);
        let hands = Hands { latest: newest.max(edge.clock.now()), back: BTreeMap::new() };
        Ok(Guard { edge, store, live, ground: Ground::Firm, hands, unended: Sparing::every(COMPLAIN_EVERY) })
    }

    /// Runs until the caller drops it.
    pub async fn run(mut self) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look_at_ground();
            self.look_at_clock().await;
        }
    }

    fn look_at_ground(&mut self) {
        match (self.store.ground.check(), self.ground) {
            (Err(error), Ground::Firm) => {
                tracing::error!("{error}. Until then nobody can sign in, and sessions are soon not believed any more");
                self.ground = Ground::Gone;
            }
            (Ok(()), Ground::Gone) => {
                tracing::info!("the store's file is back in its place");
                self.ground = Ground::Firm;
            }
            (Ok(()), Ground::Firm) | (Err(_), Ground::Gone) => {}
        }
    }

    async fn look_at_clock(&mut self) {
        let now = self.edge.clock.now();
        let step = self.hands.look(now, self.live.hold().sessions().absolute);
        if step > ALARM {
            self.edge.metrics.clock_set_back.inc();
            tracing::error!(seconds = step.as_secs(), "the clock was set back: find out who sets it");
            self.edge.recorder.report(now, Event::Lifecycle { what: "clock-set-back" });
        }
        if self.hands.back() <= TOLERATED {
            return;
        }
        match self.store.sessions.end_every().await {
            Ok(sessions) => {
                tracing::error!(
                    sessions,
                    "every session was ended: with the clock set back, nobody can say how old they are"
                );
                self.hands.back.clear();
            }
            Err(error) if self.unended.due() => {
                tracing::error!(%error, "sessions cannot be ended, though the clock was set back");
            }
            Err(_) => {}
        }
    }
}

/// What was seen of the clock's hands.
struct Hands {
    /// The time at the last look, or, before the first, the latest there is a trace of.
    latest: Time,
    /// How far they were set back since sessions were last ended for it, by the end of the hour in which it happened.
    back: BTreeMap<Time, Duration>,
}

impl Hands {
    /// How far the hands were set back since the last look. Whatever happened longer ago than `lifetime`, the longest a
    /// session lives, is forgotten: no session is left from before it.
    fn look(&mut self, now: Time, lifetime: Duration) -> Duration {
        let step = self.latest.since(now);
        self.latest = now;
        self.back.retain(|hour, _| now.since(*hour) <= lifetime);
        if !step.is_zero() {
            let sum = self.back.entry(end_of_hour(now)).or_default();
            *sum = sum.saturating_add(step);
        }
        step
    }

    /// How far in all.
    fn back(&self) -> Duration {
        self.back.values().fold(Duration::ZERO, |sum, step| sum.saturating_add(*step))
    }
}

fn end_of_hour(time: Time) -> Time {
    Time::from_secs((time.secs() / HOUR + 1) * HOUR)
}

/// In seconds.
const HOUR: u64 = 3600;

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(12 * HOUR);

    fn hands() -> Hands {
        Hands { latest: Time::from_secs(1_000_000), back: BTreeMap::new() }
    }

    #[test]
    fn a_clock_that_is_kept_right_by_small_steps_back_signs_nobody_out() {
        let mut hands = hands();
        for _hour in 0..20 * 24 {
            let now = hands.latest.plus(Duration::from_secs(HOUR));
            hands.look(now, LIFETIME);
            hands.look(now.minus(Duration::from_millis(500)), LIFETIME);
            assert!(hands.back() <= Duration::from_secs(7), "{:?}", hands.back());
        }
    }

    #[test]
    fn many_small_steps_back_are_one_large_one() {
        let mut hands = hands();
        for _ in 0..10 {
            let now = hands.latest.plus(Duration::from_secs(1));
            assert_eq!(hands.look(now, LIFETIME), Duration::ZERO);
            assert_eq!(hands.look(now.minus(Duration::from_secs(7)), LIFETIME), Duration::from_secs(7));
        }
        assert_eq!(hands.back(), Duration::from_secs(70));
    }
}
