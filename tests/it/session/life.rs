//! How long a session lives, and what ends it.

use super::everywhere;
use crate::rig::{Member, Rig, TWO_HOSTS, filled};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn an_unused_session_ends_after_thirty_minutes() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let mut browser = everywhere(&rig, "alice").await;
    let page = format!("{}/page", rig.origin("app.localhost"));
    rig.clock.advance(30 * MINUTE - Duration::from_secs(1));
    assert_eq!(browser.fetch(&page).await.status, 200);
    let seen = app.seen().len();
    rig.clock.advance(30 * MINUTE);
    let refused = browser.fetch(&page).await;
    let challenge = Rig::challenge(&rig.origin("app.localhost"), "");
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some(&*challenge)));
    assert_eq!(app.seen().len(), seen);
    let asked = browser.visit(&page).await;
    assert_eq!(asked.path().split('?').next(), Some("/sign-in"), "name and password, as from anybody");
    assert_eq!(browser.who_am_i(&rig.origin("auth.localhost")).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn use_on_any_host_keeps_the_session_alive_on_all_and_none_keeps_it_beyond_twelve_hours() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = everywhere(&rig, "alice").await;
    let (app, wiki) = (rig.origin("app.localhost"), rig.origin("wiki.localhost"));
    for round in 0..35 {
        rig.clock.advance(20 * MINUTE);
        assert_eq!(browser.fetch(&format!("{app}/page")).await.status, 200, "round {round}");
    }
    assert_eq!(
        browser.fetch(&format!("{wiki}/page")).await.status,
        200,
        "unused for half a day, but the session was not"
    );
    rig.clock.advance(20 * MINUTE - Duration::from_secs(1));
    assert_eq!(browser.fetch(&format!("{app}/page")).await.status, 200);
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(browser.fetch(&format!("{app}/page")).await.status, 401);
    assert_eq!(browser.fetch(&format!("{wiki}/page")).await.status, 401);
    assert_eq!(browser.who_am_i(&rig.origin("auth.localhost")).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configured_ends_count_from_the_next_request_on() {
    let (app, wiki) = (Member::echo("app").await, Member::echo("wiki").await);
    let plain = filled(TWO_HOSTS, &[("app", &app), ("wiki", &wiki)]);
    let rig = Rig::start(&plain).await;
    let mut browser = everywhere(&rig, "alice").await;
    rig.clock.advance(10 * MINUTE);
    assert_eq!(browser.fetch(&format!("{}/page", rig.origin("app.localhost"))).await.status, 200);
    rig.clock.advance(6 * MINUTE);
    rig.reload(&plain.replace("[portal]", "[session]\nidle = \"5m\"\nabsolute = \"1h\"\n\n[portal]")).await;
    assert_eq!(browser.fetch(&format!("{}/page", rig.origin("app.localhost"))).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_another_process_ends_is_refused_within_a_second() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = everywhere(&rig, "alice").await;
    let bystander = tokio::sync::Mutex::new(everywhere(&rig, "bob").await);
    let page = format!("{}/page", rig.origin("app.localhost"));
    let who = browser.who_am_i(&rig.origin("app.localhost")).await.unwrap();
    let id = portcullis::identity::SessionId::parse(who["session"].as_str().unwrap()).unwrap();
    let browser = tokio::sync::Mutex::new(browser);
    assert!(rig.store.sessions.end(id).await.unwrap());
    let ended = Instant::now();
    rig.eventually("a revoked session is refused", async || browser.lock().await.fetch(&page).await.status == 401)
        .await;
    assert!(ended.elapsed() < Duration::from_secs(1), "it took {:?}", ended.elapsed());
    for origin in ["auth.localhost", "wiki.localhost"] {
        assert_eq!(browser.lock().await.who_am_i(&rig.origin(origin)).await, None, "{origin}");
    }
    assert_eq!(bystander.lock().await.fetch(&page).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn disabling_an_account_ends_all_its_sessions_and_lets_nobody_in_again() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let phone = everywhere(&rig, "alice").await;
    let mut laptop = phone.other();
    rig.sign_in(&mut laptop, "alice").await;
    laptop.visit(&format!("{}/page", rig.origin("app.localhost"))).await;
    let page = format!("{}/page", rig.origin("app.localhost"));
    let both = tokio::sync::Mutex::new((phone, laptop));
    rig.store.accounts.set_disabled(rig.account("alice").await.id, true).await.unwrap();
    rig.eventually("both browsers are refused", async || {
        let (phone, laptop) = &mut *both.lock().await;
        phone.fetch(&page).await.status == 401 && laptop.fetch(&page).await.status == 401
    })
    .await;
    let mut again = both.into_inner().0.other();
    rig.clock.advance(Duration::from_secs(31));
    let asked = again.visit(&page).await;
    let typed = [("name", "alice"), ("password", crate::rig::PASSWORD)];
    assert_eq!(again.post(&asked, "/sign-in", &typed).await.status, 422);
    rig.store.accounts.set_disabled(rig.account("alice").await.id, false).await.unwrap();
    assert_eq!(again.fetch(&page).await.status, 401, "enabling brings no session back");
    assert_eq!(rig.sign_in(&mut again, "alice").await.path(), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_taken_away_counts_at_once() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let browser = tokio::sync::Mutex::new(everywhere(&rig, "alice").await);
    let page = format!("{}/page", rig.origin("wiki.localhost"));
    rig.store.accounts.set_groups(rig.account("alice").await.id, &[]).await.unwrap();
    rig.eventually("the group counts no more", async || browser.lock().await.fetch(&page).await.status == 403).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_session_on_every_host_and_its_cookies_are_worth_nothing() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = everywhere(&rig, "alice").await;
    let mut old = browser.stolen();
    let question = browser.visit(&format!("{}/.portcullis/sign-out", rig.origin("wiki.localhost"))).await;
    assert_eq!((question.status, question.path()), (200, "/.portcullis/sign-out"));
    let question = browser.visit(&format!("{}/sign-out", rig.origin("auth.localhost"))).await;
    let done = browser.post(&question, "/sign-out", &[]).await;
    assert_eq!((done.status, done.header("location")), (303, Some("/signed-out")));
    assert_eq!(done.header("clear-site-data"), Some(r#""cache", "storage""#), "cookies of other hosts are not ours");
    let left: Vec<&str> = browser.jar["auth.localhost"].keys().map(String::as_str).collect();
    assert_eq!(left, ["portcullis-device"], "by name, and the browser stays known");
    for host in ["auth.localhost", "app.localhost", "wiki.localhost"] {
        assert_eq!(browser.who_am_i(&rig.origin(host)).await, None, "{host}");
        assert_eq!(old.who_am_i(&rig.origin(host)).await, None, "replayed on {host}");
    }
    assert_eq!(old.fetch(&format!("{}/page", rig.origin("app.localhost"))).await.status, 401);
    assert!(rig.store.sessions.of(rig.account("alice").await.id).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_can_sign_out_with_a_form_of_its_own_page() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = everywhere(&rig, "alice").await;
    let address = format!("{}/.portcullis/sign-out", rig.origin("app.localhost"));
    let origin = rig.origin("app.localhost");
    let done = browser.send_form(&address, &[], &[("origin", &origin), ("sec-fetch-site", "same-origin")]).await;
    assert_eq!(done.onward(), Some(format!("{}/signed-out", rig.origin("auth.localhost"))), "{done:?}");
    for host in ["auth.localhost", "app.localhost", "wiki.localhost"] {
        assert_eq!(browser.who_am_i(&rig.origin(host)).await, None, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_every_session() {
    let (app, wiki) = (Member::echo("app").await, Member::echo("wiki").await);
    let configuration = filled(TWO_HOSTS, &[("app", &app), ("wiki", &wiki)]);
    let rig = Rig::start(&configuration).await;
    let mut browser = everywhere(&rig, "alice").await;
    let before = browser.who_am_i(&rig.origin("app.localhost")).await.unwrap();
    let rig = rig.restart(&configuration).await;
    for host in ["auth.localhost", "app.localhost", "wiki.localhost"] {
        let after = browser.who_am_i(&rig.origin(host)).await.unwrap_or_else(|| panic!("nobody on {host}"));
        assert_eq!(after["session"], before["session"], "{host}");
    }
    assert_eq!(browser.fetch(&format!("{}/page", rig.origin("wiki.localhost"))).await.body, "wiki /page");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_sign_ins_at_once_are_several_sessions() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut people = tokio::task::JoinSet::new();
    let mut links = Vec::new();
    for name in ["ada", "ben", "cleo", "dan", "eve", "finn"] {
        links.push((name, rig.invite(name, &["staff"]).await));
    }
    let app = rig.origin("app.localhost");
    for (name, link) in links {
        let (mut browser, app) = (rig.browser(), app.clone());
        people.spawn(async move {
            browser.enrol(&link).await;
            browser.visit(&format!("{app}/page")).await;
            (name, browser.who_am_i(&app).await.unwrap())
        });
    }
    let mut sessions = std::collections::BTreeSet::new();
    for (name, who) in people.join_all().await {
        assert_eq!(who["account"], name);
        sessions.insert(who["session"].as_str().unwrap().to_owned());
    }
    assert_eq!(sessions.len(), 6);
}
