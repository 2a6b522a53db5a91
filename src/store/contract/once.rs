//! What every engine promises of one-time values.

use super::*;
use crate::store::OnceKind;

on_every_engine!(
    a_value_is_seen_often_and_taken_once,
    of_a_hundred_who_take_one_value_exactly_one_gets_it,
    a_value_of_one_kind_does_not_open_another,
    an_expired_value_is_gone,
    a_value_put_again_replaces_the_first,
    it_is_known_until_when_the_last_value_of_an_account_is_good,
    sweeping_takes_what_expired,
    of_a_hundred_who_mark_one_key_exactly_one_is_first,
    a_mark_may_be_made_again_when_it_is_over,
);

async fn a_value_is_seen_often_and_taken_once(store: Store) -> Result<()> {
    store.once.put(OnceKind::Attempt, [1; 32], None, b"value", at(10)).await?;
    for _ in 0..2 {
        assert_eq!(store.once.peek(OnceKind::Attempt, [1; 32], at(1)).await?, Some(b"value".to_vec()));
    }
    assert_eq!(store.once.take(OnceKind::Attempt, [1; 32], at(1)).await?, Some(b"value".to_vec()));
    assert_eq!(store.once.take(OnceKind::Attempt, [1; 32], at(1)).await?, None);
    assert_eq!(store.once.peek(OnceKind::Attempt, [1; 32], at(1)).await?, None);
    Ok(())
}

async fn of_a_hundred_who_take_one_value_exactly_one_gets_it(store: Store) -> Result<()> {
    store.once.put(OnceKind::HandOff, [1; 32], None, b"value", at(10)).await?;
    let takes = all_at_once(100, |_| {
        let once = store.once.clone();
        async move { once.take(OnceKind::HandOff, [1; 32], at(1)).await }
    });
    let taken = takes.await?.iter().filter(|value| value.is_some()).count();
    assert_eq!(taken, 1);
    Ok(())
}

async fn a_value_of_one_kind_does_not_open_another(store: Store) -> Result<()> {
    store.once.put(OnceKind::Attempt, [1; 32], None, b"attempt", at(10)).await?;
    store.once.put(OnceKind::Enrolment, [1; 32], None, b"enrolment", at(10)).await?;
    assert_eq!(store.once.take(OnceKind::HandOff, [1; 32], at(1)).await?, None);
    assert_eq!(store.once.take(OnceKind::Enrolment, [1; 32], at(1)).await?, Some(b"enrolment".to_vec()));
    assert_eq!(store.once.take(OnceKind::Attempt, [1; 32], at(1)).await?, Some(b"attempt".to_vec()));
    Ok(())
}

async fn an_expired_value_is_gone(store: Store) -> Result<()> {
    for key in [[1; 32], [2; 32]] {
        store.once.put(OnceKind::Attempt, key, None, b"value", at(10)).await?;
    }
    assert_eq!(store.once.peek(OnceKind::Attempt, [1; 32], at(10)).await?, None);
    assert_eq!(store.once.take(OnceKind::Attempt, [1; 32], at(10)).await?, None);
    assert!(store.once.take(OnceKind::Attempt, [2; 32], at(9)).await?.is_some());
    Ok(())
}

async fn a_value_put_again_replaces_the_first(store: Store) -> Result<()> {
    store.once.put(OnceKind::Attempt, [1; 32], None, b"first", at(5)).await?;
    store.once.put(OnceKind::Attempt, [1; 32], None, b"second", at(10)).await?;
    assert_eq!(store.once.take(OnceKind::Attempt, [1; 32], at(7)).await?, Some(b"second".to_vec()));
    assert_eq!(store.once.take(OnceKind::Attempt, [1; 32], at(1)).await?, None);
    Ok(())
}

async fn it_is_known_until_when_the_last_value_of_an_account_is_good(store: Store) -> Result<()> {
    let (alice, bob) = (added(&store, "alice").await?, added(&store, "bob").await?);
    let until = async |now| store.once.until(OnceKind::Enrolment, alice.id, at(now)).await;
    assert_eq!(until(1).await?, None);
    store.once.put(OnceKind::Enrolment, [1; 32], Some(alice.id), b"a", at(10)).await?;
    store.once.put(OnceKind::Enrolment, [2; 32], Some(alice.id), b"b", at(20)).await?;
    store.once.put(OnceKind::Enrolment, [3; 32], Some(bob.id), b"c", at(30)).await?;
    store.once.put(OnceKind::Attempt, [4; 32], Some(alice.id), b"d", at(40)).await?;
    assert_eq!((until(1).await?, until(19).await?, until(20).await?), (Some(at(20)), Some(at(20)), None));
    Ok(())
}

async fn sweeping_takes_what_expired(store: Store) -> Result<()> {
    for (key, expires) in [([1; 32], at(5)), ([2; 32], at(6)), ([3; 32], Time::NEVER)] {
        store.once.put(OnceKind::Attempt, key, None, b"value", expires).await?;
    }
    assert_eq!(store.once.sweep(at(5)).await?, 1);
    assert_eq!(store.once.sweep(at(5)).await?, 0);
    assert_eq!(store.once.sweep(at(1_000)).await?, 1);
    assert!(store.once.peek(OnceKind::Attempt, [3; 32], at(1_000)).await?.is_some());
    Ok(())
}

async fn of_a_hundred_who_mark_one_key_exactly_one_is_first(store: Store) -> Result<()> {
    let marks = all_at_once(100, |_| {
        let once = store.once.clone();
        async move { once.mark(OnceKind::Spent, [1; 32], (at(1), at(10))).await }
    });
    assert_eq!(marks.await?.iter().filter(|first| **first).count(), 1);
    Ok(())
}

async fn a_mark_may_be_made_again_when_it_is_over(store: Store) -> Result<()> {
    assert!(store.once.mark(OnceKind::Spent, [1; 32], (at(1), at(10))).await?);
    assert!(store.once.mark(OnceKind::Spent, [2; 32], (at(1), at(10))).await?, "another key");
    assert!(!store.once.mark(OnceKind::Spent, [1; 32], (at(9), at(20))).await?);
    assert!(store.once.mark(OnceKind::Spent, [1; 32], (at(10), at(20))).await?);
    assert!(!store.once.mark(OnceKind::Spent, [1; 32], (at(19), at(30))).await?);
    Ok(())
}
