//! What happened to members since the process started, as counters to scrape; knows nothing of how they are shown.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// The counters, shared by the prober and every pool of every edition.
#[derive(Debug)]
pub(super) struct Tally {
    /// Written by the prober.
    pub good_probes: Counter,
    /// Written by the prober.
    pub bad_probes: Counter,
    /// Written by the prober.
    pub falls: Counter,
    /// Written by the prober.
    pub rises: Counter,
    /// Written by picks whose member failed.
    pub ejections: Counter,
    /// The first two by their label.
    probes: Family<Label, Counter>,
    /// The next two by their label.
    turns: Family<Label, Counter>,
}

type Label = [(&'static str, &'static str); 1];

impl Default for Tally {
    fn default() -> Self {
        let (probes, turns): (Family<Label, Counter>, Family<Label, Counter>) = Default::default();
        Tally {
            good_probes: probes.get_or_create_owned(&[("result", "good")]),
            bad_probes: probes.get_or_create_owned(&[("result", "bad")]),
            falls: turns.get_or_create_owned(&[("to", "unhealthy")]),
            rises: turns.get_or_create_owned(&[("to", "healthy")]),
            ejections: Counter::default(),
            probes,
            turns,
        }
    }
}

impl Tally {
    /// Shows the counters in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("health_checks", "Probes of members, by result", self.probes.clone());
        registry.register("health_changes", "Members that became healthy or unhealthy", self.turns.clone());
        registry.register("ejections", "Members left out because they did not answer", self.ejections.clone());
    }

    /// How far each has counted.
    pub fn counts(&self) -> Counts {
        Counts {
            good_probes: self.good_probes.get(),
            bad_probes: self.bad_probes.get(),
            falls: self.falls.get(),
            rises: self.rises.get(),
            ejections: self.ejections.get(),
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
    /// Times a member was left out because it failed requests.
    pub ejections: u64,
}
