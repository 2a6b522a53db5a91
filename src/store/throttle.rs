//! Counters of failed attempts as engines keep them: whose, by which rule, what a reservation says; knows no factor.

use super::Result;
use crate::identity::{AccountId, FactorName};
use crate::stdx::clock::Time;
use async_trait::async_trait;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// Whose failed attempts a counter counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Throttled {
    /// Answers to one factor of an account, counted until one is right, however long that takes (NIST SP 800-63B-4
    /// §3.2.2). The counter goes with its account.
    Account(AccountId, FactorName),
    /// Answers to one factor of an account from a browser that it was signed in to with before, by the browser's mark:
    /// whoever locks the account out for strangers does not lock out its holder. Goes with its account.
    Known(AccountId, FactorName, String),
    /// Answers to one factor of a name that no account has. It protects nothing, so it may be forgotten.
    Name(String, FactorName),
    /// Whatever comes from one source.
    Source(String),
    /// Messages that are sent for one account, to one recipient or for one source, and answers to one of them.
    Sent(String),
}

impl Throttled {
    /// One source: an IPv4 address, or the /64 that one IPv6 customer has.
    pub fn of_source(address: IpAddr) -> Self {
        Throttled::Source(match address.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        })
    }
}

impl Throttled {
    /// The account that the counter goes with.
    pub(super) fn account(&self) -> Option<AccountId> {
        match self {
            Throttled::Account(account, _) | Throttled::Known(account, ..) => Some(*account),
            Throttled::Name(..) | Throttled::Source(_) | Throttled::Sent(_) => None,
        }
    }

    /// Whether it counts answers to a factor of an account.
    pub(super) fn is_of(&self, whose: AccountId, factor: FactorName) -> bool {
        match self {
            Throttled::Account(account, of) | Throttled::Known(account, of, _) => (*account, *of) == (whose, factor),
            Throttled::Name(..) | Throttled::Source(_) | Throttled::Sent(_) => false,
        }
    }
}

/// What engines may keep it under: no two have the same text.
impl fmt::Display for Throttled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Throttled::Account(account, factor) => write!(f, "account:{account}:{factor}"),
            Throttled::Known(account, factor, mark) => write!(f, "known:{account}:{factor}:{mark}"),
            Throttled::Name(name, factor) => write!(f, "name:{factor}:{name}"),
            Throttled::Source(source) => write!(f, "source:{source}"),
            Throttled::Sent(what) => write!(f, "sent:{what}"),
        }
    }
}

/// How many failures there may be, and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottleRule {
    /// `free` failures cost nothing; the attempt after them waits `first`, each further one twice as long up to
    /// `longest`; at `locked_at` consecutive failures everything is locked until it is forgiven. A day without a
    /// failure starts the waits over, but not the count.
    Backoff {
        /// Failures that cost nothing.
        free: u32,
        /// The first wait.
        first: Duration,
        /// The longest wait.
        longest: Duration,
        /// Consecutive failures at which it is locked.
        locked_at: u32,
    },
    /// At most `most` failures in each window of `per`, counted from the first failure in it.
    Window {
        /// Failures allowed.
        most: u32,
        /// The window.
        per: Duration,
    },
}

/// Whether an attempt may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// Yes; if every counter says so, it already counts as a failure until it is forgiven.
    Go,
    /// Not before this time; nothing was counted.
    Wait(Time),
    /// Not until somebody forgives it; nothing was counted.
    Locked,
}

/// Counters of failed attempts. An attempt is counted **before** it is verified, so that parallel guesses cannot share
/// one reservation. What is refused writes nothing, so that a flood of it keeps no right answer waiting.
#[async_trait]
pub trait Throttles: Send + Sync {
    /// Counts an attempt with every one of these counters, no two of them the same, or with none: what each says, in
    /// their order. Unless all say [`Reserved::Go`] nothing was counted. One atomic step. For an account that is gone
    /// nothing is kept.
    async fn reserve_all(&self, counters: &[(&Throttled, ThrottleRule)], now: Time) -> Result<Vec<Reserved>>;
    /// What a counter would say of an attempt, which it does not count.
    async fn look(&self, whose: &Throttled, rule: ThrottleRule, now: Time) -> Result<Reserved>;
    /// An attempt that these counters counted succeeded: a `Backoff` starts over, a `Window` gets its one reservation
    /// back. One atomic step.
    async fn forgive_all(&self, counters: &[(&Throttled, ThrottleRule)]) -> Result<()>;
    /// Removes the counters of names and sources that hold nobody back any more (a `Backoff` untouched for a day, a
    /// `Window` that is over), and of what is left of names and of sources, those that end first beyond `most` each.
    /// Accounts' counters stay. Gives how many went.
    async fn sweep(&self, now: Time, most: usize) -> Result<usize>;
}
