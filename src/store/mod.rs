//! What must survive a restart, as small traits by noun; decides nothing.
//!
//! Two engines implement every trait and run one contract (`contract.rs`): [`memory`] for tests and [`embedded`]
//! (SQLite in WAL mode, which several processes may open). A shared engine for fleets comes beside them. [`observed`]
//! stands before either and tells of every operation that failed.
//!
//! Every call is one transaction. A future that is dropped while it waits has either happened whole or not at all.

pub mod embedded;
pub mod memory;

mod counter;
mod keys;
mod observe;
mod record;
mod throttle;

#[cfg(test)]
mod contract;

pub use keys::{Keys, SealedKey};
pub use observe::{Observer, Operation, observed};
pub use record::{Chain, Chained, EventRow, Events, Record, Seal, verify};
pub use throttle::{Reserved, ThrottleRule, Throttled, Throttles};

use crate::identity::{
    Account, AccountId, AccountName, Credential, CredentialId, Group, Proofs, Session, SessionId, SessionRules,
    TokenHash,
};
use crate::stdx::clock::Time;
use async_trait::async_trait;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

/// The store could not be asked, or did not answer in time. Nothing is known of whether a write happened.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the store is unavailable: {0}")]
pub struct Unavailable(pub String);

/// What every question to the store gives.
pub type Result<T> = std::result::Result<T, Unavailable>;

/// The traits of one engine, held together so that a room asks for the nouns it needs.
#[derive(Clone)]
pub struct Store {
    /// People.
    pub accounts: Arc<dyn Accounts>,
    /// What they prove themselves with.
    pub credentials: Arc<dyn Credentials>,
    /// Live sessions and their tokens.
    pub sessions: Arc<dyn Sessions>,
    /// Whatever may be used once: attempts, enrolment links, hand-off codes.
    pub once: Arc<dyn Once>,
    /// Counters of failed attempts.
    pub throttles: Arc<dyn Throttles>,
    /// The durable record of security events.
    pub events: Arc<dyn Events>,
    /// The feed by which every process learns what another changed.
    pub changes: Arc<dyn Changes>,
    /// What it knows of keys.
    pub keys: Arc<dyn Keys>,
    /// What it all stands on.
    pub ground: Arc<dyn Ground>,
}

/// What a store stands on: a file that somebody may move, for example.
#[async_trait]
pub trait Ground: Send + Sync {
    /// Whether it still stands where it was opened. Quick enough to be asked at any time; while it does not, every
    /// question to the store fails with the same words.
    ///
    /// # Errors
    /// What happened to it and what to do, in a sentence.
    fn check(&self) -> Result<()>;
    /// The files it was opened on, each by its name in their directory, first the one that all is in at last; none if
    /// it stands on none.
    fn files(&self) -> Vec<(String, FileId)>;
    /// Copies what is still in a log alone to where it belongs, wherever both lie by now: a log that has lost its name
    /// goes with the process. To be asked when [`Ground::check`] begins to fail, and last of all.
    async fn write_back(&self) -> Result<()>;
}

/// Which file something is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    /// The number of its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

impl FileId {
    /// Of the file that this is known of.
    pub fn of(found: &Metadata) -> Self {
        FileId { device: found.dev(), inode: found.ino() }
    }
}

/// People. Every write also appends a [`Change::Account`] in the same transaction.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Adds an account; `false` if its name is taken.
    async fn add(&self, account: &Account) -> Result<bool>;
    /// The account of that name.
    async fn by_name(&self, name: &AccountName) -> Result<Option<Account>>;
    /// The account of that id.
    async fn by_id(&self, id: AccountId) -> Result<Option<Account>>;
    /// The id of the account of that name, told by what is open already: an answer even where [`Ground::check`] fails and
    /// with it every other question.
    async fn still_known(&self, name: &AccountName) -> Result<Option<AccountId>>;
    /// All accounts, by name.
    async fn list(&self) -> Result<Vec<Account>>;
    /// Replaces the groups; `false` if there is no such account.
    async fn set_groups(&self, id: AccountId, groups: &[Group]) -> Result<bool>;
    /// Disables or enables; disabling ends every session and spends every one-time value of the account in the same
    /// transaction. `false` if there is no such account.
    async fn set_disabled(&self, id: AccountId, disabled: bool) -> Result<bool>;
    /// Removes the account with its credentials, sessions, one-time values and counters in one transaction.
    async fn remove(&self, id: AccountId) -> Result<bool>;
}

