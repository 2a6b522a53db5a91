//! What the account page and the pages of a refusal tell people about what they changed, have and lack.

use crate::rig::{PASSWORD, Rig};
use std::collections::BTreeSet;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const OTHER_PASSWORD: &str = "amber-walrus-tunnel-28";
const CHANGED: &str = "Your password was changed.";

#[tokio::test(flavor = "multi_thread")]
async fn the_password_in_use_is_no_new_one_and_a_new_one_is_confirmed() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    let before = alice.visit(&format!("{portal}/")).await;
    assert!(!before.body.contains("role=\"status\""), "a first set-up changes nothing: {}", before.body);
    rig.clock.advance(MINUTE);
    let page = alice.visit(&format!("{portal}/account/password")).await;
    let same = [("new_password", PASSWORD), ("new_password_again", PASSWORD)];
    let refused = alice.submit(&page, "/enrol", &same).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(refused.body.contains("That is the password you have now."), "{}", refused.body);
    let other = [("new_password", OTHER_PASSWORD), ("new_password_again", OTHER_PASSWORD)];
    let page = alice.submit(&page, "/enrol", &other).await;
    assert_eq!((page.status, page.path()), (200, "/"), "{page:?}");
    assert!(page.body.contains(CHANGED), "{}", page.body);
    let row = page.body.split("<strong>Password</strong>").nth(1).and_then(|rest| rest.split("</li>").next()).unwrap();
    assert!(row.contains("Last changed") && row.contains("just now") && !row.contains("Not used yet"), "{row}");
    rig.clock.advance(MINUTE);
    assert!(!alice.visit(&format!("{portal}/")).await.body.contains(CHANGED), "old news is no news");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_app_and_new_codes_are_confirmed() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    rig.clock.advance(MINUTE);
    let page = alice.visit(&format!("{portal}/account/app")).await;
    let page = alice.enrol_only_app(page).await;
    assert!(page.body.contains("Your authenticator app was added."), "{}", page.body);
    rig.clock.advance(MINUTE);
    let page = alice.visit(&format!("{portal}/account/codes")).await;
    let page = alice.enrol_codes(&page).await;
    assert!(page.body.contains("Your new recovery codes are in use."), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_that_end_sessions_of_one_sort_of_browser_have_different_names() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    for _ in 0..2 {
        rig.clock.advance(MINUTE);
        rig.sign_in(&mut alice.other(), "alice").await;
    }
    let page = alice.visit(&format!("{}/", rig.origin("auth.localhost"))).await;
    let names = page.body.split("Sign out<span class=\"unseen\">").skip(1);
    let names: BTreeSet<&str> = names.filter_map(|rest| rest.split("</span>").next()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.iter().all(|name| name.contains("Firefox on Linux, signed in on ")), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lacks_a_group_reads_which() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    let page = alice.visit(&format!("{}/boss/x", rig.origin("app.localhost"))).await;
    assert_eq!(page.status, 403);
    assert!(page.body.contains("the group boss") && !page.body.contains("any of"), "{}", page.body);
}
