//! What every engine promises of sessions and their tokens.

use super::*;
use crate::identity::SessionRules;
use crate::store::{Opened, Opening};
use std::time::Duration;

on_every_engine!(
    a_token_opens_its_session_with_account_and_host,
    a_session_has_one_token_for_each_host,
    a_token_that_takes_another_s_place_is_told_to_every_process,
    a_session_that_is_not_there_gets_no_token,
    raising_ends_old_tokens_and_keeps_the_session,
    an_ended_session_is_gone_with_its_tokens,
    ending_all_spares_the_one_excepted,
    ending_every_session_spares_none,
    sessions_are_listed_newest_use_first,
    a_use_is_never_set_back,
    touching_ten_thousand_sessions_is_one_question,
    sweeping_ends_idle_and_old_sessions,
    rules_without_end_end_nothing,
    a_session_is_found_by_its_id_without_a_token,
    one_session_too_many_ends_the_one_used_longest_ago,
    whoever_proved_less_crowds_out_nobody_who_proved_more,
    a_session_is_lent_by_one_of_the_same_account_that_is_there,
);

async fn a_token_opens_its_session_with_account_and_host(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let session = opened(&store, &alice, token(1)).await?;
    assert_eq!(store.sessions.by_token(&token(2)).await?, None);
    let expected = Opened { session, account: alice, host: HOST.to_owned() };
    assert_eq!(store.sessions.by_token(&token(1)).await?, Some(expected));
    Ok(())
}

async fn a_session_has_one_token_for_each_host(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let session = opened(&store, &alice, token(1)).await?;
    assert!(store.sessions.add_token(session.id, token(2), "docs.example.com").await?);
    assert!(store.sessions.add_token(session.id, token(3), HOST).await?);
    assert_eq!(store.sessions.by_token(&token(1)).await?, None);
    for (number, host) in [(2, "docs.example.com"), (3, HOST)] {
        let opened = store.sessions.by_token(&token(number)).await?;
        assert_eq!(opened.map(|opened| (opened.session.id, opened.host)), Some((session.id, host.to_owned())));
    }
    Ok(())
}

async fn a_token_that_takes_another_s_place_is_told_to_every_process(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let session = opened(&store, &alice, token(1)).await?;
    store.sessions.add_token(session.id, token(2), "docs.example.com").await?;
    assert_eq!(changes_after(&store, 1).await?, [], "nobody holds an older one");
    store.sessions.add_token(session.id, token(3), HOST).await?;
    assert_eq!(changes_after(&store, 1).await?, [Change::SessionRaised(session.id)]);
    Ok(())
}

async fn a_session_that_is_not_there_gets_no_token(store: Store) -> Result<()> {
    assert!(!store.sessions.add_token(SessionId::fresh(), token(1), HOST).await?);
    assert!(!store.sessions.raise(SessionId::fresh(), &Proofs::new(), token(1), HOST).await?);
    assert!(!store.sessions.end(SessionId::fresh()).await?);
    assert_eq!(store.sessions.by_token(&token(1)).await?, None);
    assert_eq!(store.changes.newest().await?, 0);
    Ok(())
}

async fn raising_ends_old_tokens_and_keeps_the_session(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let session = opened(&store, &alice, token(1)).await?;
    store.sessions.add_token(session.id, token(2), "docs.example.com").await?;
    let proofs = Proofs::from_iter([proof(TOTP, Kind::Possession, 50)]);
    assert!(store.sessions.raise(session.id, &proofs, token(3), HOST).await?);
    assert_eq!(store.sessions.by_token(&token(1)).await?, None);
    assert_eq!(store.sessions.by_token(&token(2)).await?, None);
    let opened = store.sessions.by_token(&token(3)).await?;
    assert_eq!(opened.map(|opened| opened.session), Some(Session { proofs, ..session.clone() }));
    assert_eq!(changes_after(&store, 1).await?, [Change::SessionRaised(session.id)]);
    Ok(())
}

async fn an_ended_session_is_gone_with_its_tokens(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let session = opened(&store, &alice, token(1)).await?;
    assert!(store.sessions.end(session.id).await?);
    assert!(!store.sessions.end(session.id).await?);
    assert_eq!(store.sessions.by_token(&token(1)).await?, None);
    assert_eq!(store.sessions.of(alice.id).await?, []);
    assert_eq!(changes_after(&store, 1).await?, [Change::SessionEnded(session.id)]);
    Ok(())
}