/// What the end of an enrolment changes.
#[derive(Clone, Copy, Debug)]
pub struct Enrolment<'a> {
    /// Whose it is.
    pub account: AccountId,
    /// What is enrolled.
    pub credentials: &'a [Credential],
    /// Where it goes.
    pub place: Place,
    /// By what right.
    pub right: Right,
}

/// Where enrolled credentials go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In place of all that the account had of the same factor.
    Instead,
    /// Beside what it had.
    Beside,
}

/// By what right somebody enrols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// An enrolment link under this key, which is spent with it.
    Link([u8; 32]),
    /// A session, which must not have ended.
    Session(SessionId),
}

/// What accounts prove themselves with.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// The credentials of an account, oldest first.
    async fn of(&self, account: AccountId) -> Result<Vec<Credential>>;
    /// The credential that is presented by this handle, whosever it is.
    async fn by_handle(&self, handle: &[u8]) -> Result<Option<Credential>>;
    /// Adds one; nothing if its account is gone.
    async fn add(&self, credential: &Credential) -> Result<()>;
    /// Ends an enrolment, in one transaction: makes sure of its right, keeps the credentials, forgives all failures of
    /// their factors, spends the account's attempts, and ends its sessions but the one that enrolled. Gives the
    /// sessions that ended; `None`, and nothing changes, if the link or the session is no more, the account is gone
    /// or disabled, or a handle is taken.
    async fn enrol(&self, enrolment: &Enrolment<'_>, now: Time) -> Result<Option<Vec<SessionId>>>;
    /// Writes a new state and time of use if `version` is still the stored one, and raises the version by one;
    /// `false` if another was faster. This is what makes a code work once.
    async fn advance(&self, id: CredentialId, version: u64, state: &[u8], used: Time) -> Result<bool>;
    /// Has a credential of an account called something else; `false` if the account has none of that id.
    async fn rename(&self, id: CredentialId, account: AccountId, label: &str) -> Result<bool>;
    /// Removes a credential of the account whose session `by` is, in one transaction: spends the account's attempts, for
    /// they may rest on it, and ends its sessions but that one. Gives the sessions that ended; `None`, and nothing
    /// changes, if the session is no more, its account has no such credential, or one of `staying` is gone: whoever found
    /// that this one may go relied on those.
    async fn remove(&self, id: CredentialId, by: SessionId, staying: &[CredentialId])
    -> Result<Option<Vec<SessionId>>>;
    /// Keeps an enrolment link in place of all that the account had, in one transaction: of any number made at once, one
    /// is good. Nothing is kept if the account is gone.
    async fn offer(&self, account: AccountId, link: &EnrolmentLink<'_>) -> Result<()>;
    /// Takes from an account what it proves itself with, in one transaction: removes its credentials, spends its
    /// one-time values, enrolment links among them, ends its sessions, and gives it what is to be in their place. `None`,
    /// and nothing changes, if the account is gone.
    async fn reset(&self, account: AccountId, instead: Instead<'_>) -> Result<Option<Reset>>;
}

/// What an account has after a reset.
#[derive(Clone, Copy, Debug)]
pub enum Instead<'a> {
    /// Nothing.
    Nothing,
    /// A link to enrol by.
    Link(&'a EnrolmentLink<'a>),
    /// Other credentials.
    Credentials(&'a [Credential]),
}

/// An enrolment link, to be kept as a one-time value of [`OnceKind::Enrolment`].
#[derive(Clone, Copy, Debug)]
pub struct EnrolmentLink<'a> {
    /// SHA-256 of the secret that the holder presents.
    pub key: [u8; 32],
    /// What it opens.
    pub value: &'a [u8],
    /// Until when.
    pub expires: Time,
}

/// What a reset took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reset {
    /// The credentials that are no more.
    pub credentials: Vec<Credential>,
    /// The sessions that ended.
    pub sessions: Vec<SessionId>,
}

