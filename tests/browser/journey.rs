//! The whole way: from a deep link of a stranger to signing out everywhere.

use crate::chrome::Scripts;
use crate::person::Person;
use crate::rig::{PASSWORD, Rig};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_goes_from_a_deep_link_through_enrolment_to_both_hosts_a_step_up_and_out_again() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let (at_app, at_wiki) = (rig.origin("app.localhost"), rig.origin("wiki.localhost"));
    let link = rig.invite("alice", &["staff"]).await;
    let mut alice = Person::sit_down(&rig, Scripts::Run).await;

    let deep = format!("{at_app}/deep/page?link=1&more=%C3%A4");
    alice.chrome.open(&deep).await;
    assert_eq!(alice.chrome.heading().await, "Sign in");
    assert!(alice.chrome.text().await.contains("to continue to app.localhost"));
    assert!(app.seen().is_empty(), "nothing is forwarded before the sign-in");

    alice.chrome.open(&link).await;
    assert!(alice.chrome.address().await.ends_with("/enrol"), "the link does not stay in the address bar");
    alice.enrol().await;
    assert_eq!(alice.codes.len(), 10, "{:?}", alice.codes);
    assert_eq!(alice.chrome.address().await, deep);
    assert_eq!(alice.chrome.text().await, "app /deep/page?link=1&more=%C3%A4");

    alice.chrome.open(&format!("{at_wiki}/page")).await;
    assert_eq!(alice.chrome.text().await, "wiki /page", "one sign-in serves both hosts");

    step_up(&rig, &alice, &format!("{at_app}/admin/keys?page=2")).await;
    account(&alice).await;

    alice.chrome.press("Sign out everywhere").await;
    assert_eq!(alice.chrome.heading().await, "Sign out everywhere?");
    alice.chrome.press("Sign out everywhere").await;
    assert_eq!(alice.chrome.heading().await, "You are signed out everywhere");
    for host in [at_app, at_wiki] {
        rig.eventually("the host asks for a sign-in again", || async {
            alice.chrome.open(&host).await;
            alice.chrome.address().await.contains("/sign-in?to=")
        })
        .await;
        assert_eq!(alice.chrome.heading().await, "Sign in");
    }
    alice.chrome.finish().await;
}

/// Proofs that were fresh enough for everything else have become too old for this page.
async fn step_up(rig: &Rig, alice: &Person<'_>, page: &str) {
    rig.clock.advance(Duration::from_secs(11 * 60));
    alice.chrome.open(page).await;
    assert_eq!(alice.chrome.heading().await, "Confirm it’s you");
    let text = alice.chrome.text().await;
    assert!(text.contains("more than 10 minutes ago"), "{text}");
    assert!(text.contains("alice"), "{text}");
    alice.prove_again().await;
    assert_eq!(alice.chrome.address().await, page, "and back to exactly the page asked for");
    assert_eq!(alice.chrome.text().await, "app /admin/keys?page=2");
}

/// The account page knows this browser, and what was enrolled.
async fn account(alice: &Person<'_>) {
    alice.open_account().await;
    let ways = alice.chrome.texts("section[aria-labelledby=ways] li strong").await;
    assert_eq!(ways, ["Password", "Authenticator app", "Recovery codes"]);
    let text = alice.chrome.text().await;
    for said in ["alice", "staff", "10 codes left", "Chrome on Linux", "This device", "127.0.0.1"] {
        assert!(text.contains(said), "{said} is missing:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_a_wrong_code_are_said_and_the_right_ones_lead_on() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let alice = Person::signed_in(&rig, "alice").await;
    alice.chrome.forget().await;
    let page = format!("{}/page", rig.origin("app.localhost"));
    alice.chrome.open(&page).await;

    alice.type_password("alice", "violet-otter-bridge-92").await;
    let said = alice.chrome.alert().await;
    assert_eq!(said.as_deref(), Some("The user name or the password is not right."));
    assert_eq!(alice.chrome.attribute("User name", "value").await.as_deref(), Some("alice"), "the name need not be");
    assert_eq!(
        alice.chrome.attribute("Password", "value").await.unwrap_or_default(),
        "",
        "a password is not sent back"
    );
    assert_eq!(alice.chrome.focus().await, "textbox Password", "typed again: the cursor is where it is needed");

    alice.chrome.fill("Password", PASSWORD).await;
    alice.chrome.press("Sign in").await;
    assert_eq!(alice.chrome.heading().await, "Enter your code");
    alice.type_wrong_code().await;
    let said = alice.chrome.alert().await.expect("it is announced");
    assert!(said.starts_with("That code is not right"), "{said}");
    alice.type_code().await;
    assert_eq!(alice.chrome.address().await, page);
    assert_eq!(alice.chrome.text().await, "app /page");
    alice.chrome.finish().await;
}