async fn ending_all_spares_the_one_excepted(store: Store) -> Result<()> {
    let (alice, bob) = (added(&store, "alice").await?, added(&store, "bob").await?);
    let kept = opened(&store, &alice, token(1)).await?;
    let other = opened(&store, &alice, token(2)).await?;
    opened(&store, &bob, token(3)).await?;
    assert_eq!(store.sessions.end_all(alice.id, Some(kept.id)).await?, 1);
    assert_eq!(store.sessions.of(alice.id).await?, std::slice::from_ref(&kept));
    assert_eq!(store.sessions.end_all(alice.id, None).await?, 1);
    assert_eq!(store.sessions.end_all(alice.id, None).await?, 0);
    assert_eq!(store.sessions.of(bob.id).await?.len(), 1);
    assert_eq!(changes_after(&store, 2).await?, [Change::SessionEnded(other.id), Change::SessionEnded(kept.id)]);
    Ok(())
}

async fn ending_every_session_spares_none(store: Store) -> Result<()> {
    for (name, number) in [("alice", 1), ("bob", 2)] {
        let account = added(&store, name).await?;
        opened(&store, &account, token(number)).await?;
    }
    assert_eq!(store.sessions.end_every().await?, 2);
    assert_eq!(store.sessions.end_every().await?, 0);
    assert_eq!(store.sessions.by_token(&token(1)).await?, None);
    assert_eq!(changes_after(&store, 2).await?.len(), 2);
    Ok(())
}

async fn sessions_are_listed_newest_use_first(store: Store) -> Result<()> {
    let (alice, bob) = (added(&store, "alice").await?, added(&store, "bob").await?);
    let mut sessions = Vec::new();
    for (account, number) in [(&alice, 1), (&bob, 2), (&alice, 3)] {
        let session = opened(&store, account, token(number)).await?;
        sessions.push(Session { used: at(10 + u64::from(number)), ..session });
    }
    let uses: Vec<_> = sessions.iter().map(|session| (session.id, session.used)).collect();
    store.sessions.touch(&uses).await?;
    let listed: Vec<_> = store.sessions.list(2).await?;
    let first_two: Vec<_> = listed.into_iter().map(|(name, session)| (name, session.id)).collect();
    assert_eq!(first_two, [(name("alice"), sessions[2].id), (name("bob"), sessions[1].id)]);
    let of_alice: Vec<_> = store.sessions.of(alice.id).await?.into_iter().map(|session| session.id).collect();
    assert_eq!(of_alice, [sessions[2].id, sessions[0].id]);
    Ok(())
}

async fn a_use_is_never_set_back(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let session = opened(&store, &alice, token(1)).await?;
    let gone = SessionId::fresh();
    store.sessions.touch(&[(session.id, at(50)), (gone, at(60)), (session.id, at(40))]).await?;
    store.sessions.touch(&[(session.id, at(30))]).await?;
    store.sessions.touch(&[]).await?;
    assert_eq!(store.sessions.of(alice.id).await?, [Session { used: at(50), ..session }]);
    assert_eq!(changes_after(&store, 1).await?, []);
    Ok(())
}

async fn touching_ten_thousand_sessions_is_one_question(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let session = opened(&store, &alice, token(1)).await?;
    let mut uses: Vec<_> = (0..10_000).map(|_| (SessionId::fresh(), at(5))).collect();
    uses.push((session.id, at(7)));
    store.sessions.touch(&uses).await?;
    assert_eq!(store.sessions.of(alice.id).await?, [Session { used: at(7), ..session }]);
    Ok(())
}

async fn sweeping_ends_idle_and_old_sessions(store: Store) -> Result<()> {
    let rules = SessionRules { idle: Duration::from_secs(10), absolute: Duration::from_secs(100), per_account: 1 };
    let alice = added(&store, "alice").await?;
    let mut ids = Vec::new();
    for (number, created, used) in [(1, 50, 89), (2, 50, 90), (3, 0, 99), (4, 1, 99)] {
        let session = Session { created: at(created), used: at(used), ..session(&alice) };
        store.sessions.open(&session, with(token(number))).await?;
        ids.push(session.id);
    }
    assert_eq!(store.sessions.sweep(at(98), rules).await?, 0);
    assert_eq!(store.sessions.sweep(at(99), rules).await?, 1, "the first has been idle for 10 s");
    assert_eq!(store.sessions.sweep(at(100), rules).await?, 2, "the second idle, the third 100 s old");
    assert_eq!(store.sessions.by_token(&token(3)).await?, None);
    assert!(store.sessions.by_token(&token(4)).await?.is_some());
    let changes = changes_after(&store, 1).await?;
    assert_eq!(changes.first(), Some(&Change::SessionEnded(ids[0])));
    assert_eq!(changes.len(), 3);
    Ok(())
}

