//! How many wrong answers are suffered: per account and factor, and per source; the counters live in the store and are
//! raised before an answer is verified.

use super::{Moment, Stop};
use crate::factor::Rejection;
use crate::identity::FactorName;
use crate::store::{Reserved, ThrottleRule, Throttles};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Passwords and recovery codes: five free, then 1 s doubling to 15 min; NIST SP 800-63B-4 §3.2.2 allows at most 100
/// consecutive failures.
pub const PASSWORD: ThrottleRule = ThrottleRule::Backoff {
    free: 5,
    first: Duration::from_secs(1),
    longest: Duration::from_secs(15 * 60),
    locked_at: 100,
};

/// One-time codes: as passwords, but ten consecutive failures lock the factor. Whoever gets here knows the password,
/// and six digits with a window of three steps are guessed with 3 in a million a try.
pub const TOTP: ThrottleRule = ThrottleRule::Backoff {
    free: 5,
    first: Duration::from_secs(1),
    longest: Duration::from_secs(15 * 60),
    locked_at: 10,
};

/// One source (an IPv4 address, or an IPv6 /64): thirty failures in ten minutes.
pub const SOURCE: ThrottleRule = ThrottleRule::Window { most: 30, per: Duration::from_secs(600) };

/// The rule for a factor: those whose answers are short are locked sooner.
pub(super) fn rule_for(factor: FactorName) -> ThrottleRule {
    if factor == crate::factor::totp::NAME { TOTP } else { PASSWORD }
}

/// A counted attempt: forgiven if the answer was right, otherwise it stays counted.
pub(super) struct Reservation {
    source: String,
    subject: String,
    rule: ThrottleRule,
}

impl Reservation {
    /// Counts an attempt on `subject` (an account's canonical name) with `factor`, from the moment's address.
    pub async fn take(
        throttles: &Arc<dyn Throttles>,
        subject: &str,
        factor: FactorName,
        moment: Moment,
    ) -> Result<Self, Stop> {
        let (rule, now) = (rule_for(factor), moment.now);
        let reservation = Reservation { source: source_key(moment.address), subject: key(subject, factor), rule };
        admit(throttles.reserve(&reservation.source, SOURCE, now).await?)?;
        let reserved = throttles.reserve(&reservation.subject, rule, now).await?;
        if reserved != Reserved::Go {
            throttles.forgive(&reservation.source, SOURCE).await?;
        }
        admit(reserved)?;
        Ok(reservation)
    }

    /// The answer was right, or was not looked at: it does not count.
    pub async fn forgive(&self, throttles: &Arc<dyn Throttles>) -> Result<(), Stop> {
        throttles.forgive(&self.subject, self.rule).await?;
        throttles.forgive(&self.source, SOURCE).await?;
        Ok(())
    }

    /// The answer was not looked at: the source gets its attempt back; the account's wait stays as it is.
    pub async fn give_back(&self, throttles: &Arc<dyn Throttles>) -> Result<(), Stop> {
        throttles.forgive(&self.source, SOURCE).await?;
        Ok(())
    }
}

/// The counter of one account and factor.
fn key(subject: &str, factor: FactorName) -> String {
    format!("account:{subject}:{factor}")
}

/// What the counters of one account begin with.
pub(super) fn prefix(subject: &str) -> String {
    format!("account:{subject}:")
}

/// The counter of one source: an IPv4 address, or the /64 that one IPv6 customer has.
fn source_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("source:{address}"),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("source:{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

fn admit(reserved: Reserved) -> Result<(), Stop> {
    match reserved {
        Reserved::Go => Ok(()),
        Reserved::Wait(until) => Err(Stop::Rejected(Rejection::Wait(until))),
        Reserved::Locked => Err(Stop::Rejected(Rejection::Locked)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ipv6_customer_is_one_source_however_many_addresses_it_uses() {
        let key = |text: &str| source_key(text.parse().expect("an address"));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }
}
