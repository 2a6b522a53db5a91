//! `[factor.message]`, `[notice]`.

use crate::rig::{Browser, Mailbox, Member, Page, Post, Rig, Scene};

/// A gateway with these keys, and the page that asks where codes shall go.
async fn page(tables: &str) -> (Rig, Browser, Page, Member) {
    let app = Member::echo("app").await;
    let rig = Rig::start(&Scene { members: &[app.address()], tables, ..Scene::default() }.text()).await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    let page = browser.visit(&format!("{}/account/message", rig.origin("auth.localhost"))).await;
    (rig, browser, page, app)
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_go_to_the_configured_webhook_signed_with_its_token() {
    let post = Post::open().await;
    let (_rig, mut browser, page, _app) = page(&format!("[factor.message]\nwebhook = {}", post.webhook())).await;
    browser.submit(&page, "/enrol", &[("contact", "+4915123456789")]).await;
    // The service checks the signature of whatever it is given.
    assert_eq!(post.wait_for("code", 1).await[0]["to"], "+4915123456789");
    assert_eq!(post.requests()[0].target, "/post?x=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_as_long_and_worded_as_configured() {
    let post = Post::open().await;
    let words = "digits = 8\ntext = \"{host}: {code}, {minutes} min\"\nsubject = \"For {portal}\"";
    let tables = format!("[factor.message]\nwebhook = {}\n{words}", post.webhook());
    let (_rig, mut browser, page, _app) = page(&tables).await;
    let page = browser.submit(&page, "/enrol", &[("contact", "alice@example.com")]).await;
    let code = post.code(1).await;
    let sent = &post.given("code")[0];
    assert_eq!(code.len(), 8);
    assert_eq!(sent["text"].as_str(), Some(&*format!("auth.localhost: {code}, 10 min")));
    assert_eq!(sent["subject"], "For Example Corp");
    assert_eq!(browser.submit(&page, "/enrol", &[("code", &code)]).await.path(), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_codes_are_sent_for_one_source_as_configured() {
    let post = Post::open().await;
    let tables = format!("[factor.message]\nwebhook = {}\nper_source = 2", post.webhook());
    let (rig, mut browser, mut page, _app) = page(&tables).await;
    for (number, status) in [(1, 303), (2, 303), (3, 429)] {
        let answer = browser.post(&page, "/enrol", &[("contact", &format!("+491512345678{number}"))]).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        page = browser.visit(&format!("{}/enrol", rig.origin("auth.localhost"))).await;
    }
    let counted = r#"portcullis_codes_refused_total{limit="source"} 1"#;
    assert!(rig.admin("/metrics").await.1.contains(counted));
    rig.eventually("it is on record", async || {
        let events = rig.store.events.after(0, 1_000).await.expect("the store");
        events.iter().any(|(_, row)| row.name == "code.refused" && row.body.contains(r#""limit":"source""#))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_go_only_by_the_configured_channels() {
    let post = Post::open().await;
    let tables = format!("[factor.message]\nwebhook = {}\nchannels = [\"mail\"]", post.webhook());
    let (_rig, mut browser, page, _app) = page(&tables).await;
    assert!(page.body.contains("E-mail address") && !page.body.contains("Phone number"), "{}", page.body);
    assert_eq!(browser.post(&page, "/enrol", &[("contact", "+4915123456789")]).await.status, 422);
    browser.submit(&page, "/enrol", &[("contact", "alice@example.com")]).await;
    assert_eq!(post.wait_for("code", 1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_through_the_configured_server() {
    let mailbox = Mailbox::open().await;
    let folder = tempfile::tempdir().expect("a folder");
    let password = folder.path().join("password");
    std::fs::write(&password, "s3cret\n").expect("a file");
    let smtp = format!(
        "server = \"{}\"\ntls = \"none\"\nfrom = \"Gate <gate@example.com>\"\nuser = \"porter\"\npassword = {{ file = {password:?} }}",
        mailbox.server()
    );
    let (_rig, mut browser, page, _app) = page(&format!("[factor.message.smtp]\n{smtp}")).await;
    browser.submit(&page, "/enrol", &[("contact", "alice@example.com")]).await;
    let mail = mailbox.wait_for(1).await.remove(0);
    let plain = data_encoding::BASE64.encode(b"\0porter\0s3cret");
    assert!(mail.said.iter().any(|line| *line == format!("AUTH PLAIN {plain}")), "{mail:?}");
    assert!(mail.said.iter().any(|line| line.starts_with("MAIL FROM:<gate@example.com>")), "{mail:?}");
    assert!(mail.text.contains("From: Gate <gate@example.com>\r\n"), "{mail:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_protected_as_configured() {
    for tls in ["implicit", "starttls"] {
        let mailbox = Mailbox::open().await;
        let from = "from = \"gate@example.com\"";
        let smtp = format!("[factor.message.smtp]\nserver = \"{}\"\n{from}\ntls = \"{tls}\"", mailbox.server());
        let (rig, mut browser, page, _app) = page(&smtp).await;
        browser.submit(&page, "/enrol", &[("contact", "alice@example.com")]).await;
        let failed = r#"portcullis_deliveries_total{courier="smtp",kind="code",result="failed"} 1"#;
        rig.eventually("a server without TLS is given nothing", async || {
            rig.admin("/metrics").await.1.contains(failed)
        })
        .await;
        let greeted = mailbox.first_words().iter().any(|word| word.starts_with("EHLO"));
        assert_eq!(greeted, tls == "starttls", "whether a word was said in the clear");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn news_go_to_the_configured_webhook() {
    let post = Post::open().await;
    let app = Member::echo("app").await;
    let tables = format!("[notice]\nwebhook = {}", post.webhook());
    let rig = Rig::start(&Scene { members: &[app.address()], tables: &tables, ..Scene::default() }.text()).await;
    rig.signed_in("alice", &["staff"]).await;
    assert_eq!(post.wait_for("notice", 1).await[0]["account"], "alice");
}
