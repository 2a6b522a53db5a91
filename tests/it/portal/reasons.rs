//! Whoever is made to set something up reads who asked, and why what they have does not do.

use crate::passkey::{ENROL, STRONG, portal, use_passkey};
use crate::rig::authenticator::Authenticator;
use crate::rig::{Browser, Member, PASSWORD, Page, Post, Rig, TWO_HOSTS, filled};

/// A route that does not take codes that were sent.
const NO_MESSAGES: &str = r#"
[policy.careful]
extends = "staff"
refuse_factors = ["message"]

[[route]]
name = "app-careful"
host = "app.localhost"
path = "/careful/**"
pool = "app"
policy = "careful"
"#;

/// Somebody who has a password and codes that are sent.
async fn with_messages(post: &Post) -> (Rig, Member, Browser) {
    let app = Member::echo("app").await;
    let text =
        format!("{TWO_HOSTS}{STRONG}{NO_MESSAGES}\n[factor.passkey]\n[factor.message]\nwebhook = {}\n", post.webhook());
    let rig = Rig::start(&filled(&text, &[("app", &app), ("wiki", &app)])).await;
    let link = rig.invite("alice", &["staff"]).await;
    let mut browser = rig.browser();
    let page = browser.visit(&link).await;
    let typed = [("new_password", PASSWORD), ("new_password_again", PASSWORD)];
    let page = browser.submit(&page, "/enrol", &typed).await;
    let page = browser.submit(&page, "/enrol", &[("factor", "message")]).await;
    assert!(page.body.contains("href=\"/enrol/choose\""), "there is a way back to the choice: {}", page.body);
    let page = browser.submit(&page, "/enrol", &[("contact", "alice@example.com")]).await;
    assert!(page.body.contains("href=\"/enrol/choose\""), "here, too: {}", page.body);
    let code = post.code(1).await;
    let page = browser.submit(&page, "/enrol", &[("code", &code)]).await;
    assert!(!page.body.contains("If you lose your phone"), "there is none: {}", page.body);
    assert_eq!(browser.enrol_codes(&page).await.path(), "/");
    (rig, app, browser)
}

fn says(page: &Page, words: &str) {
    assert!(page.body.contains(words), "{words}: {} {}", page.url, page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_refuses_a_factor_says_what_it_takes_instead() {
    let post = Post::open().await;
    let (rig, _app, mut alice) = with_messages(&post).await;
    let page = alice.visit(&format!("{}/careful/x", rig.origin("app.localhost"))).await;
    assert_eq!(page.path(), "/enrol", "{page:?}");
    says(&page, "app.localhost asks for a passkey or an authenticator app; codes sent to you do not count there.");
    says(&page, "You will return to it.");
    says(&page, "Not now: go to your account");
    let page = alice.submit(&page, "/enrol", &[("factor", "totp")]).await;
    says(&page, "codes sent to you do not count there.");
    says(&page, "href=\"/enrol/choose\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_asks_for_a_passkey_says_so_where_one_is_created() {
    let post = Post::open().await;
    let (rig, _app, mut alice) = with_messages(&post).await;
    let strong = format!("{}/strong/x", rig.origin("app.localhost"));
    let page = alice.visit(&strong).await;
    assert_eq!(page.path(), "/enrol", "{page:?}");
    says(&page, "app.localhost asks for a passkey; codes sent to you do not count there. You will return to it.");
    let page = use_passkey(&mut alice, &page, ENROL, &mut Authenticator::new(&portal(&rig))).await;
    assert_eq!(page.url, strong);
    let page = alice.visit(&format!("{}/account/app", portal(&rig))).await;
    assert!(!page.body.contains("do not count"), "nobody asked for this one: {}", page.body);
}
