//! Ways of proving identity, each a folder, the password one like any other; knows neither the store nor HTML.
//!
//! A factor is a [`Factor`], a line in [`ALL`], and passes `contract.rs`.

pub mod client_key;
pub mod message;
pub mod passkey;
pub mod password;
pub mod recovery_code;
pub mod totp;

#[cfg(test)]
mod contract;

use crate::identity::{AccountId, AccountName, Channel, Credential, FactorName, Kinds, Proof, Proofs};
use crate::stdx::clock::Time;
use crate::stdx::secret::Secret;
use async_trait::async_trait;
use std::sync::Arc;

/// The factors of this build, in the order in which they are asked for where any of them would do: the least trouble for
/// the person first.
pub const ALL: [FactorName; 5] = [passkey::NAME, password::NAME, totp::NAME, message::NAME, recovery_code::NAME];

/// Finds a factor by the word in records: one of people's, or of programs'.
pub fn named(word: &str) -> Option<FactorName> {
    ALL.into_iter().chain([client_key::NAME]).find(|name| name.0 == word)
}

/// One way of proving identity.
///
/// A credential's state is bytes that only its factor reads. The caller keeps it, and writes the new state that
/// `verify` returns *before* it believes the proof: that is what makes a code work once.
#[async_trait]
pub trait Factor: Send + Sync + 'static {
    /// The word in configuration and records.
    fn name(&self) -> FactorName;

    /// What it shows.
    fn kinds(&self) -> Kinds;

    /// Whether no look-alike site could relay an answer.
    fn phishing_resistant(&self) -> bool {
        false
    }

    /// Whether a credential of this state may prove anything at all, as configured now. One that may not is as good as
    /// not there.
    fn counts(&self, _state: &[u8]) -> bool {
        true
    }

    /// Asks something that is asked anew each time, of a holder or of whoever answers: what to show the person, and the
    /// challenge that `verify` needs with the answer. Most factors ask nothing. The challenge is secret or sealed; the
    /// caller sees to it that it is answered once, by whom it was asked.
    ///
    /// # Errors
    /// [`Rejection::Wrong`] if there is nothing to ask, [`Rejection::Busy`] if it could not be sent.
    async fn challenge(&self, _of: Option<Holder<'_>>, _now: Time) -> Result<Begun, Rejection> {
        Ok(Begun { pending: Vec::new(), show: Show::Nothing })
    }

    /// Checks an answer against a credential's state. Without a credential (an account that does not exist, or has no
    /// such factor) it does the same work and says no, so that time tells nothing.
    ///
    /// # Errors
    /// [`Rejection::Wrong`] for a wrong answer, [`Rejection::Busy`] if there is no room to check it now.
    async fn verify(&self, against: Against<'_>, answer: &Secret, now: Time) -> Result<Verified, Rejection>;

    /// Begins enrolment: what to show the person, and a pending state that `finish` completes. The pending state is
    /// secret or sealed; the caller keeps it out of the browser.
    ///
    /// # Errors
    /// [`Rejection::Busy`].
    async fn begin(&self, holder: Holder<'_>) -> Result<Begun, Rejection>;

    /// To whom something would be sent; `None` if nothing would be.
    fn recipient(&self, _: Sending<'_>) -> Option<Recipient> {
        None
    }

    /// Takes an answer on the way of an enrolment that has more than one step: what the next one is. `None` if this
    /// answer is the last one, for `finish`.
    ///
    /// # Errors
    /// [`Rejection::Wrong`] if it is no answer to this step, [`Rejection::Busy`].
    async fn go_on(&self, _pending: &[u8], _answer: &Secret, _now: Time) -> Result<Option<Begun>, Rejection> {
        Ok(None)
    }

    /// Ends enrolment: checks that the answer fits the pending state and gives the state to keep.
    ///
    /// # Errors
    /// [`Rejection::Wrong`] if the answer does not fit, [`Rejection::Weak`] if it may not be chosen.
    async fn finish(&self, pending: &[u8], answer: &Secret, now: Time) -> Result<Enrolled, Rejection>;
}

/// Whoever is asked or enrols.
#[derive(Clone, Copy, Debug)]
pub struct Holder<'a> {
    /// Whose account it is.
    pub id: AccountId,
    /// Its name.
    pub name: &'a AccountName,
    /// What it holds already, of every factor.
    pub held: &'a [Credential],
}

/// What has something sent.
#[derive(Clone, Copy, Debug)]
pub enum Sending<'a> {
    /// A challenge of this credential.
    Challenge(&'a Credential),
    /// This answer on the way of an enrolment.
    Typed(&'a Secret),
}

/// What an answer is checked against.
#[derive(Clone, Copy, Debug)]
pub struct Against<'a> {
    /// A credential's state; `None` if there is none.
    pub state: Option<&'a [u8]>,
    /// What [`Factor::challenge`] asked; `None` if it was not asked.
    pub challenge: Option<&'a [u8]>,
}

impl<'a> Against<'a> {
    /// No credential.
    pub const NOTHING: Against<'static> = Against { state: None, challenge: None };

    /// A credential's state, where nothing was asked.
    pub const fn state(state: &'a [u8]) -> Self {
        Against { state: Some(state), challenge: None }
    }
}

/// An answer that was right.
#[derive(Clone, Debug)]
pub struct Verified {
    proof: Proof,
    /// The credential's next state, to be written before the proof counts; `None` if it stays as it is.
    pub state: Option<Vec<u8>>,
}

impl Verified {
    /// For factors alone.
    fn new(proof: Proof, state: Option<Vec<u8>>) -> Self {
        Verified { proof, state }
    }
}

/// What was proved for one account, at least one proof of it just now. The only thing a session is issued for.
#[derive(Clone, Debug)]
pub struct Proven {
    account: AccountId,
    proofs: Proofs,
}

