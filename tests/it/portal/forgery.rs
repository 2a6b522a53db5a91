//! Forms and images on other sites: they sign nobody in, nobody out, and count as nobody's mistake.

use crate::rig::{Browser, PASSWORD, Rig};

/// Header fields with which a browser marks a form of another site, or of none it will name.
const FOREIGN: [&[(&str, &str)]; 6] = [
    &[("sec-fetch-site", "cross-site"), ("origin", "http://evil.test")],
    &[("sec-fetch-site", "cross-site")],
    &[("sec-fetch-site", "same-site"), ("origin", "http://app.localhost")],
    &[("origin", "http://evil.test")],
    &[("origin", "http://auth.localhost.evil.test")],
    &[("origin", "null")],
];

async fn alive(rig: &Rig, browser: &Browser) -> bool {
    browser.stolen().who_am_i(&rig.origin("auth.localhost")).await.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_form_of_another_site_is_refused_and_not_counted() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await.other();
    let page = browser.visit(&format!("{}/sign-in", rig.origin("auth.localhost"))).await;
    for password in [PASSWORD, "wrong-guess-17"] {
        for from in FOREIGN {
            let typed = [("name", "alice"), ("password", password)];
            let refused = browser.post_from(&page, ("/sign-in", &typed), from).await;
            assert_eq!(refused.status, 403, "{from:?}: {refused:?}");
            assert_eq!(refused.header("set-cookie"), None, "{from:?}");
            assert!(refused.body.contains("nothing was changed"), "{}", refused.body.replace('\n', " "));
        }
    }
    for _ in 0..5 {
        let wrong = browser.post(&page, "/sign-in", &[("name", "alice"), ("password", "wrong-guess-17")]).await;
        assert_eq!(wrong.status, 422, "all five free tries are still there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_without_its_token_or_with_another_browsers_is_refused_and_not_counted() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let alice = rig.signed_in("alice", &["staff"]).await;
    let (mut browser, mut mallory) = (alice.other(), rig.browser());
    let page = browser.visit(&format!("{portal}/sign-in")).await;
    let others = mallory.visit(&format!("{portal}/sign-in")).await.form("/sign-in").remove(0).1;
    let own = page.form("/sign-in").remove(0).1;
    let from = [("origin", &*portal), ("sec-fetch-site", "same-origin")];
    let typed = [("name", "alice"), ("password", "wrong-guess-17")];
    for tokens in [vec![], vec![""], vec!["x"], vec![&*others], vec![&*own, &*own], vec![&*others, &*own]] {
        let fields: Vec<(String, String)> = tokens
            .iter()
            .map(|token| ("csrf", *token))
            .chain(typed)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let refused = browser.send_form(&format!("{portal}/sign-in"), &fields, &from).await;
        assert_eq!(refused.status, 403, "{tokens:?}: {refused:?}");
    }
    let mut bare = rig.browser();
    assert_eq!(bare.post(&page, "/sign-in", &typed).await.status, 403, "the right token without the browser");
    for _ in 0..5 {
        assert_eq!(browser.post(&page, "/sign-in", &typed).await.status, 422, "nothing was counted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_a_browser_sends_without_saying_from_where_is_held_to_its_token() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let mut browser = rig.signed_in("alice", &["staff"]).await.other();
    let page = browser.visit(&format!("{portal}/sign-in")).await;
    let typed = [("name", "alice"), ("password", PASSWORD)];
    assert_eq!(browser.post_from(&page, ("/sign-in", &typed), &[]).await.status, 303);
    let mut browser = browser.other();
    let page = browser.visit(&format!("{portal}/sign-in")).await;
    assert_eq!(browser.post_from(&page, ("/sign-in", &typed), &[("origin", &portal)]).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_form_of_another_site_is_refused_and_not_counted() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await.other();
    let page = browser.visit(&format!("{}/sign-in", rig.origin("auth.localhost"))).await;
    let page = browser.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    for from in FOREIGN {
        let refused = browser.post_from(&page, ("/sign-in/code", &[("code", "000000")]), from).await;
        assert_eq!(refused.status, 403, "{from:?}");
    }
    for _ in 0..5 {
        assert_eq!(browser.post(&page, "/sign-in/code", &[("code", "000000")]).await.status, 422);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_image_link_or_foreign_form_signs_anybody_out() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (portal, app) = (rig.origin("auth.localhost"), rig.origin("app.localhost"));
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    alice.visit(&format!("{app}/page")).await;
    for address in [format!("{portal}/sign-out"), format!("{app}/.portcullis/sign-out"), format!("{portal}/signed-out")]
    {
        alice.fetch(&address).await;
        alice.stolen().visit(&address).await;
        assert!(alive(&rig, &alice).await, "GET {address}");
    }
    let question = alice.visit(&format!("{portal}/sign-out")).await;
    let all = alice.visit(&format!("{portal}/account/sessions/end-all")).await;
    for from in FOREIGN {
        let refused = alice.post_from(&question, ("/sign-out", &[]), from).await;
        assert_eq!(refused.status, 403, "{from:?}");
        let refused = alice.post_from(&all, ("/account/sessions/end-all", &[]), from).await;
        assert_eq!(refused.status, 403, "{from:?}");
        if from.iter().all(|(_, value)| !value.contains("app.localhost")) {
            let refused = alice.send_form(&format!("{app}/.portcullis/sign-out"), &[], from).await;
            assert_eq!(refused.status, 403, "{from:?}");
        }
        assert!(alive(&rig, &alice).await, "{from:?}");
    }
    let from = [("origin", &*portal), ("sec-fetch-site", "same-origin")];
    assert_eq!(alice.send_form(&format!("{portal}/sign-out"), &[], &from).await.status, 403, "no token");
    assert!(alive(&rig, &alice).await);
    assert_eq!(alice.submit(&question, "/sign-out", &[]).await.path(), "/signed-out");
    assert!(!alive(&rig, &alice).await, "the form itself does");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_of_one_session_does_nothing_in_another() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let mut mallory = rig.signed_in("mallory", &["staff"]).await;
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    for (path, action) in [("/sign-out", "/sign-out"), ("/account/sessions/end-all", "/account/sessions/end-all")] {
        let page = mallory.visit(&format!("{portal}{path}")).await;
        assert_eq!(alice.post(&page, action, &[]).await.status, 403, "{path}");
    }
    assert!(alive(&rig, &alice).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_far_too_large_is_refused_and_the_next_one_is_served() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let mut browser = rig.signed_in("alice", &["staff"]).await.other();
    let page = browser.visit(&format!("{portal}/sign-in")).await;
    let large = "x".repeat(70_000);
    let refused = browser.post(&page, "/sign-in", &[("name", "alice"), ("password", &large)]).await;
    assert_eq!(refused.status, 413);
    let typed = [("name", "alice"), ("password", PASSWORD)];
    assert_eq!(browser.post(&page, "/sign-in", &typed).await.status, 303);
}
