//! A store that tells of every operation that failed, by its sort, before any engine; changes no answer.

use super::{
    Accounts, Chain, Chained, Change, Changes, Credentials, Enrolment, EnrolmentLink, EventRow, Events, Instead, Keys,
    Once, OnceKind, Opened, Opening, Reserved, Reset, Result, Seal, SealedKey, Sessions, Store, ThrottleRule,
    Throttled, Throttles, Unavailable,
};
use crate::identity::{
    Account, AccountId, AccountName, Credential, CredentialId, Group, Proofs, Session, SessionId, SessionRules,
    TokenHash,
};
use crate::stdx::clock::Time;
use async_trait::async_trait;
use std::sync::Arc;

/// The sorts of operations. Few, for they are a metric's labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Something was to be read.
    Read,
    /// Something was to be written.
    Write,
    /// Changes made elsewhere were to be heard of.
    Feed,
    /// The record of security events was to be written or read.
    Events,
    /// What is over was to be removed.
    Sweep,
}

impl Operation {
    /// All of them, in the order of their numbers.
    pub const ALL: [Operation; 5] =
        [Operation::Read, Operation::Write, Operation::Feed, Operation::Events, Operation::Sweep];

    /// The word in metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Operation::Read => "read",
            Operation::Write => "write",
            Operation::Feed => "feed",
            Operation::Events => "events",
            Operation::Sweep => "sweep",
        }
    }
}

/// Hears of each operation that failed, and why.
pub type Observer = Arc<dyn Fn(Operation, &Unavailable) + Send + Sync>;

/// The same store, with `observer` hearing of each operation that fails.
pub fn observed(store: Store, observer: &Observer) -> Store {
    Store {
        accounts: Arc::new(Observed::new(store.accounts, observer)),
        credentials: Arc::new(Observed::new(store.credentials, observer)),
        sessions: Arc::new(Observed::new(store.sessions, observer)),
        once: Arc::new(Observed::new(store.once, observer)),
        throttles: Arc::new(Observed::new(store.throttles, observer)),
        events: Arc::new(Observed::new(store.events, observer)),
        changes: Arc::new(Observed::new(store.changes, observer)),
        keys: Arc::new(Observed::new(store.keys, observer)),
        ground: store.ground,
    }
}

/// One trait of a store, and who hears.
struct Observed<T: ?Sized> {
    store: Arc<T>,
    observer: Observer,
}

impl<T: ?Sized> Observed<T> {
    fn new(store: Arc<T>, observer: &Observer) -> Self {
        Observed { store, observer: observer.clone() }
    }

    fn tell<A>(&self, operation: Operation, answer: Result<A>) -> Result<A> {
        answer.inspect_err(|error| (self.observer)(operation, error))
    }

    fn reading<A>(&self, answer: Result<A>) -> Result<A> {
        self.tell(Operation::Read, answer)
    }

    fn writing<A>(&self, answer: Result<A>) -> Result<A> {
        self.tell(Operation::Write, answer)
    }

    fn feeding<A>(&self, answer: Result<A>) -> Result<A> {
        self.tell(Operation::Feed, answer)
    }

    fn recording<A>(&self, answer: Result<A>) -> Result<A> {
        self.tell(Operation::Events, answer)
    }

    fn sweeping<A>(&self, answer: Result<A>) -> Result<A> {
        self.tell(Operation::Sweep, answer)
    }
}

#[async_trait]
impl Accounts for Observed<dyn Accounts> {
    async fn add(&self, account: &Account) -> Result<bool> {
        self.writing(self.store.add(account).await)
    }

    async fn by_name(&self, name: &AccountName) -> Result<Option<Account>> {
        self.reading(self.store.by_name(name).await)
    }

    async fn by_id(&self, id: AccountId) -> Result<Option<Account>> {
        self.reading(self.store.by_id(id).await)
    }

    async fn still_known(&self, name: &AccountName) -> Result<Option<AccountId>> {
        self.reading(self.store.still_known(name).await)
    }

    async fn list(&self) -> Result<Vec<Account>> {
        self.reading(self.store.list().await)
    }

    async fn set_groups(&self, id: AccountId, groups: &[Group]) -> Result<bool> {
        self.writing(self.store.set_groups(id, groups).await)
    }

    async fn set_disabled(&self, id: AccountId, disabled: bool) -> Result<bool> {
        self.writing(self.store.set_disabled(id, disabled).await)
    }

    async fn remove(&self, id: AccountId) -> Result<bool> {
        self.writing(self.store.remove(id).await)
    }
}

