//! What every engine promises of credentials.

use super::*;
use crate::store::{EnrolmentLink, Instead, OnceKind, Reset};
use std::time::Duration;

on_every_engine!(
    credentials_read_back_oldest_first,
    enrolling_takes_the_place_of_that_factor_alone,
    an_enrolment_beside_leaves_what_was_there,
    an_enrolment_link_is_spent_with_the_credentials_or_nothing_changes,
    a_session_that_ended_enrols_nothing,
    a_disabled_account_enrols_nothing,
    an_enrolment_forgives_its_factors_alone_and_spends_attempts,
    an_enrolment_ends_every_session_but_the_one_that_enrolled,
    of_a_hundred_who_enrol_with_one_link_exactly_one_does,
    advancing_from_an_old_reading_is_refused,
    of_a_hundred_who_advance_from_one_version_exactly_one_does,
    a_session_removes_a_credential_of_its_own_account_alone,
    of_two_credentials_that_rely_on_each_other_one_is_removed,
    credentials_can_be_given_in_place_of_others,
    a_removal_takes_what_rested_on_the_credential_with_it_or_nothing_changes,
    a_new_link_voids_the_account_s_earlier_ones_and_nothing_else,
    of_a_hundred_links_that_are_made_at_once_one_is_good,
    a_reset_takes_everything_an_account_gets_in_by_and_leaves_others_alone,
    a_reset_without_a_link_leaves_none_and_one_of_nobody_changes_nothing,
    a_credential_is_found_by_its_handle_whosever_it_is,
    a_handle_that_is_taken_is_enrolled_for_nobody_else,
    only_whose_it_is_renames_a_credential,
);

async fn credentials_read_back_oldest_first(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let newer = Credential { created: at(8), used: Some(at(9)), version: 7, ..credential(&alice, TOTP) };
    let older = Credential { state: Vec::new(), ..credential(&alice, PASSWORD) };
    store.credentials.add(&newer).await?;
    store.credentials.add(&older).await?;
    assert_eq!(store.credentials.of(alice.id).await?, [older, newer]);
    Ok(())
}

async fn enrolling_takes_the_place_of_that_factor_alone(store: Store) -> Result<()> {
    let (alice, bob) = (added(&store, "alice").await?, added(&store, "bob").await?);
    let (password, other) = (credential(&alice, PASSWORD), credential(&bob, TOTP));
    for held in [&credential(&alice, TOTP), &credential(&alice, TOTP), &password, &other] {
        store.credentials.add(held).await?;
    }
    let new = Credential { created: at(5), ..credential(&alice, TOTP) };
    let right = link(&store, &alice, 1).await?;
    assert!(store.credentials.enrol(&enrolment(&alice, std::slice::from_ref(&new), right), at(6)).await?.is_some());
    assert_eq!(store.credentials.of(alice.id).await?, [password, new]);
    assert_eq!(store.credentials.of(bob.id).await?, [other]);
    Ok(())
}

async fn an_enrolment_beside_leaves_what_was_there(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let (first, second) = (credential(&alice, TOTP), Credential { created: at(5), ..credential(&alice, TOTP) });
    store.credentials.add(&first).await?;
    let right = link(&store, &alice, 1).await?;
    let beside = Enrolment { place: Place::Beside, ..enrolment(&alice, std::slice::from_ref(&second), right) };
    assert!(store.credentials.enrol(&beside, at(6)).await?.is_some());
    assert_eq!(store.credentials.of(alice.id).await?, [first, second]);
    Ok(())
}

async fn an_enrolment_link_is_spent_with_the_credentials_or_nothing_changes(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let both = [credential(&alice, PASSWORD), credential(&alice, TOTP)];
    let unknown = enrolment(&alice, &both, Right::Link([9; 32]));
    assert_eq!(store.credentials.enrol(&unknown, at(6)).await?, None, "there is no such link");
    let late = enrolment(&alice, &both, link(&store, &alice, 1).await?);
    assert_eq!(store.credentials.enrol(&late, at(10)).await?, None, "it expired");
    assert_eq!(store.credentials.of(alice.id).await?, []);
    let good = enrolment(&alice, &both, link(&store, &alice, 2).await?);
    assert_eq!(store.credentials.enrol(&good, at(6)).await?, Some(vec![]));
    assert_eq!(store.credentials.of(alice.id).await?, both);
    assert_eq!(store.once.peek(OnceKind::Enrolment, [2; 32], at(6)).await?, None);
    assert_eq!(store.credentials.enrol(&good, at(6)).await?, None, "it works once");
    Ok(())
}