/// What a session is opened with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opening<'a> {
    /// Its first token and the host that it is for; a program's session has none.
    pub token: Option<(TokenHash, &'a str)>,
    /// The session of the same account that it rests on: the one that approved it.
    pub lender: Option<SessionId>,
    /// Sessions that the account may have, with this one; `None`: any number.
    pub most: Option<usize>,
}

/// A session as a token opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The session.
    pub session: Session,
    /// Whose it is.
    pub account: Account,
    /// The host the token was made for, canonical, without a port.
    pub host: String,
}

/// Live sessions and their tokens. A token belongs to one session and one host. Ending a session appends a
/// [`Change::SessionEnded`], raising one a [`Change::SessionRaised`], in the same transaction.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Opens a session and ends others of the account until it has no more than it may, the weakest first, and of those
    /// as strong as one another the one used longest ago, all in one transaction; gives the sessions that ended. `None`,
    /// and nothing changes, if the account is gone or disabled by now, or the session that lends to it has ended.
    async fn open(&self, session: &Session, opening: Opening<'_>) -> Result<Option<Vec<SessionId>>>;
    /// One more token for a session, for `host`; a token that the session already had for that host ends, which
    /// appends a [`Change::SessionRaised`]. `false` if there is no such session any more.
    async fn add_token(&self, id: SessionId, token: TokenHash, host: &str) -> Result<bool>;
    /// A session, with its account.
    async fn by_id(&self, id: SessionId) -> Result<Option<(Session, Account)>>;
    /// The session that a token opens, with its account.
    async fn by_token(&self, token: &TokenHash) -> Result<Option<Opened>>;
    /// Replaces the proofs, ends every token of the session and gives it one new token, for `host`.
    /// `false` if there is no such session any more.
    async fn raise(&self, id: SessionId, proofs: &Proofs, token: TokenHash, host: &str) -> Result<bool>;
    /// Ends one session; `false` if it had ended.
    async fn end(&self, id: SessionId) -> Result<bool>;
    /// Ends the sessions of an account, except one; gives how many.
    async fn end_all(&self, account: AccountId, except: Option<SessionId>) -> Result<usize>;
    /// Ends every session there is; gives how many.
    async fn end_every(&self) -> Result<usize>;
    /// The sessions of an account, newest use first.
    async fn of(&self, account: AccountId) -> Result<Vec<Session>>;
    /// All sessions with their accounts' names, newest use first, at most `limit`.
    async fn list(&self, limit: usize) -> Result<Vec<(AccountName, Session)>>;
    /// Writes times of last use, one transaction for all; an earlier time than the stored one changes nothing.
    async fn touch(&self, uses: &[(SessionId, Time)]) -> Result<()>;
    /// Ends the sessions whose time is over by these rules; gives how many. It judges by the times of use that were
    /// written, so write what is known with [`Sessions::touch`] before.
    async fn sweep(&self, now: Time, rules: SessionRules) -> Result<usize>;
}

/// Which of these sessions end so that there is room for one more of `most`: the weakest first, so that nobody who proved
/// less crowds out who proved more, and then the one used longest ago.
fn beyond(mut held: Vec<Session>, most: usize) -> Vec<SessionId> {
    held.sort_by_key(|session| (session.proofs.assurance(), session.used));
    let over = (held.len() + 1).saturating_sub(most);
    held.iter().take(over).map(|session| session.id).collect()
}

