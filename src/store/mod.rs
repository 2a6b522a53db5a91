//! What must survive a restart, as small traits by noun; decides nothing.
//!
//! Two engines implement every trait and run one contract (`contract.rs`): [`memory`] for tests and [`embedded`]
//! (SQLite in WAL mode, which several processes may open). A shared engine for fleets comes beside them.
//!
//! Every call is one transaction. A future that is dropped while it waits has either happened whole or not at all.

pub mod embedded;
pub mod memory;

mod counter;

#[cfg(test)]
mod contract;

use crate::identity::{
    Account, AccountId, AccountName, Credential, CredentialId, Group, Proofs, Session, SessionId, SessionRules,
    TokenHash,
};
use crate::stdx::clock::Time;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

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
    /// All accounts, by name.
    async fn list(&self) -> Result<Vec<Account>>;
    /// Replaces the groups; `false` if there is no such account.
    async fn set_groups(&self, id: AccountId, groups: &[Group]) -> Result<bool>;
    /// Disables or enables; disabling ends every session and spends every one-time value of the account in the same
    /// transaction. `false` if there is no such account.
    async fn set_disabled(&self, id: AccountId, disabled: bool) -> Result<bool>;
    /// Removes the account with its credentials, sessions and one-time values in one transaction.
    async fn remove(&self, id: AccountId) -> Result<bool>;
}

/// What accounts prove themselves with.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// The credentials of an account, oldest first.
    async fn of(&self, account: AccountId) -> Result<Vec<Credential>>;
    /// Adds one; nothing if its account is gone.
    async fn add(&self, credential: &Credential) -> Result<()>;
    /// Ends an enrolment, in one transaction: puts each credential in place of all that its account had of the same
    /// factor, and spends the enrolment link under `link`, if one is given. `false`, and nothing changes, if the link
    /// is no more.
    async fn enrol(&self, credentials: &[Credential], link: Option<[u8; 32]>, now: Time) -> Result<bool>;
    /// Writes a new state and time of use if `version` is still the stored one, and raises the version by one;
    /// `false` if another was faster. This is what makes a code work once.
    async fn advance(&self, id: CredentialId, version: u64, state: &[u8], used: Time) -> Result<bool>;
    /// Removes one credential of an account; `false` if it has no such credential.
    async fn remove(&self, account: AccountId, id: CredentialId) -> Result<bool>;
    /// Removes all credentials of an account.
    async fn clear(&self, account: AccountId) -> Result<()>;
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
    /// Opens a session with its first token, for `host`. If its account is gone or disabled by now, nothing is
    /// opened: the token then finds no session.
    async fn open(&self, session: &Session, token: TokenHash, host: &str) -> Result<()>;
    /// One more token for a session, for `host`; a token that the session already had for that host ends.
    /// `false` if there is no such session any more.
    async fn add_token(&self, id: SessionId, token: TokenHash, host: &str) -> Result<bool>;
    /// The session that a token opens, with its account.
    async fn by_token(&self, token: &TokenHash) -> Result<Option<Opened>>;
    /// Replaces the proofs, ends every token of the session and gives it one new token, for `host`.
    /// `false` if there is no such session any more.
    async fn raise(&self, id: SessionId, proofs: &Proofs, token: TokenHash, host: &str) -> Result<bool>;
    /// Ends one session; `false` if it had ended.
    async fn end(&self, id: SessionId) -> Result<bool>;
    /// Ends the sessions of an account, except one; gives how many.
    async fn end_all(&self, account: AccountId, except: Option<SessionId>) -> Result<usize>;
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

/// What a one-time value is for. Values of different kinds never open one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnceKind {
    /// A sign-in under way.
    Attempt,
    /// An enrolment link.
    Enrolment,
    /// A code that carries a session to another host.
    HandOff,
}

impl OnceKind {
    /// The word in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            OnceKind::Attempt => "attempt",
            OnceKind::Enrolment => "enrolment",
            OnceKind::HandOff => "hand-off",
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
    /// The value, left where it is; `None` if there is none or it expired.
    async fn peek(&self, kind: OnceKind, key: [u8; 32], now: Time) -> Result<Option<Vec<u8>>>;
    /// The value, removed: of any number of callers, exactly one gets it.
    async fn take(&self, kind: OnceKind, key: [u8; 32], now: Time) -> Result<Option<Vec<u8>>>;
    /// Removes the values of one kind that belong to an account; gives how many.
    async fn spend(&self, kind: OnceKind, owner: AccountId) -> Result<usize>;
    /// Removes what expired; gives how many.
    async fn sweep(&self, now: Time) -> Result<usize>;
}

/// How many failures a key may have, and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottleRule {
    /// `free` failures cost nothing; the attempt after them waits `first`, each further one twice as long up to
    /// `longest`; at `locked_at` consecutive failures the key is locked until it is forgiven.
    Backoff {
        /// Failures that cost nothing.
        free: u32,
        /// The first wait.
        first: Duration,
        /// The longest wait.
        longest: Duration,
        /// Consecutive failures at which the key is locked.
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
    /// Yes; it already counts as a failure until it is forgiven.
    Go,
    /// Not before this time; nothing was counted.
    Wait(Time),
    /// Not until somebody forgives the key; nothing was counted.
    Locked,
}

/// Counters of failed attempts. An attempt is counted **before** it is verified, so that parallel guesses cannot share
/// one reservation.
#[async_trait]
pub trait Throttles: Send + Sync {
    /// Counts an attempt under `key`, or says why not; one atomic step.
    async fn reserve(&self, key: &str, rule: ThrottleRule, now: Time) -> Result<Reserved>;
    /// The attempt succeeded: a `Backoff` starts over, a `Window` gets its one reservation back.
    async fn forgive(&self, key: &str, rule: ThrottleRule) -> Result<()>;
    /// Forgets every key that begins with `prefix`.
    async fn reset(&self, prefix: &str) -> Result<()>;
    /// Removes counters that no longer hold anybody back (a `Backoff` untouched for a day, a `Window` that is over);
    /// locked keys stay. Gives how many.
    async fn sweep(&self, now: Time) -> Result<usize>;
}

/// One line of the durable record of security events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// When.
    pub at: Time,
    /// Which of the closed list, for example `sign-in.succeeded`.
    pub name: String,
    /// The account it is about.
    pub account: Option<AccountId>,
    /// The event's fields as a JSON object.
    pub body: String,
}

/// The durable record of security events: appended to, never changed.
#[async_trait]
pub trait Events: Send + Sync {
    /// Appends events in order, durably.
    async fn append(&self, events: &[EventRow]) -> Result<()>;
    /// Up to `limit` events after number `after`, oldest first, with their numbers.
    async fn after(&self, after: u64, limit: usize) -> Result<Vec<(u64, EventRow)>>;
    /// The number of the newest event; 0 if there is none.
    async fn newest(&self) -> Result<u64>;
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