async fn a_session_that_ended_enrols_nothing(store: Store) -> Result<()> {
    let (alice, bob) = (added(&store, "alice").await?, added(&store, "bob").await?);
    let (ended, bobs) = (opened(&store, &alice, token(1)).await?, opened(&store, &bob, token(2)).await?);
    store.sessions.end(ended.id).await?;
    let held = [credential(&alice, PASSWORD)];
    for session in [ended.id, bobs.id] {
        assert_eq!(store.credentials.enrol(&enrolment(&alice, &held, Right::Session(session)), at(6)).await?, None);
    }
    assert_eq!(store.credentials.of(alice.id).await?, []);
    Ok(())
}

async fn a_disabled_account_enrols_nothing(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    store.accounts.set_disabled(alice.id, true).await?;
    let right = link(&store, &alice, 1).await?;
    let held = [credential(&alice, PASSWORD)];
    assert_eq!(store.credentials.enrol(&enrolment(&alice, &held, right), at(6)).await?, None);
    assert!(store.once.peek(OnceKind::Enrolment, [1; 32], at(6)).await?.is_some(), "the link is not spent");
    Ok(())
}

async fn an_enrolment_forgives_its_factors_alone_and_spends_attempts(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let locks = ThrottleRule::Backoff { free: 1, first: Duration::ZERO, longest: Duration::ZERO, locked_at: 1 };
    let [password, totp] = [PASSWORD, TOTP].map(|factor| Throttled::Account(alice.id, factor));
    for whose in [&password, &totp] {
        assert_eq!(reserve(&store, whose, locks, at(0)).await?, Reserved::Go);
    }
    store.once.put(OnceKind::Attempt, [3; 32], Some(alice.id), b"x", at(10)).await?;
    store.once.put(OnceKind::HandOff, [3; 32], Some(alice.id), b"x", at(10)).await?;
    let right = link(&store, &alice, 1).await?;
    let held = [credential(&alice, TOTP)];
    assert!(store.credentials.enrol(&enrolment(&alice, &held, right), at(6)).await?.is_some());
    assert_eq!(reserve(&store, &totp, locks, at(0)).await?, Reserved::Go);
    assert_eq!(reserve(&store, &password, locks, at(0)).await?, Reserved::Locked);
    assert_eq!(store.once.peek(OnceKind::Attempt, [3; 32], at(6)).await?, None);
    assert!(store.once.peek(OnceKind::HandOff, [3; 32], at(6)).await?.is_some());
    Ok(())
}

async fn an_enrolment_ends_every_session_but_the_one_that_enrolled(store: Store) -> Result<()> {
    let (alice, bob) = (added(&store, "alice").await?, added(&store, "bob").await?);
    let (own, other) = (opened(&store, &alice, token(1)).await?, opened(&store, &alice, token(2)).await?);
    opened(&store, &bob, token(3)).await?;
    let before = store.changes.newest().await?;
    let held = [credential(&alice, PASSWORD)];
    let enrolled = store.credentials.enrol(&enrolment(&alice, &held, Right::Session(own.id)), at(6)).await?;
    assert_eq!(enrolled, Some(vec![other.id]));
    assert_eq!(changes_after(&store, before).await?, [Change::SessionEnded(other.id)]);
    let right = link(&store, &alice, 1).await?;
    assert_eq!(store.credentials.enrol(&enrolment(&alice, &held, right), at(6)).await?, Some(vec![own.id]));
    assert_eq!(store.sessions.of(bob.id).await?.len(), 1);
    Ok(())
}

async fn of_a_hundred_who_enrol_with_one_link_exactly_one_does(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let right = link(&store, &alice, 1).await?;
    let enrolled = all_at_once(100, |_| {
        let (credentials, held, alice) = (store.credentials.clone(), [credential(&alice, TOTP)], alice.clone());
        async move { credentials.enrol(&enrolment(&alice, &held, right), at(6)).await }
    });
    assert_eq!(enrolled.await?.into_iter().flatten().count(), 1);
    assert_eq!(store.credentials.of(alice.id).await?.len(), 1);
    Ok(())
}

