//! What belongs together is one transaction, counted in the log: a crash leaves all of it or nothing.

use super::*;
use crate::identity::{Credential, CredentialId, Device, Proofs, Session, SessionId, TokenHash};
use crate::store::{EnrolmentLink, Instead, Opening};
use std::net::Ipv4Addr;

const TOTP: FactorName = FactorName("totp");

/// The transactions in the log beside a file: the frames that say how large the file is after them end one (SQLite's
/// file format, section 4.1).
fn transactions(path: &Path) -> usize {
    let log = fs::read(path.with_extension("db-wal")).expect("there is a log");
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().expect("four bytes"));
    let page = number(8) as usize;
    (32..log.len()).step_by(24 + page).filter(|frame| number(frame + 4) != 0).count()
}

/// How many transactions it takes.
async fn cost<T>(path: &Path, change: impl Future<Output = crate::store::Result<T>>) -> usize {
    let before = transactions(path);
    change.await.expect("the store answers");
    transactions(path) - before
}

fn session(account: &Account) -> Session {
    let (at, device) = (Time::from_secs(1), Device { name: "curl".to_owned(), address: Ipv4Addr::LOCALHOST.into() });
    Session { id: SessionId::fresh(), account: account.id, proofs: Proofs::new(), created: at, used: at, device }
}

#[tokio::test]
async fn a_right_answer_is_forgiven_in_one_transaction() {
    let (_directory, path) = somewhere();
    let store = opened(&path).await;
    let (source, name) = (Throttled::Source("k".to_owned()), Throttled::Name("nobody".to_owned(), TOTP));
    let both = [(&source, ThrottleRule::Window { most: 5, per: Duration::from_secs(60) })];
    let both = [both[0], (&name, both[0].1)];
    assert_eq!(cost(&path, store.throttles.reserve_all(&both, Time::from_secs(1))).await, 1);
    assert_eq!(cost(&path, store.throttles.forgive_all(&both)).await, 1);
}

#[tokio::test]
async fn an_offer_a_removal_and_a_reset_are_one_transaction_each() {
    let (_directory, path) = somewhere();
    let store = opened(&path).await;
    let alice = account("alice");
    store.accounts.add(&alice).await.expect("the store answers");
    let (own, other) = (session(&alice), session(&alice));
    for (session, number) in [(&own, 1), (&other, 2)] {
        store
            .sessions
            .open(session, Opening { token: Some((TokenHash([number; 32]), "app.example.com")), ..Opening::default() })
            .await
            .expect("the store answers");
    }
    let (id, at) = (CredentialId::fresh(), Time::from_secs(1));
    let (label, state) = (String::new(), vec![1]);
    let (used, handle) = (None, None);
    let held = Credential { id, account: alice.id, factor: TOTP, label, created: at, used, handle, state, version: 0 };
    store.credentials.add(&held).await.expect("the store answers");
    store.once.put(OnceKind::Attempt, [3; 32], Some(alice.id), b"x", Time::NEVER).await.expect("the store answers");
    let link = |number| EnrolmentLink { key: [number; 32], value: b"who", expires: Time::NEVER };
    store.credentials.offer(alice.id, &link(1)).await.expect("the store answers");
    assert_eq!(cost(&path, store.credentials.offer(alice.id, &link(2))).await, 1);
    assert_eq!(cost(&path, store.credentials.remove(id, own.id, &[])).await, 1);
    store.credentials.add(&held).await.expect("the store answers");
    assert_eq!(cost(&path, store.credentials.reset(alice.id, Instead::Link(&link(3)))).await, 1);
    assert_eq!(store.sessions.of(alice.id).await.expect("the store answers").len(), 0);
}
