//! What happened to members since the process started, as counters to scrape; knows no metrics library.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counters, shared by the prober and every pool of every edition.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Written by the prober.
    pub good_probes: Counter,
    /// Written by the prober.
    pub bad_probes: Counter,
    /// Written by the prober.
    pub falls: Counter,
    /// Written by the prober.
    pub rises: Counter,
    /// Written by picks that could not connect.
    pub ejections: Counter,
}

impl Tally {
    /// How far each has counted.
    pub fn counts(&self) -> Counts {
        Counts {
            good_probes: self.good_probes.read(),
            bad_probes: self.bad_probes.read(),
            falls: self.falls.read(),
            rises: self.rises.read(),
            ejections: self.ejections.read(),
        }
    }
}

/// Counts since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Probes that were answered well.
    pub good_probes: u64,
    /// Probes that were not.
    pub bad_probes: u64,
    /// Times a health check found a member unhealthy that was not so before.
    pub falls: u64,
    /// Times a health check found a member healthy that was not so before.
    pub rises: u64,
    /// Times a member was left out because connecting to it failed.
    pub ejections: u64,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
