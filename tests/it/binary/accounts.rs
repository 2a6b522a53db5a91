//! The verbs on accounts, sessions and the record: without a gateway, and beside one, which obeys within a second.

use super::process::{Running, Site, two_hosts};
use crate::rig::{Browser, PASSWORD};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A gateway with a signed-in person who has been on a service.
pub async fn with_alice(site: &Site) -> (Running, Browser) {
    let running = site.run().await;
    let added = site.tell(&["account", "add", "alice", "--group", "staff", "--json"]).await;
    assert_eq!(added.code, 0, "{added:?}");
    let mut browser = running.browser();
    browser.enrol(added.json()["link"].as_str().expect("a link")).await;
    let page = browser.visit(&format!("{}/", running.origin("app.localhost"))).await;
    assert_eq!((page.status, page.body.as_str()), (200, "app /"));
    (running, browser)
}

/// Asks until the session is refused; that must happen within a second.
pub async fn refused_within_a_second(running: &Running, browser: &mut Browser) {
    let told = Instant::now();
    loop {
        let before = told.elapsed();
        match browser.fetch(&format!("{}/", running.origin("app.localhost"))).await.status {
            401 => return,
            200 => assert!(before < Duration::from_secs(1), "still admitted after {before:?}"),
            other => panic!("{other}"),
        }
    }
}

