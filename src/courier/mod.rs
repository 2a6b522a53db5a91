//! How a message leaves the house: by an operator's webhook or by SMTP, from a bounded queue; knows neither factors nor
//! accounts, and logs neither what a message says nor to whom it goes.

mod outbox;
mod smtp;
mod tally;
mod webhook;

pub use outbox::{AT_ONCE, Deliveries, Full, Outbox, WAITING};
pub use smtp::{Smtp, SmtpPlan, SmtpTls};
pub use tally::{Streak, Tally};
pub use webhook::{Webhook, WebhookPlan};

use crate::identity::{AccountId, Contact};
use crate::stdx::clock::Time;
use crate::stdx::secret::Secret;
use async_trait::async_trait;
use std::time::Duration;

/// How soon news that could not be delivered are tried again at first; the next pauses are twice as long each.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The longest of these pauses: that long after a receiver is back, everything is told.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// For how long news are tried again: a night in which nobody mends the receiver.
const NEWS_KEPT: Duration = Duration::from_secs(12 * 3600);

/// Pauses before a delivery is tried again that may yet succeed. Two: whoever waits for a code has long asked for another
/// one after more.
pub const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// What a parcel is about, for whoever passes it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A one-time code, which is of use for some minutes.
    Code,
    /// News.
    Notice,
}

impl Sort {
    /// The word for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Sort::Code => "code",
            Sort::Notice => "notice",
        }
    }

    /// The pauses between whole deliveries that failed for the moment: a code is of no use later, and asked for again.
    fn pauses(self) -> impl Iterator<Item = Duration> {
        let doubled = std::iter::successors(Some(FIRST_PAUSE), |pause| Some(LONGEST_PAUSE.min(*pause * 2)));
        let spent = doubled.scan(Duration::ZERO, |spent, pause| {
            *spent += pause;
            (*spent <= NEWS_KEPT).then_some(pause)
        });
        spent.filter(move |_| self == Sort::Notice)
    }
}

/// One message on its way. Secret: it does not print.
#[derive(Clone)]
pub struct Parcel {
    /// What it is about.
    pub sort: Sort,
    /// What its code is known by, if it has one: whoever had it sent is told if it is given up.
    pub code: Option<String>,
    /// Whose it is, for the log, where that is known.
    pub account: Option<AccountId>,
    /// To whom; `None` if whoever passes it on knows by the fields.
    pub to: Option<Contact>,
    /// What mail has above it.
    pub subject: String,
    /// What the person reads.
    pub text: Secret,
    /// The same for programs, by name.
    pub fields: Vec<(&'static str, Secret)>,
}

/// A delivery that did not happen, in words that name no recipient.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// It may be tried again.
    #[error("{0}")]
    Passing(String),
    /// It would fail again.
    #[error("{0}")]
    Lasting(String),
}

/// A way out of the house.
#[async_trait]
pub trait Courier: Send + Sync + 'static {
    /// The word in metrics and logs.
    fn name(&self) -> &'static str;

    /// Who is handed parcels, for the log: scheme, host and port, and no more of the address, which may hold a secret.
    fn receiver(&self) -> String;

    /// Delivers a parcel under a name that is the same at every try, or gives it up after a bounded time and a bounded
    /// number of tries.
    ///
    /// # Errors
    /// Why it was given up.
    async fn deliver(&self, parcel: &Parcel, id: &str, now: Time) -> Result<(), Undelivered>;
}

/// Tries something until it succeeds, fails for good, or was tried once more than there are pauses.
async fn persist<F: Future<Output = Result<(), Undelivered>>>(attempt: impl Fn() -> F) -> Result<(), Undelivered> {
    for pause in PAUSES {
        match attempt().await {
            Err(Undelivered::Passing(_)) => tokio::time::sleep(pause).await,
            ended => return ended,
        }
    }
    attempt().await
}
