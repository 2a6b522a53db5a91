//! "Your account": what a person sees and may change, with which proof, and what ends when it changes.

use crate::rig::{Browser, PASSWORD, Page, Rig};
use portcullis::stdx::clock::Clock;
use portcullis::store::EventRow;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const OTHER_PASSWORD: &str = "amber-walrus-tunnel-28";

/// A person with two browsers.
async fn two_browsers(rig: &Rig) -> (Browser, Browser) {
    let first = rig.signed_in("alice", &["staff"]).await;
    let mut second = first.other();
    assert_eq!(rig.sign_in(&mut second, "alice").await.path(), "/");
    (first, second)
}

async fn account_page(rig: &Rig, browser: &mut Browser) -> Page {
    let page = browser.visit(&format!("{}/", rig.origin("auth.localhost"))).await;
    assert_eq!((page.status, page.path()), (200, "/"), "{page:?}");
    page
}

async fn signed_in(rig: &Rig, browser: &Browser) -> bool {
    browser.stolen().who_am_i(&rig.origin("auth.localhost")).await.is_some()
}

/// Where the page's links to remove something lead.
fn removals(page: &Page) -> Vec<String> {
    let links = page.body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    links.filter(|link| link.starts_with("/account/remove/")).map(str::to_owned).collect()
}

