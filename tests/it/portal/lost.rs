//! Somebody whose passkey is lost: what a recovery leads to, what still works afterwards, and who may add another one.

use crate::passkey::{ENROL, PROOF, configuration, enrolled, portal, rig_of, touch, use_passkey};
use crate::rig::authenticator::{Authenticator, Lies};
use crate::rig::{Browser, Member, PASSWORD, Page, Rig};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

async fn rig() -> (Rig, Member) {
    rig_of(&configuration("")).await
}

fn strong(rig: &Rig) -> String {
    format!("{}/strong/x", rig.origin("app.localhost"))
}

/// A person with a password, an app, a passkey and recovery codes.
async fn with_both(rig: &Rig) -> (Browser, Authenticator) {
    let (mut alice, device) = enrolled(rig, "alice").await;
    let page = alice.visit(&format!("{}/account/app", portal(rig))).await;
    assert_eq!(alice.enrol_only_app(page).await.path(), "/");
    rig.clock.advance(MINUTE);
    (alice, device)
}

/// From the address to what a recovery code lets its holder choose.
async fn recovering(browser: &mut Browser, rig: &Rig, address: &str) -> Page {
    let page = browser.visit(address).await;
    browser.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    let page = browser.visit(&format!("{}/sign-in/recovery", portal(rig))).await;
    let code = browser.codes[0].clone();
    browser.submit(&page, "/sign-in/recovery", &[("code", &code)]).await
}

async fn passkeys(rig: &Rig) -> usize {
    let held = rig.store.credentials.of(rig.account("alice").await.id).await.expect("the store");
    held.iter().filter(|own| own.factor.0 == "passkey").count()
}

/// Where the page's link of this name leads.
fn link(page: &Page, label: &str) -> String {
    let before = page.body.split(&format!("\">{label}")).next().unwrap_or_default();
    assert!(before.len() < page.body.len(), "no {label} on {}: {}", page.url, page.body);
    before.rsplit("href=\"").next().unwrap_or_default().to_owned()
}

