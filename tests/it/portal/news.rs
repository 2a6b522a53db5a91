//! What the account page confirms: what was just done, said once, and nothing else.

use crate::passkey::{ENROL, configuration, enrolled, portal, rig_of, use_passkey};
use crate::rig::authenticator::Authenticator;
use crate::rig::{Browser, Member, Page, Rig};
use std::time::Duration;

async fn rig() -> (Rig, Member) {
    rig_of(&configuration("")).await
}

async fn add_passkey(rig: &Rig, browser: &mut Browser) -> Page {
    let page = browser.visit(&format!("{}/account/passkey", portal(rig))).await;
    use_passkey(browser, &page, ENROL, &mut Authenticator::new(&portal(rig))).await
}

/// What the page says was done.
fn told(page: &Page) -> Option<&str> {
    let notice = page.body.split("role=\"status\"").nth(1)?;
    notice.split("<p>").nth(1)?.split("</p>").next()
}

async fn passkeys(rig: &Rig) -> Vec<String> {
    let held = rig.store.credentials.of(rig.account("alice").await.id).await.expect("the store");
    let keys = held.into_iter().filter(|own| own.factor.0 == "passkey");
    keys.map(|own| own.id.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_last_is_confirmed_and_nothing_before_it() {
    let (rig, _app) = rig().await;
    let (mut alice, _) = enrolled(&rig, "alice").await;
    assert_eq!(told(&add_passkey(&rig, &mut alice).await), Some("Your passkey was added."));
    let page = alice.visit(&format!("{}/account/app", portal(&rig))).await;
    let page = alice.enrol_only_app(page).await;
    assert_eq!(told(&page), Some("Your authenticator app was added."));
    assert_eq!(told(&alice.visit(&portal(&rig)).await), None, "it is told once");
    let remove = format!("/account/remove/{}", passkeys(&rig).await[1]);
    let page = alice.visit(&format!("{}{remove}", portal(&rig))).await;
    let page = alice.submit(&page, &remove, &[]).await;
    let said = "Passkey was removed. It is not known here any more: delete it from your device, too.";
    assert_eq!(told(&page), Some(said), "{}", page.body);
    assert!(page.body.contains("data-gone=") && page.body.contains("data-rp=\"auth.localhost\""), "{}", page.body);
    let rename = format!("/account/rename/{}", passkeys(&rig).await[0]);
    let page = alice.visit(&format!("{}{rename}", portal(&rig))).await;
    for (odd, why) in [("  ", "Please type a name"), (&*"x".repeat(65), "64 characters at most")] {
        let refused = alice.post(&page, &rename, &[("label", odd)]).await;
        assert!(refused.status == 422 && refused.body.contains(why), "{odd}: {}", refused.body);
    }
    let page = alice.submit(&page, &rename, &[("label", "Laptop")]).await;
    assert_eq!(told(&page), Some("Your passkey is called Laptop now."));
}

#[tokio::test(flavor = "multi_thread")]
async fn that_others_were_signed_out_is_said_where_it_is_so() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    let origin = rig.origin("auth.localhost");
    rig.clock.advance(Duration::from_secs(31));
    rig.sign_in(&mut alice.other(), "alice").await;
    let page = alice.visit(&format!("{origin}/account/codes")).await;
    let page = alice.enrol_codes(&page).await;
    let said = "Your new recovery codes are in use. The old ones no longer work. Your other device was signed out.";
    assert_eq!(told(&page), Some(said));
    rig.clock.advance(Duration::from_secs(31));
    rig.sign_in(&mut alice.other(), "alice").await;
    let question = alice.visit(&format!("{origin}/account/sessions/end-others")).await;
    let page = alice.submit(&question, "/account/sessions/end-others", &[]).await;
    assert_eq!(told(&page), Some("Your other device was signed out."));
}

#[tokio::test(flavor = "multi_thread")]
async fn news_of_another_session_or_made_up_or_a_minute_old_are_none() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let origin = rig.origin("auth.localhost");
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    let page = alice.visit(&format!("{origin}/account/codes")).await;
    let page = alice.post(&page, "/enrol", &[]).await;
    assert_eq!(page.status, 303, "{page:?}");
    let news = alice.jar["auth.localhost"]["portcullis-news"].clone();
    let mut bob = rig.signed_in("bob", &["staff"]).await;
    for lie in [news.clone(), "e30".to_owned(), format!("{news}AA")] {
        bob.jar.get_mut("auth.localhost").expect("cookies").insert("portcullis-news".to_owned(), lie);
        assert_eq!(told(&bob.visit(&origin).await), None);
    }
    let mut late = alice.stolen();
    assert!(told(&alice.visit(&origin).await).is_some());
    rig.clock.advance(Duration::from_secs(60));
    assert_eq!(told(&late.visit(&origin).await), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_removed_says_why_and_removed_codes_what_that_means() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let origin = rig.origin("auth.localhost");
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    let page = alice.visit(&origin).await;
    assert_eq!(page.body.matches("To remove it, add another one first").count(), 1, "the app: {}", page.body);
    let remove = page.body.split("href=\"/account/remove/").nth(1).and_then(|rest| rest.split('"').next());
    let question = alice.visit(&format!("{origin}/account/remove/{}", remove.expect("the codes may go"))).await;
    assert!(question.body.contains("only your administrator can let you in again"), "{}", question.body);
}
