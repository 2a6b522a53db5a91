//! Creating passkeys, calling them something, and removing them.

use super::*;
use portcullis::identity::Credential;

async fn held(rig: &Rig, name: &str) -> Vec<Credential> {
    let mut all = rig.store.credentials.of(rig.account(name).await.id).await.unwrap();
    all.retain(|credential| credential.factor.0 == "passkey");
    all
}

/// Adds one more passkey from the account page; gives the first answer.
async fn add(rig: &Rig, browser: &mut Browser, device: &mut Authenticator) -> Page {
    let page = browser.visit(&format!("{}/account/passkey", portal(rig))).await;
    assert!(page.body.contains("Create a passkey"), "{}", page.body);
    touch(browser, &page, ENROL, (device, &Lies::default())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_enrols_for_the_first_time_chooses_between_a_passkey_and_an_app() {
    let (rig, _app) = rig().await;
    let link = rig.invite("alice", &["staff"]).await;
    let mut browser = rig.browser();
    let page = towards_passkey(&mut browser, &link).await;
    assert!(page.body.contains("Set up something else"), "{}", page.body);
    let page = browser.visit(&format!("{}/enrol/choose", portal(&rig))).await;
    let page = browser.submit(&page, "/enrol", &[("factor", "totp")]).await;
    assert!(page.body.contains("secret="), "{}", page.body);
    for unknown in ["password", "recovery_code", "smell"] {
        let page = browser.visit(&format!("{}/enrol/choose", portal(&rig))).await;
        assert_eq!(browser.post(&page, "/enrol", &[("factor", unknown)]).await.status, 410, "{unknown}");
    }
    let page = browser.visit(&format!("{}/enrol", portal(&rig))).await;
    assert_eq!(browser.enrol_app(page).await.path(), "/");
    assert!(held(&rig, "alice").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_asks_for_a_discoverable_passkey_with_user_verification() {
    let (rig, _app) = rig().await;
    let (mut alice, device) = enrolled(&rig, "alice").await;
    let page = alice.visit(&format!("{}/account/passkey", portal(&rig))).await;
    let asked = ask(&mut alice, &page, ENROL).await.options;
    let selection = &asked["authenticatorSelection"];
    assert_eq!((selection["residentKey"].as_str(), &selection["requireResidentKey"]), (Some("required"), &true.into()));
    assert_eq!(selection["userVerification"], "required");
    assert_eq!((&asked["rp"]["id"], &asked["rp"]["name"]), (&"auth.localhost".into(), &"Example Corp".into()));
    assert_eq!(asked["excludeCredentials"][0]["id"], data_encoding::BASE64URL_NOPAD.encode(&device.id));
    let algorithms: Vec<i64> =
        asked["pubKeyCredParams"].as_array().unwrap().iter().filter_map(|one| one["alg"].as_i64()).collect();
    assert!(algorithms.contains(&-7) && !algorithms.contains(&-65535), "{algorithms:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_passkey_is_enrolled_twice_neither_for_one_account_nor_for_two() {
    let (rig, _app) = rig().await;
    let (mut alice, mut device) = enrolled(&rig, "alice").await;
    let refused = add(&rig, &mut alice, &mut device).await;
    assert_eq!((refused.status, refused.path()), (422, "/enrol"), "{refused:?}");
    assert!(refused.body.contains("if it is in use already"), "{}", refused.body);
    let (mut bob, _) = enrolled(&rig, "bob").await;
    let refused = add(&rig, &mut bob, &mut device).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!((held(&rig, "alice").await.len(), held(&rig, "bob").await.len()), (1, 1));
    // The same page takes another one.
    let page = bob.visit(&format!("{}/enrol", portal(&rig))).await;
    let mut fresh = Authenticator::new(&portal(&rig));
    assert_eq!(use_passkey(&mut bob, &page, ENROL, &mut fresh).await.path(), "/");
    assert_eq!(held(&rig, "bob").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_lies_or_has_another_algorithm_is_refused() {
    let (rig, _app) = rig().await;
    let (mut alice, _) = enrolled(&rig, "alice").await;
    let page = alice.visit(&format!("{}/account/passkey", portal(&rig))).await;
    let lies = [
        Lies { algorithm: Some(-8), ..Lies::default() },
        Lies { algorithm: Some(-65535), ..Lies::default() },
        Lies { origin: Some("https://evil.example"), ..Lies::default() },
        Lies { rp_id: Some("localhost"), ..Lies::default() },
        Lies { kind: Some("webauthn.get"), ..Lies::default() },
        Lies { flags: Some(crate::rig::authenticator::PRESENT), ..Lies::default() },
        Lies { framed: true, ..Lies::default() },
    ];
    for (at, lie) in lies.into_iter().enumerate() {
        let mut device = Authenticator::new(&portal(&rig));
        let refused = touch(&mut alice, &page, ENROL, (&mut device, &lie)).await;
        assert_eq!(refused.status, 422, "lie {at}: {refused:?}");
    }
    assert_eq!(held(&rig, "alice").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn passkeys_have_names_their_holder_gives_them() {
    let (rig, _app) = rig().await;
    let (mut alice, _) = enrolled(&rig, "alice").await;
    let mut key = Authenticator::new(&portal(&rig));
    key.transports = &["usb", "nfc"];
    assert_eq!(add(&rig, &mut alice, &mut key).await.status, 303);
    let labels = async || held(&rig, "alice").await.into_iter().map(|own| own.label).collect::<Vec<_>>();
    assert_eq!(labels().await, ["Passkey", "Security key"]);
    let id = held(&rig, "alice").await[1].id.to_string();
    let action = format!("/account/rename/{id}");
    let page = alice.visit(&format!("{}{action}", portal(&rig))).await;
    assert!(page.body.contains("value=\"Security key\""), "{}", page.body);
    for odd in ["", "   ", "a\u{7}b", &"x".repeat(65)] {
        assert_eq!(alice.post(&page, &action, &[("label", odd)]).await.status, 422, "{odd:?}");
    }
    let page = alice.submit(&page, &action, &[("label", " Key in the <safe> ")]).await;
    assert!(page.body.contains("Key in the &lt;safe&gt;"), "{}", page.body);
    assert_eq!(labels().await, ["Passkey", "Key in the <safe>"]);
    let (mut bob, _) = enrolled(&rig, "bob").await;
    assert_eq!(bob.visit(&format!("{}{action}", portal(&rig))).await.status, 404, "it is not bob's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_passkey_opens_nothing_and_the_last_one_that_is_needed_stays() {
    let (rig, _app) = rig().await;
    let (mut alice, mut first) = enrolled(&rig, "alice").await;
    let only = held(&rig, "alice").await[0].id.to_string();
    let removal = |id: &str| format!("/account/remove/{id}");
    assert!(!alice.visit(&portal(&rig)).await.body.contains(&removal(&only)), "the only second factor stays");
    assert_eq!(alice.visit(&format!("{}{}", portal(&rig), removal(&only))).await.status, 404);
    let mut second = Authenticator::new(&portal(&rig));
    add(&rig, &mut alice, &mut second).await;
    let page = alice.visit(&format!("{}{}", portal(&rig), removal(&only))).await;
    let page = alice.submit(&page, &removal(&only), &[]).await;
    assert_eq!(page.path(), "/", "{page:?}");
    assert_eq!(held(&rig, "alice").await.len(), 1);
    let mut browser = alice.other();
    let page = sign_in_page(&rig, &mut browser).await;
    assert_eq!(touch(&mut browser, &page, SIGN_IN, (&mut first, &Lies::default())).await.status, 422);
    assert_eq!(use_passkey(&mut browser, &page, SIGN_IN, &mut second).await.path(), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn adding_a_passkey_needs_a_fresh_proof_and_ends_the_other_sessions() {
    let (rig, _app) = rig().await;
    let (mut alice, mut device) = enrolled(&rig, "alice").await;
    let mut other = alice.other();
    let page = sign_in_page(&rig, &mut other).await;
    use_passkey(&mut other, &page, SIGN_IN, &mut device).await;
    rig.clock.advance(std::time::Duration::from_secs(6 * 60));
    let page = alice.visit(&format!("{}/account/passkey", portal(&rig))).await;
    assert_eq!(page.path(), "/sign-in/passkey", "as strong as the account can: {page:?}");
    let page = use_passkey(&mut alice, &page, PROOF, &mut device).await;
    assert_eq!(page.path(), "/enrol", "{page:?}");
    assert!(other.who_am_i(&portal(&rig)).await.is_some(), "so far");
    use_passkey(&mut alice, &page, ENROL, &mut Authenticator::new(&portal(&rig))).await;
    assert_eq!(other.who_am_i(&portal(&rig)).await, None);
    assert!(alice.who_am_i(&portal(&rig)).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_may_end_with_a_passkey_in_place_of_the_lost_one() {
    let (rig, _app) = rig().await;
    let (alice, mut lost) = enrolled(&rig, "alice").await;
    let mut browser = alice.other();
    let page = sign_in_page(&rig, &mut browser).await;
    browser.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    let page = browser.visit(&format!("{}/sign-in/recovery", portal(&rig))).await;
    let page = browser.submit(&page, "/sign-in/recovery", &[("code", &alice.codes[0])]).await;
    assert!(page.body.contains("Choose how to confirm"), "{}", page.body);
    let page = browser.submit(&page, "/enrol", &[("factor", "passkey")]).await;
    let mut fresh = Authenticator::new(&portal(&rig));
    let page = use_passkey(&mut browser, &page, ENROL, &mut fresh).await;
    assert_eq!(browser.enrol_codes(&page).await.path(), "/");
    let mut thief = alice.other();
    let page = sign_in_page(&rig, &mut thief).await;
    assert_eq!(touch(&mut thief, &page, SIGN_IN, (&mut lost, &Lies::default())).await.status, 422);
    assert_eq!(use_passkey(&mut thief, &page, SIGN_IN, &mut fresh).await.path(), "/");
}
