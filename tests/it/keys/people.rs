//! `[portal]`, `[session]`, `[factor.*]`, `[defaults]`.

use super::with;
use crate::rig::{Browser, Member, PASSWORD, Page, Rig, TWO_HOSTS, filled};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

async fn rig(configuration: &str) -> (Rig, Member) {
    let app = Member::echo("app").await;
    let rig = Rig::start(&filled(configuration, &[("app", &app), ("wiki", &app)])).await;
    (rig, app)
}

/// Opens an enrolment link and answers its first page with this password.
async fn first_step(rig: &Rig, browser: &mut Browser, password: &str) -> Page {
    let page = browser.visit(&rig.invite("alice", &["staff"]).await).await;
    browser.submit(&page, "/enrol", &[("new_password", password), ("new_password_again", password)]).await
}

async fn lives(rig: &Rig, browser: &mut Browser) -> bool {
    match browser.fetch(&format!("{}/", rig.origin("app.localhost"))).await.status {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_portal_is_at_its_origin_and_has_its_name() {
    let elsewhere = TWO_HOSTS.replace("auth.localhost", "door.localhost").replace("Example Corp", "Stone & Sons");
    let (rig, _app) = rig(&elsewhere).await;
    let page = rig.browser().visit(&format!("{}/", rig.origin("app.localhost"))).await;
    assert!(page.url.starts_with(&format!("{}/sign-in", rig.origin("door.localhost"))), "{}", page.url);
    assert!(page.body.contains("Stone &amp; Sons"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unused_session_ends() {
    let (rig, _app) = rig(&(TWO_HOSTS.to_owned() + "\n[session]\nidle = \"5m\"\n")).await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    browser.visit(&format!("{}/", rig.origin("app.localhost"))).await;
    rig.clock.advance(4 * MINUTE);
    assert!(lives(&rig, &mut browser).await);
    rig.clock.advance(4 * MINUTE);
    assert!(lives(&rig, &mut browser).await, "each use begins the time anew");
    rig.clock.advance(5 * MINUTE + MINUTE / 2);
    assert!(!lives(&rig, &mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_however_much_it_is_used() {
    let (rig, _app) = rig(&(TWO_HOSTS.to_owned() + "\n[session]\nidle = \"5m\"\nabsolute = \"12m\"\n")).await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    browser.visit(&format!("{}/", rig.origin("app.localhost"))).await;
    for _ in 0..3 {
        rig.clock.advance(3 * MINUTE + MINUTE / 2);
        assert!(lives(&rig, &mut browser).await);
    }
    rig.clock.advance(2 * MINUTE);
    assert!(!lives(&rig, &mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_more_than_configured_ends_the_one_used_longest_ago() {
    let (rig, _app) = rig(&(TWO_HOSTS.to_owned() + "\n[session]\nper_account = 2\n")).await;
    let mut first = rig.signed_in("alice", &["staff"]).await;
    let (mut second, mut third) = (first.other(), first.other());
    rig.sign_in(&mut second, "alice").await;
    let portal = rig.origin("auth.localhost");
    rig.clock.advance(MINUTE);
    assert!(first.who_am_i(&portal).await.is_some() && second.who_am_i(&portal).await.is_some());
    rig.clock.advance(MINUTE);
    // The first one is used once more, and the store hears of it behind.
    let kept = first.who_am_i(&portal).await.expect("it lives")["session"].clone();
    let account = rig.account("alice").await.id;
    rig.eventually("the store knows of the last use", async || {
        let held = rig.store.sessions.of(account).await.expect("the store");
        held.first().is_some_and(|newest| kept == newest.id.to_string())
    })
    .await;
    rig.sign_in(&mut third, "alice").await;
    assert!(third.who_am_i(&portal).await.is_some() && first.who_am_i(&portal).await.is_some());
    assert_eq!(second.who_am_i(&portal).await, None, "it was used longest ago");
    rig.eventually("it is on record", async || {
        let ended = rig.store.events.of(account, "session.ended", 9).await.expect("the store");
        ended.iter().any(|row| row.body.contains(r#""by":"limit""#))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_password_than_configured_is_refused() {
    let (rig, _app) = rig(&with(TWO_HOSTS, "[factor.password]", "min_length = 24")).await;
    let mut browser = rig.browser();
    assert!(PASSWORD.len() < 24);
    let page = first_step(&rig, &mut browser, PASSWORD).await;
    assert_eq!(page.status, 422, "{}", page.body);
    assert!(page.body.contains("24"), "it says how long: {}", page.body);
    let longer = format!("{PASSWORD}-and-more");
    let typed = [("new_password", longer.as_str()), ("new_password_again", longer.as_str())];
    let page = browser.submit(&page, "/enrol", &typed).await;
    assert!(page.body.contains("secret="), "the next step is the authenticator app: {}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authenticator_is_told_the_issuer() {
    let (rig, _app) = rig(&with(TWO_HOSTS, "[factor.totp]", "issuer = \"Stone Gate\"")).await;
    let page = first_step(&rig, &mut rig.browser(), PASSWORD).await;
    assert!(page.body.contains("issuer=Stone%20Gate"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_codes_are_shown_only_if_they_are_on() {
    let (rig, _app) = rig(TWO_HOSTS).await;
    let with_codes = rig.signed_in("alice", &["staff"]).await;
    assert!(!with_codes.codes.is_empty());
    let without = TWO_HOSTS.replace("[factor.recovery_code]", "");
    let (rig, _app) = self::rig(&without).await;
    let mut browser = rig.browser();
    let page = first_step(&rig, &mut browser, PASSWORD).await;
    let key = page.body.split("secret=").nth(1).expect("a key");
    browser.app = Some(key.chars().take_while(char::is_ascii_alphanumeric).collect());
    let page = browser.visit(&format!("{}/enrol/confirm", rig.origin("auth.localhost"))).await;
    let code = browser.code();
    let page = browser.submit(&page, "/enrol", &[("code", &code)]).await;
    assert_eq!(page.path(), "/", "the app was the last step: {}", page.body);
    assert!(!page.body.to_lowercase().contains("recovery code"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_says_nothing_gets_the_default_policy() {
    let (rig, _app) = rig(TWO_HOSTS).await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    let app = format!("{}/", rig.origin("app.localhost"));
    assert_eq!(browser.visit(&app).await.status, 200, "the built-in mfa");
    let stricter = std::fs::read_to_string(rig.configuration()).expect("it is there");
    rig.reload(&(stricter + "\n[defaults]\npolicy = \"boss\"\n")).await;
    assert_eq!(browser.visit(&app).await.status, 403);
}