async fn advancing_from_an_old_reading_is_refused(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let held = Credential { version: 3, ..credential(&alice, TOTP) };
    store.credentials.add(&held).await?;
    assert!(store.credentials.advance(held.id, 3, b"new", at(5)).await?);
    assert!(!store.credentials.advance(held.id, 3, b"late", at(6)).await?);
    assert!(!store.credentials.advance(CredentialId::fresh(), 3, b"x", at(6)).await?);
    let expected = Credential { state: b"new".to_vec(), used: Some(at(5)), version: 4, ..held.clone() };
    assert_eq!(store.credentials.of(alice.id).await?, [expected]);
    assert!(store.credentials.advance(held.id, 4, b"newer", at(7)).await?);
    Ok(())
}

async fn of_a_hundred_who_advance_from_one_version_exactly_one_does(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let held = credential(&alice, TOTP);
    store.credentials.add(&held).await?;
    let advances = all_at_once(100, |number| {
        let (credentials, id) = (store.credentials.clone(), held.id);
        async move { credentials.advance(id, 0, &number.to_be_bytes(), at(5)).await }
    });
    let advanced = advances.await?.into_iter().filter(|advanced| *advanced).count();
    assert_eq!(advanced, 1);
    assert_eq!(store.credentials.of(alice.id).await?.first().map(|held| held.version), Some(1));
    Ok(())
}

async fn a_session_removes_a_credential_of_its_own_account_alone(store: Store) -> Result<()> {
    let (alice, bob) = (added(&store, "alice").await?, added(&store, "bob").await?);
    let held = [credential(&alice, TOTP), credential(&alice, TOTP)];
    for held in &held {
        store.credentials.add(held).await?;
    }
    let (own, bobs) = (opened(&store, &alice, token(1)).await?, opened(&store, &bob, token(2)).await?);
    assert_eq!(store.credentials.remove(held[0].id, bobs.id, &[]).await?, None, "another account's");
    assert_eq!(store.credentials.remove(held[0].id, own.id, &[]).await?, Some(vec![]));
    assert_eq!(store.credentials.remove(held[0].id, own.id, &[]).await?, None, "it is gone");
    store.sessions.end(own.id).await?;
    assert_eq!(store.credentials.remove(held[1].id, own.id, &[]).await?, None, "the session is gone");
    assert_eq!(store.credentials.of(alice.id).await?, [held[1].clone()]);
    Ok(())
}

async fn of_two_credentials_that_rely_on_each_other_one_is_removed(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let held = [credential(&alice, TOTP), credential(&alice, TOTP)];
    for held in &held {
        store.credentials.add(held).await?;
    }
    let own = opened(&store, &alice, token(1)).await?;
    let [first, second] = held.map(|held| held.id);
    let remove = async |id, staying| store.credentials.remove(id, own.id, &[staying]).await;
    let (one, other) = tokio::join!(remove(first, second), remove(second, first));
    let removed = [one?, other?].iter().flatten().count();
    assert_eq!(removed, 1);
    assert_eq!(store.credentials.of(alice.id).await?.len(), 1);
    Ok(())
}

async fn credentials_can_be_given_in_place_of_others(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let (old, new) = (credential(&alice, TOTP), credential(&alice, TOTP));
    store.credentials.add(&old).await?;
    let reset = store.credentials.reset(alice.id, Instead::Credentials(std::slice::from_ref(&new))).await?;
    assert_eq!(reset, Some(Reset { credentials: vec![old], sessions: Vec::new() }));
    assert_eq!(store.credentials.of(alice.id).await?, [new]);
    Ok(())
}

