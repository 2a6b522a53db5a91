//! `/.portcullis/check`: whoever asks learns what a request would be answered, and the service hears nothing.

use crate::rig::{Browser, Page, Rig};
use std::time::Duration;

async fn check(rig: &Rig, browser: &mut Browser, query: &str) -> Page {
    browser.fetch(&format!("{}/.portcullis/check{query}", rig.origin("app.localhost"))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_as_the_request_would_be_and_reaches_no_service() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    browser.visit(&format!("{}/page", rig.origin("app.localhost"))).await;
    let seen = app.seen().len();
    let may = check(&rig, &mut browser, "?method=DELETE&path=/admin/x%3Fa=b").await;
    assert_eq!((may.status, may.body.as_str()), (204, ""));
    rig.clock.advance(Duration::from_secs(11 * 60));
    let stale = check(&rig, &mut browser, "?method=POST&path=/admin/x").await;
    let itself = browser.fetch(&format!("{}/admin/x", rig.origin("app.localhost"))).await;
    assert_eq!((stale.status, stale.header("www-authenticate")), (401, itself.header("www-authenticate")));
    assert!(stale.header("www-authenticate").is_some_and(|challenge| challenge.contains(r#"max_age="600""#)));
    let barred = check(&rig, &mut browser, "?path=/boss/x").await;
    assert_eq!((barred.status, barred.header("content-type")), (403, Some("application/problem+json")));
    assert_eq!(check(&rig, &mut rig.browser(), "?path=/page").await.status, 401);
    assert_eq!(check(&rig, &mut rig.browser(), "?path=/open/page").await.status, 204);
    assert_eq!(app.seen().len(), seen, "nothing is forwarded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_cannot_be_read_is_told_what_it_must_hold() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.browser();
    for query in ["", "?path=page", "?path=/a&path=/b", "?path=/.portcullis/session", "?path=/page%23b", "?path=/a%FF"]
    {
        let refused = check(&rig, &mut browser, query).await;
        assert!(refused.status == 400 && refused.body.contains("must hold path"), "{query}: {refused:?}");
    }
    assert_eq!(check(&rig, &mut browser, "?path=/a%2F..%2Fb;c").await.status, 400, "as the request itself");
}
