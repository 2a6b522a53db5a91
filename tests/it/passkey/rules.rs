//! Which passkeys count is asked at every use.

use super::*;
use crate::rig::authenticator::{PRESENT, SYNCABLE, SYNCED, VERIFIED};

const OWN: &str = "09090909-0909-0909-0909-090909090909";

/// Somebody with a synced passkey of a model that says what it is.
async fn synced(rig: &Rig) -> (Browser, Authenticator) {
    let mut device = Authenticator::new(&portal(rig));
    (device.flags, device.counter, device.model) = (PRESENT | VERIFIED | SYNCABLE | SYNCED, 0, [9; 16]);
    let browser = enrolled_with(rig, "alice", &mut device).await;
    (browser, device)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_made_today_holds_for_a_passkey_of_yesterday_and_says_to_use_another_way() {
    let (rig, app) = rig().await;
    let (alice, mut device) = synced(&rig).await;
    let other = "models = [\"2fc0579f-8113-47ea-b116-bb5a8db9202a\"]";
    let keys = ["synced = false", other, &format!("refuse_models = [\"{OWN}\"]")];
    for (at, keys) in keys.into_iter().enumerate() {
        reload(&rig, &app, &configuration(keys)).await;
        let mut browser = alice.other();
        let page = sign_in_page(&rig, &mut browser).await;
        let refused = touch(&mut browser, &page, SIGN_IN, (&mut device, &Lies::default())).await;
        assert_eq!(refused.status, 422, "{keys}: {refused:?}");
        assert!(refused.body.contains("This passkey is no longer accepted here"), "{keys}: {}", refused.body);
        assert_eq!(failures(&rig, at + 1).await.last().map(String::as_str), Some("not-allowed"), "{keys}");
    }
    reload(&rig, &app, &configuration("")).await;
    let mut browser = alice.other();
    let page = sign_in_page(&rig, &mut browser).await;
    assert_eq!(use_passkey(&mut browser, &page, SIGN_IN, &mut device).await.path(), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_longer_counts_is_not_asked_for_and_a_recovery_code_leads_to_something_else() {
    let (rig, app) = rig().await;
    let (mut alice, _device) = synced(&rig).await;
    reload(&rig, &app, &configuration("synced = false")).await;
    assert!(alice.visit(&portal(&rig)).await.body.contains("No longer accepted"));
    let mut browser = alice.other();
    let page = sign_in_page(&rig, &mut browser).await;
    let page = browser.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    assert_eq!(page.path(), "/sign-in/recovery", "one factor is not enough for another: {page:?}");
    let code = alice.codes[0].clone();
    let page = browser.submit(&page, "/sign-in/recovery", &[("code", &code)]).await;
    assert_eq!(page.path(), "/enrol", "not round in circles: {page:?}");
    let page = browser.submit(&page, "/enrol", &[("factor", "passkey")]).await;
    let mut bound = Authenticator::new(&portal(&rig));
    let page = use_passkey(&mut browser, &page, ENROL, &mut bound).await;
    browser.enrol_codes(&page).await;
    assert_eq!(assurance(&rig, &mut browser).await.as_deref(), Some("phishing-resistant"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_allowed_is_not_enrolled() {
    let (rig, _app) = rig_of(&configuration("synced = false")).await;
    let (mut alice, _) = enrolled(&rig, "alice").await;
    let page = alice.visit(&format!("{}/account/passkey", portal(&rig))).await;
    let mut device = Authenticator::new(&portal(&rig));
    device.flags = PRESENT | VERIFIED | SYNCABLE;
    let refused = touch(&mut alice, &page, ENROL, (&mut device, &Lies::default())).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("Passkeys of this kind are not accepted here"), "{}", refused.body);
}
