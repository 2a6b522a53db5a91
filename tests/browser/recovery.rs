//! A lost phone: in with a recovery code, and on with a new app.

use crate::look::look;
use crate::person::Person;
use crate::rig::{PASSWORD, Rig};

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_opens_nothing_but_the_way_to_a_new_app() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut alice = Person::signed_in(&rig, "alice").await;
    let (lost, spent) = (alice.key.clone(), alice.codes[3].clone());
    let page = format!("{}/page", rig.origin("app.localhost"));

    alice.chrome.forget().await;
    alice.chrome.open(&page).await;
    recover(&alice, "not-a-code").await;
    let said = alice.chrome.alert().await;
    assert_eq!(said.as_deref(), Some("That recovery code is not right, or was used before."));
    alice.chrome.fill("Recovery code", &spent.to_uppercase()).await;
    alice.chrome.press("Continue").await;
    assert_eq!(alice.chrome.heading().await, "Connect your authenticator app");
    look(&alice.chrome, "recovery-app").await;

    alice.chrome.open(&page).await;
    assert_eq!(alice.chrome.heading().await, "Connect your authenticator app", "nothing else is open before that");
    alice.connect_app().await;
    alice.save_codes().await;
    assert!(!alice.codes.contains(&spent), "the old codes were replaced");
    assert_ne!(alice.key, lost);
    alice.chrome.open(&page).await;
    assert_eq!(alice.chrome.text().await, "app /page");

    alice.chrome.forget().await;
    alice.chrome.open(&page).await;
    recover(&alice, &spent).await;
    assert!(alice.chrome.alert().await.is_some(), "a recovery code works once");
    alice.chrome.press("Use your authenticator app instead").await;
    let new = std::mem::replace(&mut alice.key, lost);
    alice.type_code().await;
    assert!(alice.chrome.alert().await.is_some(), "the lost phone's codes are worth nothing");
    alice.key = new;
    alice.type_code().await;
    assert_eq!(alice.chrome.text().await, "app /page");
    alice.chrome.finish().await;
}

/// From the sign-in page with the password and this recovery code.
async fn recover(alice: &Person<'_>, code: &str) {
    alice.type_password("alice", PASSWORD).await;
    alice.chrome.press("Use a recovery code instead").await;
    alice.chrome.fill("Recovery code", code).await;
    alice.chrome.press("Continue").await;
}
