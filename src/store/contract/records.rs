//! What every engine promises of the record of events and the feed of changes.

use super::*;
use crate::store::{EventRow, Record, verify};

on_every_engine!(
    events_are_numbered_from_one_in_order,
    events_are_read_in_pages,
    events_outlive_their_account,
    the_last_event_before_a_time_is_found,
    an_account_s_last_events_of_one_name_are_found_newest_first,
    the_record_is_one_chain_however_it_was_appended,
    changes_are_read_in_pages,
    a_change_that_was_forgotten_does_not_give_up_its_number,
);

fn event(text: &str, account: Option<AccountId>) -> EventRow {
    EventRow { at: at(3), name: text.to_owned(), account, body: r#"{"has":"\"quotes\""}"#.to_owned() }
}

async fn events_are_numbered_from_one_in_order(store: Store) -> Result<()> {
    assert_eq!(store.events.newest().await?, 0);
    assert_eq!(store.events.after(0, 10).await?, []);
    let rows = [event("sign-in.succeeded", Some(AccountId::fresh())), event("sign-out", None)];
    store.events.append(&rows).await?;
    store.events.append(&[]).await?;
    let [first, second] = rows;
    assert_eq!(store.events.after(0, 10).await?, [(1, first), (2, second)]);
    assert_eq!(store.events.newest().await?, 2);
    Ok(())
}

async fn events_are_read_in_pages(store: Store) -> Result<()> {
    let rows: Vec<_> = (0..5).map(|number| event(&number.to_string(), None)).collect();
    store.events.append(&rows).await?;
    let page = store.events.after(2, 2).await?;
    assert_eq!(page.iter().map(|(number, row)| (*number, row.name.as_str())).collect::<Vec<_>>(), [(3, "2"), (4, "3")]);
    assert_eq!(store.events.after(5, 2).await?, []);
    assert_eq!(store.events.after(0, 0).await?, []);
    assert_eq!(store.events.after(u64::MAX, usize::MAX).await?, []);
    Ok(())
}

async fn the_last_event_before_a_time_is_found(store: Store) -> Result<()> {
    assert_eq!(store.events.before(at(9)).await?, 0);
    let rows = [3, 5, 5, 7].map(|second| EventRow { at: at(second), ..event("sign-out", None) });
    store.events.append(&rows).await?;
    for (second, number) in [(3, 0), (4, 1), (5, 1), (6, 3), (8, 4)] {
        assert_eq!(store.events.before(at(second)).await?, number, "{second}");
    }
    Ok(())
}

async fn events_outlive_their_account(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    store.events.append(&[event("account.removed", Some(alice.id))]).await?;
    store.accounts.remove(alice.id).await?;
    assert_eq!(store.events.after(0, 10).await?, [(1, event("account.removed", Some(alice.id)))]);
    Ok(())
}

async fn an_account_s_last_events_of_one_name_are_found_newest_first(store: Store) -> Result<()> {
    let (alice, bob) = (AccountId::fresh(), AccountId::fresh());
    let told = |secs, name: &str, account| EventRow { at: at(secs), ..event(name, account) };
    let rows = [
        told(1, "sign-in.succeeded", Some(alice)),
        told(2, "sign-in.failed", Some(alice)),
        told(3, "sign-in.succeeded", Some(bob)),
        told(4, "sign-in.succeeded", Some(alice)),
        told(5, "sign-in.succeeded", None),
        told(6, "sign-in.succeeded", Some(alice)),
    ];
    store.events.append(&rows).await?;
    let [first, _, _, second, _, third] = rows;
    assert_eq!(store.events.of(alice, "sign-in.succeeded", 2).await?, [third.clone(), second.clone()]);
    assert_eq!(store.events.of(alice, "sign-in.succeeded", 9).await?, [third, second, first]);
    assert_eq!(store.events.of(AccountId::fresh(), "sign-in.succeeded", 9).await?, []);
    Ok(())
}

async fn the_record_is_one_chain_however_it_was_appended(store: Store) -> Result<()> {
    let Record::Sound { events: 0, head: beginning } = verify(&*store.events, None).await? else {
        panic!("an empty record is sound");
    };
    let rows: Vec<_> = (0..1_500).map(|number| event(&number.to_string(), Some(AccountId::fresh()))).collect();
    store.events.append(&rows).await?;
    let one_by_one = all_at_once(20, |number| {
        let events = store.events.clone();
        async move { events.append(&[event(&format!("parallel {number}"), None)]).await }
    });
    one_by_one.await?;
    let sound = verify(&*store.events, None).await?;
    assert!(matches!(sound, Record::Sound { events: 1_520, head } if head != beginning), "{sound:?}");
    Ok(())
}

async fn changes_are_read_in_pages(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    for _ in 0..3 {
        store.accounts.set_groups(alice.id, &[]).await?;
    }
    let change = Change::Account(alice.id);
    assert_eq!(store.changes.after(1, 2).await?, [(2, change), (3, change)]);
    assert_eq!(store.changes.after(4, 2).await?, []);
    assert_eq!(store.changes.newest().await?, 4);
    Ok(())
}

async fn a_change_that_was_forgotten_does_not_give_up_its_number(store: Store) -> Result<()> {
    let alice = added(&store, "alice").await?;
    assert_eq!(store.changes.sweep(Time::EPOCH).await?, 0);
    assert_eq!(store.changes.sweep(Time::NEVER).await?, 1);
    assert_eq!(store.changes.after(0, 10).await?, []);
    assert_eq!(store.changes.newest().await?, 1);
    store.accounts.remove(alice.id).await?;
    assert_eq!(store.changes.after(0, 10).await?, [(2, Change::Account(alice.id))]);
    Ok(())
}
