//! Setting up, left lying, begun twice, after a lost phone: what the pages say, and where they lead in the end.

use crate::rig::{Browser, PASSWORD, Page, Rig};
use portcullis::login::SET_UP_LIFE;
use std::time::Duration;

const NEW_PASSWORD: [(&str, &str); 2] = [("new_password", PASSWORD), ("new_password_again", PASSWORD)];
const OPEN_AGAIN: &str = "Open your link again; it is good until you finish.";

/// From a page of a service to the first page after a recovery code.
async fn recovering(rig: &Rig, browser: &mut Browser, deep: &str) -> Page {
    let page = browser.visit(deep).await;
    browser.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    let page = browser.visit(&format!("{}/sign-in/recovery", rig.origin("auth.localhost"))).await;
    let code = browser.codes[0].clone();
    let page = browser.submit(&page, "/sign-in/recovery", &[("code", &code)]).await;
    assert_eq!((page.status, page.path()), (200, "/enrol"), "{page:?}");
    page
}

/// The key that a page shows to be scanned.
fn key_on(page: &Page) -> String {
    let rest = page.body.split("secret=").nth(1).unwrap_or_else(|| panic!("no key on {}: {}", page.url, page.body));
    rest.chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_recovery_the_person_is_back_on_the_page_asked_for() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await.other();
    let deep = format!("{}/deep?link=1", rig.origin("app.localhost"));
    let page = recovering(&rig, &mut browser, &deep).await;
    let page = browser.enrol_app(page).await;
    assert_eq!((page.url.as_str(), page.body.as_str()), (deep.as_str(), "app /deep?link=1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_goes_on_with_the_key_that_was_scanned_however_often_it_is_opened() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await.other();
    let deep = format!("{}/page", rig.origin("app.localhost"));
    let page = recovering(&rig, &mut browser, &deep).await;
    let key = key_on(&page);
    for words in ["a recovery code, which is used up now", "the one you had before stops working"] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    assert!(page.body.contains("href=\"/sign-out\""), "there is a way to leave: {}", page.body);
    for address in [deep.clone(), format!("{}/sign-in", rig.origin("auth.localhost")), deep.replace("app", "wiki")] {
        let again = browser.visit(&address).await;
        assert_eq!((again.path(), key_on(&again)), ("/enrol", key.clone()), "{address}");
    }
    assert_eq!(browser.enrol_app(page).await.body, "app /page", "the code of the first key counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_left_lying_sends_the_person_to_the_link_and_not_to_a_sign_in() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let enrol = format!("{}/enrol", rig.origin("auth.localhost"));
    let link = rig.invite("alice", &["staff"]).await;
    let mut browser = rig.browser();
    let page = browser.visit(&link).await;
    browser.submit(&page, "/enrol", &NEW_PASSWORD).await;
    rig.clock.advance(SET_UP_LIFE - Duration::from_secs(1));
    let page = browser.visit(&format!("{enrol}/confirm")).await;
    assert_eq!(page.status, 200, "an app takes its time to be installed: {page:?}");
    rig.clock.advance(Duration::from_secs(1));
    for ended in [browser.visit(&enrol).await, browser.submit(&page, "/enrol", &[("code", "000000")]).await] {
        assert_eq!(ended.status, 410, "{ended:?}");
        assert!(ended.body.contains("This set\u{2011}up has expired"), "{}", ended.body);
        assert!(ended.body.contains(OPEN_AGAIN), "{}", ended.body);
        assert!(!ended.body.contains("/sign-in") && !ended.body.contains("nothing is lost"), "{}", ended.body);
    }
    assert_eq!(browser.enrol(&link).await.path(), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_left_lying_sends_the_person_to_the_account() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    alice.visit(&format!("{portal}/account/password")).await;
    alice.jar.get_mut("auth.localhost").unwrap().remove("portcullis-attempt");
    let ended = alice.visit(&format!("{portal}/enrol")).await;
    assert_eq!(ended.status, 410, "{ended:?}");
    assert!(ended.body.contains("Go to your account") && !ended.body.contains(OPEN_AGAIN), "{}", ended.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_keeps_no_cookies_is_told_so_at_the_form_and_at_the_link() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let words = "does not keep cookies for auth.localhost";
    let mut browser = rig.browser();
    let page = browser.visit(&format!("{}/page", rig.origin("app.localhost"))).await;
    browser.jar.remove("auth.localhost");
    let typed = [("name", "alice"), ("password", PASSWORD)];
    let refused = browser.post(&page, "/sign-in", &typed).await;
    assert!(refused.status == 403 && refused.body.contains(words), "{refused:?}");
    assert!(refused.body.contains("Start again"), "{}", refused.body);
    let foreign = browser.post_from(&page, ("/sign-in", &typed), &[("sec-fetch-site", "cross-site")]).await;
    assert!(
        foreign.status == 403 && !foreign.body.contains(words),
        "no browser sends ours from elsewhere: {foreign:?}"
    );

    let link = rig.invite("alice", &["staff"]).await;
    let mut browser = rig.browser();
    let onward = browser.navigate(&link).await.onward();
    browser.jar.clear();
    let refused = browser.navigate(&onward.unwrap()).await;
    assert!(refused.status == 403 && refused.body.contains(words), "{refused:?}");
    assert!(refused.body.contains(OPEN_AGAIN), "or the browser was closed meanwhile: {}", refused.body);
    assert!(!refused.body.contains("href=\"/sign-in"), "there is nothing to sign in with yet: {}", refused.body);
    assert_eq!(browser.navigate(&format!("{portal}/sign-in/code")).await.status, 410, "a bookmark is no proof of it");
}
