//! One browser with two tabs that sign in at once: each comes back to its own page.

use crate::rig::{Browser, PASSWORD, Page, Rig};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// The pages that ask two tabs for a code: the first on its way to `app`, the second to `wiki`.
async fn two_tabs(rig: &Rig, browser: &mut Browser, names: [&str; 2]) -> [Page; 2] {
    let first = browser.visit(&format!("{}/first", rig.origin("app.localhost"))).await;
    let second = browser.visit(&format!("{}/second", rig.origin("wiki.localhost"))).await;
    let first = browser.submit(&first, "/sign-in", &[("name", names[0]), ("password", PASSWORD)]).await;
    let second = browser.submit(&second, "/sign-in", &[("name", names[1]), ("password", PASSWORD)]).await;
    assert_eq!([first.path(), second.path()], ["/sign-in/code"; 2]);
    [first, second]
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_that_sign_in_come_back_each_to_its_own_page_with_one_code() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await.other();
    rig.clock.advance(MINUTE);
    let [first, second] = two_tabs(&rig, &mut browser, ["alice", "alice"]).await;
    let wrong = browser.submit(&first, "/sign-in/code", &[("code", "000000")]).await;
    assert!(wrong.status == 422 && wrong.body.contains("app.localhost"), "{wrong:?}");
    let code = browser.code();
    let page = browser.submit(&wrong, "/sign-in/code", &[("code", &code)]).await;
    assert_eq!(page.body, "app /first");
    let page = browser.submit(&second, "/sign-in/code", &[("code", &code)]).await;
    assert_eq!(page.body, "wiki /second", "the session that the first tab opened serves both");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_typed_for_one_account_is_never_taken_for_another() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    rig.signed_in("bob", &["staff"]).await;
    let mut browser = rig.signed_in("alice", &["staff"]).await.other();
    rig.clock.advance(MINUTE);
    let [alices, bobs] = two_tabs(&rig, &mut browser, ["alice", "bob"]).await;
    let code = browser.code();
    for _ in 0..6 {
        let refused = browser.post(&alices, "/sign-in/code", &[("code", &code)]).await;
        assert_eq!(refused.status, 403, "{refused:?}");
    }
    assert_eq!(browser.post(&bobs, "/sign-in/code", &[("code", "000000")]).await.status, 422, "and none counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_up_in_two_tabs_is_one_step_up() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let app = rig.origin("app.localhost");
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    alice.visit(&format!("{app}/page")).await;
    rig.clock.advance(11 * MINUTE);
    let first = alice.visit(&format!("{app}/admin/first")).await;
    let second = alice.visit(&format!("{app}/admin/second")).await;
    let password = [("password", PASSWORD)];
    let first = alice.submit(&first, "/sign-in/password", &password).await;
    assert_eq!(first.path(), "/sign-in/code", "{first:?}");
    let code = alice.code();
    assert_eq!(alice.submit(&first, "/sign-in/code", &[("code", &code)]).await.body, "app /admin/first");
    let page = alice.submit(&second, "/sign-in/password", &password).await;
    assert_eq!(page.body, "app /admin/second", "what the first tab proved serves both");
}
