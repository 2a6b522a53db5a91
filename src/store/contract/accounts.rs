//! What every engine promises of accounts.

use super::*;
use crate::store::OnceKind;

on_every_engine!(
    an_account_reads_back_as_it_was_added,
    a_taken_name_is_refused,
    accounts_are_listed_by_name,
    groups_are_replaced,
    nothing_is_changed_for_an_account_that_is_not_there,
    disabling_ends_sessions_and_spends_one_time_values,
    a_disabled_account_gets_no_session_until_it_is_enabled,
    removing_takes_everything_of_the_account_and_nothing_else,
);

async fn an_account_reads_back_as_it_was_added(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let bob = Account { groups: Vec::new(), disabled: true, created: Time::NEVER, ..account("bob@example.com") };
    assert!(store.accounts.add(&bob).await?);
    assert_eq!(store.accounts.by_id(alice.id).await?, Some(alice.clone()));
    assert_eq!(store.accounts.by_name(&bob.name).await?, Some(bob.clone()));
    assert_eq!(store.accounts.by_name(&name("carol")).await?, None);
    assert_eq!(store.accounts.still_known(&bob.name).await?, Some(bob.id));
    assert_eq!(store.accounts.still_known(&name("carol")).await?, None);
    assert_eq!(changes_after(&store, 0).await?, [Change::Account(alice.id), Change::Account(bob.id)]);
    Ok(())
}

async fn a_taken_name_is_refused(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    assert!(!store.accounts.add(&account("alice")).await?);
    assert_eq!(store.accounts.list().await?, [alice]);
    assert_eq!(store.changes.newest().await?, 1);
    Ok(())
}

async fn accounts_are_listed_by_name(store: Store) -> Result<()> {
    for text in ["carol", "alice", "bob"] {
        added(&store, text).await?;
    }
    let names: Vec<_> = store.accounts.list().await?.into_iter().map(|account| account.name).collect();
    assert_eq!(names, [name("alice"), name("bob"), name("carol")]);
    Ok(())
}

async fn groups_are_replaced(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    for groups in [vec![group("b:/x"), group("a.y")], vec![]] {
        assert!(store.accounts.set_groups(alice.id, &groups).await?);
        assert_eq!(store.accounts.by_id(alice.id).await?.map(|account| account.groups), Some(groups));
    }
    assert_eq!(changes_after(&store, 1).await?, [Change::Account(alice.id); 2]);
    Ok(())
}

async fn nothing_is_changed_for_an_account_that_is_not_there(store: Store) -> Result<()> {
    let nobody = AccountId::fresh();
    assert!(!store.accounts.set_groups(nobody, &[]).await?);
    assert!(!store.accounts.set_disabled(nobody, true).await?);
    assert!(!store.accounts.remove(nobody).await?);
    let gone = account("gone");
    store.credentials.add(&credential(&gone, TOTP)).await?;
    let held = [credential(&gone, TOTP)];
    assert_eq!(store.credentials.enrol(&enrolment(&gone, &held, Right::Link([1; 32])), at(1)).await?, None);
    store.once.put(OnceKind::Attempt, [1; 32], Some(gone.id), b"x", at(9)).await?;
    opened(&store, &gone, token(1)).await?;
    assert_eq!(store.credentials.of(gone.id).await?, []);
    assert_eq!(store.once.peek(OnceKind::Attempt, [1; 32], at(1)).await?, None);
    assert_eq!(store.sessions.by_token(&token(1)).await?, None);
    assert_eq!(store.changes.newest().await?, 0);
    Ok(())
}

async fn disabling_ends_sessions_and_spends_one_time_values(store: Store) -> Result<()> {
    let (alice, bob) = (added(&store, "alice").await?, added(&store, "bob").await?);
    let session = opened(&store, &alice, token(1)).await?;
    opened(&store, &bob, token(2)).await?;
    store.credentials.add(&credential(&alice, TOTP)).await?;
    store.once.put(OnceKind::HandOff, [1; 32], Some(alice.id), b"x", at(9)).await?;
    store.once.put(OnceKind::HandOff, [2; 32], Some(bob.id), b"y", at(9)).await?;
    assert!(store.accounts.set_disabled(alice.id, true).await?);
    assert_eq!(store.accounts.by_id(alice.id).await?.map(|account| account.disabled), Some(true));
    assert_eq!(store.sessions.by_token(&token(1)).await?, None);
    assert!(store.sessions.by_token(&token(2)).await?.is_some());
    assert_eq!(store.once.take(OnceKind::HandOff, [1; 32], at(3)).await?, None);
    assert_eq!(store.once.take(OnceKind::HandOff, [2; 32], at(3)).await?, Some(b"y".to_vec()));
    assert_eq!(store.credentials.of(alice.id).await?.len(), 1);
    assert_eq!(changes_after(&store, 2).await?, [Change::SessionEnded(session.id), Change::Account(alice.id)]);
    Ok(())
}

async fn a_disabled_account_gets_no_session_until_it_is_enabled(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    store.accounts.set_disabled(alice.id, true).await?;
    opened(&store, &alice, token(1)).await?;
    assert_eq!(store.sessions.by_token(&token(1)).await?, None);
    assert!(store.accounts.set_disabled(alice.id, false).await?);
    opened(&store, &alice, token(2)).await?;
    assert!(store.sessions.by_token(&token(2)).await?.is_some());
    Ok(())
}

async fn removing_takes_everything_of_the_account_and_nothing_else(store: Store) -> Result<()> {
    let (alice, bob) = (added(&store, "alice").await?, added(&store, "bob").await?);
    for (account, number) in [(&alice, 1), (&bob, 2)] {
        opened(&store, account, token(number)).await?;
        store.credentials.add(&credential(account, TOTP)).await?;
        store.once.put(OnceKind::Enrolment, [number; 32], Some(account.id), b"x", at(9)).await?;
    }
    let before = store.changes.newest().await?;
    assert!(store.accounts.remove(alice.id).await?);
    assert_eq!(store.accounts.list().await?, std::slice::from_ref(&bob));
    assert_eq!(store.sessions.list(10).await?.len(), 1);
    assert_eq!(store.sessions.by_token(&token(1)).await?, None);
    assert_eq!(store.credentials.of(alice.id).await?, []);
    assert_eq!(store.credentials.of(bob.id).await?.len(), 1);
    assert_eq!(store.once.peek(OnceKind::Enrolment, [1; 32], at(1)).await?, None);
    assert!(store.once.peek(OnceKind::Enrolment, [2; 32], at(1)).await?.is_some());
    let changes = changes_after(&store, before).await?;
    assert!(matches!(changes[..], [Change::SessionEnded(_), Change::Account(id)] if id == alice.id), "{changes:?}");
    assert!(store.accounts.add(&account("alice")).await?, "the name is free again");
    Ok(())
}
