//! Without a name, as a second factor, and as a step-up.

use super::*;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_alone_signs_in_without_a_name_and_opens_what_asks_for_it() {
    let (rig, app) = rig().await;
    let (mut alice, mut device) = enrolled(&rig, "alice").await;
    assert_eq!(assurance(&rig, &mut alice).await.as_deref(), Some("phishing-resistant"));
    let mut browser = alice.other();
    let deep = format!("{}/strong/x?y=1", rig.origin("app.localhost"));
    let page = browser.visit(&deep).await;
    assert!(page.body.contains("username webauthn") && page.body.contains("Sign in with a passkey"), "{}", page.body);
    let page = use_passkey(&mut browser, &page, SIGN_IN, &mut device).await;
    assert_eq!((page.url.as_str(), page.body.as_str()), (&*deep, "app /strong/x?y=1"));
    assert_eq!(app.last().one("x-portcullis-account").as_deref(), Some("alice"));
    assert_eq!(app.last().one("x-portcullis-assurance").as_deref(), Some("phishing-resistant"));
    let session = browser.who_am_i(&portal(&rig)).await.expect("a session");
    assert_eq!(session["proofs"].as_array().map(Vec::len), Some(1), "no password was asked for: {session}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_the_second_factor_after_a_password() {
    let (rig, _app) = rig().await;
    let (alice, mut device) = enrolled(&rig, "alice").await;
    let mut browser = alice.other();
    let page = sign_in_page(&rig, &mut browser).await;
    let page = browser.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    assert_eq!((page.status, page.path()), (200, "/sign-in/passkey"), "{page:?}");
    assert!(page.body.contains("Use a recovery code instead"), "{}", page.body);
    assert!(!page.body.contains("authenticator app instead"), "there is none: {}", page.body);
    let asked = ask(&mut browser, &page, PROOF).await;
    let listed = asked.options["allowCredentials"].as_array().expect("a list");
    assert_eq!(listed.len(), 1, "only what the account holds is asked for: {:?}", asked.options);
    let page = use_passkey(&mut browser, &page, PROOF, &mut device).await;
    assert_eq!(page.path(), "/");
    assert_eq!(assurance(&rig, &mut browser).await.as_deref(), Some("phishing-resistant"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_steps_a_session_up_which_began_with_an_app() {
    let (rig, _app) = rig().await;
    let (mut alice, mut device) = enrolled(&rig, "alice").await;
    let page = alice.visit(&format!("{}/account/app", portal(&rig))).await;
    let page = alice.enrol_only_app(page).await;
    assert_eq!(page.path(), "/", "{page:?}");
    let mut browser = alice.other();
    rig.clock.advance(MINUTE);
    let page = sign_in_page(&rig, &mut browser).await;
    let page = browser.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    assert_eq!(page.path(), "/sign-in/passkey", "the one that costs less is asked for first");
    assert!(page.body.contains("Use your authenticator app instead"), "{}", page.body);
    let page = browser.visit(&format!("{}/sign-in/code", portal(&rig))).await;
    assert!(page.body.contains("Use your passkey instead"), "{}", page.body);
    let code = browser.code();
    browser.submit(&page, "/sign-in/code", &[("code", &code)]).await;
    assert_eq!(assurance(&rig, &mut browser).await.as_deref(), Some("mfa"));
    let before = browser.who_am_i(&portal(&rig)).await.expect("a session")["session"].clone();

    let strong = format!("{}/strong/x", rig.origin("app.localhost"));
    let page = browser.visit(&strong).await;
    assert_eq!(page.path(), "/sign-in/passkey", "{page:?}");
    assert!(page.body.contains("a stronger proof"), "{}", page.body);
    let page = use_passkey(&mut browser, &page, PROOF, &mut device).await;
    assert_eq!(page.body, "app /strong/x");
    let after = browser.who_am_i(&portal(&rig)).await.expect("a session")["session"].clone();
    assert_eq!(before, after, "raised, not replaced");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lacks_a_passkey_is_led_to_create_one_and_then_to_where_they_were_going() {
    let (rig, app) = rig().await;
    reload(&rig, &app, TWO_HOSTS).await;
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    reload(&rig, &app, &configuration("")).await;
    let strong = format!("{}/strong/x", rig.origin("app.localhost"));
    rig.clock.advance(6 * MINUTE);
    let page = alice.visit(&strong).await;
    assert_eq!(page.path(), "/sign-in/password", "first a proof as strong as the account can give: {page:?}");
    let page = alice.submit(&page, "/sign-in/password", &[("password", PASSWORD)]).await;
    let code = alice.code();
    let page = alice.submit(&page, "/sign-in/code", &[("code", &code)]).await;
    assert_eq!(page.path(), "/enrol", "{page:?}");
    let mut device = Authenticator::new(&portal(&rig));
    let page = use_passkey(&mut alice, &page, ENROL, &mut device).await;
    assert_eq!((page.url.as_str(), page.body.as_str()), (&*strong, "app /strong/x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_with_nothing_but_passkeys_asks_for_no_name_and_no_password() {
    let only = TWO_HOSTS.replace("[factor.password]\n[factor.totp]\n[factor.recovery_code]\n", "[factor.passkey]\n");
    let (rig, _app) = rig_of(&only).await;
    let link = rig.invite("alice", &["staff"]).await;
    let mut browser = rig.browser();
    let mut device = Authenticator::new(&portal(&rig));
    let page = browser.visit(&link).await;
    let page = use_passkey(&mut browser, &page, ENROL, &mut device).await;
    assert_eq!(page.path(), "/", "{page:?}");
    let mut other = rig.browser();
    let page = sign_in_page(&rig, &mut other).await;
    assert!(!page.body.contains("type=\"password\"") && !page.body.contains("User name"), "{}", page.body);
    assert_eq!(use_passkey(&mut other, &page, SIGN_IN, &mut device).await.path(), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_ask_a_passkey_run_our_script_and_no_other_page_runs_any() {
    let (rig, _app) = rig().await;
    let (mut alice, _device) = enrolled(&rig, "alice").await;
    let policy = |page: &Page| page.header("content-security-policy").expect("a policy").to_owned();
    let page = sign_in_page(&rig, &mut alice.other()).await;
    assert!(policy(&page).contains("script-src 'self'; connect-src 'self'"), "{}", policy(&page));
    let script = page.body.split("script src=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a script");
    let script = alice.fetch(&format!("{}{script}", portal(&rig))).await;
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert!(script.header("cache-control").is_some_and(|kept| kept.contains("immutable")), "{script:?}");
    let page = alice.visit(&portal(&rig)).await;
    assert!(!policy(&page).contains("script-src") && !page.body.contains("<script"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_of_a_stranger_do_not_lock_a_passkey_out() {
    let (rig, _app) = rig().await;
    let (alice, mut device) = enrolled(&rig, "alice").await;
    // Both come from one address here, so fewer than an address may send.
    for _ in 0..20 {
        let mut stranger = rig.browser();
        let page = sign_in_page(&rig, &mut stranger).await;
        stranger.post(&page, "/sign-in", &[("name", "alice"), ("password", "not this one")]).await;
    }
    let mut browser = alice.other();
    let page = sign_in_page(&rig, &mut browser).await;
    let locked = browser.post(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    assert_eq!(locked.status, 429, "the password has to wait");
    assert_eq!(use_passkey(&mut browser, &page, SIGN_IN, &mut device).await.path(), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_told_when_a_passkey_was_used_and_services_how_it_was_proven() {
    let (rig, app) = rig().await;
    let (alice, mut device) = enrolled(&rig, "alice").await;
    let mut browser = alice.other();
    let page = browser.visit(&format!("{}/x", rig.origin("app.localhost"))).await;
    use_passkey(&mut browser, &page, SIGN_IN, &mut device).await;
    let assertion = app.last().one("x-portcullis-assertion").expect("an assertion");
    let claims = assertion.split('.').nth(1).expect("claims");
    let claims = data_encoding::BASE64URL_NOPAD.decode(claims.as_bytes()).expect("base 64");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    assert_eq!(claims["amr"], serde_json::json!(["pop", "user", "mfa"]));
    rig.eventually("the sign-in is on the account's page", async || {
        browser.stolen().visit(&portal(&rig)).await.body.contains("<span>Passkey</span>")
    })
    .await;
}
