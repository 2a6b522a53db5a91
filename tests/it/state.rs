//! What everything rests on: the store's file, the clock, the keys; and what the gateway does when one of them gives way.

use crate::rig::{PASSWORD, Page, Rig, TWO_HOSTS};
use portcullis::stdx::clock::Clock;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

fn file(rig: &Rig) -> PathBuf {
    rig.directory().join("state").join("portcullis.db")
}

/// What a browser that has never been here gets for a right password.
async fn sign_in(rig: &Rig) -> u16 {
    let mut browser = rig.browser();
    let page = browser.visit(&format!("{}/sign-in", rig.origin("auth.localhost"))).await;
    browser.post(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await.status
}

fn is_refused(page: &Page) -> bool {
    page.path().starts_with("/sign-in")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_moved_away_makes_the_gateway_unready_and_lets_nobody_sign_in_until_it_is_back() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    let page = format!("{}/page", rig.origin("app.localhost"));
    assert_eq!(alice.visit(&page).await.status, 200);
    let away = file(&rig).with_extension("away");
    fs::rename(file(&rig), &away).unwrap();
    let (status, said) = rig.admin("/readyz").await;
    assert_eq!(status, 503);
    assert!(said.contains("portcullis.db is gone") && said.contains("put it back, or restart"), "{said}");
    assert_eq!(sign_in(&rig).await, 503);
    assert_eq!(alice.visit(&page).await.status, 200, "a session in memory goes on for a while");
    fs::rename(&away, file(&rig)).unwrap();
    assert_eq!(rig.admin("/readyz").await.0, 200);
    assert_eq!(sign_in(&rig).await, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_replaced_is_not_used_and_a_restart_is_asked_for() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    rig.signed_in("alice", &["staff"]).await;
    let restored = file(&rig).with_extension("restored");
    fs::write(&restored, []).unwrap();
    fs::rename(&restored, file(&rig)).unwrap();
    let (status, said) = rig.admin("/readyz").await;
    assert_eq!(status, 503);
    assert!(said.contains("another file lies in place of") && said.contains("restart the gateway"), "{said}");
    assert_eq!(sign_in(&rig).await, 503);
    assert_eq!(fs::metadata(file(&rig)).unwrap().len(), 0, "nothing was written to it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_failed_is_counted_by_sort() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let quiet = rig.admin("/metrics").await.1;
    assert!(quiet.contains("portcullis_store_failures_total{operation=\"read\"} 0"), "{quiet}");
    fs::rename(file(&rig), file(&rig).with_extension("away")).unwrap();
    sign_in(&rig).await;
    let counted = async || {
        let text = rig.admin("/metrics").await.1;
        ["read", "feed"].iter().all(|sort| {
            let line = format!("portcullis_store_failures_total{{operation=\"{sort}\"}} ");
            let value = text.lines().find_map(|found| found.strip_prefix(&line));
            value.is_some_and(|value| value != "0")
        })
    };
    rig.eventually("a sign-in's question and the feed's are counted", counted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_makes_no_session_live_longer_and_put_right_lets_people_sign_in_again() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    let page = format!("{}/page", rig.origin("app.localhost"));
    assert_eq!(alice.visit(&page).await.status, 200);
    let off = Duration::from_secs(20 * 60);
    rig.clock.set_back(off);
    rig.eventually("the session ends", async || is_refused(&alice.stolen().visit(&page).await)).await;
    let text = rig.admin("/metrics").await.1;
    assert!(text.contains("portcullis_clock_set_back_total 1"), "{text}");
    rig.clock.advance(off);
    assert_eq!(rig.sign_in(&mut alice, "alice").await.path(), "/");
    assert_eq!(alice.visit(&page).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn right_codes_that_a_clock_put_right_makes_too_old_lock_nobody_out() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let alice = rig.signed_in("alice", &["staff"]).await;
    let account = rig.account("alice").await.id;
    let off = Duration::from_secs(24 * 3600);
    rig.clock.set_back(off);
    let portal = rig.origin("auth.localhost");
    let mut other = alice.other();
    let page = other.visit(&format!("{portal}/sign-in")).await;
    let page = other.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    for _ in 0..11 {
        let code = other.code();
        let answer = other.post(&page, "/sign-in/code", &[("code", &code)]).await;
        assert_eq!(answer.status, 422, "{}", answer.body);
        assert!(answer.body.contains("clock was ahead") && !answer.body.contains("locked"), "{}", answer.body);
        rig.clock.advance(Duration::from_secs(30));
    }
    let failed = async || rig.store.events.of(account, "sign-in.failed", 20).await.unwrap();
    rig.eventually("each is on record", async || failed().await.len() == 11).await;
    assert!(failed().await.iter().all(|row| row.body.contains(r#""why":"clock""#)));
    rig.clock.advance(off);
    assert_eq!(rig.sign_in(&mut other, "alice").await.path(), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_while_the_gateway_was_down_is_noticed_at_the_start() {
    let nowhere = "[\"127.0.0.1:1\"]";
    let configuration = TWO_HOSTS.replace("[\"{app}\"]", nowhere).replace("[\"{wiki}\"]", nowhere);
    let rig = Rig::start(&configuration).await;
    rig.signed_in("alice", &["staff"]).await;
    let account = rig.account("alice").await.id;
    let session = rig.store.sessions.of(account).await.unwrap().remove(0).id;
    // As if it had been used before the clock was set back by an hour.
    let later = rig.clock.now().plus(Duration::from_secs(3600));
    rig.store.sessions.touch(&[(session, later)]).await.unwrap();
    let rig = rig.restart(&configuration).await;
    let ended = async || rig.store.sessions.of(account).await.unwrap().is_empty();
    rig.eventually("the session ends", ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_forward_is_counted_and_goes_into_the_record() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let counted = async |times: u32| {
        let line = format!("portcullis_clock_set_forward_total {times}\n");
        rig.admin("/metrics").await.1.contains(&line)
    };
    assert!(counted(0).await);
    rig.clock.advance(Duration::from_secs(3 * 3600));
    rig.eventually("it is counted", async || counted(1).await).await;
    let recorded = async || {
        let rows = rig.store.events.after(0, 1_000).await.unwrap();
        rows.iter().any(|(_, row)| row.body.contains("clock-set-forward"))
    };
    rig.eventually("it is recorded", recorded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_put_right_by_seconds_ends_nothing() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    let page = format!("{}/page", rig.origin("app.localhost"));
    rig.clock.set_back(Duration::from_secs(10));
    rig.eventually("it is noticed", async || rig.admin("/metrics").await.1.contains("clock_set_back_total 1")).await;
    assert_eq!(alice.visit(&page).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_takes_every_other_session_with_it_at_once() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut phone = rig.signed_in("alice", &["staff"]).await;
    let account = rig.account("alice").await.id;
    let mut laptop = phone.other();
    rig.sign_in(&mut laptop, "alice").await;
    let page = format!("{}/page", rig.origin("app.localhost"));
    assert_eq!(phone.visit(&page).await.status, 200);
    let link = rig.enrolment_link(account).await;
    rig.browser().enrol(&link).await;
    for browser in [&mut phone, &mut laptop] {
        assert!(is_refused(&browser.visit(&page).await));
    }
}
