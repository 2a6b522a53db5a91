//! How many connections are open, in all and from one source, and the lifeline of each; knows nothing of what they do.

use super::ConnectionLimits;
use super::meter::{Meter, Overload};
use crate::stdx::lifeline::Lifeline;
use dashmap::DashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The count of open connections, against which new ones are judged.
#[derive(Debug, Default)]
pub(super) struct Admission {
    open: AtomicUsize,
    /// Open connections by source. Bounded by the connections themselves: a source without one has no entry.
    sources: DashMap<IpAddr, usize>,
    /// By the connection's number: what a drain cuts at its deadline.
    lifelines: DashMap<u64, Lifeline>,
    next: AtomicU64,
    meter: Meter,
}

/// A place among the open connections; dropping it gives the place back.
#[derive(Debug)]
pub(super) struct Admitted {
    admission: Arc<Admission>,
    source: IpAddr,
    number: u64,
    lifeline: Lifeline,
}

impl Admission {
    /// Nothing open yet.
    pub(super) fn new(meter: Meter) -> Admission {
        Admission { meter, ..Admission::default() }
    }

    /// Takes a place for a connection from `peer`, or says which cap is reached.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr, limits: &ConnectionLimits) -> Result<Admitted, Overload> {
        let source = source_of(peer);
        if self.open.fetch_add(1, Ordering::Relaxed) >= limits.connections {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Overload::Connections);
        }
        if !self.count_in(source, limits.per_address) {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Overload::PerAddress);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let lifeline = Lifeline::new();
        self.lifelines.insert(number, lifeline.clone());
        self.meter.open.inc();
        Ok(Admitted { admission: Arc::clone(self), source, number, lifeline })
    }

    /// Connections open now.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Cuts every open connection; returns how many there were.
    pub(super) fn cut_all(&self) -> usize {
        // Collected first: whoever is woken by a cut removes its own entry.
        let lifelines: Vec<Lifeline> = self.lifelines.iter().map(|entry| entry.value().clone()).collect();
        lifelines.iter().for_each(Lifeline::cut);
        lifelines.len()
    }

    fn count_in(&self, source: IpAddr, cap: usize) -> bool {
        if cap == 0 {
            return false;
        }
        let mut count = self.sources.entry(source).or_insert(0);
        let fits = *count < cap;
        *count += usize::from(fits);
        fits
    }
}

impl Admitted {
    /// What the connection's life hangs on.
    pub(super) fn lifeline(&self) -> &Lifeline {
        &self.lifeline
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.lifelines.remove(&self.number);
        self.admission.sources.remove_if_mut(&self.source, |_, count| {
            *count = count.saturating_sub(1);
            *count == 0
        });
        self.admission.open.fetch_sub(1, Ordering::Relaxed);
        self.admission.meter.open.dec();
    }
}

/// Who counts as one source: an IPv4 address, or the /64 that one IPv6 subscriber commonly has.
fn source_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(connections: usize, per_address: usize) -> ConnectionLimits {
        ConnectionLimits { connections, per_address, ..ConnectionLimits::DEFAULT }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_source_may_not_pass_its_cap_and_gets_its_place_back() {
        let admission = Arc::new(Admission::default());
        let limits = limits(10, 2);
        let first = admission.admit(ip("192.0.2.1"), &limits).unwrap();
        let _second = admission.admit(ip("192.0.2.1"), &limits).unwrap();
        assert_eq!(admission.admit(ip("192.0.2.1"), &limits).unwrap_err(), Overload::PerAddress);
        assert!(admission.admit(ip("192.0.2.2"), &limits).is_ok());
        drop(first);
        assert!(admission.admit(ip("192.0.2.1"), &limits).is_ok());
    }

    #[test]
    fn one_ipv6_network_of_64_bits_is_one_source() {
        let admission = Arc::new(Admission::default());
        let limits = limits(10, 1);
        let _first = admission.admit(ip("2001:db8:0:1::1"), &limits).unwrap();
        assert_eq!(admission.admit(ip("2001:db8:0:1:ffff::2"), &limits).unwrap_err(), Overload::PerAddress);
        assert!(admission.admit(ip("2001:db8:0:2::1"), &limits).is_ok());
    }

    #[test]
    fn an_ipv4_address_written_as_ipv6_is_the_same_source() {
        assert_eq!(source_of(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
    }

    #[test]
    fn all_sources_together_may_not_pass_the_cap() {
        let admission = Arc::new(Admission::default());
        let limits = limits(1, 5);
        let first = admission.admit(ip("192.0.2.1"), &limits).unwrap();
        assert_eq!(admission.admit(ip("192.0.2.2"), &limits).unwrap_err(), Overload::Connections);
        drop(first);
        assert_eq!(admission.open(), 0);
        assert!(admission.sources.is_empty() && admission.lifelines.is_empty());
    }

    #[test]
    fn a_cap_of_zero_admits_nobody() {
        let admission = Arc::new(Admission::default());
        assert_eq!(admission.admit(ip("192.0.2.1"), &limits(5, 0)).unwrap_err(), Overload::PerAddress);
        assert!(admission.sources.is_empty());
    }
}
