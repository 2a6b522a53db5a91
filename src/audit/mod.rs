//! The closed list of security events and the queue they leave by; never blocks whoever reports one, and writes
//! nowhere itself.

mod event;

pub use event::{Event, Fields};

use crate::identity::FactorName;
use crate::stdx::clock::Time;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// Events that may wait to be written. A flood beyond that is counted, and the count is itself reported.
const QUEUE: usize = 16_384;

/// Where events are reported. Clones share one queue.
#[derive(Clone)]
pub struct Recorder {
    queue: mpsc::Sender<(Time, Event)>,
    /// Events that found the queue full or could not be written. Written by reporters and the writer, read by metrics.
    lost: Arc<AtomicU64>,
    /// Tries of a sign-in that were refused unseen, by factor.
    throttled: Counts,
    /// Messages that were not sent, by the limit that was reached.
    limited: Counts,
}

/// Written by the rules of signing in, read by metrics; held for one addition.
type Counts = Arc<Mutex<BTreeMap<&'static str, u64>>>;

/// The other end of the queue, for the one task that writes events down.
pub type Reported = mpsc::Receiver<(Time, Event)>;

impl Recorder {
    /// A recorder and the queue it reports into.
    pub fn new() -> (Self, Reported) {
        let (queue, reported) = mpsc::channel(QUEUE);
        (Recorder { queue, lost: Arc::default(), throttled: Arc::default(), limited: Arc::default() }, reported)
    }

    /// Reports an event that happened at `at`.
    pub fn report(&self, at: Time, event: Event) {
        if self.queue.try_send((at, event)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts events that were taken from the queue and could not be written.
    pub fn lose(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
    }

    /// How many events found the queue full or could not be written.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Counts a try of a sign-in that was refused unseen. Only the first of each window is an event as well: a flood of
    /// tries must not push everything else out of the queue.
    pub fn count_throttled(&self, factor: FactorName) {
        count(&self.throttled, factor.0);
    }

    /// How many tries of each factor were refused unseen.
    pub fn throttled(&self) -> BTreeMap<&'static str, u64> {
        self.throttled.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a message that was not sent because of a limit. Only the first of each window is an event as well.
    pub fn count_limited(&self, limit: &'static str) {
        count(&self.limited, limit);
    }

    /// How many messages each limit kept back.
    pub fn limited(&self) -> BTreeMap<&'static str, u64> {
        self.limited.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn count(counts: &Counts, what: &'static str) {
    *counts.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1;
}
