//! What whoever may write into the file can do to the record of events, and what is seen of it.

use super::*;
use crate::store::{Record, verify};

async fn recorded(path: &Path) -> Store {
    let store = opened(path).await;
    let rows: Vec<_> = (1..=5).map(|number| event(number.to_string())).collect();
    store.events.append(&rows).await.expect("the store answers");
    store
}

#[tokio::test]
async fn whoever_alters_removes_or_inserts_an_event_breaks_the_chain() {
    let alterations = [
        ("UPDATE event SET body = '{}' WHERE number = 3", 3),
        ("UPDATE event SET at = at + 1 WHERE number = 1", 1),
        ("UPDATE event SET account = zeroblob(16) WHERE number = 4", 4),
        ("DELETE FROM event WHERE number = 2", 2),
        ("DELETE FROM event WHERE number = 1", 1),
        ("DELETE FROM event WHERE number >= 4", 4),
        ("DELETE FROM event", 1),
        ("INSERT INTO event (at, name, body, hash) VALUES (1, 'sign-in.failed', '{}', zeroblob(32))", 6),
        ("UPDATE event SET hash = zeroblob(32) WHERE number = 5", 5),
        ("UPDATE event SET hash = x''", 1),
        ("UPDATE event SET hash = x'' WHERE number = 5", 5),
        ("UPDATE event SET hash = x''; DELETE FROM event WHERE number >= 4", 1),
        ("DELETE FROM event WHERE number >= 4; UPDATE sqlite_sequence SET seq = 3 WHERE name = 'event'", 4),
        ("DELETE FROM event; DELETE FROM sqlite_sequence WHERE name = 'event'", 1),
    ];
    for (alteration, at) in alterations {
        let (_directory, path) = somewhere();
        let store = recorded(&path).await;
        let before = verify(&*store.events, None).await.expect("the store answers");
        assert!(matches!(before, Record::Sound { events: 5, .. }), "{before:?}");
        sql(&path, alteration).await;
        let after = verify(&*store.events, None).await.expect("the store answers");
        assert!(matches!(after, Record::Broken { number, .. } if number == at), "{alteration}: {after:?}");
        store.events.append(&[event("later".to_owned())]).await.expect("the store answers");
        let later = verify(&*store.events, None).await.expect("the store answers");
        assert!(matches!(later, Record::Broken { number, .. } if number == at), "{alteration}: {later:?}");
    }
}

#[tokio::test]
async fn a_record_that_was_written_anew_is_found_out_by_a_head_that_was_kept() {
    let (_directory, path) = somewhere();
    let store = recorded(&path).await;
    let Record::Sound { head, .. } = verify(&*store.events, None).await.expect("the store answers") else {
        panic!("nobody altered it");
    };
    store.events.append(&[event("later".to_owned())]).await.expect("the store answers");
    let still = verify(&*store.events, Some(head)).await.expect("the store answers");
    assert!(matches!(still, Record::Sound { events: 6, .. }), "{still:?}");
    sql(&path, FIRST_STATE).await;
    let rows: Vec<_> = (1..=6).map(|number| event(format!("other {number}"))).collect();
    store.events.append(&rows).await.expect("the store answers");
    assert!(matches!(verify(&*store.events, None).await.expect("the store answers"), Record::Sound { .. }));
    assert_eq!(verify(&*store.events, Some(head)).await.expect("the store answers"), Record::Rewritten);
}

/// A record as it was before its first event.
const FIRST_STATE: &str = "
    DELETE FROM event;
    DELETE FROM sqlite_sequence WHERE name = 'event';
    DELETE FROM chain";

#[tokio::test]
async fn whoever_has_the_record_and_not_its_key_can_neither_write_it_anew_nor_move_its_ends() {
    let (_directory, path) = somewhere();
    let store = recorded(&path).await;
    let forger = opened_with(&path, 2).await;
    sql(&path, FIRST_STATE).await;
    let rows: Vec<_> = (1..=5).map(|number| event(number.to_string())).collect();
    forger.events.append(&rows).await.expect("the store answers");
    let forged = verify(&*forger.events, None).await.expect("the store answers");
    assert!(matches!(forged, Record::Sound { events: 5, .. }), "by another key it is sound: {forged:?}");
    assert_eq!(verify(&*store.events, None).await.expect("the store answers"), Record::Unsealed);
    let alterations = [
        "UPDATE chain SET newest = 3, head = (SELECT hash FROM event WHERE number = 3); \
         DELETE FROM event WHERE number > 3; UPDATE sqlite_sequence SET seq = 3 WHERE name = 'event'",
        "UPDATE chain SET tag = x''",
        "DELETE FROM chain",
        "DELETE FROM chain; DELETE FROM event",
    ];
    for alteration in alterations {
        let (_directory, path) = somewhere();
        let store = recorded(&path).await;
        sql(&path, alteration).await;
        assert_eq!(verify(&*store.events, None).await.expect("the store answers"), Record::Unsealed, "{alteration}");
        store.events.append(&[event("later".to_owned())]).await.expect("it is recorded all the same");
        let later = verify(&*store.events, None).await.expect("the store answers");
        assert_eq!(later, Record::Unsealed, "what follows does not mend it: {alteration}");
    }
}

#[tokio::test]
async fn a_record_whose_key_nobody_gave_is_neither_written_nor_judged() {
    let (_directory, path) = somewhere();
    recorded(&path).await;
    let store = open(&path, no_factors).await.expect("the store opens");
    let error = store.events.append(&[event("unchained".to_owned())]).await.expect_err("there is no key");
    assert!(error.to_string().contains("without the key that its record is chained with"), "{error}");
    assert!(verify(&*store.events, None).await.is_err());
    assert_eq!(store.events.after(0, 10).await.expect("it may be read").len(), 5);
}

#[tokio::test]
async fn no_event_can_be_passed_off_as_older_than_the_chain() {
    let attempts = [
        "UPDATE event SET hash = x''; DELETE FROM chain",
        "UPDATE event SET hash = x''; UPDATE chain SET newest = 0, head = zeroblob(32), tag = zeroblob(32)",
        "UPDATE event SET hash = x''; UPDATE chain SET newest = 5, head = zeroblob(32), tag = x''",
        "UPDATE event SET hash = zeroblob(32); DELETE FROM chain",
    ];
    for attempt in attempts {
        let (_directory, path) = somewhere();
        let store = recorded(&path).await;
        sql(&path, attempt).await;
        for _ in 0..2 {
            let found = verify(&*store.events, None).await.expect("the store answers");
            assert_eq!(found, Record::Unsealed, "{attempt}");
            store.events.append(&[event("later".to_owned())]).await.expect("it is recorded all the same");
        }
    }
    let (_directory, path) = somewhere();
    let store = opened(&path).await;
    sql(&path, "INSERT INTO event (at, name, body, hash) VALUES (1, 'sign-in.failed', '{}', x'')").await;
    store.events.append(&[event("first".to_owned())]).await.expect("it is recorded all the same");
    assert_eq!(verify(&*store.events, None).await.expect("the store answers"), Record::Unsealed, "not even before it");
}
