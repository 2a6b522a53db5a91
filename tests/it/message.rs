//! Codes by phone and mail, from adding a number or address to signing in with it.

use crate::rig::{Browser, Mailbox, Member, PASSWORD, Page, Post, Rig, Scene};
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

    rig.clock.advance(Duration::from_secs(1));
    let mut other = browser.other();
    let page = code_page(&rig, &mut other, "alice").await;
    assert!(page.body.contains("A•••@example.com") && !page.body.contains("Alice@"), "{}", page.body);
    assert_eq!(post.given("code").len(), 1, "nothing is sent before somebody asks");
    assert!(page.body.contains("<h1>Have a code sent</h1>"), "there is none to enter yet: {}", page.body);
    let page = other.submit(&page, "/sign-in/message/send", &[]).await;
    assert!(page.body.contains(r#"autocomplete="one-time-code""#), "{}", page.body);
    let code = post.code(2).await;
    let sent = &post.given("code")[1];
    assert_eq!((sent["to"].as_str(), sent["channel"].as_str()), (Some("Alice@example.com"), Some("mail")));
    let text = format!("{code} is your code for Example Corp, good for 10 minutes. Tell nobody.");
    assert_eq!(sent["text"].as_str(), Some(&*text), "the line for phones is not for mail");
    let page = other.submit(&page, "/sign-in/message", &[("code", &code)]).await;
    assert_eq!((page.status, page.path()), (200, "/"), "{}", page.body);
    let me = other.who_am_i(&rig.origin("auth.localhost")).await.expect("signed in");
    assert_eq!(me["assurance"], "mfa", "{me}");
}

/// A person with a number, in a browser of theirs that asks for a code and has not given it.
async fn waiting(rig: &Rig, post: &Post) -> (Browser, Page) {
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    add(rig, &mut browser, post, ("+49 151 2345 6789", 1)).await;
    rig.clock.advance(Duration::from_secs(60));
    let mut other = browser.other();
    let page = code_page(rig, &mut other, "alice").await;
    let page = other.submit(&page, "/sign-in/message/send", &[]).await;
    (other, page)
}

fn other_than(code: &str) -> String {
    if code == "111111" { "222222".to_owned() } else { "111111".to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_shown_whole_while_it_is_confirmed_and_masked_ever_after() {
    let post = Post::open().await;
    let (rig, _app) = rig(&post, "").await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    let page = browser.visit(&format!("{}/account/message", rig.origin("auth.localhost"))).await;
    for nonsense in ["0151 2345678", "alice", "+49 12", ""] {
        let refused = browser.post(&page, "/enrol", &[("contact", nonsense)]).await;
        assert_eq!(refused.status, 422, "{nonsense}: {}", refused.body);
    }
    assert!(post.given("code").is_empty());
    let page = browser.submit(&page, "/enrol", &[("contact", "+49 (151) 2345-6789")]).await;
    assert!(page.body.contains("+4915123456789"), "{}", page.body);
    let code = post.code(1).await;
    let refused = browser.post(&page, "/enrol", &[("code", &other_than(&code))]).await;
    assert_eq!(refused.status, 422);
    let page = browser.submit(&page, "/enrol", &[("code", &code)]).await;
    assert_eq!(page.path(), "/", "{}", page.body);
    assert!(page.body.contains("Your phone number or e-mail address was added."), "{}", page.body);
    assert!(page.body.contains("+49 ••• ••89") && !page.body.contains("2345"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typing_error_is_mended_without_beginning_again() {
    let post = Post::open().await;
    let (rig, _app) = rig(&post, "").await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    let page = browser.visit(&format!("{}/account/message", rig.origin("auth.localhost"))).await;
    let page = browser.submit(&page, "/enrol", &[("contact", "alice@exmaple.com")]).await;
    let first = post.code(1).await;
    let page = browser.submit(&page, "/enrol", &[("contact", "alice@example.com")]).await;
    let second = post.code(2).await;
    assert_eq!(post.given("code")[1]["to"], "alice@example.com");
    if first != second {
        assert_eq!(browser.post(&page, "/enrol", &[("code", &first)]).await.status, 422, "it confirms another address");
    }
    let page = browser.submit(&page, "/enrol", &[("code", &second)]).await;
    assert!(page.body.contains("a•••@example.com"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_a_code_sent_who_has_not_given_the_password() {
    let post = Post::open().await;
    let (rig, _app) = rig(&post, "").await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    add(&rig, &mut browser, &post, ("alice@example.com", 1)).await;
    let portal = rig.origin("auth.localhost");
    let mut stranger = rig.browser();
    for path in ["/sign-in/message", "/sign-in/message/send"] {
        stranger.visit(&format!("{portal}{path}")).await;
        let form = [("credential".to_owned(), String::new())];
        stranger.send_form(&format!("{portal}{path}"), &form, &[("origin", &portal)]).await;
    }
    let mut other = browser.other();
    let page = code_page(&rig, &mut other, "alice").await;
    let from = [("sec-fetch-site", "cross-site"), ("origin", "http://evil.localhost")];
    assert_eq!(other.post_from(&page, ("/sign-in/message/send", &[]), &from).await.status, 403);
    other.visit(&format!("{portal}/sign-in/message/send")).await;
    let page = other.submit(&page, "/sign-in/message/send", &[]).await;
    assert!(page.body.contains("one-time-code"), "{}", page.body);
    post.code(2).await;
    assert_eq!(post.given("code").len(), 2, "one at enrolment, one now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_works_for_ten_minutes_and_in_the_browser_that_asked_for_it() {
    let post = Post::open().await;
    let (rig, _app) = rig(&post, "").await;
    let (mut one, page) = waiting(&rig, &post).await;
    let code = post.code(2).await;
    let mut another = one.other();
    let theirs = code_page(&rig, &mut another, "alice").await;
    assert!(!theirs.body.contains("one-time-code"), "nothing was sent for this browser: {}", theirs.body);
    let form = [("code", code.as_str())];
    let refused = another.post_from(&page, ("/sign-in/message", &form), &[("sec-fetch-site", "same-origin")]).await;
    assert!(matches!(refused.status, 403 | 422), "{}", refused.status);
    rig.clock.advance(Duration::from_secs(599));
    let mut late = one.stolen();
    let page = one.submit(&page, "/sign-in/message", &form).await;
    assert_eq!((page.status, page.path()), (200, "/"), "{}", page.body);
    let again = late.post(&theirs, "/sign-in/message/send", &[]).await;
    assert_ne!(again.status, 200, "the attempt is over");

    let page = code_page(&rig, &mut another, "alice").await;
    let page = another.submit(&page, "/sign-in/message/send", &[]).await;
    let code = post.code(3).await;
    rig.clock.advance(Duration::from_secs(600));
    let late = another.post(&page, "/sign-in/message", &[("code", &code)]).await;
    assert_eq!(late.status, 410, "{}", late.body);
    assert_eq!(another.who_am_i(&rig.origin("auth.localhost")).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_code_makes_the_one_before_it_void() {
    let post = Post::open().await;
    let (rig, _app) = rig(&post, "").await;
    let (mut browser, page) = waiting(&rig, &post).await;
    let first = post.code(2).await;
    let early = browser.post(&page, "/sign-in/message/send", &[]).await;
    assert_eq!((early.status, early.header("retry-after")), (429, Some("30")), "{}", early.body);
    assert!(early.body.contains("one-time-code"), "the first code can still be typed: {}", early.body);
    rig.clock.advance(Duration::from_secs(30));
    let page = browser.submit(&page, "/sign-in/message/send", &[]).await;
    assert!(page.body.contains("A new code was sent to") && page.body.contains(" UTC. "), "{}", page.body);
    let second = post.code(3).await;
    if first != second {
        assert_eq!(browser.post(&page, "/sign-in/message", &[("code", &first)]).await.status, 422);
    }
    let page = browser.submit(&page, "/sign-in/message", &[("code", &second)]).await;
    assert_eq!((page.status, page.path()), (200, "/"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_answers_make_a_code_void_and_a_new_one_works() {
    let post = Post::open().await;
    let (rig, _app) = rig(&post, "").await;
    let (mut browser, page) = waiting(&rig, &post).await;
    let code = post.code(2).await;
    for guess in 1..=5 {
        let wrong = other_than(&code);
        assert_eq!(browser.post(&page, "/sign-in/message", &[("code", &wrong)]).await.status, 422, "guess {guess}");
    }
    rig.clock.advance(Duration::from_secs(60));
    let refused = browser.post(&page, "/sign-in/message", &[("code", &code)]).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    for page in [refused, browser.visit(&page.url).await] {
        assert!(page.body.contains("That code is void after five wrong tries."), "{}", page.body);
        assert!(page.body.contains("Send another code to"), "{}", page.body);
        for gone in ["is on its way", "good for", "one-time-code"] {
            assert!(!page.body.contains(gone), "{gone}: {}", page.body);
        }
    }
    let page = browser.submit(&page, "/sign-in/message/send", &[]).await;
    let code = post.code(3).await;
    let page = browser.submit(&page, "/sign-in/message", &[("code", &code)]).await;
    assert_eq!((page.status, page.path()), (200, "/"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_parallel_uses_of_one_code_exactly_one_signs_in() {
    let post = Post::open().await;
    let (rig, _app) = rig(&post, "").await;
    let (browser, page) = waiting(&rig, &post).await;
    let code = post.code(2).await;
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (mut thief, page, code) = (browser.stolen(), page.clone(), code.clone());
        tries.spawn(async move {
            thief.post(&page, "/sign-in/message", &[("code", &code)]).await;
            thief.jar.values().any(|jar| jar.contains_key("portcullis"))
        });
    }
    let signed_in = tries.join_all().await.into_iter().filter(|yes| *yes).count();
    assert_eq!(signed_in, 1);
    let account = rig.account("alice").await.id;
    assert_eq!(rig.store.sessions.of(account).await.expect("the store").len(), 2, "hers, and the one");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_sent_five_codes_an_hour_and_told_when_the_next_may_be_had() {
    let post = Post::open().await;
    let (rig, _app) = rig(&post, "").await;
    let (mut browser, mut page) = waiting(&rig, &post).await;
    for _ in 3..=5 {
        rig.clock.advance(Duration::from_secs(30));
        page = browser.submit(&page, "/sign-in/message/send", &[]).await;
        assert_eq!(page.status, 200, "{}", page.body);
    }
    post.code(5).await;
    rig.clock.advance(Duration::from_secs(30));
    let refused = browser.post(&page, "/sign-in/message/send", &[]).await;
    // The first of the five was sent 60 + 3 × 30 + 30 s ago.
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("3420")), "{}", refused.body);
    assert!(refused.body.contains("try again in 57 minutes"), "{}", refused.body);
    assert_eq!(post.given("code").len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_recipient_is_sent_eight_codes_an_hour_whoever_asks() {
    let post = Post::open().await;
    let (rig, _app) = rig(&post, "").await;
    let mut sent = 0;
    for name in ["alice", "bob", "carol"] {
        let mut browser = rig.signed_in(name, &["staff"]).await;
        let mut page = browser.visit(&format!("{}/account/message", rig.origin("auth.localhost"))).await;
        for _ in 0..4 {
            let answer = browser.post(&page, "/enrol", &[("contact", "+4915123456789")]).await;
            match (answer.status, sent < 8) {
                (303, true) => sent += 1,
                (429, false) => {}
                (status, _) => panic!("{name}: {status} after {sent}"),
            }
            page = browser.visit(&format!("{}/enrol", rig.origin("auth.localhost"))).await;
        }
    }
    assert_eq!((sent, post.wait_for("code", 8).await.len()), (8, 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_source_is_sent_twenty_codes_an_hour_whoever_asks() {
    let post = Post::open().await;
    let (rig, _app) = rig(&post, "").await;
    let mut sent = 0;
    for person in 0..5 {
        let mut browser = rig.signed_in(&format!("person{person}"), &["staff"]).await;
        let mut page = browser.visit(&format!("{}/account/message", rig.origin("auth.localhost"))).await;
        for number in 0..5 {
            let contact = format!("+49151234567{person}{number}");
            let answer = browser.post(&page, "/enrol", &[("contact", &contact)]).await;
            match (answer.status, sent < 20) {
                (303, true) => sent += 1,
                (429, false) => {}
                (status, _) => panic!("{contact}: {status} after {sent}"),
            }
            page = browser.visit(&format!("{}/enrol", rig.origin("auth.localhost"))).await;
        }
    }
    assert_eq!(sent, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_fails_for_the_moment_is_tried_again_under_the_same_name() {
    let post = Post::open().await;
    let (rig, _app) = rig(&post, "").await;
    post.fails(2);
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    add(&rig, &mut browser, &post, ("alice@example.com", 3)).await;
    let requests = post.requests();
    let names: Vec<_> = requests.iter().map(|seen| seen.one("webhook-id")).collect();
    assert_eq!(names.len(), 3);
    assert!(names[0].is_some() && names.iter().all(|name| *name == names[0]), "{names:?}");
    post.answers(404);
    let page = browser.visit(&format!("{}/account/message", rig.origin("auth.localhost"))).await;
    browser.submit(&page, "/enrol", &[("contact", "alice2@example.com")]).await;
    let failed = r#"portcullis_deliveries_total{courier="webhook",kind="code",result="failed"} 1"#;
    rig.eventually("it is given up", async || rig.admin("/metrics").await.1.contains(failed)).await;
    assert_eq!(post.requests().len(), 4, "what is refused for good is not tried again");
    let delivered = r#"portcullis_deliveries_total{courier="webhook",kind="code",result="delivered"} 1"#;
    assert!(rig.admin("/metrics").await.1.contains(delivered));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_comes_by_mail_signs_in() {
    let (mailbox, post) = (Mailbox::open().await, Post::open().await);
    let smtp = format!(
        "smtp = {{ server = \"{}\", tls = \"none\", from = \"Example Corp <no-reply@example.com>\" }}\n",
        mailbox.server()
    );
    let (rig, _app) = rig(&post, &smtp).await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    let page = browser.visit(&format!("{}/account/message", rig.origin("auth.localhost"))).await;
    let page = browser.submit(&page, "/enrol", &[("contact", "alice@example.com")]).await;
    let mail = mailbox.wait_for(1).await.remove(0);
    assert!(mail.said.iter().any(|line| line.starts_with("RCPT TO:<alice@example.com>")), "{mail:?}");
    assert!(mail.text.contains("Subject: Your code for Example Corp\r\n"), "{mail:?}");
    let body = mail.text.split_once("\r\n\r\n").expect("a body").1;
    let code: String = body.chars().take_while(char::is_ascii_digit).collect();
    let page = browser.submit(&page, "/enrol", &[("code", &code)]).await;
    assert_eq!(page.path(), "/", "{}", page.body);
    assert!(post.given("code").is_empty(), "mail does not go through the webhook where there is a server for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_codes_count_for_nothing_another_factor_is_asked_for() {
    let post = Post::open().await;
    let app = Member::echo("app").await;
    let tables = format!("[factor.message]\nwebhook = {}\n", post.webhook());
    let text = Scene { members: &[app.address()], tables: &tables, ..Scene::default() }.text();
    let text = text.replace(
        "[policy.recent]\nextends = \"staff\"\n",
        "[policy.recent]\nextends = \"staff\"\nrefuse_factors = [\"message\"]\n",
    );
    let rig = Rig::start(&text).await;
    let (mut browser, page) = waiting(&rig, &post).await;
    let code = post.code(2).await;
    browser.submit(&page, "/sign-in/message", &[("code", &code)]).await;
    let plain = browser.visit(&format!("{}/", rig.origin("app.localhost"))).await;
    assert_eq!((plain.status, plain.body.as_str()), (200, "app /"));
    let page = browser.visit(&format!("{}/admin/x", rig.origin("app.localhost"))).await;
    assert_eq!(page.path(), "/sign-in/code", "{page:?}");
    rig.clock.advance(Duration::from_secs(31));
    let app_code = browser.code();
    let page = browser.submit(&page, "/sign-in/code", &[("code", &app_code)]).await;
    assert_eq!((page.status, page.body.as_str()), (200, "app /admin/x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_are_no_apps_an_account_is_set_up_with_a_number() {
    let post = Post::open().await;
    let app = Member::echo("app").await;
    let tables = format!("[factor.message]\nwebhook = {}\n", post.webhook());
    let text = Scene { members: &[app.address()], tables: &tables, ..Scene::default() }.text();
    let rig = Rig::start(&text.replace("[factor.totp]\n", "")).await;
    let mut browser = rig.browser();
    let page = browser.visit(&rig.invite("alice", &["staff"]).await).await;
    let page = browser.submit(&page, "/enrol", &[("new_password", PASSWORD), ("new_password_again", PASSWORD)]).await;
    let page = browser.submit(&page, "/enrol", &[("contact", "+4915123456789")]).await;
    let code = post.code(1).await;
    let page = browser.submit(&page, "/enrol", &[("code", &code)]).await;
    let page = browser.enrol_codes(&page).await;
    assert_eq!((page.status, page.path()), (200, "/"), "{}", page.body);
    let me = browser.who_am_i(&rig.origin("auth.localhost")).await.expect("signed in");
    assert_eq!(me["assurance"], "mfa", "{me}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_never_delivered_does_not_count_and_who_was_sent_one_is_on_record() {
    let post = Post::open().await;
    let (rig, _app) = rig(&post, "").await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    post.answers(404);
    let mut page = browser.visit(&format!("{}/account/message", rig.origin("auth.localhost"))).await;
    for number in 1..=7 {
        let answer = browser.post(&page, "/enrol", &[("contact", "alice@example.com")]).await;
        assert_eq!(answer.status, 303, "code {number}: {}", answer.body);
        let failed =
            format!(r#"portcullis_deliveries_total{{courier="webhook",kind="code",result="failed"}} {number}"#);
        rig.eventually("it is given up", async || rig.admin("/metrics").await.1.contains(&failed)).await;
        page = browser.visit(&format!("{}/enrol", rig.origin("auth.localhost"))).await;
    }
    let failing = rig.status().await["deliveries"][0].clone();
    assert_eq!((failing["kind"].as_str(), failing["failures"].as_u64()), (Some("code"), Some(7)), "{failing}");
    let account = rig.account("alice").await.id;
    rig.eventually("all are on record", async || {
        let sent = rig.store.events.of(account, "code.sent", 9).await.expect("the store");
        sent.len() == 7 && sent.iter().all(|row| row.body.contains(r#""channel":"mail""#))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_code_nor_where_it_goes_is_written_down() {
    let post = Post::open().await;
    let (rig, _app) = rig(&post, "").await;
    let (mut browser, page) = waiting(&rig, &post).await;
    let code = post.code(2).await;
    browser.post(&page, "/sign-in/message", &[("code", "000000x")]).await;
    browser.submit(&page, "/sign-in/message", &[("code", &code)]).await;
    rig.eventually("the sign-in is on record", async || {
        let events = rig.store.events.after(0, 1000).await.expect("the store");
        events.iter().any(|(_, row)| row.body.contains("password,message"))
    })
    .await;
    for (_, row) in rig.store.events.after(0, 1000).await.expect("the store") {
        assert!(!row.body.contains("15123456789") && !row.body.contains(&format!("\"{code}\"")), "{row:?}");
    }
    let database = rig.directory().join("state");
    for file in std::fs::read_dir(&database).expect("the state").flatten().filter(|file| file.path().is_file()) {
        let bytes = std::fs::read(file.path()).expect("readable");
        let clear = bytes.windows(11).any(|window| window == b"15123456789");
        assert!(!clear, "{:?}", file.path());
    }
}
