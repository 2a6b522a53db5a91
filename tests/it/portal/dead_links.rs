//! What a person reads whose link is dead: an enrolment link, and the last step from the portal to a service.

use crate::rig::{Page, Rig};

const SPENT: [&str; 3] = [
    "This link no longer works",
    "It has expired, it was used before, or it was withdrawn. Ask your administrator for a new one.",
    "Sign in",
];

fn assert_says(page: &Page, status: u16, words: &[&str]) {
    assert_eq!(page.status, status, "{page:?}");
    for words in words {
        assert!(page.body.contains(words), "{words:?} is not in\n{}", page.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_enrolment_link_says_so_and_what_to_do_however_it_died() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let used = rig.invite("alice", &["staff"]).await;
    rig.browser().enrol(&used).await;
    let withdrawn = rig.invite("bob", &["staff"]).await;
    rig.enrolment_link(rig.account("bob").await.id).await;
    let made_up = format!("{}/enrol/{}", rig.origin("auth.localhost"), "A".repeat(43));
    for link in [used, withdrawn, made_up] {
        assert_says(&rig.browser().visit(&link).await, 410, &SPENT);
    }
    let expired = rig.invite("carol", &["staff"]).await;
    rig.clock.advance(portcullis::login::ENROLMENT_LIFE);
    assert_says(&rig.browser().visit(&expired).await, 410, &SPENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_last_step_of_a_sign_in_says_so_and_begins_anew() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let address = format!("{}/.portcullis/enter?code={}", rig.origin("app.localhost"), "A".repeat(43));
    let page = rig.browser().navigate(&address).await;
    let words = "The last step of signing in did not work: it took too long, was used before, or this browser does not \
                 keep cookies. Please try once more.";
    assert_says(&page, 400, &[words, "Start again"]);
}
