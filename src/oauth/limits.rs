//! How often one source may begin something or present what is not good. In memory, for each process: no secret here can
//! be guessed, so this only keeps the store from being kept busy.

use super::Unproven;
use crate::identity::AccountId;
use crate::stdx::bounded::BoundedMap;
use crate::stdx::clock::Time;
use std::net::IpAddr;
use std::time::Duration;

/// The window that is counted in.
const WINDOW: Duration = Duration::from_secs(600);

/// Failures of one source in a window. No secret is guessed in so few; a few programs behind one address that go on with
/// an old token do not keep the others out.
const MOST_FAILURES: u32 = 300;

/// Beginnings of one source in a window.
const MOST_BEGINNINGS: u32 = 100;

/// Beginnings of all sources together in a window: each leaves two records in the store for as long.
const MOST_IN_ALL: u32 = 10_000;

/// Sources remembered; beyond that older ones are forgotten, about.
const SOURCES: usize = 10_000;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    /// A device asks to be approved.
    Beginning,
    /// What was presented was not good.
    Failure,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key(Counted, Option<IpAddr>);

/// Counters of sources.
pub struct Limits(BoundedMap<Key, (u32, Time)>);

impl Default for Limits {
    fn default() -> Self {
        Limits(BoundedMap::new(SOURCES))
    }
}

impl Limits {
    /// Until when a source has to wait; `None` if it need not.
    pub fn wait(&self, counted: Counted, source: IpAddr, now: Time) -> Option<Time> {
        let over = |key, most| {
            let (count, began) = self.0.get(&key)?;
            let until = began.plus(WINDOW);
            (now < until && count >= most).then_some(until)
        };
        let most = match counted {
            Counted::Beginning => MOST_BEGINNINGS,
            Counted::Failure => MOST_FAILURES,
        };
        over(Key(counted, Some(network(source))), most).or_else(|| match counted {
            Counted::Beginning => over(Key(counted, None), MOST_IN_ALL),
            Counted::Failure => None,
        })
    }

    /// Counts one more.
    pub fn count(&self, counted: Counted, source: IpAddr, now: Time) {
        for key in [Key(counted, Some(network(source))), Key(counted, None)] {
            let held = self.0.get(&key).filter(|(_, began)| now < began.plus(WINDOW));
            let (count, began) = held.unwrap_or((0, now));
            self.0.insert(key, (count.saturating_add(1), began));
        }
    }
}

/// For how long the same failure of the same account from the same source is not told again.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Which account failed, or none that there is, why, and from where.
type Kind = (Option<AccountId>, Unproven, IpAddr);

/// Which failures are on record: the first of its kind in a while, so that a flood of tries is no flood of events. Names
/// that no account has are one kind.
pub struct Told(BoundedMap<Kind, Time>);

impl Default for Told {
    fn default() -> Self {
        Told(BoundedMap::new(SOURCES))
    }
}

impl Told {
    /// Whether this is to be told.
    pub fn is_first(&self, (account, why): (Option<AccountId>, Unproven), source: IpAddr, now: Time) -> bool {
        let kind = (account, why, network(source));
        if self.0.get(&kind).is_some_and(|until| now < until) {
            return false;
        }
        self.0.insert(kind, now.plus(TELL_EVERY));
        true
    }
}

/// One source: an IPv4 address, or the /64 that one IPv6 customer has.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_that_fails_too_often_waits_and_others_do_not() {
        let (limits, at) = (Limits::default(), Time::from_secs);
        let [one, same, other] =
            ["2001:db8::1", "2001:db8::ffff", "192.0.2.1"].map(|text| text.parse().expect("an address"));
        (0..MOST_FAILURES).for_each(|_| limits.count(Counted::Failure, one, at(1)));
        assert_eq!(limits.wait(Counted::Failure, same, at(600)), Some(at(601)));
        assert_eq!(limits.wait(Counted::Failure, same, at(601)), None);
        assert_eq!(limits.wait(Counted::Failure, other, at(1)), None);
        assert_eq!(limits.wait(Counted::Beginning, one, at(1)), None);
    }
}
