//! Looking after one's own sessions and ways to sign in.

use crate::person::Person;
use crate::rig::Rig;
use std::time::Duration;

/// Changing how one signs in needs proofs no older than five minutes.
const STALE: Duration = Duration::from_secs(6 * 60);

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_replaced_by_adding_the_new_one_and_removing_the_old_one() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut alice = Person::signed_in(&rig, "alice").await;
    let old = alice.key.clone();
    alice.open_account().await;
    assert!(alice.chrome.offers("Remove Recovery codes").await);
    assert!(!alice.chrome.offers("Remove Authenticator app").await, "the only app cannot be removed");

    rig.clock.advance(STALE);
    alice.chrome.press("Add an authenticator app").await;
    assert!(alice.chrome.text().await.contains("Before you change how you sign in"), "an old proof is not enough");
    alice.prove_again().await;
    alice.connect_app().await;
    assert_ne!(alice.key, old);
    assert_eq!(alice.chrome.heading().await, "Your account");
    let ways = ways(&alice).await;
    assert_eq!(ways, ["Password", "Authenticator app 1", "Authenticator app 2", "Recovery codes"]);

    alice.chrome.press("Remove Authenticator app 1").await;
    assert_eq!(alice.chrome.heading().await, "Remove this way to sign in?");
    assert!(alice.chrome.text().await.contains("Authenticator app 1 will stop working at once"));
    alice.chrome.press("Cancel").await;
    assert_eq!(self::ways(&alice).await.len(), 4, "nothing happens before it is confirmed");
    alice.chrome.press("Remove Authenticator app 1").await;
    alice.chrome.press("Remove").await;
    assert_eq!(self::ways(&alice).await, ["Password", "Authenticator app", "Recovery codes"]);

    alice.chrome.forget().await;
    alice.chrome.open(&rig.origin("app.localhost")).await;
    alice.type_password("alice", crate::rig::PASSWORD).await;
    let new = std::mem::replace(&mut alice.key, old);
    alice.type_code().await;
    assert!(alice.chrome.alert().await.is_some(), "the removed app opens nothing");
    alice.key = new;
    alice.type_code().await;
    assert_eq!(alice.chrome.text().await, "app /");
    alice.chrome.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_browser_is_signed_out_from_the_account_page() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let alice = Person::signed_in(&rig, "alice").await;
    let other = alice.elsewhere().await;
    let page = format!("{}/page", rig.origin("app.localhost"));
    other.chrome.open(&page).await;
    other.sign_in("alice").await;
    assert_eq!(other.chrome.text().await, "app /page");

    alice.open_account().await;
    assert_eq!(sessions(&alice).await.len(), 2);
    let button = "return document.querySelector('section[aria-labelledby=sessions] form button').textContent";
    let name = alice.chrome.ask(button).await;
    let name = name.as_str().expect("a text");
    assert!(name.starts_with("Sign out Chrome on Linux, signed in on "), "{name}");
    alice.chrome.press(name).await;
    assert_eq!(sessions(&alice).await.len(), 1);
    assert!(alice.chrome.text().await.contains("This device"), "the other one ended, not this one");
    rig.eventually("the other browser is asked to sign in", || async {
        other.chrome.open(&page).await;
        other.chrome.address().await.contains("/sign-in?to=")
    })
    .await;

    other.sign_in("alice").await;
    alice.open_account().await;
    alice.chrome.press("Sign out all other devices").await;
    assert!(alice.chrome.text().await.contains("One other device will have to sign in again"));
    alice.chrome.press("Sign them out").await;
    assert_eq!(sessions(&alice).await.len(), 1);
    alice.chrome.finish().await;
    other.chrome.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_asks_first_and_ends_the_session_on_every_host() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let alice = Person::signed_in(&rig, "alice").await;
    let (at_app, at_wiki) = (rig.origin("app.localhost"), rig.origin("wiki.localhost"));
    for host in [&at_app, &at_wiki] {
        alice.chrome.open(host).await;
    }
    alice.chrome.open(&format!("{at_app}/.portcullis/sign-out")).await;
    assert_eq!(alice.chrome.heading().await, "Sign out?");
    alice.chrome.press("Cancel").await;
    assert_eq!(alice.chrome.text().await, "app /", "a link alone signs nobody out, and one is back where one was");

    alice.chrome.open(&format!("{at_app}/.portcullis/sign-out")).await;
    alice.chrome.press("Sign out").await;
    assert_eq!(alice.chrome.heading().await, "You are signed out");
    alice.chrome.press("Sign in again").await;
    assert_eq!(alice.chrome.heading().await, "Sign in");
    for host in [at_app, at_wiki] {
        rig.eventually("the host asks for a sign-in", || async {
            alice.chrome.open(&host).await;
            alice.chrome.address().await.contains("/sign-in?to=")
        })
        .await;
    }
    alice.chrome.finish().await;
}

async fn ways(alice: &Person<'_>) -> Vec<String> {
    assert_eq!(alice.chrome.heading().await, "Your account");
    alice.chrome.texts("section[aria-labelledby=ways] li strong").await
}

async fn sessions(alice: &Person<'_>) -> Vec<String> {
    assert_eq!(alice.chrome.heading().await, "Your account");
    alice.chrome.texts("section[aria-labelledby=sessions] li strong").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_signed_out_is_still_known_when_it_comes_back() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let alice = Person::signed_in(&rig, "alice").await;
    let chrome = &alice.chrome;
    for service in [false, true] {
        match service {
            true => chrome.open(&format!("{}/.portcullis/sign-out", rig.origin("app.localhost"))).await,
            false => chrome.open(&format!("{}/sign-out", rig.origin("auth.localhost"))).await,
        }
        chrome.press("Sign out").await;
        assert_eq!(chrome.heading().await, "You are signed out");
        chrome.open(&format!("{}/page", rig.origin("app.localhost"))).await;
        alice.sign_in("alice").await;
        assert_eq!(chrome.text().await, "app /page");
    }
    let account = rig.account("alice").await.id;
    let events = async || rig.store.events.of(account, "sign-in.succeeded", 9).await.expect("the store");
    rig.eventually("all three sign-ins are on record", async || events().await.len() == 3).await;
    let new = events().await.iter().filter(|event| event.body.contains("\"new_device\":\"true\"")).count();
    assert_eq!(new, 0, "it is one browser all the time: {:?}", events().await.len());
    alice.chrome.finish().await;
}
