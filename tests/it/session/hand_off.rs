//! From the portal's host to another: one code, one use, one host, one browser, thirty seconds.

use super::address_with_a_code;
use crate::rig::{PASSWORD, Rig};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_code_enters_once() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    let address = address_with_a_code(&mut browser, &format!("{}/deep?a=1", rig.origin("app.localhost"))).await;
    let mut twin = browser.stolen();
    let entered = browser.navigate(&address).await;
    assert_eq!((entered.status, entered.header("location")), (303, Some("/deep?a=1")));
    let again = twin.navigate(&address).await;
    assert_eq!(again.status, 400, "{again:?}");
    assert!(again.header("set-cookie").is_none());
    assert!(again.body.contains("Please try once more"), "{}", again.body);
    assert_eq!(twin.who_am_i(&rig.origin("app.localhost")).await, None);
    assert!(browser.who_am_i(&rig.origin("app.localhost")).await.is_some(), "the replay harms nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_parallel_uses_of_a_code_one_enters() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    let address = address_with_a_code(&mut browser, &format!("{}/deep", rig.origin("app.localhost"))).await;
    let mut uses = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (mut browser, address) = (browser.stolen(), address.clone());
        uses.spawn(async move { browser.navigate(&address).await.status });
    }
    let answers = uses.join_all().await;
    assert_eq!(answers.iter().filter(|status| **status == 303).count(), 1, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_enters_no_other_host() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    browser.navigate(&format!("{}/page", rig.origin("wiki.localhost"))).await;
    let address = address_with_a_code(&mut browser, &format!("{}/page", rig.origin("app.localhost"))).await;
    // Even a browser that holds the very binding on both hosts.
    let binding = browser.jar["app.localhost"]["portcullis-binding"].clone();
    browser.jar.get_mut("wiki.localhost").unwrap().insert("portcullis-binding".to_owned(), binding);
    let entered = browser.navigate(&address.replace("app.localhost", "wiki.localhost")).await;
    assert_eq!(entered.status, 400, "{entered:?}");
    assert_eq!(browser.who_am_i(&rig.origin("wiki.localhost")).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_dead_after_thirty_seconds() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    let page = format!("{}/page", rig.origin("app.localhost"));
    let address = address_with_a_code(&mut browser, &page).await;
    rig.clock.advance(Duration::from_secs(29));
    assert_eq!(browser.stolen().navigate(&address).await.status, 303);
    let address = address_with_a_code(&mut browser, &page).await;
    rig.clock.advance(Duration::from_secs(30));
    assert_eq!(browser.navigate(&address).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_address_but_not_the_browser_gets_nothing() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    let page = format!("{}/page", rig.origin("app.localhost"));
    let address = address_with_a_code(&mut browser, &page).await;
    let mut thief = rig.browser();
    let refused = thief.navigate(&address).await;
    assert_eq!((refused.status, refused.header("set-cookie")), (400, None));
    // A thief who was here has a binding of his own.
    thief.navigate(&page).await;
    let refused = thief.navigate(&address).await;
    assert_eq!((refused.status, refused.header("set-cookie")), (400, None));
    assert_eq!(thief.who_am_i(&rig.origin("app.localhost")).await, None);
    assert_eq!(browser.navigate(&address).await.status, 400, "a code that was tried by somebody else is spent");
    assert_eq!(browser.visit(&page).await.body, "app /page", "and trying once more is enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_be_signed_in_as_somebody_else_by_following_an_address() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let page = format!("{}/page", rig.origin("app.localhost"));
    let mut mallory = rig.signed_in("mallory", &["staff"]).await;
    let address = address_with_a_code(&mut mallory, &page).await;
    let mut victim = rig.browser();
    victim.navigate(&page).await;
    assert_eq!(victim.navigate(&address).await.status, 400);
    assert_eq!(victim.who_am_i(&rig.origin("app.localhost")).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_be_signed_in_as_somebody_else_by_a_binding_that_was_tossed_at_him() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let page = format!("{}/page", rig.origin("app.localhost"));
    let mut mallory = rig.signed_in("mallory", &["staff"]).await;
    let address = address_with_a_code(&mut mallory, &page).await;
    let tossed = mallory.jar["app.localhost"]["portcullis-binding"].clone();
    // A neighbour sets a cookie of the same name for all of the domain: the victim's browser then sends both.
    let mut victim = rig.browser();
    victim.navigate(&page).await;
    let own = victim.jar["app.localhost"]["portcullis-binding"].clone();
    assert_ne!(own, tossed);
    let both = format!("{own}; portcullis-binding={tossed}");
    victim.jar.get_mut("app.localhost").unwrap().insert("portcullis-binding".to_owned(), both);
    assert_eq!(victim.navigate(&address).await.status, 400);
    assert_eq!(victim.who_am_i(&rig.origin("app.localhost")).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_that_wait_for_one_sign_in_both_come_back() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let app = rig.origin("app.localhost");
    let mut browser = rig.signed_in("alice", &["staff"]).await.other();
    let one = browser.visit(&format!("{app}/one")).await;
    let two = browser.visit(&format!("{app}/two")).await;
    rig.clock.advance(Duration::from_secs(31));
    assert_eq!(browser.sign_in(&one, "alice").await.body, "app /one", "though the other tab was the last to ask");
    assert_eq!(browser.visit(&two.url).await.body, "app /two", "and it needs no second sign-in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_back_that_somebody_else_began_ends_in_a_page_and_gives_him_nothing() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut alice = rig.signed_in("alice", &["staff"]).await.other();
    let page = format!("{}/page", rig.origin("app.localhost"));
    let mut mallory = rig.browser();
    let to_portal = mallory.navigate(&page).await.onward().unwrap();
    rig.clock.advance(Duration::from_secs(31));
    let asked = alice.visit(&to_portal).await;
    let asked = alice.submit(&asked, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    let code = alice.code();
    let answer = alice.post(&asked, "/sign-in/code", &[("code", &code)]).await;
    let address = answer.onward().unwrap();
    let refused = alice.navigate(&address).await;
    assert_eq!(refused.status, 400);
    assert_eq!(mallory.navigate(&address).await.status, 400, "not even with the binding it was made for");
    assert_eq!(alice.visit(&page).await.body, "app /page");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_keeps_no_cookies_on_a_host_ends_on_a_page_and_not_in_a_circle() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    let mut url = format!("{}/page", rig.origin("app.localhost"));
    for _ in 0..8 {
        browser.jar.remove("app.localhost");
        let page = browser.navigate(&url).await;
        match page.onward() {
            Some(onward) => url = onward,
            None => {
                assert_eq!(page.status, 400, "{page:?}");
                assert!(page.body.contains("does not keep cookies"), "{}", page.body);
                assert!(app.seen().is_empty());
                return;
            }
        }
    }
    panic!("still on the way: {url}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_keeps_no_cookies_at_the_portal_is_told_so_and_not_sent_round() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    rig.signed_in("alice", &["staff"]).await;
    let mut browser = rig.browser();
    let page = browser.visit(&format!("{}/page", rig.origin("app.localhost"))).await;
    browser.jar.remove("auth.localhost");
    let answer = browser.post(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    assert_eq!((answer.status, answer.onward()), (403, None), "{answer:?}");
    assert!(answer.body.contains("nothing was changed") || answer.body.contains("Start again"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_entered_anew_forgets_the_token_it_gave_before() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    let (page, app) = (format!("{}/page", rig.origin("app.localhost")), rig.origin("app.localhost"));
    assert_eq!(browser.visit(&page).await.status, 200);
    let mut old = browser.stolen();
    browser.jar.remove("app.localhost");
    assert_eq!(browser.visit(&page).await.status, 200);
    assert_eq!(old.who_am_i(&app).await, None, "one token for each host");
    assert!(browser.who_am_i(&app).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ended_on_the_way_enters_nowhere() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    let address = address_with_a_code(&mut browser, &format!("{}/page", rig.origin("app.localhost"))).await;
    rig.store.sessions.end_all(rig.account("alice").await.id, None).await.unwrap();
    assert_eq!(browser.navigate(&address).await.status, 400);
}