async fn follow(browser: &mut Browser, page: &Page, label: &str) -> Page {
    let origin = page.url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    browser.visit(&format!("{origin}{}", link(page, label))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_on_the_way_to_a_page_for_passkeys_says_so_and_ends_with_one_there() {
    let (rig, _app) = rig().await;
    let (alice, _lost) = enrolled(&rig, "alice").await;
    let mut browser = alice.other();
    let page = recovering(&mut browser, &rig, &strong(&rig)).await;
    let why = "app.localhost asks for a passkey; codes from an app do not count there.";
    assert!(page.body.contains(why), "{}", page.body);
    let (key, app) = (page.body.find("value=\"passkey\""), page.body.find("value=\"totp\""));
    assert!(key.is_some() && key < app, "the passkey is offered first: {}", page.body);
    let page = browser.submit(&page, "/enrol", &[("factor", "passkey")]).await;
    assert!(page.body.contains("those you had before stop working"), "{}", page.body);
    let page = use_passkey(&mut browser, &page, ENROL, &mut Authenticator::new(&portal(&rig))).await;
    assert!(page.body.contains("If you lose your passkey"), "{}", page.body);
    let page = browser.enrol_codes(&page).await;
    assert_eq!((page.url, page.body.as_str()), (strong(&rig), "app /strong/x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_recovered_with_an_app_removes_the_lost_passkey_and_creates_another() {
    let (rig, _app) = rig().await;
    let (alice, mut lost) = enrolled(&rig, "alice").await;
    rig.clock.advance(MINUTE);
    let mut browser = alice.other();
    let page = recovering(&mut browser, &rig, &strong(&rig)).await;
    let page = browser.submit(&page, "/enrol", &[("factor", "totp")]).await;
    assert!(!page.body.contains("you had before"), "there was no app: {}", page.body);
    assert_eq!(link(&page, "Set up something else"), "/enrol/choose");
    let page = browser.enrol_app(page).await;
    assert!(page.path().starts_with("/account/lost?to="), "{page:?}");
    assert!(page.body.contains("<h1>Which of these have you lost?</h1>"), "{}", page.body);
    assert_eq!(page.body.matches(">Remove<").count(), 1, "the passkey, and nothing that is new: {}", page.body);
    assert_eq!(passkeys(&rig).await, 1);

    // First on: the way does not end at the key that is lost.
    let page = follow(&mut browser, &page, "Go on to app.localhost").await;
    assert_eq!(page.path(), "/sign-in/passkey", "{page:?}");
    assert_eq!(link(&page, "Go to your account"), "/");
    let create = follow(&mut browser, &page, "I don’t have it here").await;
    assert_eq!(create.path(), "/enrol", "{create:?}");
    assert!(create.body.contains("app.localhost asks for a passkey"), "{}", create.body);
    let page = use_passkey(&mut browser, &create, ENROL, &mut Authenticator::new(&portal(&rig))).await;
    assert_eq!((page.url, page.body.as_str()), (strong(&rig), "app /strong/x"));
    assert_eq!(passkeys(&rig).await, 2);

    let page = browser.visit(&format!("{}/account/lost", portal(&rig))).await;
    let question = follow(&mut browser, &page, "Remove").await;
    assert!(question.path().starts_with("/account/remove/"), "no other proof is asked for: {question:?}");
    let action = question.path().to_owned();
    let page = browser.submit(&question, &action, &[]).await;
    assert_eq!((page.path(), passkeys(&rig).await), ("/", 1), "nothing else is left to lose: {page:?}");
    let mut thief = alice.other();
    let page = crate::passkey::sign_in_page(&rig, &mut thief).await;
    let refused = touch(&mut thief, &page, crate::passkey::SIGN_IN, (&mut lost, &Lies::default())).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("not known here any more: delete it from your device"), "{}", refused.body);
    let id = data_encoding::BASE64URL_NOPAD.encode(&lost.id);
    assert!(refused.body.contains(&format!("data-gone=\"{id}\"")), "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_counts_for_half_an_hour_and_for_its_own_session() {
    let (rig, _app) = rig().await;
    let (alice, _lost) = enrolled(&rig, "alice").await;
    rig.clock.advance(MINUTE);
    let mut browser = alice.other();
    let page = recovering(&mut browser, &rig, &portal(&rig)).await;
    let page = browser.submit(&page, "/enrol", &[("factor", "totp")]).await;
    assert_eq!(browser.enrol_app(page).await.path(), "/account/lost");
    let mark = browser.jar["auth.localhost"]["portcullis-recovered"].clone();
    let add = format!("{}/account/passkey", portal(&rig));
    assert_eq!(browser.visit(&add).await.path(), "/enrol");

    rig.clock.advance(6 * MINUTE);
    let page = browser.visit(&add).await;
    assert_eq!(page.path(), "/sign-in/passkey", "a fresh proof is asked for: {page:?}");
    let page = follow(&mut browser, &page, "Use your password instead").await;
    let page = browser.submit(&page, "/sign-in/password", &[("password", PASSWORD)]).await;
    assert!(!page.body.contains("I don’t have it here"), "there is another way: {}", page.body);
    let page = follow(&mut browser, &page, "Use your authenticator app instead").await;
    let code = browser.code();
    assert_eq!(browser.submit(&page, "/sign-in/code", &[("code", &code)]).await.path(), "/enrol");

    let mut other = browser.other();
    let page = crate::passkey::sign_in_page(&rig, &mut other).await;
    other.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    rig.clock.advance(MINUTE);
    let page = other.visit(&format!("{}/sign-in/code", portal(&rig))).await;
    let code = other.code();
    assert_eq!(other.submit(&page, "/sign-in/code", &[("code", &code)]).await.path(), "/");
    other.jar.get_mut("auth.localhost").expect("cookies").insert("portcullis-recovered".to_owned(), mark);
    assert_eq!(other.visit(&add).await.path(), "/sign-in/passkey", "another session's recovery is not this one's");
    assert_eq!(other.visit(&format!("{}/account/lost", portal(&rig))).await.path(), "/");

    rig.clock.advance(24 * MINUTE);
    let page = browser.visit(&add).await;
    assert_eq!(page.path(), "/sign-in/passkey");
    assert!(!page.body.contains("Use your password instead"), "nothing but the passkey counts: {}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_recovery_no_app_adds_a_passkey_beside_the_one_that_is_lost() {
    let (rig, _app) = rig().await;
    let (alice, mut device) = with_both(&rig).await;
    let mut browser = alice.other();
    let page = browser.visit(&format!("{}/page", rig.origin("app.localhost"))).await;
    browser.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    let page = browser.visit(&format!("{}/sign-in/code", portal(&rig))).await;
    let code = browser.code();
    assert_eq!(browser.submit(&page, "/sign-in/code", &[("code", &code)]).await.body, "app /page");

    let page = browser.visit(&strong(&rig)).await;
    assert_eq!(page.path(), "/sign-in/passkey", "{page:?}");
    let asked = follow(&mut browser, &page, "I don’t have it here").await;
    assert_eq!(asked.status, 200);
    assert!(asked.path().starts_with("/sign-in/another?to="), "nothing is enrolled: {asked:?}");
    assert!(asked.body.contains("choose “Use a recovery code instead”"), "{}", asked.body);
    assert_eq!(passkeys(&rig).await, 1);
    let back = follow(&mut browser, &asked, "Back to your passkey").await;
    let page = use_passkey(&mut browser.stolen(), &back, PROOF, &mut device).await;
    assert_eq!(page.body, "app /strong/x", "the passkey on another device does");

    let mut lost = alice.other();
    let page = lost.visit(&strong(&rig)).await;
    lost.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    let page = lost.visit(&format!("{}/sign-in/passkey", portal(&rig))).await;
    assert!(page.body.contains("Use a recovery code instead"), "in a sign-in that is the way on: {}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_out_for_a_recovery_goes_on_to_what_they_came_for() {
    let (rig, _app) = rig().await;
    let (mut alice, _device) = with_both(&rig).await;
    rig.clock.advance(11 * MINUTE);
    let page = alice.visit(&format!("{}/account/passkey", portal(&rig))).await;
    let asked = follow(&mut alice, &page, "I don’t have it here").await;
    let page = alice.submit(&asked, "/sign-out", &[]).await;
    assert!(page.path().starts_with("/sign-in?to="), "{page:?}");
    assert!(page.body.contains("<h1>Sign in</h1>"), "{}", page.body);
    assert!(alice.who_am_i(&portal(&rig)).await.is_none());
}
