//! How deliveries ended: counted for metrics, and for whoever asks how it stands which courier delivers nothing at present.

use super::Sort;
use crate::stdx::clock::Time;
use crate::telemetry::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How deliveries ended. Clones share everything.
#[derive(Clone)]
pub struct Tally {
    counters: Family<Label, Counter>,
    /// Failures since the last delivery, by courier and kind, which may have receivers of their own. Written by deliveries,
    /// read for the status; held for a look.
    streaks: Arc<Mutex<BTreeMap<(&'static str, &'static str), Streak>>>,
}

/// Failures of a courier with no delivery between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streak {
    /// How many.
    pub failures: u32,
    /// When the first of them was.
    pub since: Time,
    /// What was wrong at the last.
    pub error: String,
}

/// What can become of a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Became {
    /// It was delivered.
    Delivered,
    /// It was given up.
    Failed,
    /// It could not be delivered, and is tried again.
    PutOff,
    /// Too many waited already.
    TurnedAway,
    /// The gateway stopped before it was delivered.
    Dropped,
}

impl Became {
    const ALL: [Became; 5] = [Became::Delivered, Became::Failed, Became::PutOff, Became::TurnedAway, Became::Dropped];

    const fn word(self) -> &'static str {
        match self {
            Became::Delivered => "delivered",
            Became::Failed => "failed",
            Became::PutOff => "put-off",
            Became::TurnedAway => "turned-away",
            Became::Dropped => "dropped",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    courier: &'static str,
    kind: &'static str,
    result: &'static str,
}

impl Tally {
    /// Counters at zero, shown among `metrics`.
    pub fn new(metrics: &Metrics) -> Self {
        let tally = Tally { counters: Family::default(), streaks: Arc::default() };
        for kind in kinds() {
            Became::ALL.iter().for_each(|became| drop(tally.counter(kind, *became)));
        }
        let family = tally.counters.clone();
        let help = "Messages to people, by courier, kind and result";
        metrics.extend(|registry| registry.register("deliveries", help, family));
        tally
    }

    /// How each courier does with each kind of parcels: its failures since it delivered one.
    pub fn streaks(&self) -> Vec<((&'static str, Sort), Option<Streak>)> {
        let streaks = self.streaks.lock().unwrap_or_else(PoisonError::into_inner);
        kinds().map(|(courier, sort)| ((courier, sort), streaks.get(&(courier, sort.word())).cloned())).collect()
    }

    pub(super) fn counter(&self, (courier, sort): (&'static str, Sort), became: Became) -> Counter {
        self.counters.get_or_create_owned(&Label { courier, kind: sort.word(), result: became.word() })
    }

    pub(super) fn count(&self, what: (&'static str, Sort), became: Became) {
        self.counter(what, became).inc();
    }

    /// A courier delivered something.
    pub(super) fn worked(&self, (courier, sort): (&'static str, Sort)) {
        self.streaks.lock().unwrap_or_else(PoisonError::into_inner).remove(&(courier, sort.word()));
    }

    /// A courier did not deliver something.
    pub(super) fn failed(&self, (courier, sort): (&'static str, Sort), error: String, now: Time) {
        let mut streaks = self.streaks.lock().unwrap_or_else(PoisonError::into_inner);
        let streak = streaks.entry((courier, sort.word()));
        let streak = streak.or_insert(Streak { failures: 0, since: now, error: String::new() });
        streak.failures = streak.failures.saturating_add(1);
        streak.error = error;
    }
}

/// Every courier with every kind of parcels.
fn kinds() -> impl Iterator<Item = (&'static str, Sort)> {
    let couriers = [super::Webhook::NAME, super::Smtp::NAME];
    couriers.into_iter().flat_map(|courier| [Sort::Code, Sort::Notice].map(|sort| (courier, sort)))
}