async fn rules_without_end_end_nothing(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let session = Session { created: Time::EPOCH, used: Time::EPOCH, ..session(&alice) };
    store.sessions.open(&session, with(token(1))).await?;
    let rules = SessionRules { idle: Duration::MAX, absolute: Duration::MAX, per_account: 1 };
    assert_eq!(store.sessions.sweep(at(0), rules).await?, 0);
    Ok(())
}

async fn a_session_is_found_by_its_id_without_a_token(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let held = session(&alice);
    store.sessions.open(&held, Opening::default()).await?;
    assert_eq!(store.sessions.by_id(held.id).await?, Some((held.clone(), alice)));
    store.sessions.end(held.id).await?;
    assert_eq!(store.sessions.by_id(held.id).await?, None);
    Ok(())
}

async fn whoever_proved_less_crowds_out_nobody_who_proved_more(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let proofs = Proofs::from_iter([proof(PASSWORD, Kind::Knowledge, 5), proof(TOTP, Kind::Possession, 5)]);
    let strong = Session { proofs, used: at(1), ..session(&alice) };
    let opening = Opening { most: Some(2), ..Opening::default() };
    store.sessions.open(&strong, opening).await?;
    for second in 10..14 {
        let proofs = Proofs::from_iter([proof(PASSWORD, Kind::Knowledge, 5)]);
        let weak = Session { proofs, used: at(second), ..session(&alice) };
        store.sessions.open(&weak, opening).await?;
    }
    let left: Vec<_> = store.sessions.of(alice.id).await?.into_iter().map(|session| session.used).collect();
    assert_eq!(left, [at(13), at(1)]);
    Ok(())
}

async fn a_session_is_lent_by_one_of_the_same_account_that_is_there(store: Store) -> Result<()> {
    let (alice, bob) = (added(&store, "alice").await?, added(&store, "bob").await?);
    let (lender, bobs) = (opened(&store, &alice, token(1)).await?.id, opened(&store, &bob, token(2)).await?.id);
    let lent_by = async |lender| {
        let opening = Opening { lender: Some(lender), ..Opening::default() };
        store.sessions.open(&session(&alice), opening).await
    };
    assert_eq!(lent_by(lender).await?, Some(vec![]));
    assert_eq!(lent_by(bobs).await?, None, "another account's");
    store.sessions.end_all(alice.id, None).await?;
    assert_eq!(lent_by(lender).await?, None, "it has ended");
    assert_eq!(store.sessions.of(alice.id).await?, []);
    Ok(())
}

async fn one_session_too_many_ends_the_one_used_longest_ago(store: Store) -> Result<()> {
    let (alice, bob) = (added(&store, "alice").await?, added(&store, "bob").await?);
    let of_bob = opened(&store, &bob, token(9)).await?;
    let mut held = Vec::new();
    for number in 1..4 {
        let session = Session { used: at(10 + u64::from(number)), ..session(&alice) };
        let opening = Opening { most: Some(3), ..with(token(number)) };
        assert_eq!(store.sessions.open(&session, opening).await?, Some(vec![]));
        held.push(session.id);
    }
    store.sessions.touch(&[(held[0], at(20))]).await?;
    let seen = store.changes.newest().await?;
    let fourth = Session { used: at(30), ..session(&alice) };
    let opening = Opening { most: Some(3), ..Opening::default() };
    let ended = store.sessions.open(&fourth, opening).await?;
    assert_eq!(ended, Some(vec![held[1]]), "the first one was used since");
    assert_eq!(changes_after(&store, seen).await?, [Change::SessionEnded(held[1])]);
    assert_eq!(store.sessions.by_token(&token(2)).await?, None);
    let mut left: Vec<_> = store.sessions.of(alice.id).await?.into_iter().map(|session| session.id).collect();
    left.sort();
    let mut expected = vec![held[0], held[2], fourth.id];
    expected.sort();
    assert_eq!((left, store.sessions.of(bob.id).await?), (expected, vec![of_bob]));
    Ok(())
}
