//! What every engine promises, as one set of tests that runs on each of them.

mod accounts;
mod credentials;
mod keys;
mod once;
mod records;
mod sessions;
mod throttles;

use super::{
    Chain, Change, Enrolment, Opening, Place, Reserved, Result, Right, Store, ThrottleRule, Throttled, embedded,
};
use crate::identity::{
    Account, AccountId, AccountKind, AccountName, Device, FactorName, Group, Kind, Kinds, Proof, Proofs, Session,
};
use crate::identity::{Credential, CredentialId, SessionId, TokenHash};
use crate::stdx::clock::Time;
use crate::stdx::digest::Mac;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use tokio::task::JoinSet;

/// Makes each function a test of every engine: it gets an empty store and gives `Err` only if that is unavailable.
macro_rules! on_every_engine {
    ($($sentence:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $sentence() {
                super::$sentence(crate::store::memory::open()).await.expect("the store answers");
            })+
        }

        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $sentence() {
                let directory = tempfile::tempdir().expect("the test may make a directory");
                let store = crate::store::contract::in_a_file(directory.path()).await;
                super::$sentence(store).await.expect("the store answers");
            })+
        }
    };
}
use on_every_engine;

const PASSWORD: FactorName = FactorName("password");
const TOTP: FactorName = FactorName("totp");

async fn in_a_file(directory: &Path) -> Store {
    let factors = |word: &str| [PASSWORD, TOTP].into_iter().find(|factor| factor.0 == word);
    let store = embedded::open(&directory.join("portcullis.db"), factors).await.expect("the store opens");
    store.events.bind(Chain::new(Mac::new(&[1; 32])));
    store
}

/// The time `secs` into every test.
fn at(secs: u64) -> Time {
    Time::from_secs(1_000_000 + secs)
}

fn name(text: &str) -> AccountName {
    AccountName::parse(text).expect("a sound name")
}

fn group(text: &str) -> Group {
    Group::parse(text).expect("a sound name")
}

fn account(text: &str) -> Account {
    let groups = vec![group("staff"), group("admin")];
    Account {
        id: AccountId::fresh(),
        name: name(text),
        groups,
        kind: AccountKind::Person,
        disabled: false,
        created: at(0),
    }
}

async fn added(store: &Store, text: &str) -> Result<Account> {
    let account = account(text);
    assert!(store.accounts.add(&account).await?);
    Ok(account)
}

fn credential(account: &Account, factor: FactorName) -> Credential {
    Credential {
        id: CredentialId::fresh(),
        account: account.id,
        factor,
        label: "my phone, \u{1f4f1}".to_owned(),
        created: at(1),
        used: None,
        handle: None,
        state: vec![0, 1, 255],
        version: 0,
    }
}

fn proof(factor: FactorName, kind: Kind, secs: u64) -> Proof {
    Proof { factor, kinds: Kinds::of(kind), phishing_resistant: true, recovery: false, at: at(secs) }
}

fn session(account: &Account) -> Session {
    Session {
        id: SessionId::fresh(),
        account: account.id,
        proofs: Proofs::from_iter([proof(PASSWORD, Kind::Knowledge, 1), proof(TOTP, Kind::Possession, 2)]),
        created: at(2),
        used: at(2),
        device: Device { name: "Firefox on Linux".to_owned(), address: IpAddr::V6(Ipv6Addr::LOCALHOST) },
    }
}

/// The end of an enrolment that puts `credentials` in place of what their account had, by `right`.
fn enrolment<'a>(account: &Account, credentials: &'a [Credential], right: Right) -> Enrolment<'a> {
    Enrolment { account: account.id, credentials, place: Place::Instead, right }
}

/// An enrolment link of `account`, good until the time 10 into the test.
async fn link(store: &Store, account: &Account, number: u8) -> Result<Right> {
    store.once.put(super::OnceKind::Enrolment, [number; 32], Some(account.id), b"x", at(10)).await?;
    Ok(Right::Link([number; 32]))
}

const HOST: &str = "app.example.com";

fn token(number: u8) -> TokenHash {
    TokenHash([number; 32])
}

/// What a session is opened with that only `token` opens.
fn with(token: TokenHash) -> Opening<'static> {
    Opening { token: Some((token, HOST)), ..Opening::default() }
}

/// A session of `account` that `token` opens.
async fn opened(store: &Store, account: &Account, token: TokenHash) -> Result<Session> {
    let session = session(account);
    store.sessions.open(&session, with(token)).await?;
    Ok(session)
}

/// What one counter says of an attempt that no other counts.
async fn reserve(store: &Store, whose: &Throttled, rule: ThrottleRule, now: Time) -> Result<Reserved> {
    let said = store.throttles.reserve_all(&[(whose, rule)], now).await?;
    Ok(*said.first().expect("one answer for one counter"))
}

/// The changes after `seen`, without their numbers.
async fn changes_after(store: &Store, seen: u64) -> Result<Vec<Change>> {
    Ok(store.changes.after(seen, 100).await?.into_iter().map(|(_, change)| change).collect())
}

/// What `count` tasks give that run at once.
async fn all_at_once<T, F>(count: usize, task: impl Fn(usize) -> F) -> Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    (0..count).for_each(|number| drop(tasks.spawn(task(number))));
    tasks.join_all().await.into_iter().collect()
}
