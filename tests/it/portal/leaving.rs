//! Signing out, and thinking better of it: what is said is so, and the way back leads back.

use crate::rig::{Page, Rig};
use reqwest::Method;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_is_signed_in_is_told_otherwise() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    for path in ["/signed-out", "/signed-out/everywhere"] {
        assert_eq!(alice.visit(&format!("{portal}{path}")).await.path(), "/", "{path}");
    }
    let stranger = rig.browser().visit(&format!("{portal}/signed-out")).await;
    assert!(stranger.body.contains("Your session has ended"), "{}", stranger.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_out_everywhere_reads_that_everything_ended() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    let question = alice.visit(&format!("{portal}/account/sessions/end-all")).await;
    let page = alice.submit(&question, "/account/sessions/end-all", &[]).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("All your sessions have ended"), "{}", page.body);
}

/// Where the page's link `Cancel` leads.
fn cancel(page: &Page) -> &str {
    let before = page.body.split("\">Cancel</a>").next().unwrap_or_default();
    before.rsplit("href=\"").next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_thinks_better_of_signing_out_of_a_service_is_back_at_it() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (portal, app) = (rig.origin("auth.localhost"), rig.origin("app.localhost"));
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    alice.visit(&format!("{app}/page")).await;
    let address = format!("{app}/.portcullis/sign-out");
    for (came_from, back) in [
        (format!("{app}/page?a=b"), format!("{app}/page?a=b")),
        // Of our own origin all the same: an address that is whole cannot be read as another host's.
        (format!("{app}//evil.test/x"), format!("{app}//evil.test/x")),
        (format!("{app}.evil.test/x"), "/".to_owned()),
        (format!("{app}@evil.test/x"), "/".to_owned()),
        ("http://evil.test/x".to_owned(), "/".to_owned()),
        (address.clone(), "/".to_owned()),
        (String::new(), "/".to_owned()),
    ] {
        let fields = [("referer", came_from.as_str()), ("sec-fetch-mode", "navigate")];
        let question = alice.request(Method::GET, &address, &fields).await;
        assert_eq!((question.status, cancel(&question)), (200, back.as_str()), "{came_from}");
    }
    assert!(alice.who_am_i(&app).await.is_some(), "asking ends nothing");

    let question = alice.visit(&address).await;
    let policy = question.header("content-security-policy").unwrap();
    assert!(policy.contains(&format!("form-action 'self' {portal};")), "the form may lead to the portal: {policy}");
    let page = alice.submit(&question, "/.portcullis/sign-out", &[]).await;
    assert_eq!((page.status, page.url), (200, format!("{portal}/signed-out")));
    assert_eq!(alice.stolen().who_am_i(&portal).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_the_service_does_not_know_is_asked_at_the_portal() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    let page = alice.visit(&format!("{}/.portcullis/sign-out", rig.origin("app.localhost"))).await;
    assert_eq!((page.status, page.url), (200, format!("{}/sign-out", rig.origin("auth.localhost"))));
}