async fn a_removal_takes_what_rested_on_the_credential_with_it_or_nothing_changes(store: Store) -> Result<()> {
    let (alice, bob) = (added(&store, "alice").await?, added(&store, "bob").await?);
    let held = credential(&alice, TOTP);
    store.credentials.add(&held).await?;
    let (own, other) = (opened(&store, &alice, token(1)).await?, opened(&store, &alice, token(2)).await?);
    opened(&store, &bob, token(3)).await?;
    for (kind, owner, key) in [
        (OnceKind::Attempt, &alice, [3; 32]),
        (OnceKind::Attempt, &bob, [4; 32]),
        (OnceKind::Enrolment, &alice, [5; 32]),
    ] {
        store.once.put(kind, key, Some(owner.id), b"x", at(10)).await?;
    }
    let before = store.changes.newest().await?;
    assert_eq!(store.credentials.remove(CredentialId::fresh(), own.id, &[]).await?, None);
    assert!(store.once.peek(OnceKind::Attempt, [3; 32], at(6)).await?.is_some());
    assert_eq!(store.sessions.of(alice.id).await?.len(), 2);
    assert_eq!(store.credentials.remove(held.id, own.id, &[]).await?, Some(vec![other.id]));
    assert_eq!(changes_after(&store, before).await?, [Change::SessionEnded(other.id)]);
    assert_eq!(store.once.peek(OnceKind::Attempt, [3; 32], at(6)).await?, None);
    assert!(store.once.peek(OnceKind::Attempt, [4; 32], at(6)).await?.is_some());
    assert!(store.once.peek(OnceKind::Enrolment, [5; 32], at(6)).await?.is_some());
    assert_eq!(store.sessions.of(bob.id).await?.len(), 1);
    Ok(())
}

async fn a_new_link_voids_the_account_s_earlier_ones_and_nothing_else(store: Store) -> Result<()> {
    let (alice, bob) = (added(&store, "alice").await?, added(&store, "bob").await?);
    store.once.put(OnceKind::Attempt, [1; 32], Some(alice.id), b"x", at(10)).await?;
    store.credentials.offer(bob.id, &offered(1)).await?;
    for number in [2, 3, 4] {
        store.credentials.offer(alice.id, &offered(number)).await?;
    }
    let peek = async |kind, number: u8| store.once.peek(kind, [number; 32], at(6)).await;
    assert_eq!((peek(OnceKind::Enrolment, 2).await?, peek(OnceKind::Enrolment, 3).await?), (None, None));
    assert_eq!(peek(OnceKind::Enrolment, 4).await?, Some(b"who".to_vec()));
    assert!(peek(OnceKind::Enrolment, 1).await?.is_some() && peek(OnceKind::Attempt, 1).await?.is_some());
    assert_eq!(store.once.until(OnceKind::Enrolment, alice.id, at(6)).await?, Some(at(10)));
    store.credentials.offer(AccountId::fresh(), &offered(5)).await?;
    assert_eq!(peek(OnceKind::Enrolment, 5).await?, None, "nobody's");
    Ok(())
}

async fn of_a_hundred_links_that_are_made_at_once_one_is_good(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let offers = all_at_once(100, |number| {
        let (credentials, alice) = (store.credentials.clone(), alice.id);
        async move { credentials.offer(alice, &offered(number as u8)).await }
    });
    offers.await?;
    let mut good = 0;
    for number in 0..100 {
        good += usize::from(store.once.peek(OnceKind::Enrolment, [number; 32], at(6)).await?.is_some());
    }
    assert_eq!(good, 1);
    Ok(())
}

