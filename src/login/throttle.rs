//! How many wrong answers are suffered: per account and factor, and per source; the counters live in the store and are
//! raised before an answer is verified.

use super::{Moment, Stop, Unavailable};
use crate::factor::{Recipient, Rejection, message, passkey, totp};
use crate::identity::{Account, AccountId, FactorName};
use crate::stdx::clock::Time;
use crate::store::{Reserved, ThrottleRule, Throttled, Throttles};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
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

/// Messages with a code for one account: each costs somebody money and attention.
pub const SENT_FOR_ACCOUNT: ThrottleRule = ThrottleRule::Window { most: 5, per: HOUR };

/// Messages with a code to one recipient, whichever accounts they are for.
pub const SENT_TO_RECIPIENT: ThrottleRule = ThrottleRule::Window { most: 8, per: HOUR };

/// Answers to one code: five guesses at six digits are right once in 200 000 times.
pub const ANSWERS: ThrottleRule = ThrottleRule::Window { most: 5, per: message::LIFE };

const HOUR: Duration = Duration::from_secs(3600);

/// Counters kept of names that no account has, and of sources each: at about a hundred bytes a counter, what a flood of
/// either can make the store hold. Those that end first go first.
pub const THROTTLES_KEPT: usize = 100_000;

/// How often it is recorded that somebody tries a factor that is locked.
const LOCKED_WINDOW: Duration = Duration::from_secs(3600);

/// Refusals remembered as recorded: about two megabytes. While there are as many, further ones are counted and not
/// recorded, for a record of each would be a write of each.
const MOST_TOLD: usize = 10_000;

/// The rule for a factor: those whose answers are short are locked sooner. A passkey's answer cannot be guessed: a limit
/// would only let strangers lock people out.
pub fn rule_for(factor: FactorName) -> Option<ThrottleRule> {
    match factor {
        passkey::NAME => None,
        totp::NAME | message::NAME => Some(TOTP),
        _ => Some(PASSWORD),
    }
}

/// Who somebody says to be, as far as it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claimed<'a> {
    /// The name, canonical.
    pub name: &'a str,
    /// The account of that name, if there is one, disabled or not.
    pub account: Option<&'a Account>,
}

impl Claimed<'_> {
    /// Under what wrong answers to a factor are counted: for a browser that is `known`, apart from everybody else's.
    fn throttled(&self, factor: FactorName, known: Option<String>) -> Throttled {
        match (self.account, known) {
            (Some(account), Some(mark)) => Throttled::Known(account.id, factor, mark),
            (Some(account), None) => Throttled::Account(account.id, factor),
            (None, _) => Throttled::Name(self.name.to_owned(), factor),
        }
    }
}

/// A counted attempt: forgiven if the answer was right, otherwise it stays counted.
pub(super) struct Reservation {
    source: Throttled,
    /// Whose answers are counted besides, and how.
    subject: Option<(Throttled, ThrottleRule)>,
    /// What a right answer forgives besides.
    strangers: Option<(Throttled, ThrottleRule)>,
}

/// An attempt that may not be made.
pub(super) struct Refused {
    /// Whose failures are too many.
    pub whose: Throttled,
    /// Until when it has to wait; `None` if it is locked.
    pub until: Option<Time>,
}

impl Reservation {
    /// Counts an attempt with `factor` from the moment's address, and from a browser with a mark, if it has one, or says
    /// why it may not be made.
    pub async fn take(
        throttles: &Arc<dyn Throttles>,
        claimed: Claimed<'_>,
        (factor, mark): (FactorName, Option<String>),
        moment: Moment,
    ) -> Result<Result<Self, Refused>, Stop> {
        let (source, rule) = (Throttled::of_source(moment.address), rule_for(factor));
        let strangers = rule.filter(|_| mark.is_some()).map(|rule| (claimed.throttled(factor, None), rule));
        let subject = rule.map(|rule| (claimed.throttled(factor, mark), rule));
        let counted = Reservation { source, subject, strangers };
        let said = throttles.reserve_all(&counted.all(), moment.now).await?;
        let refused = counted.all().into_iter().zip(said).find_map(|((whose, _), said)| {
            let until = refusal(said)?;
            Some(Refused { whose: whose.clone(), until })
        });
        Ok(refused.map_or(Ok(counted), Err))
    }

    /// The answer was right: it does not count.
    pub async fn forgive(&self, throttles: &Arc<dyn Throttles>) -> Result<(), Stop> {
        let strangers = self.strangers.iter().map(|(strangers, rule)| (strangers, *rule));
        Ok(throttles.forgive_all(&self.all().into_iter().chain(strangers).collect::<Vec<_>>()).await?)
    }

    /// Every counter, the source's first.
    fn all(&self) -> Vec<(&Throttled, ThrottleRule)> {
        let subject = self.subject.iter().map(|(subject, rule)| (subject, *rule));
        std::iter::once((&self.source, SOURCE)).chain(subject).collect()
    }

    /// The answer was not looked at: the source gets its attempt back; the account's wait stays as it is.
    pub async fn give_back(&self, throttles: &Arc<dyn Throttles>) -> Result<(), Stop> {
        Ok(throttles.forgive_all(&[(&self.source, SOURCE)]).await?)
    }
}

impl Refused {
    /// What the person is told.
    pub fn rejection(&self) -> Rejection {
        self.until.map_or(Rejection::Locked, Rejection::Wait)
    }
}

/// A message that was counted before it was sent.
#[derive(Clone)]
pub(super) struct Posting {
    account: Throttled,
    recipient: Throttled,
    source: Throttled,
    per_source: u32,
}

