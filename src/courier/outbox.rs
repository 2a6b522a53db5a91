//! What waits to be delivered: a bounded queue that never keeps its caller waiting, and the task that works it off.

use super::tally::Became;
use super::{Courier, Parcel, Sort, Tally, Undelivered};
use crate::stdx::clock::Clock;
use crate::stdx::entropy;
use crate::stdx::id::base32;
use futures_util::StreamExt;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};

/// Deliveries under way at once: with a provider that answers in half a second, some thirty messages a second.
pub const AT_ONCE: usize = 16;

/// Parcels that wait. If a provider has broken down, each place of [`AT_ONCE`] is free again after 33 s at most, so that
/// the last in line is still delivered within the ten minutes that a code is good for.
pub const WAITING: usize = 256;

/// News that wait for another try besides: about two megabytes.
const PUT_OFF: usize = 1_000;

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
    /// Parcels taken out of the queue at a time, on their way or waiting for another try.
    held: usize,
}

/// A parcel on its way. One that nothing became of by the time it goes was dropped, and that is told.
struct Waiting {
    courier: Arc<dyn Courier>,
    parcel: Parcel,
    id: String,
    tally: Tally,
    became: Option<Became>,
}

impl Outbox {
    /// A queue for parcels of one sort, and its other end.
    pub fn new(tally: &Tally, sort: Sort) -> (Self, Deliveries) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let held = match sort {
            Sort::Code => AT_ONCE,
            Sort::Notice => AT_ONCE + PUT_OFF,
        };
        (Outbox { queue: sender, tally: tally.clone() }, Deliveries { queue: receiver, held })
    }

    /// How deliveries ended, of this queue and of those that share it.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Hands a parcel in for a courier.
    ///
    /// # Errors
    /// [`Full`]; then nothing is delivered.
    pub fn hand_in(&self, courier: &Arc<dyn Courier>, parcel: Parcel) -> Result<(), Full> {
        let (courier, id, tally) =
            (courier.clone(), format!("msg_{}", base32(&entropy::bytes::<16>())), self.tally.clone());
        let waiting = Waiting { courier, parcel, id, tally, became: None };
        self.queue.try_send(waiting).map_err(|refused| {
            refused.into_inner().settle(Became::TurnedAway);
            Full
        })
    }
}

impl Deliveries {
    /// Delivers, several at once, until nobody can hand anything in any more. Codes that were given up are named to
    /// `given_up`.
    pub async fn run(self, clock: Arc<dyn Clock>, given_up: mpsc::Sender<String>) {
        let Deliveries { queue, held } = self;
        let waiting = futures_util::stream::unfold(queue, |mut queue| async move {
            let next = queue.recv().await?;
            Some((next, queue))
        });
        let (clock, places, given_up) = (&*clock, &Semaphore::new(AT_ONCE), &given_up);
        waiting.for_each_concurrent(held, |waiting| waiting.deliver((places, clock), given_up)).await;
    }
}

impl Waiting {
    /// Delivers it, if need be hours later; while it waits it takes up nobody's place.
    async fn deliver(self, (places, clock): (&Semaphore, &dyn Clock), given_up: &mpsc::Sender<String>) {
        let mut pauses = self.parcel.sort.pauses();
        let mut told = false;
        loop {
            let place = places.acquire().await.expect("the semaphore is never closed");
            let outcome = self.courier.deliver(&self.parcel, &self.id, clock.now()).await;
            drop(place);
            let Err(error) = outcome else {
                self.tally.worked(self.kind());
                return self.settle(Became::Delivered);
            };
            self.tally.failed(self.kind(), error.to_string(), clock.now());
            let pause = pauses.next().filter(|_| matches!(error, Undelivered::Passing(_)));
            let Some(pause) = pause else {
                self.tell(&error.to_string(), "a message could not be delivered");
                // Where nobody listens, or not soon enough, it only counts on.
                self.parcel.code.iter().for_each(|code| drop(given_up.try_send(code.clone())));
                return self.settle(Became::Failed);
            };
            self.tally.count(self.kind(), Became::PutOff);
            if !std::mem::replace(&mut told, true) {
                self.tell(&error.to_string(), "a message could not be delivered; it is tried again for hours");
            }
            tokio::time::sleep(pause).await;
        }
    }