async fn a_reset_takes_everything_an_account_gets_in_by_and_leaves_others_alone(store: Store) -> Result<()> {
    let (alice, bob) = (added(&store, "alice").await?, added(&store, "bob").await?);
    let held = [credential(&alice, TOTP), credential(&alice, PASSWORD)];
    for held in held.iter().chain([&credential(&bob, TOTP)]) {
        store.credentials.add(held).await?;
    }
    let sessions = [opened(&store, &alice, token(1)).await?.id, opened(&store, &alice, token(2)).await?.id];
    opened(&store, &bob, token(3)).await?;
    let kinds = [OnceKind::Attempt, OnceKind::Enrolment, OnceKind::HandOff];
    for kind in kinds {
        store.once.put(kind, [1; 32], Some(alice.id), b"x", at(10)).await?;
        store.once.put(kind, [2; 32], Some(bob.id), b"x", at(10)).await?;
    }
    let before = store.changes.newest().await?;
    let mut reset = store.credentials.reset(alice.id, Instead::Link(&offered(4))).await?.expect("the account is there");
    reset.sessions.sort_by_key(|session| sessions.iter().position(|known| known == session));
    assert_eq!(reset, Reset { credentials: held.to_vec(), sessions: sessions.to_vec() });
    assert_eq!(changes_after(&store, before).await?.len(), 2, "each end is heard of");
    assert_eq!(store.credentials.of(alice.id).await?, []);
    assert_eq!(store.sessions.of(alice.id).await?, []);
    for kind in kinds {
        assert_eq!(store.once.peek(kind, [1; 32], at(6)).await?, None, "{kind:?}");
        assert!(store.once.peek(kind, [2; 32], at(6)).await?.is_some(), "{kind:?}");
    }
    assert_eq!(store.once.peek(OnceKind::Enrolment, [4; 32], at(6)).await?, Some(b"who".to_vec()));
    assert_eq!((store.credentials.of(bob.id).await?.len(), store.sessions.of(bob.id).await?.len()), (1, 1));
    Ok(())
}

async fn a_reset_without_a_link_leaves_none_and_one_of_nobody_changes_nothing(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    store.credentials.offer(alice.id, &offered(1)).await?;
    assert_eq!(store.credentials.reset(AccountId::fresh(), Instead::Link(&offered(2))).await?, None);
    assert_eq!(store.once.peek(OnceKind::Enrolment, [2; 32], at(6)).await?, None);
    assert_eq!(
        store.credentials.reset(alice.id, Instead::Nothing).await?,
        Some(Reset { credentials: Vec::new(), sessions: Vec::new() })
    );
    assert_eq!(store.once.until(OnceKind::Enrolment, alice.id, at(6)).await?, None);
    Ok(())
}

/// An enrolment link that is good until the time 10 into the test.
fn offered(number: u8) -> EnrolmentLink<'static> {
    EnrolmentLink { key: [number; 32], value: b"who", expires: at(10) }
}

async fn a_credential_is_found_by_its_handle_whosever_it_is(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let key = Credential { handle: Some(vec![7; 20]), ..credential(&alice, TOTP) };
    store.credentials.add(&key).await?;
    store.credentials.add(&credential(&alice, PASSWORD)).await?;
    assert_eq!(store.credentials.by_handle(&[7; 20]).await?, Some(key));
    assert_eq!(store.credentials.by_handle(&[7; 19]).await?, None);
    assert_eq!(store.credentials.by_handle(&[]).await?, None);
    Ok(())
}

async fn a_handle_that_is_taken_is_enrolled_for_nobody_else(store: Store) -> Result<()> {
    let (alice, bob) = (added(&store, "alice").await?, added(&store, "bob").await?);
    let key = |account| Credential { handle: Some(vec![7; 20]), ..credential(account, TOTP) };
    store.credentials.add(&key(&alice)).await?;
    let right = link(&store, &bob, 1).await?;
    let of_bob = [credential(&bob, PASSWORD), key(&bob)];
    assert_eq!(store.credentials.enrol(&enrolment(&bob, &of_bob, right), at(1)).await?, None);
    assert!(store.credentials.of(bob.id).await?.is_empty(), "nothing of it is kept");
    let again = [key(&alice)];
    let right = link(&store, &alice, 2).await?;
    assert!(store.credentials.enrol(&enrolment(&alice, &again, right), at(1)).await?.is_some(), "in its own place");
    let beside = Enrolment { place: Place::Beside, ..enrolment(&alice, &again, link(&store, &alice, 3).await?) };
    assert_eq!(store.credentials.enrol(&beside, at(1)).await?, None);
    Ok(())
}

async fn only_whose_it_is_renames_a_credential(store: Store) -> Result<()> {
    let (alice, bob) = (added(&store, "alice").await?, added(&store, "bob").await?);
    let held = credential(&alice, TOTP);
    store.credentials.add(&held).await?;
    assert!(!store.credentials.rename(held.id, bob.id, "mine").await?);
    assert!(store.credentials.rename(held.id, alice.id, "on the key ring").await?);
    let label = "on the key ring".to_owned();
    assert_eq!(store.credentials.of(alice.id).await?, [Credential { label, ..held }]);
    Ok(())
}
