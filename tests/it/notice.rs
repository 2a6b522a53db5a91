//! News for people about their own accounts: each of them told, none of them waited for.

use crate::rig::{Browser, Member, Post, Rig, Scene};
use portcullis::audit::Event;
use portcullis::gateway::event_row;
use portcullis::identity::AccountId;
use portcullis::login;
use portcullis::stdx::clock::Clock;
use serde_json::Value;
use std::net::TcpListener;
use std::time::{Duration, Instant};

async fn rig(post: &Post, more: &str) -> (Rig, Member) {
    let app = Member::echo("app").await;
    let rig = Rig::start(&scene(&app, post, more)).await;
    (rig, app)
}

fn scene(app: &Member, post: &Post, more: &str) -> String {
    let tables = format!("[notice]\nwebhook = {}\n{more}", post.webhook());
    Scene { members: &[app.address()], tables: &tables, ..Scene::default() }.text()
}

/// As `portcullis account reset` does it beside the gateway.
async fn reset(rig: &Rig, name: &str) {
    let account: AccountId = rig.account(name).await.id;
    let now = Clock::now(&*rig.clock);
    let (reset, _) = login::reset(&rig.store, account, now).await.expect("the store").expect("the account");
    let ids: Vec<String> = reset.credentials.iter().map(|gone| gone.id.to_string()).collect();
    let event = Event::AccountChanged { account, change: "reset" };
    let details = [("reason", "lost phone".to_owned()), ("credentials", ids.join(","))];
    rig.store.events.append(&[event_row(now, &event, &details)]).await.expect("the store");
}

/// Adds a number that codes go to, and waits until that was told there.
async fn add_number(rig: &Rig, browser: &mut Browser, codes: &Post) {
    let portal = rig.origin("auth.localhost");
    let page = browser.visit(&format!("{portal}/account/message")).await;
    let page = browser.submit(&page, "/enrol", &[("contact", "+4915123456789")]).await;
    let code = codes.code(1).await;
    browser.submit(&page, "/enrol", &[("code", &code)]).await;
    codes.wait_for("notice", 1).await;
}

/// An account that was set up, which is the first news.
async fn person(rig: &Rig, post: &Post) -> Browser {
    let browser = rig.signed_in("alice", &["staff"]).await;
    let news = post.wait_for("notice", 1).await;
    assert_eq!((news.len(), sentence(&news[0])), (1, "Your account was set up."));
    browser
}