    fn settle(mut self, became: Became) {
        self.tally.count(self.kind(), became);
        self.became = Some(became);
    }

    fn kind(&self) -> (&'static str, Sort) {
        (self.courier.name(), self.parcel.sort)
    }

    fn tell(&self, error: &str, what: &'static str) {
        let Waiting { courier, parcel, id, .. } = self;
        let account = parcel.account.map(|account| account.to_string()).unwrap_or_default();
        let (courier, kind, receiver) = (courier.name(), parcel.sort.word(), courier.receiver());
        tracing::warn!(courier, kind, id, receiver, account, error, "{what}");
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.became.is_none() {
            self.tally.count(self.kind(), Became::Dropped);
            self.tell("the gateway stops", "a message was not delivered");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FIRST_PAUSE, LONGEST_PAUSE, NEWS_KEPT};
    use super::*;
    use crate::stdx::clock::{ManualClock, Time};
    use crate::stdx::secret::Secret;
    use crate::stdx::task::Tasks;
    use crate::telemetry::Metrics;
    use async_trait::async_trait;
    use std::sync::Mutex;
    use tokio::time::{Duration, Instant};

    const CODES: (&str, Sort) = ("webhook", Sort::Code);
    const NEWS: (&str, Sort) = ("webhook", Sort::Notice);

    fn parcel(sort: Sort) -> Parcel {
        let (text, fields) = (Secret::new("123456"), Vec::new());
        Parcel { sort, code: None, account: None, to: None, subject: String::new(), text, fields }
    }

    /// A courier that fails for so long, and notes when it was asked to deliver what.
    struct Broken {
        until: Instant,
        asked: Mutex<Vec<(Instant, String)>>,
    }

    #[async_trait]
    impl Courier for Broken {
        fn name(&self) -> &'static str {
            "webhook"
        }

        fn receiver(&self) -> String {
            "test://".to_owned()
        }

        async fn deliver(&self, _: &Parcel, id: &str, _: Time) -> Result<(), Undelivered> {
            self.asked.lock().expect("nobody panics").push((Instant::now(), id.to_owned()));
            let works = Instant::now() >= self.until;
            if works { Ok(()) } else { Err(Undelivered::Passing("it answered 500".to_owned())) }
        }
    }

    /// Hands one parcel in for a courier that is broken for so long; when it was asked, counted from the beginning, and
    /// the tally at the end.
    async fn tried(sort: Sort, broken: Duration) -> (Vec<(Duration, String)>, Tally) {
        let tally = Tally::new(&Metrics::new());
        let (outbox, deliveries) = Outbox::new(&tally, sort);
        let began = Instant::now();
        let courier = Arc::new(Broken { until: began + broken, asked: Mutex::default() });
        let handed: Arc<dyn Courier> = courier.clone();
        assert_eq!(outbox.hand_in(&handed, parcel(sort)), Ok(()));
        drop(outbox);
        deliveries.run(Arc::new(ManualClock::new(Time::EPOCH)), mpsc::channel(1).0).await;
        let asked = courier.asked.lock().expect("nobody panics");
        (asked.iter().map(|(at, id)| (at.duration_since(began), id.clone())).collect(), tally)
    }

