//! Looks once a second whether what everything rests on still holds: the store's file in its place, a clock that goes
//! forward evenly, certificates that are in time. Says so loudly if not; mends nothing.

use super::expiry::Expiry;
use crate::audit::Event;
use crate::edge::Edge;
use crate::edition::Live;
use crate::listen::OutOfTime;
use crate::stdx::clock::Time;
use crate::stdx::sparing::Sparing;
use crate::store::{Store, Unavailable};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A clock set back by more than this is worth an alarm; less is how clocks are kept right.
const ALARM: Duration = Duration::from_secs(5);

/// A clock that went on by this much more than the time that passed was set, or the machine slept.
const LEAP: Duration = Duration::from_secs(60);

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
    expiry: Expiry,
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
        let hands = Hands { latest: newest.max(edge.clock.now()), seen: Instant::now(), back: BTreeMap::new() };
        let (expiry, unended) = (Expiry::default(), Sparing::every(COMPLAIN_EVERY));
        Ok(Guard { edge, store, live, ground: Ground::Firm, hands, expiry, unended })
    }

    /// Runs until the caller drops it.
    pub async fn run(mut self) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look_at_ground().await;
            self.look_at_certificates();
            self.look_at_clock().await;
        }
    }

    async fn look_at_ground(&mut self) {
        match (self.store.ground.check(), self.ground) {
            (Err(error), Ground::Firm) => {
                tracing::error!("{error}. Until then nobody can sign in, and sessions are soon not believed any more");
                self.ground = Ground::Gone;
                // While it is open: a process that is killed takes a log without a name with it.
                if let Err(error) = self.store.ground.write_back().await {
                    tracing::error!(%error, "what is in the store's log alone cannot be copied into its file");
                }
            }
            (Ok(()), Ground::Gone) => {
                tracing::info!("the store's file is back in its place");
                self.ground = Ground::Firm;
            }
            (Ok(()), Ground::Firm) | (Err(_), Ground::Gone) => {}
        }
    }

    fn look_at_certificates(&mut self) {
        let edition = self.live.hold();
        for notice in self.expiry.look((edition.number, &edition.plan.certificates), self.edge.clock.now()) {
            let (names, until, what) = (notice.names, notice.until, notice.what);
            match what {
                OutOfTime::Expired(_) => {
                    tracing::error!(%until, "the certificate for {names} {what}: clients refuse it");
                }
                OutOfTime::Soon(_) | OutOfTime::NotYet(_) => {
                    tracing::warn!(%until, "the certificate for {names} {what}");
                }
            }
        }
    }

    async fn look_at_clock(&mut self) {
        let (now, metrics) = (self.edge.clock.now(), &self.edge.metrics);
        match self.hands.look((now, Instant::now()), self.live.hold().sessions().absolute) {
            Step::Back(step) if step > ALARM => {
                metrics.clock_set_back.inc();
                tracing::error!(seconds = step.as_secs(), "the clock was set back: find out who sets it");
                self.edge.recorder.report(now, Event::Lifecycle { what: "clock-set-back" });
            }
            Step::Forward(step) if step > LEAP => {
                metrics.clock_set_forward.inc();
                let seconds = step.as_secs();
                tracing::error!(
                    seconds,
                    "the clock was set forward, or the machine slept: whatever was valid for less than that is over"
                );
                self.edge.recorder.report(now, Event::Lifecycle { what: "clock-set-forward" });
            }
            Step::Back(_) | Step::Forward(_) => {}
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
    /// When that look was, by a clock that nobody sets.
    seen: Instant,
    /// How far they were set back since sessions were last ended for it, by the end of the hour in which it happened.
    back: BTreeMap<Time, Duration>,
}

/// What the hands did between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// They stand before where they stood, by this much.
    Back(Duration),
    /// They went on, by this much more than the time that passed.
    Forward(Duration),
}

impl Hands {
    /// What the hands did since the last look, now that they show `now` at the moment `seen`. Whatever happened longer ago
    /// than `lifetime`, the longest a session lives, is forgotten: no session is left from before it.
    fn look(&mut self, (now, seen): (Time, Instant), lifetime: Duration) -> Step {
        let passed = seen.saturating_duration_since(self.seen);
        let (back, forward) = (self.latest.since(now), now.since(self.latest).saturating_sub(passed));
        (self.latest, self.seen) = (now, seen);
        self.back.retain(|hour, _| now.since(*hour) <= lifetime);
        if back.is_zero() {
            return Step::Forward(forward);
        }
        let sum = self.back.entry(end_of_hour(now)).or_default();
        *sum = sum.saturating_add(back);
        Step::Back(back)
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
        Hands { latest: Time::from_secs(1_000_000), seen: Instant::now(), back: BTreeMap::new() }
    }

    /// A look after so much time, at hands that show `now`.
    fn look(hands: &mut Hands, passed: Duration, now: Time) -> Step {
        let seen = hands.seen + passed;
        hands.look((now, seen), LIFETIME)
    }

    #[test]
    fn a_clock_that_is_kept_right_by_small_steps_back_signs_nobody_out() {
        let mut hands = hands();
        let hour = Duration::from_secs(HOUR);
        for _hour in 0..20 * 24 {
            let now = hands.latest.plus(hour);
            look(&mut hands, hour, now);
            look(&mut hands, Duration::ZERO, now.minus(Duration::from_millis(500)));
            assert!(hands.back() <= Duration::from_secs(7), "{:?}", hands.back());
        }
    }

    #[test]
    fn many_small_steps_back_are_one_large_one() {
        let mut hands = hands();
        let (second, seven) = (Duration::from_secs(1), Duration::from_secs(7));
        for _ in 0..10 {
            let now = hands.latest.plus(second);
            assert_eq!(look(&mut hands, second, now), Step::Forward(Duration::ZERO));
            assert_eq!(look(&mut hands, Duration::ZERO, now.minus(seven)), Step::Back(seven));
        }
        assert_eq!(hands.back(), Duration::from_secs(70));
    }

    #[test]
    fn a_clock_that_goes_on_by_more_than_the_time_that_passed_was_set_forward() {
        let mut hands = hands();
        let (second, day) = (Duration::from_secs(1), Duration::from_secs(24 * HOUR));
        let now = hands.latest.plus(day);
        assert_eq!(look(&mut hands, day, now), Step::Forward(Duration::ZERO), "a look that came late");
        assert_eq!(look(&mut hands, second, now.plus(day)), Step::Forward(day.saturating_sub(second)));
        assert_eq!(hands.back(), Duration::ZERO);
    }
}