/// Goes to a page that may ask for a fresh proof first, and gives it.
async fn prove_and_visit(rig: &Rig, browser: &mut Browser, path: &str) -> Page {
    let page = browser.visit(&format!("{}{path}", rig.origin("auth.localhost"))).await;
    assert_eq!(page.path(), "/sign-in/password", "{page:?}");
    let page = browser.submit(&page, "/sign-in/password", &[("password", PASSWORD)]).await;
    let code = browser.code();
    browser.submit(&page, "/sign-in/code", &[("code", &code)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_where_i_am_signed_in_and_how_i_can() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (mut first, _second) = two_browsers(&rig).await;
    rig.signed_in("bob", &["staff"]).await;
    let page = account_page(&rig, &mut first).await;
    for shown in ["alice", "staff", "This device", "Firefox on Linux", "127.0.0.1", "Password", "Authenticator app"] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
    assert!(page.body.contains("10 codes left"), "{}", page.body);
    assert!(!page.body.contains("bob"));
    assert_eq!(page.body.matches("name=\"session\"").count(), 1, "one other session, which can be ended");
    assert!(removals(&page).len() == 1, "the codes may go, password and only app may not: {:?}", removals(&page));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_i_signed_in_with_by_enrolling_is_used_and_the_codes_are_not() {
    let (rig, ..) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    let page = account_page(&rig, &mut browser).await;
    let shown = ["Last used", "Not used yet"].map(|words| page.body.matches(words).count());
    assert!(shown[0] >= 2, "password and app: {}", page.body);
    let credentials = rig.store.credentials.of(rig.account("alice").await.id).await.expect("the store");
    let unused: Vec<_> = credentials.iter().filter(|held| held.used.is_none()).map(|held| held.factor.0).collect();
    assert_eq!(unused, ["recovery_code"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_where_i_signed_in_lately_and_with_what() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (mut first, _second) = two_browsers(&rig).await;
    rig.signed_in("bob", &["staff"]).await;
    let lately = async |browser: &mut Browser| {
        let page = account_page(&rig, browser).await.body;
        page.split("Recent sign-ins").nth(1).unwrap_or_default().to_owned()
    };
    rig.eventually("both are written down", || async {
        let shown = lately(&mut first.stolen()).await;
        shown.matches("Firefox on Linux").count() == 2 && shown.matches("127.0.0.1").count() == 2
    })
    .await;
    assert!(lately(&mut first).await.contains("Password and authenticator app"), "{}", lately(&mut first).await);

    let account = rig.account("alice").await.id;
    let event = |number: u64| EventRow {
        at: rig.clock.now(),
        name: "sign-in.succeeded".to_owned(),
        account: Some(account),
        body: format!(
            r#"{{"factors":"password,recovery_code","address":"192.0.2.{number}","device":"Safari on iPhone"}}"#
        ),
    };
    rig.store.events.append(&(1..=9).map(event).collect::<Vec<_>>()).await.unwrap();
    let shown = lately(&mut first).await;
    assert_eq!(shown.matches("<li>").count(), 10, "{shown}");
    assert_eq!(shown.matches("Password and recovery code").count(), 9, "the newest of all: {shown}");
    let newest = shown.find("192.0.2.9").expect("it is shown");
    assert!(newest < shown.find("192.0.2.8").expect("so is the one before"), "the newest stands first");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_other_session_can_be_ended_and_the_rest_stay() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (mut first, second) = two_browsers(&rig).await;
    let page = account_page(&rig, &mut first).await;
    let page = first.submit(&page, "/account/sessions/end", &[]).await;
    assert_eq!((page.status, page.path()), (200, "/"));
    assert!(!page.body.contains("name=\"session\""), "no other is listed any more");
    assert!(!signed_in(&rig, &second).await);
    assert!(signed_in(&rig, &first).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_others_or_all_can_be_ended_after_a_question() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (mut first, second) = two_browsers(&rig).await;
    let bob = rig.signed_in("bob", &["staff"]).await;
    let portal = rig.origin("auth.localhost");
    let question = first.visit(&format!("{portal}/account/sessions/end-others")).await;
    assert!(signed_in(&rig, &second).await, "asking ends nothing");
    assert_eq!(first.submit(&question, "/account/sessions/end-others", &[]).await.path(), "/");
    assert!(!signed_in(&rig, &second).await);
    assert!(signed_in(&rig, &first).await);
    let mut third = first.other();
    rig.sign_in(&mut third, "alice").await;
    let old = first.stolen();
    let question = first.visit(&format!("{portal}/account/sessions/end-all")).await;
    assert_eq!(first.submit(&question, "/account/sessions/end-all", &[]).await.path(), "/signed-out/everywhere");
    for browser in [&old, &first, &third] {
        assert!(!signed_in(&rig, browser).await);
    }
    assert!(signed_in(&rig, &bob).await, "nobody else's");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_end_another_accounts_session_or_one_that_is_none() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (mut first, _second) = two_browsers(&rig).await;
    let mut bob = rig.signed_in("bob", &["staff"]).await;
    let bobs = bob.who_am_i(&rig.origin("auth.localhost")).await.unwrap()["session"].as_str().unwrap().to_owned();
    let page = account_page(&rig, &mut first).await;
    let portal = rig.origin("auth.localhost");
    let from = [("origin", &*portal), ("sec-fetch-site", "same-origin")];
    for session in [&*bobs, "ses_00000000000000000000000000", "", "x", "../bob"] {
        let mut fields = page.form("/account/sessions/end");
        fields.retain(|(name, _)| name != "session");
        fields.push(("session".to_owned(), session.to_owned()));
        let refused = first.send_form(&format!("{portal}/account/sessions/end"), &fields, &from).await;
        assert_eq!(refused.status, 404, "{session:?}: {refused:?}");
    }
    assert!(signed_in(&rig, &bob).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_with_fresh_proofs_and_every_other_session_ends() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let (second, mut first) = two_browsers(&rig).await;
    first.visit(&format!("{}/page", rig.origin("app.localhost"))).await;
    let old = first.stolen();
    rig.clock.advance(4 * MINUTE);
    let page = first.visit(&format!("{portal}/account/password")).await;
    assert_eq!((page.status, page.path()), (200, "/enrol"), "four minutes are fresh enough: {page:?}");
    let typed = [("new_password", OTHER_PASSWORD), ("new_password_again", OTHER_PASSWORD)];
    let page = first.submit(&page, "/enrol", &typed).await;
    assert_eq!((page.status, page.path()), (200, "/"), "{page:?}");
    assert!(!signed_in(&rig, &second).await, "another session");
    assert!(!signed_in(&rig, &old).await, "and the earlier token of this one");
    assert!(signed_in(&rig, &first).await);
    assert_eq!(old.stolen().who_am_i(&rig.origin("app.localhost")).await, None);

    let mut again = first.other();
    rig.clock.advance(Duration::from_secs(31));
    let page = again.visit(&format!("{portal}/sign-in")).await;
    assert_eq!(again.post(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await.status, 422);
    let page = again.submit(&page, "/sign-in", &[("name", "alice"), ("password", OTHER_PASSWORD)]).await;
    let code = again.code();
    assert_eq!(again.submit(&page, "/sign-in/code", &[("code", &code)]).await.path(), "/", "the app is as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_asks_for_fresh_proofs_first_and_then_goes_on() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    for path in ["/account/password", "/account/app", "/account/codes"] {
        rig.clock.advance(6 * MINUTE);
        let before = alice.stolen();
        let page = prove_and_visit(&rig, &mut alice, path).await;
        assert_eq!((page.status, page.path()), (200, "/enrol"), "{path}: {page:?}");
        assert!(!signed_in(&rig, &before).await, "a step-up gives a new token, here too");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_fresh_proof_changes_nothing() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    let codes = removals(&account_page(&rig, &mut alice).await).remove(0);
    rig.clock.advance(6 * MINUTE);
    for path in ["/account/password", "/account/app", "/account/codes", &codes] {
        let page = alice.visit(&format!("{portal}{path}")).await;
        assert_eq!(page.path(), "/sign-in/password", "{path}");
        alice.submit(&page, "/sign-in/password", &[("password", PASSWORD)]).await;
        let page = alice.visit(&format!("{portal}/enrol")).await;
        assert_eq!(page.status, 410, "a step-up half done enrols nothing: {page:?}");
    }
    assert_eq!(rig.store.credentials.of(rig.account("alice").await.id).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_app_is_added_and_either_one_removed_while_the_last_one_stays() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let (mut other, mut alice) = two_browsers(&rig).await;
    let first_app = alice.app.clone();
    let page = alice.visit(&format!("{portal}/account/app")).await;
    let page = alice.enrol_only_app(page).await;
    assert_eq!((page.status, page.path()), (200, "/"), "{page:?}");
    assert!(page.body.contains("Authenticator app 1") && page.body.contains("Authenticator app 2"), "{}", page.body);
    assert!(!signed_in(&rig, &other).await, "a new factor ends the other sessions");
    assert_ne!(alice.app, first_app);
    for app in [first_app.clone(), alice.app.clone()] {
        let mut browser = alice.other();
        browser.app = app;
        assert_eq!(rig.sign_in(&mut browser, "alice").await.path(), "/", "both apps sign in");
    }

    let links = removals(&account_page(&rig, &mut alice).await);
    assert_eq!(links.len(), 3, "two apps and the codes: {links:?}");
    let question = alice.visit(&format!("{portal}{}", links[0])).await;
    assert!(question.body.contains("Authenticator app 1"), "{}", question.body);
    let page = alice.submit(&question, &links[0], &[]).await;
    assert_eq!(page.path(), "/");
    assert_eq!(removals(&page).len(), 1, "the last app cannot be removed: {:?}", removals(&page));
    other.app = first_app;
    rig.clock.advance(Duration::from_secs(31));
    let page = other.visit(&format!("{portal}/sign-in")).await;
    let page = other.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    let code = other.code();
    assert_eq!(other.post(&page, "/sign-in/code", &[("code", &code)]).await.status, 422, "a removed app is dead");
    assert_eq!(rig.sign_in(&mut alice.other(), "alice").await.path(), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_app_the_password_and_other_peoples_factors_cannot_be_removed() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    rig.signed_in("bob", &["staff"]).await;
    let codes = removals(&account_page(&rig, &mut alice).await).remove(0);
    let question = alice.visit(&format!("{portal}{codes}")).await;
    let fields = question.form(&codes);
    let from = [("origin", &*portal), ("sec-fetch-site", "same-origin")];
    for name in ["alice", "bob"] {
        for credential in rig.store.credentials.of(rig.account(name).await.id).await.unwrap() {
            let path = format!("/account/remove/{}", credential.id);
            if path == codes {
                continue;
            }
            assert_eq!(alice.navigate(&format!("{portal}{path}")).await.status, 404, "{name} {}", credential.factor);
            let refused = alice.send_form(&format!("{portal}{path}"), &fields, &from).await;
            assert_eq!(refused.status, 404, "{name} {}", credential.factor);
        }
    }
    for name in ["alice", "bob"] {
        assert_eq!(rig.store.credentials.of(rig.account(name).await.id).await.unwrap().len(), 3, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_apps_removed_at_once_one_stays() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    let page = alice.visit(&format!("{portal}/account/app")).await;
    alice.enrol_only_app(page).await;
    let held = rig.store.credentials.of(rig.account("alice").await.id).await.unwrap();
    let apps = held.iter().filter(|held| held.factor.0 == "totp");
    let apps: Vec<String> = apps.map(|app| format!("/account/remove/{}", app.id)).collect();
    let mut forms = Vec::new();
    for path in &apps {
        forms.push(alice.visit(&format!("{portal}{path}")).await.form(path));
    }
    let from = [("origin", &*portal), ("sec-fetch-site", "same-origin")];
    let (mut first, mut second) = (alice.stolen(), alice.stolen());
    let addresses = [format!("{portal}{}", apps[0]), format!("{portal}{}", apps[1])];
    let (one, other) = tokio::join!(
        first.send_form(&addresses[0], &forms[0], &from),
        second.send_form(&addresses[1], &forms[1], &from),
    );
    let mut answers = [one.status, other.status];
    answers.sort_unstable();
    assert_eq!(answers[0], 303, "{answers:?}");
    assert!([404, 410].contains(&answers[1]), "{answers:?}");
    let held = rig.store.credentials.of(rig.account("alice").await.id).await.unwrap();
    assert_eq!(held.iter().filter(|held| held.factor.0 == "totp").count(), 1, "there is an app to sign in with");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_recovery_codes_end_the_old_ones() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let (other, mut alice) = two_browsers(&rig).await;
    let old = alice.codes.clone();
    let page = alice.visit(&format!("{portal}/account/codes")).await;
    let new: Vec<String> =
        page.body.split("<code>").skip(1).filter_map(|part| Some(part.split('<').next()?.to_owned())).collect();
    assert_eq!(new.len(), 10, "{}", page.body);
    assert_eq!(alice.submit(&page, "/enrol", &[]).await.path(), "/");
    assert!(!signed_in(&rig, &other).await);
    let mut lost = alice.other();
    let page = lost.visit(&format!("{portal}/sign-in")).await;
    lost.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    let page = lost.visit(&format!("{portal}/sign-in/recovery")).await;
    assert_eq!(lost.post(&page, "/sign-in/recovery", &[("code", &old[0])]).await.status, 422);
    assert_eq!(lost.post(&page, "/sign-in/recovery", &[("code", &new[0])]).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_begun_in_a_session_that_has_ended_changes_nothing() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let (mut owner, mut thief) = two_browsers(&rig).await;
    let page = thief.visit(&format!("{portal}/account/password")).await;
    assert_eq!(page.path(), "/enrol");
    let question = owner.visit(&format!("{portal}/account/sessions/end-others")).await;
    owner.submit(&question, "/account/sessions/end-others", &[]).await;
    let typed = [("new_password", OTHER_PASSWORD), ("new_password_again", OTHER_PASSWORD)];
    let ended = thief.submit(&page, "/enrol", &typed).await;
    assert_eq!(ended.status, 410, "{ended:?}");
    assert_eq!(rig.sign_in(&mut owner.other(), "alice").await.path(), "/", "the password is the old one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_half_done_with_the_old_password_ends_when_the_password_changes() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    let mut thief = alice.other();
    let page = thief.visit(&format!("{portal}/sign-in")).await;
    let half = thief.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    assert_eq!(half.path(), "/sign-in/code");
    let page = alice.visit(&format!("{portal}/account/password")).await;
    let typed = [("new_password", OTHER_PASSWORD), ("new_password_again", OTHER_PASSWORD)];
    assert_eq!(alice.submit(&page, "/enrol", &typed).await.path(), "/");
    rig.clock.advance(Duration::from_secs(31));
    let code = thief.code();
    let ended = thief.submit(&half, "/sign-in/code", &[("code", &code)]).await;
    assert_eq!(ended.status, 410, "{ended:?}");
    assert!(!signed_in(&rig, &thief).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_broken_off_changes_nothing() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let (other, mut alice) = two_browsers(&rig).await;
    for path in ["/account/app", "/account/codes", "/account/password"] {
        assert_eq!(alice.visit(&format!("{portal}{path}")).await.path(), "/enrol", "{path}");
        assert_eq!(account_page(&rig, &mut alice).await.status, 200);
    }
    assert!(signed_in(&rig, &other).await);
    assert_eq!(rig.store.credentials.of(rig.account("alice").await.id).await.unwrap().len(), 3);
    assert_eq!(rig.sign_in(&mut alice.other(), "alice").await.path(), "/");
}