    #[tokio::test(start_paused = true)]
    async fn news_are_tried_again_for_hours_under_one_name_and_codes_are_not() {
        let hours = Duration::from_secs(5 * 3600);
        let (asked, tally) = tried(Sort::Notice, hours).await;
        let last = asked.last().expect("it was asked").0;
        assert!(hours <= last && last <= hours + LONGEST_PAUSE, "{last:?}");
        assert_eq!(asked[1].0, FIRST_PAUSE);
        assert!(asked.iter().all(|(_, id)| *id == asked[0].1), "the receiver can drop what it has");
        let put_off = tally.counter(NEWS, Became::PutOff).get();
        assert_eq!((put_off, tally.counter(NEWS, Became::Delivered).get()), (asked.len() as u64 - 1, 1));
        assert!(tally.streaks().iter().all(|(_, streak)| streak.is_none()), "it works again");

        let (asked, tally) = tried(Sort::Notice, NEWS_KEPT * 2).await;
        assert!(asked.last().is_some_and(|(at, _)| *at <= NEWS_KEPT), "in the end it is given up");
        assert_eq!(tally.counter(NEWS, Became::Failed).get(), 1);
        let streak = tally.streaks().into_iter().find_map(|(kind, streak)| streak.filter(|_| kind == NEWS));
        assert_eq!(streak.expect("it failed").failures as usize, asked.len());

        let (asked, tally) = tried(Sort::Code, hours).await;
        assert_eq!((asked.len(), tally.counter(CODES, Became::Failed).get()), (1, 1));
    }

    #[tokio::test]
    async fn what_a_stop_finds_undelivered_is_counted() {
        let tally = Tally::new(&Metrics::new());
        let (outbox, deliveries) = Outbox::new(&tally, Sort::Notice);
        let tasks = Tasks::new();
        tasks.spawn("deliveries", deliveries.run(Arc::new(ManualClock::new(Time::EPOCH)), mpsc::channel(1).0));
        let courier: Arc<dyn Courier> = Arc::new(Slow(Semaphore::new(0)));
        (0..20).for_each(|_| outbox.hand_in(&courier, parcel(Sort::Notice)).expect("there is room"));
        tokio::task::yield_now().await;
        tasks.stop().await;
        assert_eq!(tally.counter(NEWS, Became::Dropped).get(), 20);
    }

    /// A courier that delivers when it is let.
    struct Slow(Semaphore);

    #[async_trait]
    impl Courier for Slow {
        fn name(&self) -> &'static str {
            "webhook"
        }

        fn receiver(&self) -> String {
            "test://".to_owned()
        }

        async fn deliver(&self, _: &Parcel, _: &str, _: Time) -> Result<(), Undelivered> {
            self.0.acquire().await.expect("it is never closed").forget();
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_finds_the_queue_full_is_turned_away_at_once_and_counted() {
        let metrics = Metrics::new();
        let tally = Tally::new(&metrics);
        let (outbox, deliveries) = Outbox::new(&tally, Sort::Code);
        let tasks = Tasks::new();
        tasks.spawn("deliveries", deliveries.run(Arc::new(ManualClock::new(Time::EPOCH)), mpsc::channel(1).0));
        let slow = Arc::new(Slow(Semaphore::new(0)));
        let courier: Arc<dyn Courier> = slow.clone();
        let parcel = || parcel(Sort::Code);
        let mut taken = 0;
        // The task takes some out of the queue, and then no more than it delivers at once.
        while taken < AT_ONCE + WAITING {
            match outbox.hand_in(&courier, parcel()) {
                Ok(()) => taken += 1,
                Err(Full) => tokio::task::yield_now().await,
            }
        }
        let before = tally.counter(CODES, Became::TurnedAway).get();
        for _ in 0..10 {
            tokio::task::yield_now().await;
            assert_eq!(outbox.hand_in(&courier, parcel()), Err(Full));
        }
        assert_eq!(tally.counter(CODES, Became::TurnedAway).get(), before + 10);
        slow.0.add_permits(AT_ONCE + WAITING);
        while tally.counter(CODES, Became::Delivered).get() < (AT_ONCE + WAITING) as u64 {
            tokio::task::yield_now().await;
        }
        assert_eq!(outbox.hand_in(&courier, parcel()), Ok(()));
        tasks.stop().await;
    }
}