fn names(events: &str) -> Vec<String> {
    let event = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["event"].as_str().map(str::to_owned);
    events.lines().filter_map(event).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_kept_without_a_gateway() {
    let (site, ..) = two_hosts().await;
    let absent = site.tell(&["account", "list"]).await;
    assert_eq!(absent.code, 1, "{absent:?}");
    assert!(absent.err.contains("there is no store"), "{absent:?}");
    let added = site.tell(&["account", "add", "alice", "--group", "staff"]).await;
    assert_eq!(added.code, 0, "{added:?}");
    assert!(added.out.contains("http://auth.localhost:9/enrol/"), "{added:?}");
    let again = site.tell(&["account", "add", "alice"]).await;
    assert_eq!(again.code, 1, "{again:?}");
    let slip = site.tell(&["account", "add", "bob", "--group", "staf"]).await;
    assert!(slip.out.contains("no policy names the group staf"), "{slip:?}");
    let list = site.tell(&["account", "list"]).await;
    assert!(list.out.contains("alice") && list.out.contains("bob"), "{list:?}");
    for (arguments, word) in [
        (&["account", "disable", "alice"][..], "is disabled"),
        (&["account", "show", "alice"], "disabled"),
        (&["account", "enable", "alice"], "is enabled"),
        (&["account", "groups", "alice", "--set", "staff,boss"], "boss"),
        (&["account", "enrol", "alice"], "/enrol/"),
        (&["account", "reset", "alice", "--reason", "lost phone"], "/enrol/"),
        (&["account", "remove", "alice", "--yes"], "is removed"),
    ] {
        let said = site.tell(arguments).await;
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        assert!(said.out.contains(word), "{arguments:?}: {said:?}");
    }
    let gone = site.tell(&["account", "show", "alice"]).await;
    assert_eq!(gone.code, 1, "{gone:?}");
    assert!(gone.err.contains("there is no account alice"), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_added_beside_a_running_gateway_enrols_and_is_let_in() {
    let (site, app, _wiki) = two_hosts().await;
    let (_running, _browser) = with_alice(&site).await;
    assert_eq!(app.last().one("x-portcullis-account").as_deref(), Some("alice"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_person_is_refused_within_a_second() {
    let (site, ..) = two_hosts().await;
    let (running, mut browser) = with_alice(&site).await;
    let said = site.tell(&["account", "disable", "alice"]).await;
    assert!(said.code == 0 && said.out.contains("1 session ended"), "{said:?}");
    refused_within_a_second(&running, &mut browser).await;
    let page = browser.visit(&format!("{}/", running.origin("app.localhost"))).await;
    let page = browser.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    assert!(page.status >= 400, "and cannot sign in: {page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_person_and_one_who_was_reset_are_refused_within_a_second() {
    for verb in [&["account", "remove", "alice", "--yes"][..], &["account", "reset", "alice", "--reason", "left"]] {
        let (site, ..) = two_hosts().await;
        let (running, mut browser) = with_alice(&site).await;
        assert_eq!(site.tell(verb).await.code, 0);
        refused_within_a_second(&running, &mut browser).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_changes_groups_gets_what_they_open_within_a_second() {
    let (site, ..) = two_hosts().await;
    let (running, mut browser) = with_alice(&site).await;
    let boss = format!("{}/boss/x", running.origin("app.localhost"));
    assert_eq!(browser.fetch(&boss).await.status, 403);
    assert_eq!(site.tell(&["account", "groups", "alice", "--set", "staff,boss"]).await.code, 0);
    let told = Instant::now();
    while browser.fetch(&boss).await.status != 200 {
        assert!(told.elapsed() < Duration::from_secs(1), "{:?}", told.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_listed_and_revoked_by_its_id() {
    let (site, ..) = two_hosts().await;
    let (running, mut browser) = with_alice(&site).await;
    let listed = site.tell(&["session", "list", "alice", "--json"]).await.json();
    let session = &listed[0];
    assert_eq!((&session["account"], &session["assurance"]), (&json!("alice"), &json!("mfa")), "{listed}");
    let id = session["id"].as_str().expect("an id");
    assert!(site.tell(&["session", "list"]).await.out.contains(id));
    let revoked = site.tell(&["session", "revoke", id]).await;
    assert_eq!(revoked.code, 0, "{revoked:?}");
    refused_within_a_second(&running, &mut browser).await;
    assert_eq!(site.tell(&["session", "list", "--json"]).await.json(), json!([]));
    let again = site.tell(&["session", "revoke", id]).await;
    assert_eq!(again.code, 1, "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sessions_of_a_person_are_revoked_at_once() {
    let (site, ..) = two_hosts().await;
    let (running, mut browser) = with_alice(&site).await;
    let revoked = site.tell(&["session", "revoke", "--all", "alice"]).await;
    assert!(revoked.code == 0 && revoked.out.contains("1 session"), "{revoked:?}");
    refused_within_a_second(&running, &mut browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_person_keeps_the_name_in_the_record() {
    let (site, ..) = two_hosts().await;
    assert_eq!(site.tell(&["account", "add", "alice", "--group", "staff"]).await.code, 0);
    assert_eq!(site.tell(&["account", "remove", "alice", "--yes"]).await.code, 0);
    let text = site.tell(&["audit", "tail"]).await.out;
    let removed = text.lines().find(|line| line.contains("change=removed")).expect("a line");
    assert!(removed.contains("  alice  ") && !removed.contains("acc_"), "{removed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_shows_sign_ins_and_what_operators_did() {
    let (site, ..) = two_hosts().await;
    let (running, mut browser) = with_alice(&site).await;
    let boss = browser.fetch(&format!("{}/boss/x", running.origin("app.localhost"))).await;
    assert_eq!(boss.status, 403);
    site.tell(&["account", "disable", "alice"]).await;
    let mut events = Vec::new();
    let began = Instant::now();
    while !events.iter().any(|name| name == "request.denied") && began.elapsed() < crate::rig::PATIENCE {
        events = names(&site.tell(&["audit", "tail", "-n", "50", "--json"]).await.out);
    }
    for name in [
        "gateway.lifecycle",
        "configuration.reloaded",
        "account.added",
        "account.enrolment-offered",
        "factor.enrolled",
        "sign-in.succeeded",
        "session.entered",
        "request.denied",
        "account.changed",
    ] {
        assert!(events.iter().any(|event| event == name), "{name} in {events:?}");
    }
    let text = site.tell(&["audit", "tail"]).await.out;
    let signed_in = text.lines().find(|line| line.contains("sign-in.succeeded")).expect("a line");
    assert!(signed_in.contains("alice") && signed_in.contains("password,totp"), "{signed_in}");
    let denied = text.lines().find(|line| line.contains("request.denied")).expect("a line");
    assert!(denied.contains("alice") && denied.contains("groups"), "whom it concerned: {denied}");
    let entered = text.lines().find(|line| line.contains("session.entered")).expect("a line");
    assert!(entered.contains("  alice  "), "who entered: {entered}");
    let columns: Vec<_> =
        text.lines().filter(|line| line.contains("  alice  ")).map(|line| line.find("alice")).collect();
    assert!(columns.len() > 4 && columns.iter().all(|column| *column == columns[0]), "{text}");
    assert_eq!(site.tell(&["audit", "tail", "-n", "2"]).await.out.lines().count(), 2);
}
