//! What the reader believes and for how long; knows the store's engine in memory alone.

use super::*;
use crate::identity::{Account, AccountKind, AccountName, Device, FactorName, Kind, Kinds, Proof, Proofs, Session};
use crate::session::SessionToken;
use crate::store::{Opening, Store, memory};
use std::net::Ipv4Addr;
use std::time::Duration;

const HOST: &str = "app.example.com";

struct Case {
    store: Store,
    reader: Reader,
    session: Session,
    token: SessionToken,
}

async fn case() -> Case {
    let store = memory::open();
    let account = Account {
        id: AccountId::new([1; 16]),
        name: AccountName::parse("alice").expect("a valid name"),
        groups: Vec::new(),
        kind: AccountKind::Person,
        disabled: false,
        created: Time::EPOCH,
    };
    store.accounts.add(&account).await.expect("memory");
    let device = Device { name: "curl".to_owned(), address: Ipv4Addr::LOCALHOST.into() };
    let at = Time::from_secs(1000);
    let id = SessionId::new([2; 16]);
    let session = Session { id, account: account.id, proofs: Proofs::new(), created: at, used: at, device };
    let token = SessionToken::fresh();
    store
        .sessions
        .open(&session, Opening { token: Some((token.hash(), HOST)), ..Opening::default() })
        .await
        .expect("memory");
    Case { reader: Reader::new(store.sessions.clone()), store, session, token }
}

async fn read(case: &Case, host: &str, secs: u64) -> bool {
    let (now, token) = (Time::from_secs(secs), case.token.hash());
    let reading = Reading { token: &token, host, now, rules: SessionRules::DEFAULT };
    case.reader.read(reading).await.expect("the store answers").is_some()
}

#[tokio::test]
async fn a_token_opens_its_session_on_its_own_host_only() {
    let case = case().await;
    assert!(read(&case, HOST, 1001).await);
    assert!(!read(&case, "other.example.com", 1001).await);
}

#[tokio::test]
async fn an_unused_session_ends_and_a_used_one_lives_until_its_absolute_end() {
    let case = case().await;
    let idle = SessionRules::DEFAULT.idle.as_secs();
    assert!(read(&case, HOST, 1000 + idle - 1).await);
    assert!(read(&case, HOST, 1000 + 2 * idle - 2).await);
    assert!(!read(&case, HOST, 1000 + 3 * idle - 1).await);
}

#[tokio::test]
async fn an_ended_session_is_refused_as_soon_as_the_change_is_heard() {
    let case = case().await;
    assert!(read(&case, HOST, 1001).await);
    case.store.sessions.end(case.session.id).await.expect("memory");
    assert!(read(&case, HOST, 1002).await, "served from the cache until the change is heard");
    case.reader.apply(Change::SessionEnded(case.session.id));
    assert!(!read(&case, HOST, 1003).await);
}

#[tokio::test]
async fn a_token_ended_by_a_raise_elsewhere_is_refused_although_the_new_one_was_read_first() {
    let case = case().await;
    assert!(read(&case, HOST, 1001).await);
    let kinds = Kinds::of(Kind::Possession);
    let (factor, at) = (FactorName("totp"), Time::from_secs(1001));
    let proofs = [Proof { factor, kinds, phishing_resistant: false, recovery: false, at }].into_iter().collect();
    let raised = SessionToken::fresh();
    case.store.sessions.raise(case.session.id, &proofs, raised.hash(), HOST).await.expect("memory");
    let token = raised.hash();
    let reading = Reading { token: &token, host: HOST, now: Time::from_secs(1002), rules: SessionRules::DEFAULT };
    assert!(case.reader.read(reading).await.expect("the store answers").is_some());
    assert!(!read(&case, HOST, 1003).await, "the old token");
}

#[tokio::test]
async fn a_use_that_the_store_does_not_know_yet_counts_after_a_change_too() {
    let case = case().await;
    let idle = SessionRules::DEFAULT.idle.as_secs();
    assert!(read(&case, HOST, 1000 + idle - 1).await);
    for change in [Change::SessionRaised(case.session.id), Change::Account(case.session.account)] {
        case.reader.apply(change);
        assert!(read(&case, HOST, 1000 + idle + 1).await, "{change:?}");
    }
    case.reader.apply(Change::Account(case.session.account));
    case.reader.sweep(Time::from_secs(1000 + idle + 2), SessionRules::DEFAULT);
    assert!(read(&case, HOST, 1000 + idle + 3).await, "the sweep comes between");
}

#[tokio::test]
async fn a_session_that_was_used_through_another_process_is_not_idle() {
    let case = case().await;
    assert!(read(&case, HOST, 1001).await);
    let idle = SessionRules::DEFAULT.idle.as_secs();
    case.store.sessions.touch(&[(case.session.id, Time::from_secs(1000 + idle))]).await.expect("memory");
    assert!(read(&case, HOST, 1001 + idle).await);
}

#[tokio::test]
async fn a_session_that_no_cached_token_opens_is_not_held() {
    let case = case().await;
    assert!(read(&case, HOST, 1001).await);
    case.reader.tokens.remove(&case.token.hash());
    case.reader.sweep(Time::from_secs(1002), SessionRules::DEFAULT);
    assert!(case.reader.sessions.is_empty());
    assert!(read(&case, HOST, 1003).await);
}

#[tokio::test]
async fn a_barred_session_is_refused_although_the_store_has_it() {
    for barred in [Barred::Session(SessionId::new([2; 16])), Barred::Account(AccountId::new([1; 16]))] {
        let case = case().await;
        assert!(read(&case, HOST, 1001).await);
        case.reader.bar(barred, Time::from_secs(1001));
        assert!(!read(&case, HOST, 1002).await, "{barred:?}");
        assert!(!read(&case, HOST, 1003).await, "and stays refused: {barred:?}");
    }
}

#[tokio::test]
async fn a_disabled_account_has_no_live_session() {
    let case = case().await;
    assert!(read(&case, HOST, 1001).await);
    case.store.accounts.set_disabled(case.session.account, true).await.expect("memory");
    case.reader.apply(Change::Account(case.session.account));
    assert!(!read(&case, HOST, 1002).await);
}

#[tokio::test]
async fn nobody_is_believed_when_the_store_was_silent_for_too_long() {
    let case = case().await;
    case.reader.set_blind(Blind::Yes);
    let token = case.token.hash();
    let reading = Reading { token: &token, host: HOST, now: Time::from_secs(1001), rules: SessionRules::DEFAULT };
    assert!(case.reader.read(reading).await.is_err());
}

#[tokio::test]
async fn uses_are_collected_once_and_returned_uses_are_not_lost() {
    let case = case().await;
    assert!(read(&case, HOST, 1100).await);
    assert!(read(&case, HOST, 1101).await);
    let uses = case.reader.take_uses();
    assert_eq!(uses, vec![(case.session.id, Time::EPOCH.plus(Duration::from_secs(1100)))]);
    assert!(case.reader.take_uses().is_empty());
    case.reader.return_uses(uses.clone());
    assert_eq!(case.reader.take_uses(), uses);
}