#[async_trait]
impl Credentials for Observed<dyn Credentials> {
    async fn of(&self, account: AccountId) -> Result<Vec<Credential>> {
        self.reading(self.store.of(account).await)
    }

    async fn by_handle(&self, handle: &[u8]) -> Result<Option<Credential>> {
        self.reading(self.store.by_handle(handle).await)
    }

    async fn add(&self, credential: &Credential) -> Result<()> {
        self.writing(self.store.add(credential).await)
    }

    async fn enrol(&self, enrolment: &Enrolment<'_>, now: Time) -> Result<Option<Vec<SessionId>>> {
        self.writing(self.store.enrol(enrolment, now).await)
    }

    async fn advance(&self, id: CredentialId, version: u64, state: &[u8], used: Time) -> Result<bool> {
        self.writing(self.store.advance(id, version, state, used).await)
    }

    async fn rename(&self, id: CredentialId, account: AccountId, label: &str) -> Result<bool> {
        self.writing(self.store.rename(id, account, label).await)
    }

    async fn remove(
        &self,
        id: CredentialId,
        by: SessionId,
        staying: &[CredentialId],
    ) -> Result<Option<Vec<SessionId>>> {
        self.writing(self.store.remove(id, by, staying).await)
    }

    async fn offer(&self, account: AccountId, link: &EnrolmentLink<'_>) -> Result<()> {
        self.writing(self.store.offer(account, link).await)
    }

    async fn reset(&self, account: AccountId, instead: Instead<'_>) -> Result<Option<Reset>> {
        self.writing(self.store.reset(account, instead).await)
    }
}

#[async_trait]
impl Sessions for Observed<dyn Sessions> {
    async fn open(&self, session: &Session, opening: Opening<'_>) -> Result<Option<Vec<SessionId>>> {
        self.writing(self.store.open(session, opening).await)
    }

    async fn add_token(&self, id: SessionId, token: TokenHash, host: &str) -> Result<bool> {
        self.writing(self.store.add_token(id, token, host).await)
    }

    async fn by_id(&self, id: SessionId) -> Result<Option<(Session, Account)>> {
        self.reading(self.store.by_id(id).await)
    }

    async fn by_token(&self, token: &TokenHash) -> Result<Option<Opened>> {
        self.reading(self.store.by_token(token).await)
    }

    async fn raise(&self, id: SessionId, proofs: &Proofs, token: TokenHash, host: &str) -> Result<bool> {
        self.writing(self.store.raise(id, proofs, token, host).await)
    }

    async fn end(&self, id: SessionId) -> Result<bool> {
        self.writing(self.store.end(id).await)
    }

    async fn end_all(&self, account: AccountId, except: Option<SessionId>) -> Result<usize> {
        self.writing(self.store.end_all(account, except).await)
    }

    async fn end_every(&self) -> Result<usize> {
        self.writing(self.store.end_every().await)
    }

    async fn of(&self, account: AccountId) -> Result<Vec<Session>> {
        self.reading(self.store.of(account).await)
    }

    async fn list(&self, limit: usize) -> Result<Vec<(AccountName, Session)>> {
        self.reading(self.store.list(limit).await)
    }

    async fn touch(&self, uses: &[(SessionId, Time)]) -> Result<()> {
        self.writing(self.store.touch(uses).await)
    }

    async fn sweep(&self, now: Time, rules: SessionRules) -> Result<usize> {
        self.sweeping(self.store.sweep(now, rules).await)
    }
}

#[async_trait]
impl Once for Observed<dyn Once> {
    async fn put(
        &self,
        kind: OnceKind,
        key: [u8; 32],
        owner: Option<AccountId>,
        value: &[u8],
        expires: Time,
    ) -> Result<()> {
        self.writing(self.store.put(kind, key, owner, value, expires).await)
    }

    async fn mark(&self, kind: OnceKind, key: [u8; 32], span: (Time, Time)) -> Result<bool> {
        self.writing(self.store.mark(kind, key, span).await)
    }

    async fn peek(&self, kind: OnceKind, key: [u8; 32], now: Time) -> Result<Option<Vec<u8>>> {
        self.reading(self.store.peek(kind, key, now).await)
    }

    async fn take(&self, kind: OnceKind, key: [u8; 32], now: Time) -> Result<Option<Vec<u8>>> {
        self.writing(self.store.take(kind, key, now).await)
    }

    async fn until(&self, kind: OnceKind, owner: AccountId, now: Time) -> Result<Option<Time>> {
        self.reading(self.store.until(kind, owner, now).await)
    }

    async fn sweep(&self, now: Time) -> Result<usize> {
        self.sweeping(self.store.sweep(now).await)
    }
}

