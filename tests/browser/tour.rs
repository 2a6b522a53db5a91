//! Every page of the portal, looked at in both themes, narrow and wide.

use crate::chrome::{Chrome, Scripts};
use crate::look::look;
use crate::person::{CODE, Person};
use crate::rig::{PASSWORD, Rig};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_an_enrolment_are_fit_to_be_seen() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let link = rig.invite("alice", &["staff"]).await;
    let mut alice = Person::sit_down(&rig, Scripts::Run).await;
    let chrome = &alice.chrome;
    chrome.open(&link).await;
    look(chrome, "enrol-1-password").await;
    choose(chrome, PASSWORD, "something else entirely").await;
    assert_eq!(chrome.alert().await.as_deref(), Some("The two passwords are not the same. Please type them again."));
    look(chrome, "enrol-1-password-differs").await;
    choose(chrome, "password1234567", "password1234567").await;
    assert!(chrome.alert().await.expect("it is announced").contains("too easy to guess"));
    choose(chrome, PASSWORD, PASSWORD).await;
    alice.scan().await;
    let chrome = &alice.chrome;
    look(chrome, "enrol-2-scan").await;
    chrome.press("Continue").await;
    look(chrome, "enrol-3-confirm").await;
    chrome.fill(CODE, "000000").await;
    chrome.press("Confirm").await;
    assert!(chrome.alert().await.expect("it is announced").contains("does not match this key"));
    look(chrome, "enrol-3-confirm-wrong").await;
    chrome.press("Back to the QR code").await;
    alice.connect_app().await;
    look(&alice.chrome, "enrol-4-codes").await;
    alice.save_codes().await;
    assert_eq!(alice.chrome.heading().await, "Your account");
    alice.chrome.open(&link).await;
    assert_eq!(alice.chrome.heading().await, "This link no longer works");
    look(&alice.chrome, "message-link-spent").await;
    alice.chrome.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_sign_in_are_fit_to_be_seen() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let alice = Person::signed_in(&rig, "alice").await;
    let chrome = &alice.chrome;
    chrome.forget().await;
    chrome.open(&rig.origin("auth.localhost")).await;
    look(chrome, "sign-in-portal").await;
    chrome.open(&rig.origin("app.localhost")).await;
    look(chrome, "sign-in").await;
    alice.type_password("alice", "not my password").await;
    look(chrome, "sign-in-wrong").await;
    alice.type_password("alice", PASSWORD).await;
    look(chrome, "code").await;
    alice.type_wrong_code().await;
    look(chrome, "code-wrong").await;
    chrome.press("Use a recovery code instead").await;
    look(chrome, "recovery").await;
    chrome.fill("Recovery code", "nonsense").await;
    chrome.press("Continue").await;
    look(chrome, "recovery-wrong").await;
    rig.clock.advance(Duration::from_secs(11 * 60));
    chrome.fill("Recovery code", "nonsense").await;
    chrome.press("Continue").await;
    assert_eq!(chrome.heading().await, "This sign\u{2011}in has expired");
    look(chrome, "message-expired").await;
    chrome.press("Start again").await;
    assert!(chrome.text().await.contains("to continue to app.localhost"), "nothing is lost");
    for _ in 0..6 {
        alice.type_password("alice", "not my password").await;
    }
    assert!(chrome.alert().await.expect("it is announced").contains("Too many wrong answers"));
    look(chrome, "sign-in-wait").await;
    alice.chrome.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_step_up_and_the_account_are_fit_to_be_seen() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut alice = Person::signed_in(&rig, "alice").await;
    look(&alice.chrome, "account").await;
    rig.clock.advance(Duration::from_secs(11 * 60));
    alice.chrome.open(&format!("{}/admin/", rig.origin("app.localhost"))).await;
    look(&alice.chrome, "step-up-password").await;
    alice.chrome.fill("Password", PASSWORD).await;
    alice.chrome.press("Continue").await;
    look(&alice.chrome, "step-up-code").await;
    alice.type_code().await;
    alice.open_account().await;
    alice.chrome.press("Change Password").await;
    look(&alice.chrome, "change-password").await;
    alice.open_account().await;
    alice.chrome.press("Replace Recovery codes").await;
    look(&alice.chrome, "change-codes").await;
    alice.chrome.press("Cancel").await;
    alice.open_account().await;
    alice.chrome.press("Add an authenticator app").await;
    look(&alice.chrome, "add-app").await;
    alice.connect_app().await;
    let other = alice.elsewhere().await;
    other.chrome.open(&rig.origin("auth.localhost")).await;
    other.sign_in("alice").await;
    rig.eventually("both sign-ins are written down", || async {
        alice.open_account().await;
        alice.chrome.texts("section[aria-labelledby=recent] li strong").await.len() == 2
    })
    .await;
    look(&alice.chrome, "account-full").await;
    questions(&alice).await;
    rig.clock.advance(Duration::from_secs(6 * 60));
    alice.chrome.press("Add an authenticator app").await;
    look(&alice.chrome, "step-up-change").await;
    alice.open_account().await;
    alice.chrome.press("Sign out").await;
    alice.chrome.press("Sign out").await;
    look(&alice.chrome, "signed-out").await;
    left(&rig, &alice.chrome).await;
    other.chrome.finish().await;
    alice.chrome.finish().await;
}

/// Pages for whoever is signed in no longer.
async fn left(rig: &Rig, chrome: &Chrome) {
    let portal = rig.origin("auth.localhost");
    for (path, heading, name) in [
        ("/signed-out/everywhere", "You are signed out everywhere", "signed-out-everywhere"),
        ("/enrol", "This set\u{2011}up cannot go on", "message-set-up-lost"),
    ] {
        // A browser that is still known has cookies of ours, so that it keeps none is no reason then.
        chrome.forget().await;
        chrome.open(&format!("{portal}{path}")).await;
        assert_eq!(chrome.heading().await, heading);
        look(chrome, name).await;
    }
}

/// Whatever the account page asks before it does it.
async fn questions(alice: &Person<'_>) {
    let questions = [
        ("Remove Authenticator app 2", "confirm-remove"),
        ("Sign out all other devices", "confirm-others"),
        ("Sign out everywhere", "confirm-everywhere"),
        ("Sign out", "confirm-sign-out"),
    ];
    for (name, picture) in questions {
        alice.chrome.press(name).await;
        look(&alice.chrome, picture).await;
        alice.chrome.press("Cancel").await;
    }
}

async fn choose(chrome: &Chrome, password: &str, again: &str) {
    chrome.fill("New password", password).await;
    chrome.fill("The same once more", again).await;
    chrome.press("Continue").await;
}