/// What a one-time value is for. Values of different kinds never open one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnceKind {
    /// A sign-in under way.
    Attempt,
    /// An enrolment link.
    Enrolment,
    /// A code that carries a session to another host.
    HandOff,
    /// A mark that something was used up: a passkey's challenge.
    Spent,
    /// A form that waits until its sender has proved more.
    Form,
    /// A device that waits for somebody to approve it (RFC 8628).
    Device,
    /// What somebody types to approve a device.
    UserCode,
    /// An authorization code (RFC 6749 §4.1).
    AuthorizationCode,
    /// A refresh token that was not used yet.
    Refresh,
    /// Which session a refresh token is of, used or not.
    RefreshOf,
    /// Where codes went until it was removed.
    Farewell,
    /// A mark that the holder of an account was told of an event.
    Told,
}

impl OnceKind {
    /// The word in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            OnceKind::Attempt => "attempt",
            OnceKind::Enrolment => "enrolment",
            OnceKind::HandOff => "hand-off",
            OnceKind::Spent => "spent",
            OnceKind::Form => "form",
            OnceKind::Device => "device",
            OnceKind::UserCode => "user-code",
            OnceKind::AuthorizationCode => "authorization-code",
            OnceKind::Refresh => "refresh",
            OnceKind::RefreshOf => "refresh-of",
            OnceKind::Farewell => "farewell",
            OnceKind::Told => "told",
        }
    }
}

/// Whatever may be used once. Keys are SHA-256 of the secret that the holder presents.
#[async_trait]
pub trait Once: Send + Sync {
    /// Keeps `value` until `expires`, in place of one under the same key; `owner` is the account it dies with, and
    /// if that is gone already nothing is kept.
    #[expect(clippy::too_many_arguments, reason = "each is one column of a record that nothing else ever holds")]
    async fn put(
        &self,
        kind: OnceKind,
        key: [u8; 32],
        owner: Option<AccountId>,
        value: &[u8],
        expires: Time,
    ) -> Result<()>;
    /// Keeps a mark under a key until `expires`, unless there is a live one already: of any number of callers, exactly
    /// one is told `true`.
    async fn mark(&self, kind: OnceKind, key: [u8; 32], (now, expires): (Time, Time)) -> Result<bool>;
    /// The value, left where it is; `None` if there is none or it expired.
    async fn peek(&self, kind: OnceKind, key: [u8; 32], now: Time) -> Result<Option<Vec<u8>>>;
    /// The value, removed: of any number of callers, exactly one gets it.
    async fn take(&self, kind: OnceKind, key: [u8; 32], now: Time) -> Result<Option<Vec<u8>>>;
    /// Until when the last of the values of one kind that belong to an account is good; `None` if none is.
    async fn until(&self, kind: OnceKind, owner: AccountId, now: Time) -> Result<Option<Time>>;
    /// Removes what expired; gives how many.
    async fn sweep(&self, now: Time) -> Result<usize>;
}

/// What another process, or this one, changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Groups, name, or whether it is enabled: re-read it.
    Account(AccountId),
    /// It is over: forget it, and cut what it holds open.
    SessionEnded(SessionId),
    /// Its tokens and proofs are new: re-read it.
    SessionRaised(SessionId),
}

/// The feed of changes.
#[async_trait]
pub trait Changes: Send + Sync {
    /// Up to `limit` changes after number `after`, in order, with their numbers.
    async fn after(&self, after: u64, limit: usize) -> Result<Vec<(u64, Change)>>;
    /// The number of the newest change, even if it was forgotten; 0 if there never was one. Numbers are given once.
    async fn newest(&self) -> Result<u64>;
    /// Forgets changes made before `oldest` by the system's clock; gives how many.
    async fn sweep(&self, oldest: Time) -> Result<usize>;
}
