//! What waits to be delivered: a bounded queue that never keeps its caller waiting, and the task that works it off.

use super::{Courier, Parcel};
use crate::stdx::clock::Clock;
use crate::telemetry::Metrics;
use futures_util::StreamExt;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Deliveries under way at once: with a provider that answers in half a second, some thirty messages a second.
pub const AT_ONCE: usize = 16;

/// Parcels that wait. If a provider has broken down, each place of [`AT_ONCE`] is free again after 33 s at most, so that
/// the last in line is still delivered within the ten minutes that a code is good for.
pub const WAITING: usize = 256;

type Waiting = (Arc<dyn Courier>, Parcel);

/// The queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many messages wait to be delivered")]
pub struct Full;

/// Where parcels are handed in. Clones share one queue.
#[derive(Clone)]
pub struct Outbox {
    queue: mpsc::Sender<Waiting>,
    tally: Tally,
}

/// The other end of the queue, for the one task that works it off.
pub struct Deliveries {
    queue: mpsc::Receiver<Waiting>,
    tally: Tally,
}

impl Outbox {
    /// A queue and its other end.
    pub fn new(tally: &Tally) -> (Self, Deliveries) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Outbox { queue: sender, tally: tally.clone() }, Deliveries { queue: receiver, tally: tally.clone() })
    }

    /// Hands a parcel in for a courier.
    ///
    /// # Errors
    /// [`Full`]; then nothing is delivered.
    pub fn hand_in(&self, courier: &Arc<dyn Courier>, parcel: Parcel) -> Result<(), Full> {
        let name = courier.name();
        self.queue.try_send((courier.clone(), parcel)).map_err(|_| {
            self.tally.count(name, "turned-away");
            Full
        })
    }
}

impl Deliveries {
    /// Delivers, several at once, until nobody can hand anything in any more.
    pub async fn run(self, clock: Arc<dyn Clock>) {
        let Deliveries { queue, tally } = self;
        let waiting = futures_util::stream::unfold(queue, |mut queue| async move {
            let next = queue.recv().await?;
            Some((next, queue))
        });
        let (clock, tally) = (&*clock, &tally);
        waiting.for_each_concurrent(AT_ONCE, |(courier, parcel)| deliver(courier, parcel, (clock, tally))).await;
    }
}

async fn deliver(courier: Arc<dyn Courier>, parcel: Parcel, (clock, tally): (&dyn Clock, &Tally)) {
    let name = courier.name();
    match courier.deliver(&parcel, clock.now()).await {
        Ok(()) => tally.count(name, "delivered"),
        Err(error) => {
            tally.count(name, "failed");
            tracing::warn!(courier = name, kind = parcel.sort.word(), %error, "a message could not be delivered");
        }
    }
}

/// How deliveries ended.
#[derive(Clone)]
pub struct Tally(Family<Label, Counter>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    courier: &'static str,
    result: &'static str,
}

impl Tally {
    /// Counters at zero, shown among `metrics`.
    pub fn new(metrics: &Metrics) -> Self {
        let tally = Tally(Family::default());
        for courier in [super::Webhook::NAME, super::Smtp::NAME] {
            ["delivered", "failed", "turned-away"].iter().for_each(|result| drop(tally.counter(courier, result)));
        }
        let family = tally.0.clone();
        metrics.extend(|registry| registry.register("deliveries", "Messages to people, by courier and result", family));
        tally
    }

    fn counter(&self, courier: &'static str, result: &'static str) -> Counter {
        self.0.get_or_create_owned(&Label { courier, result })
    }

    fn count(&self, courier: &'static str, result: &'static str) {
        self.counter(courier, result).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Sort, Undelivered};
    use super::*;
    use crate::stdx::clock::{ManualClock, Time};
    use crate::stdx::secret::Secret;
    use crate::stdx::task::Tasks;
    use async_trait::async_trait;
    use tokio::sync::Semaphore;

    /// A courier that delivers when it is let.
    struct Slow(Semaphore);

    #[async_trait]
    impl Courier for Slow {
        fn name(&self) -> &'static str {
            "webhook"
        }

        async fn deliver(&self, _: &Parcel, _: Time) -> Result<(), Undelivered> {
            self.0.acquire().await.expect("it is never closed").forget();
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_finds_the_queue_full_is_turned_away_at_once_and_counted() {
        let metrics = Metrics::new();
        let tally = Tally::new(&metrics);
        let (outbox, deliveries) = Outbox::new(&tally);
        let tasks = Tasks::new();
        tasks.spawn("deliveries", deliveries.run(Arc::new(ManualClock::new(Time::EPOCH))));
        let slow = Arc::new(Slow(Semaphore::new(0)));
        let courier: Arc<dyn Courier> = slow.clone();
        let text = || Secret::new("123456");
        let parcel = || Parcel { sort: Sort::Code, to: None, subject: String::new(), text: text(), fields: Vec::new() };
        let mut taken = 0;
        // The task takes some out of the queue, and then no more than it delivers at once.
        while taken < AT_ONCE + WAITING {
            match outbox.hand_in(&courier, parcel()) {
                Ok(()) => taken += 1,
                Err(Full) => tokio::task::yield_now().await,
            }
        }
        let before = tally.counter("webhook", "turned-away").get();
        for _ in 0..10 {
            tokio::task::yield_now().await;
            assert_eq!(outbox.hand_in(&courier, parcel()), Err(Full));
        }
        assert_eq!(tally.counter("webhook", "turned-away").get(), before + 10);
        slow.0.add_permits(AT_ONCE + WAITING);
        while tally.counter("webhook", "delivered").get() < (AT_ONCE + WAITING) as u64 {
            tokio::task::yield_now().await;
        }
        assert_eq!(outbox.hand_in(&courier, parcel()), Ok(()));
        tasks.stop().await;
    }
}
