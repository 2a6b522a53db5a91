//! Proofs grow old: who is asked for what again, and what becomes of the tokens.

use crate::rig::{Browser, Member, PASSWORD, Rig, TWO_HOSTS, filled};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Somebody who is signed in at the portal and on both hosts.
async fn everywhere(rig: &Rig) -> Browser {
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    for host in ["app.localhost", "wiki.localhost"] {
        assert_eq!(browser.visit(&format!("{}/page", rig.origin(host))).await.status, 200);
    }
    browser
}

/// The two hosts, and routes that ask for less, or for something very fresh.
async fn rig_of_ages() -> (Rig, Member, Member) {
    let (app, wiki) = (Member::echo("app").await, Member::echo("wiki").await);
    let more = r#"
[policy.light]
require = "one-factor"
max_age = "5m"

[policy.instant]
extends = "staff"
max_age = "10s"

[[route]]
name = "app-light"
host = "app.localhost"
path = "/light/**"
pool = "app"
policy = "light"

[[route]]
name = "app-instant"
host = "app.localhost"
path = "/instant/**"
pool = "app"
policy = "instant"
"#;
    let rig = Rig::start(&filled(&format!("{TWO_HOSTS}{more}"), &[("app", &app), ("wiki", &wiki)])).await;
    (rig, app, wiki)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_whose_proofs_are_too_old_is_told_which_and_keeps_what_they_are_still_good_for() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let mut browser = everywhere(&rig).await;
    let admin = format!("{}/admin/x", rig.origin("app.localhost"));
    assert_eq!(browser.fetch(&admin).await.status, 200);
    rig.clock.advance(11 * MINUTE);
    let seen = app.seen().len();
    let refused = browser.fetch(&admin).await;
    assert_eq!(refused.status, 401);
    let parameters = r#"error="insufficient_user_authentication", acr_values="mfa", max_age="600""#;
    let challenge = Rig::challenge(&rig.origin("app.localhost"), parameters);
    assert_eq!(refused.header("www-authenticate"), Some(&*challenge));
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    let problem: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(problem["status"], 401);
    assert!(problem["decision"].is_string(), "{problem}");
    assert_eq!(app.seen().len(), seen, "nothing reached the service");
    assert_eq!(browser.fetch(&format!("{}/page", rig.origin("app.localhost"))).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_up_comes_back_to_the_same_address_keeps_the_session_and_ends_every_earlier_token() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = everywhere(&rig).await;
    let (portal, app, wiki) = (rig.origin("auth.localhost"), rig.origin("app.localhost"), rig.origin("wiki.localhost"));
    let before = browser.who_am_i(&app).await.unwrap();
    let mut old = browser.stolen();
    rig.clock.advance(11 * MINUTE);
    let deep = format!("{app}/admin/report?year=2026&q=a%20b");
    let page = browser.visit(&deep).await;
    assert_eq!((page.status, page.path()), (200, "/sign-in/password"), "{page:?}");
    assert!(page.body.contains("more than 10 minutes ago") && page.body.contains("app.localhost"), "{}", page.body);
    assert!(!page.body.contains("Use a recovery code"), "a recovery code proves nothing here");
    let page = browser.submit(&page, "/sign-in/password", &[("password", PASSWORD)]).await;
    assert_eq!(page.path(), "/sign-in/code");
    let code = browser.code();
    let page = browser.submit(&page, "/sign-in/code", &[("code", &code)]).await;
    assert_eq!((page.url.as_str(), page.body.as_str()), (&*deep, "app /admin/report?year=2026&q=a%20b"));

    let after = browser.who_am_i(&app).await.unwrap();
    assert_eq!(before["session"], after["session"], "raised, not replaced");
    assert_eq!(rig.store.sessions.of(rig.account("alice").await.id).await.unwrap().len(), 1);
    for origin in [&portal, &app, &wiki] {
        assert_eq!(old.who_am_i(origin).await, None, "the earlier token of {origin}");
    }
    assert_eq!(old.fetch(&format!("{app}/page")).await.status, 401);
    assert_eq!(old.fetch(&format!("{wiki}/page")).await.status, 401);
    let page = browser.visit(&format!("{wiki}/page")).await;
    assert_eq!((page.status, page.body.as_str()), (200, "wiki /page"), "entered again without a question");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_proof_that_is_missing_is_asked_for() {
    let (rig, _app, _wiki) = rig_of_ages().await;
    let mut browser = everywhere(&rig).await;
    let app = rig.origin("app.localhost");
    rig.clock.advance(6 * MINUTE);
    let page = browser.visit(&format!("{app}/light/x")).await;
    assert_eq!(page.path(), "/sign-in/password", "one factor is asked for, so one is enough");
    let page = browser.submit(&page, "/sign-in/password", &[("password", PASSWORD)]).await;
    assert_eq!(page.body, "app /light/x");
    rig.clock.advance(5 * MINUTE);
    let page = browser.visit(&format!("{app}/admin/x")).await;
    assert_eq!(page.path(), "/sign-in/code", "the password is five minutes old, the code eleven: {}", page.body);
    let code = browser.code();
    let page = browser.submit(&page, "/sign-in/code", &[("code", &code)]).await;
    assert_eq!(page.body, "app /admin/x");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_factor_opens_what_asks_for_one_and_is_completed_where_two_are_asked_for() {
    let (rig, app, _wiki) = rig_of_ages().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await.other();
    let origin = rig.origin("app.localhost");
    let page = browser.visit(&format!("{origin}/light/x")).await;
    let page = browser.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    assert_eq!(page.body, "app /light/x");
    assert_eq!(app.last().one("x-portcullis-assurance").as_deref(), Some("one-factor"));
    let refused = browser.fetch(&format!("{origin}/page")).await;
    let challenge = Rig::challenge(&origin, r#"error="insufficient_user_authentication", acr_values="mfa""#);
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some(&*challenge)));
    let page = browser.visit(&format!("{origin}/page")).await;
    assert_eq!(page.path(), "/sign-in/code");
    assert!(page.body.contains("a stronger proof"), "{}", page.body);
    rig.clock.advance(Duration::from_secs(31));
    let code = browser.code();
    assert_eq!(browser.submit(&page, "/sign-in/code", &[("code", &code)]).await.body, "app /page");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_up_that_is_broken_off_leaves_the_session_as_it_was() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = everywhere(&rig).await;
    let app = rig.origin("app.localhost");
    rig.clock.advance(11 * MINUTE);
    let page = browser.visit(&format!("{app}/admin/x")).await;
    let wrong = browser.submit(&page, "/sign-in/password", &[("password", "not-this-one")]).await;
    assert_eq!((wrong.status, wrong.path()), (422, "/sign-in/password"));
    browser.submit(&page, "/sign-in/password", &[("password", PASSWORD)]).await;
    assert_eq!(browser.fetch(&format!("{app}/page")).await.status, 200);
    assert_eq!(browser.fetch(&format!("{app}/admin/x")).await.status, 401, "half a step-up raises nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_up_raises_only_the_session_of_the_browser_that_finishes_it() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = everywhere(&rig).await;
    let admin = format!("{}/admin/x", rig.origin("app.localhost"));
    rig.clock.advance(11 * MINUTE);
    let page = browser.visit(&admin).await;
    let page = browser.submit(&page, "/sign-in/password", &[("password", PASSWORD)]).await;
    let mut thief = browser.stolen();
    thief.jar.get_mut("auth.localhost").unwrap().remove("portcullis");
    let code = thief.code();
    let ended = thief.submit(&page, "/sign-in/code", &[("code", &code)]).await;
    assert_eq!(ended.status, 410, "{ended:?}");
    assert_eq!(thief.who_am_i(&rig.origin("auth.localhost")).await, None);
    assert_eq!(browser.fetch(&admin).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_signed_in_does_not_step_up() {
    let (rig, _app, _wiki) = rig_of_ages().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await.other();
    rig.sign_in(&mut browser, "alice").await;
    let used = browser.code();
    rig.clock.advance(Duration::from_secs(11));
    let page = browser.visit(&format!("{}/instant/x", rig.origin("app.localhost"))).await;
    assert_eq!(page.path(), "/sign-in/password");
    let page = browser.submit(&page, "/sign-in/password", &[("password", PASSWORD)]).await;
    let refused = browser.submit(&page, "/sign-in/code", &[("code", &used)]).await;
    assert_eq!((refused.status, refused.path()), (422, "/sign-in/code"), "{refused:?}");
    rig.clock.advance(Duration::from_secs(31));
    let code = browser.code();
    let page = browser.submit(&page, "/sign-in/code", &[("code", &code)]).await;
    assert_eq!(page.path(), "/sign-in/password", "by now the password is too old for ten seconds: {page:?}");
    let page = browser.submit(&page, "/sign-in/password", &[("password", PASSWORD)]).await;
    assert_eq!(browser.submit(&page, "/sign-in/code", &[("code", &code)]).await.body, "app /instant/x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_grows_too_old_while_another_is_typed_is_asked_for_and_the_sign_in_goes_on() {
    let (rig, _app, _wiki) = rig_of_ages().await;
    let mut browser = everywhere(&rig).await;
    let app = rig.origin("app.localhost");
    rig.clock.advance(6 * MINUTE);
    let page = browser.visit(&format!("{app}/light/x")).await;
    browser.submit(&page, "/sign-in/password", &[("password", PASSWORD)]).await;
    rig.clock.advance(9 * MINUTE + Duration::from_secs(50));
    let page = browser.visit(&format!("{app}/admin/x")).await;
    assert_eq!(page.path(), "/sign-in/code", "the password is not ten minutes old yet");
    rig.clock.advance(Duration::from_secs(20));
    let code = browser.code();
    let page = browser.submit(&page, "/sign-in/code", &[("code", &code)]).await;
    assert_eq!((page.status, page.path()), (200, "/sign-in/password"), "{page:?}");
    let page = browser.submit(&page, "/sign-in/password", &[("password", PASSWORD)]).await;
    assert_eq!(browser.submit(&page, "/sign-in/code", &[("code", &code)]).await.body, "app /admin/x");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_what_is_needed_is_led_to_enrol_it_and_then_to_where_it_was_going() {
    let app = Member::echo("app").await;
    let with_codes = filled(TWO_HOSTS, &[("app", &app), ("wiki", &app)]);
    let without = with_codes.replace("[factor.totp]\n", "").replace("require = \"mfa\"", "require = \"one-factor\"");
    let without = without.replace("pool = \"app\"\n\n", "pool = \"app\"\npolicy = \"staff\"\n\n");
    let rig = Rig::start(&without.replace("policy = \"staff\"\npolicy", "policy")).await;
    let link = rig.invite("alice", &["staff"]).await;
    let mut browser = rig.browser();
    let page = browser.visit(&link).await;
    let typed = [("new_password", PASSWORD), ("new_password_again", PASSWORD)];
    let page = browser.submit(&page, "/enrol", &typed).await;
    browser.enrol_codes(&page).await;
    rig.reload(&with_codes).await;

    let wiki = format!("{}/deep?a=b", rig.origin("wiki.localhost"));
    rig.clock.advance(6 * MINUTE);
    let page = browser.visit(&wiki).await;
    assert_eq!(page.path(), "/sign-in/password", "first a proof as strong as the account can give: {}", page.body);
    let page = browser.submit(&page, "/sign-in/password", &[("password", PASSWORD)]).await;
    assert_eq!(page.path(), "/enrol", "{}", page.body);
    let page = browser.enrol_only_app(page).await;
    assert_eq!((page.url.as_str(), page.body.as_str()), (&*wiki, "app /deep?a=b"));
    assert_eq!(browser.who_am_i(&rig.origin("wiki.localhost")).await.expect("a session")["assurance"], "mfa");

    // Whoever signs in has the password asked for at that moment: that is fresh enough.
    let link = rig.invite("bob", &["staff"]).await;
    let mut other = rig.browser();
    let page = other.enrol(&link).await;
    assert_eq!(page.status, 200, "{}", page.body);
}