#[async_trait]
impl Throttles for Observed<dyn Throttles> {
    async fn reserve_all(&self, counters: &[(&Throttled, ThrottleRule)], now: Time) -> Result<Vec<Reserved>> {
        self.writing(self.store.reserve_all(counters, now).await)
    }

    async fn look(&self, whose: &Throttled, rule: ThrottleRule, now: Time) -> Result<Reserved> {
        self.reading(self.store.look(whose, rule, now).await)
    }

    async fn forgive_all(&self, counters: &[(&Throttled, ThrottleRule)]) -> Result<()> {
        self.writing(self.store.forgive_all(counters).await)
    }

    async fn sweep(&self, now: Time, most: usize) -> Result<usize> {
        self.sweeping(self.store.sweep(now, most).await)
    }
}

#[async_trait]
impl Events for Observed<dyn Events> {
    fn bind(&self, chain: Chain) {
        self.store.bind(chain);
    }

    fn chain(&self) -> Result<Chain> {
        self.recording(self.store.chain())
    }

    async fn append(&self, events: &[EventRow]) -> Result<()> {
        self.recording(self.store.append(events).await)
    }

    async fn after(&self, after: u64, limit: usize) -> Result<Vec<(u64, EventRow)>> {
        self.recording(self.store.after(after, limit).await)
    }

    async fn chained(&self, after: u64, limit: usize) -> Result<Vec<Chained>> {
        self.recording(self.store.chained(after, limit).await)
    }

    async fn seal(&self) -> Result<Option<Seal>> {
        self.recording(self.store.seal().await)
    }

    async fn of(&self, account: AccountId, name: &str, limit: usize) -> Result<Vec<EventRow>> {
        self.recording(self.store.of(account, name, limit).await)
    }

    async fn before(&self, at: Time) -> Result<u64> {
        self.recording(self.store.before(at).await)
    }

    async fn newest(&self) -> Result<u64> {
        self.recording(self.store.newest().await)
    }
}

#[async_trait]
impl Changes for Observed<dyn Changes> {
    async fn after(&self, after: u64, limit: usize) -> Result<Vec<(u64, Change)>> {
        self.feeding(self.store.after(after, limit).await)
    }

    async fn newest(&self) -> Result<u64> {
        self.feeding(self.store.newest().await)
    }

    async fn sweep(&self, oldest: Time) -> Result<usize> {
        self.sweeping(self.store.sweep(oldest).await)
    }
}

#[async_trait]
impl Keys for Observed<dyn Keys> {
    async fn master(&self) -> Result<Option<[u8; 32]>> {
        self.reading(self.store.master().await)
    }

    async fn settle_master(&self, fingerprint: [u8; 32]) -> Result<[u8; 32]> {
        self.writing(self.store.settle_master(fingerprint).await)
    }

    async fn signing(&self) -> Result<Vec<SealedKey>> {
        self.reading(self.store.signing().await)
    }

    async fn add_signing(&self, key: &SealedKey, kept: usize) -> Result<bool> {
        self.writing(self.store.add_signing(key, kept).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::embedded;
    use std::sync::Mutex;

    #[tokio::test]
    async fn every_failed_operation_is_told_by_its_sort_and_no_other_is() {
        let directory = tempfile::tempdir().expect("the test may make a directory");
        let path = directory.path().join("portcullis.db");
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = told.clone();
        let observer: Observer = Arc::new(move |operation, _| heard.lock().expect("nobody panics").push(operation));
        let store = observed(embedded::open(&path, |_| None).await.expect("the store opens"), &observer);
        store.events.bind(Chain::new(crate::stdx::digest::Mac::new(&[1; 32])));
        let ask = async || -> usize {
            let now = Time::from_secs(1);
            let answers = [
                store.accounts.list().await.map(drop),
                store.once.take(OnceKind::Attempt, [1; 32], now).await.map(drop),
                store.changes.after(0, 1).await.map(drop),
                store.events.append(&[]).await,
                store.throttles.sweep(now, 1).await.map(drop),
                store.once.sweep(now).await.map(drop),
            ];
            answers.into_iter().filter(|answer: &std::result::Result<(), Unavailable>| answer.is_err()).count()
        };
        assert_eq!((ask().await, told.lock().expect("nobody panics").len()), (0, 0));
        std::fs::remove_file(&path).expect("the test may remove it");
        assert!(store.ground.check().is_err());
        assert_eq!(ask().await, 6);
        let expected =
            [Operation::Read, Operation::Write, Operation::Feed, Operation::Events, Operation::Sweep, Operation::Sweep];
        assert_eq!(*told.lock().expect("nobody panics"), expected);
    }
}
