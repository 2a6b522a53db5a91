//! Where people can be sent: to the configured hosts, and nowhere else.

use super::address_with_a_code;
use crate::rig::{Browser, PASSWORD, Rig, exchange};
use std::time::Duration;

/// Values that made other gateways redirect to strangers.
const STRANGE: [&str; 14] = [
    "//evil.test",
    "/\\evil.test",
    "/%09/evil.test",
    "/\t/evil.test",
    "https:evil.test",
    "https://evil.test",
    "https://app.localhost@evil.test",
    "https://app.localhost.evil.test",
    "https://evil.test\\.app.localhost",
    "javascript:alert(1)",
    "/%0d%0aSet-Cookie:x=1",
    "https://app.localhost%00.evil.test",
    "https://аpp.localhost",
    "data:text/html,hello",
];

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_our_own_ticket_says_where_to_go_afterwards() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let mut signed_in = rig.signed_in("alice", &["staff"]).await;
    let mut stranger = rig.browser();
    for strange in STRANGE {
        for written in [encoded(strange), strange.replace(['\t', '\\'], "")] {
            let address = format!("{portal}/sign-in?to={written}");
            let page = signed_in.navigate(&address).await;
            assert_eq!(page.onward(), Some(format!("{portal}/")), "{address}: {page:?}");
            assert!(!format!("{:?}", page.headers).contains("evil"), "{address}: {page:?}");
            let page = stranger.navigate(&address).await;
            assert_eq!(page.status, 200, "{address}");
            assert!(!page.body.contains("evil") && !page.body.contains("alert"), "{address}: {}", page.body);
            assert!(!format!("{:?}", page.headers).contains("evil"), "{address}: {page:?}");
            assert!(page.form("/sign-in").iter().all(|(name, _)| name == "csrf"), "{address}: {}", page.body);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strange_address_in_the_form_itself_leads_to_the_portal() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let alice = rig.signed_in("alice", &["staff"]).await;
    for strange in ["https://evil.test/", "//evil.test", "javascript:alert(1)"] {
        let mut browser = alice.other();
        rig.clock.advance(Duration::from_secs(31));
        let page = browser.visit(&format!("{portal}/sign-in")).await;
        let typed = [("name", "alice"), ("password", PASSWORD), ("to", strange)];
        let page = browser.submit(&page, "/sign-in", &typed).await;
        let code = browser.code();
        let answer = browser.post(&page, "/sign-in/code", &[("code", &code), ("to", strange)]).await;
        assert_eq!(answer.onward(), Some(format!("{portal}/")), "{strange}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_was_altered_or_grew_old_leads_to_the_portal() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    let ticket = browser.navigate(&format!("{}/page", rig.origin("app.localhost"))).await.onward().unwrap();
    let middle = ticket.len() - 40;
    let other = if &ticket[middle..=middle] == "A" { "B" } else { "A" };
    let altered = format!("{}{other}{}", &ticket[..middle], &ticket[middle + 1..]);
    assert_eq!(browser.navigate(&altered).await.onward(), Some(format!("{portal}/")));
    for _ in 0..4 {
        rig.clock.advance(Duration::from_secs(15 * 60));
        assert!(browser.who_am_i(&portal).await.is_some());
    }
    assert_eq!(browser.navigate(&ticket).await.onward(), Some(format!("{portal}/")));
}

/// Asks for `target` with this `Host`, as a browser that goes there would.
async fn go(rig: &Rig, host: &str, target: &str) -> crate::rig::Raw {
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Host: evil.test\r\nForwarded: host=evil.test\r\n\
         Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n\r\n"
    );
    exchange(rig.address(), request.as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_ours_is_sent_nowhere() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let port = rig.address().port();
    for host in [
        "evil.test".to_owned(),
        format!("evil.test:{port}"),
        "app.localhost.evil.test".to_owned(),
        "app.localhost@evil.test".to_owned(),
        "evil.test#app.localhost".to_owned(),
        "evil.test/app.localhost".to_owned(),
        "app.localhost, evil.test".to_owned(),
        "app.localhost evil.test".to_owned(),
        "app.localhost:80:80".to_owned(),
        "app.localhost:port".to_owned(),
        "app.localhost:99999".to_owned(),
        "аpp.localhost".to_owned(),
    ] {
        let answer = go(&rig, &host, "/page").await;
        assert!(matches!(answer.status, 400 | 421), "{host}: {answer:?}");
        assert_eq!(answer.header("location"), None, "{host}: {answer:?}");
    }
}

/// Follows a refused navigation through the portal, and gives where the code would be sent.
async fn where_the_code_goes(rig: &Rig, signed_in: &mut Browser, host: &str, target: &str) -> String {
    let answer = go(rig, host, target).await;
    let to_portal = answer.header("location").unwrap_or_else(|| panic!("{host} {target}: {answer:?}")).to_owned();
    assert!(to_portal.starts_with(&format!("{}/sign-in?to=", rig.origin("auth.localhost"))), "{to_portal}");
    signed_in.navigate(&to_portal).await.onward().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_sent_to_no_port_but_ours() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    for port in ["6666".to_owned(), "22".to_owned(), app.address().port().to_string()] {
        let to = where_the_code_goes(&rig, &mut browser, &format!("app.localhost:{port}"), "/page").await;
        assert!(to.starts_with("http://app.localhost/.portcullis/enter?code="), "{port}: {to}");
    }
    let ours = where_the_code_goes(&rig, &mut browser, &format!("APP.LocalHost:{}", rig.address().port()), "/").await;
    assert!(ours.starts_with(&format!("{}/.portcullis/enter?code=", rig.origin("app.localhost"))), "{ours}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_becomes_another_host_on_the_way_back() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let browser = rig.signed_in("alice", &["staff"]).await;
    let host = format!("app.localhost:{}", rig.address().port());
    for target in [
        "//evil.test/",
        "//evil.test/%2e%2e",
        "/\\evil.test",
        "/.//evil.test",
        "/%2f/evil.test",
        "/%5cevil.test",
        "///evil.test",
    ] {
        let answer = go(&rig, &host, target).await;
        assert_eq!((answer.status, answer.header("location")), (400, None), "{target}: {answer:?}");
    }
    for target in ["/@evil.test", "/:80@evil.test/", "/page?to=//evil.test&x=http://evil.test", "/https:/evil.test"] {
        let url = format!("{}{target}", rig.origin("app.localhost"));
        let address = address_with_a_code(&mut browser.stolen(), &url).await;
        assert!(address.starts_with(&rig.origin("app.localhost")), "{target}: {address}");
        let mut fresh = browser.stolen();
        assert_eq!(fresh.visit(&url).await.url, url);
    }
}
