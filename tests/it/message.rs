//! Codes by phone and mail, from adding a number or address to signing in with it.

use crate::rig::{Browser, Member, PASSWORD, Page, Post, Rig, Scene};
use std::time::Duration;

/// A gateway that sends codes through a service, and a person who has an app.
async fn rig(post: &Post, more: &str) -> (Rig, Member) {
    let app = Member::echo("app").await;
    let tables = format!("[factor.message]\nwebhook = {}\n{more}", post.webhook());
    let rig = Rig::start(&Scene { members: &[app.address()], tables: &tables, ..Scene::default() }.text()).await;
    (rig, app)
}

/// Adds a number or address; `count` codes were sent by then.
async fn add(rig: &Rig, browser: &mut Browser, post: &Post, (contact, count): (&str, usize)) -> Page {
    let page = browser.visit(&format!("{}/account/message", rig.origin("auth.localhost"))).await;
    let page = browser.submit(&page, "/enrol", &[("contact", contact)]).await;
    assert!(page.body.contains("Check that it arrives"), "{}", page.body);
    let code = post.code(count).await;
    browser.submit(&page, "/enrol", &[("code", &code)]).await
}

/// The page for the code, in a browser that gave the password.
async fn code_page(rig: &Rig, browser: &mut Browser, name: &str) -> Page {
    let portal = rig.origin("auth.localhost");
    let page = browser.visit(&format!("{portal}/sign-in")).await;
    let page = browser.submit(&page, "/sign-in", &[("name", name), ("password", PASSWORD)]).await;
    assert!(page.path().starts_with("/sign-in/"), "{page:?}");
    browser.visit(&format!("{portal}/sign-in/message")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_adds_an_address_and_signs_in_with_a_code_that_is_sent_there() {
    let post = Post::open().await;
    let (rig, _app) = rig(&post, "").await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    let page = add(&rig, &mut browser, &post, ("Alice@Example.com ", 1)).await;
    assert_eq!(page.path(), "/", "{}", page.body);
    assert!(page.body.contains("A•••@example.com") && !page.body.contains("Alice@"), "{}", page.body);

    let mut other = browser.other();
    let page = code_page(&rig, &mut other, "alice").await;
    assert!(page.body.contains("A•••@example.com") && !page.body.contains("Alice@"), "{}", page.body);
    assert_eq!(post.given("code").len(), 1, "nothing is sent before somebody asks");
    let page = other.submit(&page, "/sign-in/message/send", &[]).await;
    assert!(page.body.contains(r#"autocomplete="one-time-code""#), "{}", page.body);
    let code = post.code(2).await;
    let sent = &post.given("code")[1];
    assert_eq!((sent["to"].as_str(), sent["channel"].as_str()), (Some("Alice@example.com"), Some("mail")));
    let text = format!("{code} is your code for Example Corp, good for 10 minutes. Tell nobody.");
    assert_eq!(sent["text"].as_str(), Some(&*format!("{text}\n\n@auth.localhost #{code}")));
    let page = other.submit(&page, "/sign-in/message", &[("code", &code)]).await;
    assert_eq!((page.status, page.path()), (200, "/"), "{}", page.body);
    rig.clock.advance(Duration::from_secs(1));
    let me = other.who_am_i(&rig.origin("auth.localhost")).await.expect("signed in");
    assert_eq!(me["assurance"], "mfa", "{me}");
}