fn sentence(news: &Value) -> &str {
    news["text"].as_str().and_then(|text| text.lines().next()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_from_a_new_browser_is_told_once_and_marked_on_the_page() {
    let post = Post::open().await;
    let (rig, _app) = rig(&post, "").await;
    let browser = person(&rig, &post).await;
    let mut other = browser.other();
    rig.sign_in(&mut other, "alice").await;
    let marked = format!("{}/", rig.origin("auth.localhost"));
    let news = post.wait_for("notice", 2).await;
    assert_eq!(sentence(&news[1]), "Somebody signed in to your account on a new device.");
    let text = news[1]["text"].as_str().expect("text");
    for part in
        ["Account: alice\n", "Device: Firefox on Linux\n", "Address: 127.0.0.1\n", " UTC\n", "http://auth.localhost:"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!((&news[1]["account"], &news[1]["event"]), (&Value::from("alice"), &Value::from("sign-in.succeeded")));
    assert_eq!((&news[1]["address"], news[1].get("to")), (&Value::from("127.0.0.1"), None));

    assert!(other.visit(&marked).await.body.contains("New device"), "what is told is on record");
    let portal = rig.origin("auth.localhost");
    let page = other.visit(&format!("{portal}/sign-out")).await;
    other.submit(&page, "/sign-out", &[]).await;
    let page = rig.sign_in(&mut other, "alice").await;
    assert_eq!(page.path(), "/", "{}", page.body);
    let page = other.visit(&format!("{portal}/account/codes")).await;
    other.enrol_codes(&page).await;
    let news = post.wait_for("notice", 3).await;
    assert_eq!((news.len(), sentence(&news[2])), (3, "A way to sign in was added: recovery codes."));
    assert_eq!(
        (&news[2]["device"], &news[2]["address"]),
        (&Value::from("Firefox on Linux"), &Value::from("127.0.0.1"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_browser_of_one_account_is_new_to_another_and_a_forged_mark_to_all() {
    let post = Post::open().await;
    let (rig, _app) = rig(&post, "").await;
    let browser = person(&rig, &post).await;
    let mut other = browser.other();
    let jar = other.jar.entry("auth.localhost".to_owned()).or_default();
    let mark = browser.jar["auth.localhost"]["portcullis-device"].clone();
    let forged = if mark.starts_with('A') { mark.replacen('A', "B", 1) } else { format!("A{}", &mark[1..]) };
    jar.insert("portcullis-device".to_owned(), forged);
    rig.sign_in(&mut other, "alice").await;
    post.wait_for("notice", 2).await;
    let mut again = browser.other();
    again.jar.entry("auth.localhost".to_owned()).or_default().insert("portcullis-device".to_owned(), mark);
    rig.sign_in(&mut again, "alice").await;
    let account = rig.account("alice").await.id;
    rig.eventually("all three are on record", async || {
        rig.store.events.of(account, "sign-in.succeeded", 9).await.expect("the store").len() == 3
    })
    .await;
    let page = again.visit(&format!("{}/", rig.origin("auth.localhost"))).await;
    assert_eq!(page.body.matches("New device").count(), 1, "the one before: {}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_how_somebody_signs_in_is_told() {
    let post = Post::open().await;
    let (rig, _app) = rig(&post, "").await;
    let mut browser = person(&rig, &post).await;
    let portal = rig.origin("auth.localhost");
    let page = browser.visit(&format!("{portal}/account/password")).await;
    let chosen = [("new_password", "another-otter-bridge-92"), ("new_password_again", "another-otter-bridge-92")];
    browser.submit(&page, "/enrol", &chosen).await;
    // Several are on their way at once: each is waited for before the next one is caused.
    assert_eq!(sentence(&post.wait_for("notice", 2).await[1]), "Your password was changed.");
    let page = browser.visit(&format!("{portal}/account/app")).await;
    let page = browser.enrol_only_app(page).await;
    assert_eq!(page.path(), "/", "{}", page.body);
    assert_eq!(sentence(&post.wait_for("notice", 3).await[2]), "A way to sign in was added: authenticator app.");
    let start = page.body.find("/account/remove/").expect("one of two may be removed");
    let remove: String = page.body[start..].chars().take_while(|c| *c != '"').collect();
    let page = browser.visit(&format!("{portal}{remove}")).await;
    browser.submit(&page, &remove, &[]).await;
    let news = post.wait_for("notice", 4).await;
    assert_eq!(sentence(&news[3]), "A way to sign in was removed: authenticator app.");
    assert_eq!(news[3]["device"], "Firefox on Linux");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_and_a_reset_are_told() {
    let post = Post::open().await;
    let (rig, _app) = rig(&post, "").await;
    let browser = person(&rig, &post).await;
    let portal = rig.origin("auth.localhost");
    let mut other = browser.other();
    let page = other.visit(&format!("{portal}/sign-in")).await;
    let page = other.submit(&page, "/sign-in", &[("name", "alice"), ("password", crate::rig::PASSWORD)]).await;
    assert_eq!(page.path(), "/sign-in/code");
    let page = other.visit(&format!("{portal}/sign-in/recovery")).await;
    let code = other.codes[0].clone();
    other.submit(&page, "/sign-in/recovery", &[("code", &code)]).await;
    let told = post.wait_for("notice", 3).await;
    let told: Vec<&str> = told[1..].iter().map(sentence).collect();
    assert!(told.contains(&"Somebody signed in with one of your recovery codes."), "{told:?}");

    reset(&rig, "alice").await;
    let news = post.wait_for("notice", 4).await;
    assert!(sentence(&news[3]).starts_with("An administrator removed all your ways to sign in"), "{news:?}");
    assert!(!news[3].to_string().contains("lost phone"), "the reason is for the record: {news:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn news_go_where_codes_go_as_well() {
    let (post, codes) = (Post::open().await, Post::open().await);
    let (rig, _app) = rig(&post, &format!("[factor.message]\nwebhook = {}\n", codes.webhook())).await;
    let mut browser = person(&rig, &post).await;
    let portal = rig.origin("auth.localhost");
    add_number(&rig, &mut browser, &codes).await;
    let news = codes.wait_for("notice", 1).await;
    assert_eq!((&news[0]["to"], &news[0]["channel"]), (&Value::from("+4915123456789"), &Value::from("sms")));
    let text = news[0]["text"].as_str().expect("text");
    assert!(text.starts_with("Example Corp: A way to sign in was added: number or address for codes."), "{text}");
    assert!(!text.contains('\n') && text.contains(&portal), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_news_of_a_removal_go_where_codes_went_until_then() {
    let (post, codes) = (Post::open().await, Post::open().await);
    let (rig, _app) = rig(&post, &format!("[factor.message]\nwebhook = {}\n", codes.webhook())).await;
    let mut browser = person(&rig, &post).await;
    let portal = rig.origin("auth.localhost");
    add_number(&rig, &mut browser, &codes).await;
    let held = rig.store.credentials.of(rig.account("alice").await.id).await.expect("the store");
    let number = held.iter().find(|held| held.factor.0 == "message").expect("it was added");
    let remove = format!("/account/remove/{}", number.id);
    let page = browser.visit(&format!("{portal}{remove}")).await;
    browser.submit(&page, &remove, &[]).await;
    let news = codes.wait_for("notice", 2).await;
    assert_eq!(news[1]["to"], "+4915123456789");
    let text = news[1]["text"].as_str().expect("text");
    assert!(text.contains("A way to sign in was removed: number or address for codes."), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_reset_while_the_gateway_is_down_is_told_once_it_runs_where_codes_went_until_then() {
    let (post, codes) = (Post::open().await, Post::open().await);
    let more = format!("[factor.message]\nwebhook = {}\n", codes.webhook());
    let (mut rig, app) = rig(&post, &more).await;
    let mut browser = person(&rig, &post).await;
    add_number(&rig, &mut browser, &codes).await;
    rig.halt().await;
    reset(&rig, "alice").await;
    let rig = rig.restart(&scene(&app, &post, &more)).await;
    let news = codes.wait_for("notice", 2).await;
    assert_eq!((news.len(), &news[1]["to"]), (2, &Value::from("+4915123456789")));
    let text = news[1]["text"].as_str().expect("text");
    assert!(text.contains("An administrator removed all your ways to sign in"), "{text}");
    // What was told before the restart is not told again.
    let later = rig.invite("bob", &[]).await;
    rig.browser().enrol(&later).await;
    let news = post.wait_for("notice", 4).await;
    let told: Vec<_> =
        news.iter().map(|news| (news["account"].as_str().expect("an account"), sentence(news))).collect();
    assert_eq!(told.last(), Some(&("bob", "Your account was set up.")), "{told:?}");
    assert_eq!(told.len(), 4, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_for_news_that_never_answers_keeps_nobody_from_signing_in() {
    let post = Post::open().await;
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let app = Member::echo("app").await;
    let tables = format!("[notice]\nwebhook = {}", post.webhook_at(silent.local_addr().expect("bound")));
    let rig = Rig::start(&Scene { members: &[app.address()], tables: &tables, ..Scene::default() }.text()).await;
    let began = Instant::now();
    let browser = rig.signed_in("alice", &["staff"]).await;
    let mut other = browser.other();
    let page = rig.sign_in(&mut other, "alice").await;
    assert_eq!((page.status, page.path()), (200, "/"), "{}", page.body);
    // Each piece of news is given up after 17.5 s, behind everybody's back.
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_while_a_service_is_down_is_told_when_it_is_back_and_the_status_warns_meanwhile() {
    let post = Post::open().await;
    let (rig, _app) = rig(&post, "").await;
    let browser = person(&rig, &post).await;
    post.answers(500);
    rig.sign_in(&mut browser.other(), "alice").await;
    let put_off = r#"portcullis_deliveries_total{courier="webhook",kind="notice",result="put-off"} 1"#;
    rig.eventually("it is put off", async || rig.admin("/metrics").await.1.contains(put_off)).await;
    let standing = async || rig.status().await["deliveries"][1].clone();
    let failing = standing().await;
    assert_eq!((&failing["courier"], &failing["kind"]), (&Value::from("webhook"), &Value::from("notice")), "{failing}");
    assert_eq!((&failing["failures"], &failing["error"]), (&Value::from(1), &Value::from("it answered 500")));
    post.answers(200);
    let delivered = r#"portcullis_deliveries_total{courier="webhook",kind="notice",result="delivered"} 2"#;
    rig.eventually("it is told after all", async || rig.admin("/metrics").await.1.contains(delivered)).await;
    assert_eq!(standing().await["failures"], 0);
    let names: Vec<_> = post.requests().iter().skip(1).map(|seen| seen.one("webhook-id")).collect();
    assert!(names.len() == 4 && names.iter().all(|name| *name == names[0]), "{names:?}");
}
