//! Signing in without a mouse, and without scripts.

use crate::chrome::Scripts;
use crate::person::{CODE, Person};
use crate::rig::{PASSWORD, Rig};

/// The key that moves to the next field.
const TAB: &str = "\u{e004}";

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_takes_only_a_keyboard() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let alice = Person::signed_in(&rig, "alice").await;
    alice.chrome.forget().await;
    alice.chrome.open(&format!("{}/page", rig.origin("app.localhost"))).await;

    let order = ["textbox User name", "textbox Password", "button Sign in"];
    assert_eq!(&alice.chrome.tab_order().await[..3], order, "the cursor begins in the first field");
    alice.chrome.open(&format!("{}/page", rig.origin("app.localhost"))).await;
    alice.chrome.type_here("alice").await;
    alice.chrome.type_here(TAB).await;
    alice.chrome.type_here("not my password").await;
    alice.chrome.enter().await;
    assert!(alice.chrome.alert().await.is_some(), "a wrong answer is announced");
    assert_eq!(alice.chrome.focus().await, "textbox Password");
    assert_eq!(alice.chrome.attribute("Password", "aria-invalid").await.as_deref(), Some("true"));
    let described = alice.chrome.attribute("Password", "aria-describedby").await;
    assert_eq!(described.as_deref(), Some("notice"), "the field names what was announced");

    alice.chrome.type_here(PASSWORD).await;
    alice.chrome.type_here(TAB).await;
    assert_eq!(alice.chrome.focus().await, "button Sign in");
    alice.chrome.enter().await;
    assert_eq!(alice.chrome.focus().await, format!("textbox {CODE}"));
    assert_eq!(alice.chrome.attribute(CODE, "autocomplete").await.as_deref(), Some("one-time-code"));
    assert_eq!(alice.chrome.attribute(CODE, "inputmode").await.as_deref(), Some("numeric"));
    alice.chrome.type_here(&alice.next_code()).await;
    alice.chrome.enter().await;
    assert_eq!(alice.chrome.text().await, "app /page");
    alice.chrome.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_page_is_walked_through_from_top_to_bottom() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let alice = Person::signed_in(&rig, "alice").await;
    alice.open_account().await;
    let order = alice.chrome.tab_order().await;
    let said = ["link Skip to content", "link Sign out", "link Change Password", "link Replace Recovery codes"];
    assert!(order.windows(said.len()).any(|stops| stops == said), "{order:?}");
    // The first is the page itself.
    let named = |stop: &String| stop.split_once(' ').is_some_and(|(_, name)| !name.is_empty());
    assert!(order.iter().skip(1).all(named), "something has no name: {order:?}");
    alice.chrome.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn enrolling_and_signing_in_need_no_script() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let link = rig.invite("alice", &["staff"]).await;
    let mut alice = Person::sit_down(&rig, Scripts::Blocked).await;
    let page = format!("{}/page", rig.origin("app.localhost"));
    alice.chrome.open(&page).await;
    alice.chrome.open(&link).await;
    alice.enrol().await;
    assert_eq!(alice.chrome.text().await, "app /page");
    alice.chrome.forget().await;
    alice.chrome.open(&page).await;
    alice.sign_in("alice").await;
    assert_eq!(alice.chrome.address().await, page);
    assert_eq!(alice.chrome.text().await, "app /page");
    alice.chrome.finish().await;
}
