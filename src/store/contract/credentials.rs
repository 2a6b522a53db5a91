//! What every engine promises of credentials.

use super::*;
use crate::store::OnceKind;

on_every_engine!(
    credentials_read_back_oldest_first,
    enrolling_takes_the_place_of_that_factor_alone,
    an_enrolment_link_is_spent_with_the_credentials_or_nothing_changes,
    of_a_hundred_who_enrol_with_one_link_exactly_one_does,
    advancing_from_an_old_reading_is_refused,
    of_a_hundred_who_advance_from_one_version_exactly_one_does,
    only_the_accounts_own_credential_is_removed,
    clearing_leaves_other_accounts_alone,
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
    assert!(store.credentials.enrol(std::slice::from_ref(&new), None, at(6)).await?);
    assert_eq!(store.credentials.of(alice.id).await?, [password, new]);
    assert_eq!(store.credentials.of(bob.id).await?, [other]);
    Ok(())
}

async fn an_enrolment_link_is_spent_with_the_credentials_or_nothing_changes(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    let both = [credential(&alice, PASSWORD), credential(&alice, TOTP)];
    assert!(!store.credentials.enrol(&both, Some([1; 32]), at(6)).await?, "there is no such link");
    store.once.put(OnceKind::Enrolment, [1; 32], Some(alice.id), b"x", at(10)).await?;
    assert!(!store.credentials.enrol(&both, Some([1; 32]), at(10)).await?, "it expired");
    assert_eq!(store.credentials.of(alice.id).await?, []);
    store.once.put(OnceKind::Enrolment, [2; 32], Some(alice.id), b"x", at(10)).await?;
    assert!(store.credentials.enrol(&both, Some([2; 32]), at(6)).await?);
    assert_eq!(store.credentials.of(alice.id).await?, both);
    assert_eq!(store.once.peek(OnceKind::Enrolment, [2; 32], at(6)).await?, None);
    Ok(())
}

async fn of_a_hundred_who_enrol_with_one_link_exactly_one_does(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    store.once.put(OnceKind::Enrolment, [1; 32], Some(alice.id), b"x", at(10)).await?;
    let enrolled = all_at_once(100, |_| {
        let (credentials, held) = (store.credentials.clone(), credential(&alice, TOTP));
        async move { credentials.enrol(&[held], Some([1; 32]), at(6)).await }
    });
    assert_eq!(enrolled.await?.into_iter().filter(|done| *done).count(), 1);
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

async fn only_the_accounts_own_credential_is_removed(store: Store) -> Result<()> {
    let (alice, bob) = (added(&store, "alice").await?, added(&store, "bob").await?);
    let held = credential(&alice, TOTP);
    store.credentials.add(&held).await?;
    assert!(!store.credentials.remove(bob.id, held.id).await?);
    assert!(store.credentials.remove(alice.id, held.id).await?);
    assert!(!store.credentials.remove(alice.id, held.id).await?);
    Ok(())
}

async fn clearing_leaves_other_accounts_alone(store: Store) -> Result<()> {
    let (alice, bob) = (added(&store, "alice").await?, added(&store, "bob").await?);
    for held in [credential(&alice, TOTP), credential(&alice, PASSWORD), credential(&bob, TOTP)] {
        store.credentials.add(&held).await?;
    }
    store.credentials.clear(alice.id).await?;
    assert_eq!(store.credentials.of(alice.id).await?, []);
    assert_eq!(store.credentials.of(bob.id).await?.len(), 1);
    Ok(())
}