impl Posting {
    /// Counts a message for an account to a recipient, or says which limit is reached, and until when.
    pub async fn reserve(
        throttles: &Arc<dyn Throttles>,
        (account, recipient): (AccountId, &Recipient),
        moment: Moment,
    ) -> Result<Result<Self, (&'static str, Refused)>, Stop> {
        let posting = Posting {
            account: Throttled::Sent(format!("account:{account}")),
            recipient: Throttled::Sent(format!("recipient:{}", recipient.name)),
            source: Throttled::Sent(Throttled::of_source(moment.address).to_string()),
            per_source: recipient.per_source,
        };
        let counters = posting.counters();
        let said =
            throttles.reserve_all(&counters.each_ref().map(|(_, whose, rule)| (*whose, *rule)), moment.now).await?;
        let refused = counters.into_iter().zip(said).filter_map(|((limit, whose, _), said)| {
            let until = refusal(said)?;
            Some((limit, Refused { whose: whose.clone(), until }))
        });
        let refused = refused.max_by_key(|(_, refused)| refused.until);
        Ok(refused.map_or(Ok(posting), Err))
    }

    /// The message never arrived. For its source it counts all the same: nobody shall have a provider asked without end.
    pub async fn give_back(&self, throttles: &Arc<dyn Throttles>) -> Result<(), Unavailable> {
        throttles.forgive_all(&[(&self.account, SENT_FOR_ACCOUNT), (&self.recipient, SENT_TO_RECIPIENT)]).await
    }

    /// Every counter, with the word for its limit.
    fn counters(&self) -> [(&'static str, &Throttled, ThrottleRule); 3] {
        let source = ThrottleRule::Window { most: self.per_source, per: HOUR };
        [
            ("account", &self.account, SENT_FOR_ACCOUNT),
            ("recipient", &self.recipient, SENT_TO_RECIPIENT),
            ("source", &self.source, source),
        ]
    }

    /// Counts an answer to the code of that name. One answer too many is wrong, whatever it is.
    pub async fn answer(throttles: &Arc<dyn Throttles>, code: &str, now: Time) -> Result<(), Stop> {
        let code = Throttled::Sent(format!("code:{code}"));
        let said = throttles.reserve_all(&[(&code, ANSWERS)], now).await?;
        let refused = said.into_iter().any(|said| said != Reserved::Go);
        if refused { Err(Stop::Rejected(Rejection::Wrong)) } else { Ok(()) }
    }

    /// Whether no further answer to the code of that name would be looked at.
    pub async fn is_void(throttles: &Arc<dyn Throttles>, code: &str, now: Time) -> Result<bool, Stop> {
        let code = Throttled::Sent(format!("code:{code}"));
        Ok(throttles.look(&code, ANSWERS, now).await? != Reserved::Go)
    }
}

/// Which refusals are on record: the first of each window, so that a flood of tries is no flood of events.
///
/// Written and read by steps that were refused; held for one look at the map.
#[derive(Default)]
pub(super) struct Told(Mutex<HashMap<Throttled, Time>>);

impl Told {
    /// Whether nobody was refused in this window before; never if it could not be remembered.
    pub fn is_first(&self, refused: &Refused, now: Time) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.get(&refused.whose).is_some_and(|until| now < *until) {
            return false;
        }
        if told.len() >= MOST_TOLD {
            told.retain(|_, until| now < *until);
        }
        if told.len() >= MOST_TOLD {
            return false;
        }
        told.insert(refused.whose.clone(), refused.until.unwrap_or_else(|| now.plus(LOCKED_WINDOW)));
        true
    }
}

/// Until when a reservation was refused, if it was; `None` within for a lock.
fn refusal(reserved: Reserved) -> Option<Option<Time>> {
    match reserved {
        Reserved::Go => None,
        Reserved::Wait(until) => Some(Some(until)),
        Reserved::Locked => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ipv6_customer_is_one_source_however_many_addresses_it_uses() {
        let source = |text: &str| Throttled::of_source(text.parse().expect("an address"));
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    }

    #[test]
    fn only_the_first_refusal_of_a_window_is_told() {
        let told = Told::default();
        let at = Time::from_secs;
        let refused = |name: &str, until| Refused { whose: Throttled::Source(name.to_owned()), until };
        assert!(told.is_first(&refused("a", Some(at(60))), at(0)));
        assert!(!told.is_first(&refused("a", Some(at(60))), at(59)));
        assert!(told.is_first(&refused("b", Some(at(60))), at(59)), "another's");
        assert!(told.is_first(&refused("a", Some(at(120))), at(60)), "another window");
        assert!(told.is_first(&refused("a", None), at(120)) && !told.is_first(&refused("a", None), at(3_719)));
        assert!(told.is_first(&refused("a", None), at(3_720)), "a lock is told every hour");
    }

    #[test]
    fn the_memory_of_refusals_is_bounded() {
        let told = Told::default();
        let flood = |now| {
            let told = |number: &usize| {
                let whose = Throttled::Source(number.to_string());
                told.is_first(&Refused { whose, until: Some(Time::from_secs(60)) }, now)
            };
            (0..2 * MOST_TOLD).filter(told).count()
        };
        assert_eq!((flood(Time::EPOCH), flood(Time::from_secs(59))), (MOST_TOLD, 0), "no more is recorded either");
        assert!(told.0.lock().expect("nobody panics").len() <= MOST_TOLD);
        let whose = Throttled::Source("later".to_owned());
        assert!(
            told.is_first(&Refused { whose, until: Some(Time::NEVER) }, Time::from_secs(60)),
            "there is room again"
        );
    }
}
