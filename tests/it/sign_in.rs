//! From a link to a session, and from one host to another.

use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn a_deep_link_leads_through_enrolment_back_to_the_deep_link_and_the_second_host_asks_nothing() {
    let (rig, app, wiki) = Rig::two_hosts().await;
    let link = rig.invite("alice", &["staff", "hidden"]).await;
    let mut browser = rig.browser();
    let deep = format!("{}/deep?link=1", rig.origin("app.localhost"));
    let page = browser.visit(&deep).await;
    assert_eq!((page.status, page.path().split('?').next()), (200, Some("/sign-in")), "{page:?}");
    let page = browser.enrol(&link).await;
    assert_eq!((page.url.as_str(), page.body.as_str()), (deep.as_str(), "app /deep?link=1"));
    let seen = app.last();
    assert_eq!(seen.one("x-portcullis-account").as_deref(), Some("alice"));
    assert_eq!(seen.one("x-portcullis-assurance").as_deref(), Some("mfa"));
    assert_eq!(seen.one("cookie"), None, "no service sees a session cookie");
    let page = browser.visit(&format!("{}/page", rig.origin("wiki.localhost"))).await;
    assert_eq!((page.status, page.body.as_str()), (200, "wiki /page"));
    assert_eq!(wiki.last().one("x-portcullis-groups").as_deref(), Some("staff"), "only groups that the policy names");
}