impl Proven {
    /// `carried` from the attempt or session that is continued, and the answer that was just right.
    pub fn new(account: AccountId, mut carried: Proofs, verified: &Verified) -> Self {
        carried.add(verified.proof);
        Proven { account, proofs: carried }
    }

    /// Proofs that were written down by an attempt, each when it was right, and read back when the attempt ends. For
    /// `login` alone, which is the only writer of attempts.
    pub(crate) fn resume(account: AccountId, proofs: Proofs) -> Self {
        Proven { account, proofs }
    }

    /// What a live session has proved, each proof as old as it is, for a session that its holder lends to a program.
    /// `None` if it may do nothing but enrol. For `oauth` alone, which asks the holder.
    pub(crate) fn lent(account: AccountId, proofs: Proofs) -> Option<Self> {
        (!proofs.only_enrol()).then_some(Proven { account, proofs })
    }

    /// Whose proofs they are.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The proofs.
    pub fn proofs(&self) -> &Proofs {
        &self.proofs
    }
}

/// The start of an enrolment.
#[derive(Clone, Debug)]
pub struct Begun {
    /// For [`Factor::finish`].
    pub pending: Vec<u8>,
    /// For the person.
    pub show: Show,
}

/// The end of an enrolment.
#[derive(Clone, Debug)]
pub struct Enrolled {
    /// The credential's first state.
    pub state: Vec<u8>,
    /// What it is presented by, if anything: see [`Credential::handle`].
    pub handle: Option<Vec<u8>>,
    /// What it may be called, until its holder calls it something else.
    pub label: String,
    /// The proof that confirming the enrolment gave, if it gave one.
    pub verified: Option<Verified>,
}

impl Enrolled {
    /// A credential without a handle or a name of its own.
    fn plain(state: Vec<u8>, verified: Option<Verified>) -> Self {
        Enrolled { state, handle: None, label: String::new(), verified }
    }
}

/// What a person is shown at enrolment. Secret: it does not print.
#[derive(Clone, PartialEq, Eq)]
pub enum Show {
    /// Nothing: the person chooses.
    Nothing,
    /// A key for an authenticator app.
    Authenticator {
        /// `otpauth://…`, for a QR code.
        uri: String,
        /// The key in base 32, in groups of four, for typing.
        key: String,
    },
    /// Codes to keep, shown once.
    Codes(Vec<String>),
    /// The question where codes shall be sent.
    Contact {
        /// By which ways they can be.
        channels: Vec<Channel>,
    },
    /// Where a code was sent: as the person typed it at enrolment, masked ever after.
    Sent {
        /// The number or address.
        to: String,
        /// By which way.
        channel: Channel,
    },
    /// Something for the browser to ask a passkey.
    Passkey {
        /// Options of a WebAuthn ceremony as JSON (WebAuthn Level 3 §5.1.8, §5.1.9). Nothing in them is secret.
        options: String,
    },
}

impl std::fmt::Debug for Show {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Show::Nothing => "Nothing",
            Show::Authenticator { .. } => "Authenticator(…)",
            Show::Codes(_) => "Codes(…)",
            Show::Contact { .. } => "Contact",
            Show::Sent { .. } => "Sent(…)",
            Show::Passkey { .. } => "Passkey(…)",
        })
    }
}

/// Why an answer does not count. Closed: each has one sentence on the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// It is wrong, or was used before, or there is nothing it could be right for: no difference is shown.
    Wrong,
    /// It may not be chosen.
    Weak(Weakness),
    /// It is right, but what made it is not allowed here, or no longer.
    NotAllowed,
    /// It is right, but older than one that counted: there may be a copy of what made it.
    Copied,
    /// It is right, but a later one counted already, which there cannot have been yet: the clock was set back since.
    Clock,
    /// Too much is being checked already; try again shortly.
    Busy,
    /// Not before this time.
    Wait(Time),
    /// This factor is locked for the account until another way in, or an administrator, unlocks it.
    Locked,
}

/// Why a secret may not be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// Fewer characters than this.
    TooShort(usize),
    /// Longer than this many bytes of UTF-8: one for a plain letter, up to four for others.
    TooLong(usize),
    /// Guessed too soon: a common one, or made of common ones or of the names around it.
    Common,
    /// The one that it would take the place of.
    Same,
}

/// To whom something would be sent, as far as it is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// A name to count under: the same for the same recipient however it is written.
    pub name: String,
    /// How much may be sent within an hour for one source, where several people may sit.
    pub per_source: u32,
}

/// The factors of one gateway, as configured.
#[derive(Clone, Default)]
pub struct Factors(Vec<Arc<dyn Factor>>);

impl Factors {
    /// The configured factors; their order becomes that of [`ALL`].
    pub fn new(mut factors: Vec<Arc<dyn Factor>>) -> Self {
        factors.sort_by_key(|factor| ALL.iter().position(|name| *name == factor.name()));
        Factors(factors)
    }

    /// The factor of that name, if configured.
    pub fn get(&self, name: FactorName) -> Option<&Arc<dyn Factor>> {
        self.0.iter().find(|factor| factor.name() == name)
    }

    /// All configured factors, in the order in which a sign-in asks for them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Factor>> {
        self.0.iter()
    }
}

/// `text` in groups of four, for reading and typing.
fn in_fours(text: &str, separator: char) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for (at, c) in text.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            out.push(separator);
        }
        out.push(c);
    }
    out
}

/// Says in the log, for the operator alone, that a credential is damaged or that its key is gone.
fn unreadable<T>(factor: FactorName) -> Option<T> {
    tracing::error!(%factor, "a credential's state cannot be read: it is damaged, or its key is gone");
    None
}
