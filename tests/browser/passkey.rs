//! Passkeys in a real browser, held by authenticators that the browser plays itself (WebDriver's virtual ones).

use crate::chrome::{Chrome, Scripts};
use crate::look::look;
use crate::person::Person;
use crate::rig::{Member, PASSWORD, Rig, TWO_HOSTS, filled};
use serde_json::{Value, json};
use std::time::Duration;

const CHOICE: &str = "A passkey Your fingerprint, face or PIN on this device, or a security key.";
const CREATE: &str = "Create a passkey";
const SIGN_IN: &str = "Sign in with a passkey";

/// A route that only a passkey opens.
const STRONG: &str = r#"
[policy.strong]
extends = "staff"
require = "phishing-resistant"

[[route]]
name = "app-strong"
host = "app.localhost"
path = "/strong/**"
pool = "app"
policy = "strong"
"#;

async fn rig() -> (Rig, Member) {
    let app = Member::echo("app").await;
    let text = format!("{TWO_HOSTS}\n[factor.passkey]\n");
    (Rig::start(&filled(&text, &[("app", &app), ("wiki", &app)])).await, app)
}

/// An authenticator of the browser's.
struct Device {
    id: String,
}

/// What it is like.
#[derive(Clone, Copy)]
struct Habit {
    transport: &'static str,
    /// Whether it can make sure of its user, and whether that works.
    verification: (bool, bool),
}

const PLATFORM: Habit = Habit { transport: "internal", verification: (true, true) };
const ROAMING: Habit = Habit { transport: "usb", verification: (true, true) };

impl Device {
    async fn plug_in(chrome: &Chrome, habit: Habit) -> Self {
        chrome.devtools("WebAuthn.enable", json!({})).await;
        let (can, does) = habit.verification;
        let options = json!({
            "protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": habit.transport, "hasResidentKey": true,
            "hasUserVerification": can, "isUserVerified": does, "automaticPresenceSimulation": true,
        });
        let added = chrome.devtools("WebAuthn.addVirtualAuthenticator", json!({ "options": options })).await;
        Device { id: added["authenticatorId"].as_str().expect("an id").to_owned() }
    }

    /// Whether somebody touches it when it is asked.
    async fn touched(&self, chrome: &Chrome, is: bool) {
        let command = "WebAuthn.setAutomaticPresenceSimulation";
        chrome.devtools(command, json!({ "authenticatorId": self.id, "enabled": is })).await;
    }

    async fn credentials(&self, chrome: &Chrome) -> Vec<Value> {
        let held = chrome.devtools("WebAuthn.getCredentials", json!({ "authenticatorId": self.id })).await;
        held["credentials"].as_array().cloned().expect("a list")
    }

    async fn take_away(self, chrome: &Chrome) {
        chrome.devtools("WebAuthn.removeVirtualAuthenticator", json!({ "authenticatorId": self.id })).await;
    }
}

/// From an enrolment link to the page that creates a passkey.
async fn towards_passkey<'a>(rig: &'a Rig, scripts: Scripts) -> Person<'a> {
    let link = rig.invite("alice", &["staff"]).await;
    let alice = Person::sit_down(rig, scripts).await;
    alice.chrome.open(&link).await;
    alice.chrome.fill("New password", PASSWORD).await;
    alice.chrome.fill("The same once more", PASSWORD).await;
    alice.chrome.press("Continue").await;
    assert_eq!(alice.chrome.heading().await, "Choose how to confirm it’s you");
    look(&alice.chrome, "passkey-enrol-1-choice").await;
    alice.chrome.press(CHOICE).await;
    assert_eq!(alice.chrome.heading().await, "Create a passkey");
    alice
}

/// Somebody who signs in with a passkey on this device, on the account page.
async fn enrolled(rig: &Rig) -> (Person<'_>, Device) {
    let mut alice = towards_passkey(rig, Scripts::Run).await;
    let device = Device::plug_in(&alice.chrome, PLATFORM).await;
    alice.chrome.press(CREATE).await;
    alice.save_codes().await;
    assert_eq!(alice.chrome.heading().await, "Your account");
    (alice, device)
}

