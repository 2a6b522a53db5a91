//! A sign-in as rules: attempts, what is asked next, throttling, enrolment and recovery; knows neither HTTP nor pages.

mod attempt;
mod ceremony;
mod enrol;
mod enrolling;
pub mod farewell;
mod known;
#[cfg(test)]
mod outside;
mod plan;
mod recent;
mod removal;
mod send;
mod throttle;
mod verify;

pub use attempt::{ATTEMPT_LIFE, Attempt, AttemptToken, Begun, Purpose, SET_UP_LIFE};
pub use ceremony::{CEREMONY_LIFE, Ceremony, PasskeyOpening};
pub use enrol::{ENROLMENT_LIFE, EnrolStep, Enrolled, StepAnswer, Wanted, offer, reset};
pub use known::{MARK_LIFE, Marks};
pub use plan::{Gap, Next, next};
pub use recent::PastSignIn;
pub use send::{AGAIN_AFTER, Asked, Wish};
pub use throttle::{ANSWERS, PASSWORD, SENT_FOR_ACCOUNT, SENT_TO_RECIPIENT, SOURCE, THROTTLES_KEPT, TOTP, rule_for};

use crate::audit::Recorder;
use crate::factor::{Factors, Proven, Rejection};
use crate::identity::{AccountId, Credential, CredentialId, FactorName, Need};
use crate::stdx::bounded::BoundedMap;
use crate::stdx::clock::Time;
use crate::stdx::digest::Mac;
use crate::stdx::seal::Seal;
use crate::store::Store;
pub use crate::store::Unavailable;
use arc_swap::ArcSwap;
use std::net::IpAddr;
use std::sync::Arc;

/// The rules of signing in, over one store.
pub struct Login {
    store: Store,
    /// Written by a reload, read by every step.
    factors: ArcSwap<Factors>,
    recorder: Recorder,
    seals: Seals,
    /// Which refusals of tries are on record.
    told: throttle::Told,
    /// What was counted of messages that may not have arrived yet, by the names of their codes. Written by whoever has one
    /// sent, taken by whoever hears that it did not arrive.
    posted: BoundedMap<String, throttle::Posting>,
}

/// Messages remembered as on their way: more than wait to be delivered, with all that lately were.
const MOST_POSTED: usize = 4_096;

/// The keys of what is sealed here.
pub struct Seals {
    /// Of attempts: they hold what was shown at enrolment.
    pub attempt: Seal,
    /// Of challenges, which travel.
    pub ceremony: Seal,
    /// Of the marks of known browsers.
    pub devices: Mac,
}

/// Why a step did not lead further.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Stop {
    /// The answer does not count.
    #[error("the answer was not accepted")]
    Rejected(Rejection),
    /// The attempt, or the link, expired or was used.
    #[error("there is no such attempt any more")]
    Gone,
    /// The store cannot be asked.
    #[error(transparent)]
    Down(#[from] Unavailable),
}

/// Where a right answer led.
#[derive(Debug)]
pub enum Progress {
    /// Another factor is asked for; the attempt goes on under a new token.
    Ask(AttemptToken, FactorName),
    /// Enough is proven; the attempt is over.
    Proven(Box<Completed>),
    /// Nothing the account has would be enough; the attempt is over. What is missing can be enrolled.
    Lacking(Box<Completed>),
    /// Nothing that is configured would be enough; the attempt is over.
    Impossible(Box<Completed>),
}

/// An attempt that is over.
#[derive(Debug)]
pub struct Completed {
    /// What was proven.
    pub proven: Proven,
    /// The attempt, for where it was going.
    pub attempt: Attempt,
}

/// How a sign-in begins.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The name as typed.
    pub name: &'a str,
    /// The first factor's answer.
    pub answer: crate::stdx::secret::Secret,
    /// The sealed ticket that came along.
    pub ticket: Option<String>,
    /// What has to be proven.
    pub need: Need,
}

/// An answer to what an attempt waits for.
#[derive(Debug)]
pub struct Given<'a> {
    /// The factor it is for.
    pub factor: FactorName,
    /// What was typed.
    pub answer: &'a crate::stdx::secret::Secret,
    /// The ceremony that came back with the answer, if one did.
    pub ceremony: Option<&'a str>,
    /// The sealed ticket that came along, in place of the attempt's: of two tabs that sign in, the later one began it.
    pub ticket: Option<String>,
}

/// When and from where a step is taken.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// When.
    pub now: Time,
    /// From where.
    pub address: IpAddr,
    /// Which accounts the browser was signed in to before.
    pub marks: Marks,
}

impl Login {
    /// The rules over a store.
    pub fn new(store: Store, factors: Factors, recorder: Recorder, seals: Seals) -> Self {
        let (told, posted) = (throttle::Told::default(), BoundedMap::new(MOST_POSTED));
        Login { store, factors: ArcSwap::from_pointee(factors), recorder, seals, told, posted }
    }

    /// Puts newly configured factors in place of the old ones.
    pub fn set_factors(&self, factors: Factors) {
        self.factors.store(Arc::new(factors));
    }

    /// The factors in use.
    pub fn factors(&self) -> Arc<Factors> {
        self.factors.load_full()
    }

    /// The credentials of an account, oldest first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn credentials(&self, account: AccountId) -> Result<Vec<Credential>, Unavailable> {
        self.store.credentials.of(account).await
    }

    /// Calls a credential of an account something else; `false` if the account has none of that id.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn rename_credential(
        &self,
        id: CredentialId,
        account: AccountId,
        label: &str,
    ) -> Result<bool, Unavailable> {
        self.store.credentials.rename(id, account, label).await
    }
}