async fn ways(alice: &Person<'_>) -> Vec<String> {
    alice.chrome.texts("section[aria-labelledby=ways] li strong").await
}

/// From now on the browser makes no offers in the name field: a virtual authenticator would take them at once.
async fn make_no_offers(chrome: &Chrome) {
    let source = "delete PublicKeyCredential.isConditionalMediationAvailable";
    chrome.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await;
}

/// From now on the browser cannot tell authenticators that a passkey is not known any more.
async fn tell_no_device(chrome: &Chrome) {
    let source = "delete PublicKeyCredential.signalUnknownCredential";
    chrome.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await;
}

/// Waits until the page has moved on to this address by itself, and says this there. The address is asked first: while
/// one page takes another's place there is nothing to read.
async fn arrives(rig: &Rig, chrome: &Chrome, (address, says): (&str, &str)) {
    rig.eventually("the page moves on by itself", || async {
        chrome.address().await == address
            && chrome.ask("return document.body ? document.body.innerText : ''").await == says
    })
    .await;
}

/// What the script says, once it says something.
async fn trouble(rig: &Rig, chrome: &Chrome) -> String {
    rig.eventually("the page says what is wrong", || async { !chrome.texts(".trouble p").await.is_empty() }).await;
    chrome.texts(".trouble p").await.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_on_this_device_is_created_and_signs_in_without_a_name() {
    let (rig, _app) = rig().await;
    let (alice, device) = enrolled(&rig).await;
    let held = device.credentials(&alice.chrome).await;
    assert_eq!(held.len(), 1);
    assert_eq!((&held[0]["isResidentCredential"], &held[0]["rpId"]), (&json!(true), &json!("auth.localhost")));
    assert_eq!(ways(&alice).await, ["Password", "Recovery codes", "Passkey"]);
    look(&alice.chrome, "passkey-account").await;

    alice.chrome.forget().await;
    make_no_offers(&alice.chrome).await;
    alice.chrome.open(&format!("{}/page", rig.origin("app.localhost"))).await;
    look(&alice.chrome, "passkey-sign-in").await;
    alice.chrome.press(SIGN_IN).await;
    assert_eq!(alice.chrome.text().await, "app /page");
    alice.chrome.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_offered_in_the_name_field() {
    let (rig, _app) = rig().await;
    let (alice, _device) = enrolled(&rig).await;
    alice.chrome.forget().await;
    // Nobody presses anything: the browser's own offer is taken at once.
    alice.chrome.open(&rig.origin("app.localhost")).await;
    arrives(&rig, &alice.chrome, (&format!("{}/", rig.origin("app.localhost")), "app /")).await;
    alice.chrome.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_security_key_is_a_second_factor_and_steps_up() {
    let (rig, _app) = rig().await;
    let mut alice = towards_passkey(&rig, Scripts::Run).await;
    look(&alice.chrome, "passkey-enrol-2-create").await;
    let key = Device::plug_in(&alice.chrome, ROAMING).await;
    alice.chrome.press("Use a security key instead").await;
    alice.save_codes().await;
    assert_eq!(ways(&alice).await, ["Password", "Recovery codes", "Security key"]);

    alice.chrome.forget().await;
    key.touched(&alice.chrome, false).await;
    alice.chrome.open(&rig.origin("app.localhost")).await;
    alice.type_password("alice", PASSWORD).await;
    assert_eq!(alice.chrome.heading().await, "Use your passkey");
    look(&alice.chrome, "passkey-second-factor").await;
    key.touched(&alice.chrome, true).await;
    alice.chrome.open(&format!("{}/sign-in/passkey", rig.origin("auth.localhost"))).await;
    arrives(&rig, &alice.chrome, (&format!("{}/", rig.origin("app.localhost")), "app /")).await;

    rig.clock.advance(Duration::from_secs(11 * 60));
    alice.chrome.open(&format!("{}/admin/", rig.origin("app.localhost"))).await;
    arrives(&rig, &alice.chrome, (&format!("{}/admin/", rig.origin("app.localhost")), "app /admin/")).await;
    alice.chrome.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authenticator_that_cannot_make_sure_of_its_user_holds_no_passkey() {
    let (rig, _app) = rig().await;
    let alice = towards_passkey(&rig, Scripts::Run).await;
    for verification in [(false, false), (true, false)] {
        let device = Device::plug_in(&alice.chrome, Habit { verification, ..PLATFORM }).await;
        alice.chrome.click(CREATE).await;
        let said = trouble(&rig, &alice.chrome).await;
        assert!(said.contains("Nothing was created") || said.contains("cannot hold a passkey"), "{said}");
        assert!(device.credentials(&alice.chrome).await.is_empty());
        device.take_away(&alice.chrome).await;
        alice.chrome.open(&format!("{}/enrol", rig.origin("auth.localhost"))).await;
    }
    let device = Device::plug_in(&alice.chrome, Habit { verification: (false, false), ..ROAMING }).await;
    alice.chrome.click(CREATE).await;
    trouble(&rig, &alice.chrome).await;
    look(&alice.chrome, "passkey-enrol-trouble").await;
    device.take_away(&alice.chrome).await;
    alice.chrome.press("Set up something else").await;
    assert_eq!(alice.chrome.heading().await, "Choose how to confirm it’s you", "there is another way");
    alice.chrome.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_authenticators_each_signs_in_until_one_is_removed() {
    let (rig, _app) = rig().await;
    let (alice, first) = enrolled(&rig).await;
    let chrome = &alice.chrome;
    chrome.press("Add a passkey").await;
    chrome.click(CREATE).await;
    assert!(trouble(&rig, chrome).await.contains("has a passkey for your account already"));
    first.touched(chrome, false).await;
    let second = Device::plug_in(chrome, ROAMING).await;
    chrome.press("Use a security key instead").await;
    assert_eq!(chrome.heading().await, "Your account");
    assert_eq!(ways(&alice).await, ["Password", "Recovery codes", "Passkey", "Security key"]);
    look(chrome, "passkey-account-two").await;
    make_no_offers(chrome).await;
    for (used, idle) in [(&second, &first), (&first, &second)] {
        chrome.forget().await;
        idle.touched(chrome, false).await;
        used.touched(chrome, true).await;
        chrome.open(&rig.origin("app.localhost")).await;
        chrome.press(SIGN_IN).await;
        assert_eq!(chrome.text().await, "app /");
    }

    tell_no_device(chrome).await;
    alice.open_account().await;
    chrome.press("Rename Passkey").await;
    look(chrome, "passkey-rename").await;
    chrome.fill("Name", "Laptop").await;
    chrome.press("Save").await;
    chrome.press("Remove Laptop").await;
    chrome.press("Remove").await;
    assert_eq!(ways(&alice).await, ["Password", "Recovery codes", "Security key"]);
    chrome.forget().await;
    chrome.open(&rig.origin("app.localhost")).await;
    chrome.press(SIGN_IN).await;
    let said = chrome.alert().await.expect("it is announced");
    assert!(said.contains("This passkey is not known here any more: delete it from your device."), "{said}");
    look(chrome, "passkey-sign-in-wrong").await;
    alice.chrome.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_device_of_a_removed_passkey_is_told_to_forget_it() {
    let (rig, _app) = rig().await;
    let (alice, first) = enrolled(&rig).await;
    let chrome = &alice.chrome;
    first.touched(chrome, false).await;
    let _second = Device::plug_in(chrome, ROAMING).await;
    chrome.press("Add a passkey").await;
    chrome.press("Use a security key instead").await;
    chrome.press("Remove Passkey").await;
    chrome.press("Remove").await;
    assert!(chrome.text().await.contains("It is not known here any more: delete it from your device, too."));
    look(chrome, "passkey-removed").await;
    rig.eventually("the device forgets it", || async { first.credentials(chrome).await.is_empty() }).await;
    alice.chrome.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_lost_the_authenticator_is_told_and_has_other_ways() {
    let (rig, _app) = rig().await;
    let (alice, device) = enrolled(&rig).await;
    let chrome = &alice.chrome;
    device.take_away(chrome).await;
    let empty = Device::plug_in(chrome, PLATFORM).await;
    make_no_offers(chrome).await;
    chrome.forget().await;
    chrome.open(&rig.origin("app.localhost")).await;
    chrome.click(SIGN_IN).await;
    assert!(trouble(&rig, chrome).await.contains("there is no passkey here that fits"));
    look(chrome, "passkey-sign-in-trouble").await;
    alice.type_password("alice", PASSWORD).await;
    assert_eq!(chrome.heading().await, "Use your passkey");
    chrome.press("Use a recovery code instead").await;
    chrome.fill("Recovery code", &alice.codes[0]).await;
    chrome.press("Continue").await;
    look(chrome, "passkey-recovery-choice").await;
    chrome.press(CHOICE).await;
    look(chrome, "passkey-recovery-create").await;
    chrome.press(CREATE).await;
    assert_eq!(chrome.heading().await, "Save your recovery codes");
    assert_eq!(empty.credentials(chrome).await.len(), 1);
    alice.chrome.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_recovery_with_an_app_the_lost_passkey_is_shown_and_another_one_created() {
    let app = Member::echo("app").await;
    let text = format!("{TWO_HOSTS}\n[factor.passkey]\n{STRONG}");
    let rig = Rig::start(&filled(&text, &[("app", &app), ("wiki", &app)])).await;
    let (mut alice, device) = enrolled(&rig).await;
    device.take_away(&alice.chrome).await;
    make_no_offers(&alice.chrome).await;
    alice.chrome.forget().await;
    let strong = format!("{}/strong/x", rig.origin("app.localhost"));
    alice.chrome.open(&strong).await;
    alice.type_password("alice", PASSWORD).await;
    alice.chrome.press("Use a recovery code instead").await;
    alice.chrome.fill("Recovery code", &alice.codes[0]).await;
    alice.chrome.press("Continue").await;
    look(&alice.chrome, "lost-1-choice").await;
    alice.chrome.press("An authenticator app An app on your phone that shows a new code every 30 seconds.").await;
    look(&alice.chrome, "lost-2-app").await;
    alice.connect_app().await;
    alice.save_codes().await;
    assert_eq!(alice.chrome.heading().await, "Which of these have you lost?");
    look(&alice.chrome, "lost-3-which").await;
    let empty = Device::plug_in(&alice.chrome, PLATFORM).await;
    empty.touched(&alice.chrome, false).await;
    alice.chrome.press("Go on to app.localhost").await;
    assert_eq!(alice.chrome.heading().await, "Confirm it’s you");
    look(&alice.chrome, "lost-4-passkey").await;
    alice.chrome.press("I don’t have it here").await;
    empty.touched(&alice.chrome, true).await;
    assert_eq!(alice.chrome.heading().await, "Create a passkey");
    look(&alice.chrome, "lost-5-create").await;
    alice.chrome.press(CREATE).await;
    assert_eq!(alice.chrome.text().await, "app /strong/x");

    alice.open_account().await;
    assert_eq!(ways(&alice).await, ["Password", "Authenticator app", "Recovery codes", "Passkey", "Passkey"]);
    alice.chrome.press("Remove Passkey").await;
    alice.chrome.press("Remove").await;
    alice.open_account().await;
    assert_eq!(ways(&alice).await, ["Password", "Authenticator app", "Recovery codes", "Passkey"]);
    look(&alice.chrome, "lost-6-account").await;
    alice.chrome.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_scripts_the_page_says_what_is_missing_and_the_other_ways_work() {
    let (rig, _app) = rig().await;
    let mut alice = towards_passkey(&rig, Scripts::Blocked).await;
    assert!(alice.chrome.text().await.contains("Passkeys need JavaScript"));
    look(&alice.chrome, "passkey-enrol-no-script").await;
    alice.chrome.press("Set up something else").await;
    alice.chrome.press("An authenticator app An app on your phone that shows a new code every 30 seconds.").await;
    alice.connect_app().await;
    alice.save_codes().await;
    alice.chrome.forget().await;
    alice.chrome.open(&rig.origin("app.localhost")).await;
    let text = alice.chrome.text().await;
    assert!(text.contains("Passkeys need JavaScript") && !text.contains("\nor\n"), "no choice leads nowhere: {text}");
    look(&alice.chrome, "passkey-sign-in-no-script").await;
    alice.sign_in("alice").await;
    assert_eq!(alice.chrome.text().await, "app /");
    alice.chrome.finish().await;
}
