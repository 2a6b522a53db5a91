//! Proxies in front of the gateway: believed if they are trusted, ignored if they are not.

use crate::rig::{Line, Member, Raw, Rig, Scene, get};

/// A gateway that believes `trusted`, and a route that only 203.0.113.0/24 may use.
async fn behind(trusted: &str) -> (Rig, Member) {
    let app = Member::echo("app").await;
    let gateway = format!("trusted_proxies = [{trusted}]");
    let tables = r#"
        [policy.branch]
        require = "none"
        networks = ["203.0.113.0/24"]

        [[route]]
        name = "branch"
        host = "app.localhost"
        path = "/branch/**"
        pool = "app"
        policy = "branch"
    "#;
    let scene = Scene { members: &[app.address()], gateway: &gateway, tables, ..Scene::default() };
    (Rig::start(&scene.text()).await, app)
}

async fn ask(rig: &Rig, target: &str, fields: &str) -> Raw {
    Line::to(rig.address()).await.ask(get(target, fields)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_believed_unless_the_operator_says_so() {
    let (rig, app) = behind("").await;
    let forged = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nForwarded: for=203.0.113.7;proto=https\r\n\
                  X-Real-IP: 203.0.113.7\r\n";
    assert_eq!(ask(&rig, "/branch/x", forged).await.status, 403);
    assert!(app.seen().is_empty());
    assert_eq!(ask(&rig, "/open/x", forged).await.status, 200);
    assert_eq!(app.last().one("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(app.last().one("x-forwarded-proto").as_deref(), Some("http"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_is_believed_about_its_client() {
    let (rig, app) = behind(r#""127.0.0.1""#).await;
    assert_eq!(ask(&rig, "/branch/x", "X-Forwarded-For: 203.0.113.7\r\n").await.status, 200);
    let seen = app.last();
    assert_eq!(seen.one("forwarded").as_deref(), Some("for=203.0.113.7;host=app.localhost;proto=http"));
    assert_eq!(seen.one("x-forwarded-for").as_deref(), Some("203.0.113.7, 127.0.0.1"));
    assert_eq!(ask(&rig, "/branch/x", "X-Forwarded-For: 198.51.100.1\r\n").await.status, 403);
    assert_eq!(ask(&rig, "/branch/x", "").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_trusted_proxies_wrote_counts() {
    let (rig, app) = behind(r#""127.0.0.1", "10.0.0.0/8""#).await;
    for (chain, status) in [
        ("X-Forwarded-For: 203.0.113.7, 198.51.100.1\r\n", 403),
        ("X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 198.51.100.1\r\n", 403),
        ("X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 203.0.113.7\r\n", 200),
        ("X-Forwarded-For: 198.51.100.1, 203.0.113.7, 10.1.2.3\r\n", 200),
        ("X-Forwarded-For: nonsense, 203.0.113.7, 10.1.2.3\r\n", 200),
        ("X-Forwarded-For: 203.0.113.7, nonsense\r\n", 400),
        ("X-Forwarded-For: 203.0.113.7, nonsense, 10.1.2.3\r\n", 400),
    ] {
        assert_eq!(ask(&rig, "/branch/x", chain).await.status, status, "{chain}");
    }
    assert_eq!(app.seen().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_in_several_fields_goes_on_whole() {
    let (rig, app) = behind(r#""127.0.0.1""#).await;
    ask(&rig, "/open/x", "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 203.0.113.7\r\n").await;
    assert_eq!(app.last().one("x-forwarded-for").as_deref(), Some("198.51.100.1, 203.0.113.7, 127.0.0.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_that_encrypts_cookies_are_secure() {
    let (rig, app) = behind(r#""127.0.0.1""#).await;
    let page = "Accept: text/html\r\nX-Forwarded-Proto: https\r\n";
    let answer = ask(&rig, "/x", page).await;
    assert_eq!(answer.status, 303);
    let set = answer.header("set-cookie").expect("the browser is bound");
    assert!(set.starts_with("__Host-portcullis-binding=") && set.contains("; Secure"), "{set}");
    assert_eq!(ask(&rig, "/open/x", page).await.status, 200);
    assert_eq!(app.last().one("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(app.last().one("x-forwarded-port").as_deref(), Some("443"));
    let plain = ask(&rig, "/x", "Accept: text/html\r\nX-Forwarded-Proto: http\r\n").await;
    assert!(plain.header("set-cookie").is_some_and(|set| set.starts_with("portcullis-binding=")), "{plain:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_that_encrypts_only_the_prefixed_cookie_is_a_session() {
    let (rig, app) = behind(r#""127.0.0.1""#).await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let secure = format!("X-Forwarded-Proto: https\r\nCookie: __Host-portcullis={}\r\n", pass.token);
    let plain = format!("X-Forwarded-Proto: https\r\nCookie: {}\r\n", pass.cookie());
    assert_eq!(ask(&rig, "/x", &plain).await.status, 401, "anybody on the network can set an unprefixed one");
    assert_eq!(ask(&rig, "/x", &secure).await.status, 200);
    assert_eq!(app.last().one("cookie"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_says_once_how_its_client_came() {
    let (rig, app) = behind(r#""127.0.0.1""#).await;
    for fields in [
        "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n",
        "X-Forwarded-Proto: http\r\nX-Forwarded-Proto: https\r\n",
        "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: https\r\n",
        "X-Forwarded-Proto: https, http\r\n",
        "X-Forwarded-Proto: http, https\r\n",
        "X-Forwarded-Proto: \r\n",
        "X-Forwarded-Proto: gopher\r\n",
    ] {
        assert_eq!(ask(&rig, "/open/x", fields).await.status, 400, "{fields}");
    }
    assert!(app.seen().is_empty());
    for (proto, arrives) in [("https", "https"), ("HTTPS", "https"), ("wss", "https"), ("http", "http"), ("ws", "http")]
    {
        assert_eq!(ask(&rig, "/open/x", &format!("X-Forwarded-Proto: {proto}\r\n")).await.status, 200, "{proto}");
        assert_eq!(app.last().one("x-forwarded-proto").as_deref(), Some(arrives), "{proto}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_a_proxy_tells_of_beside_the_requests_own_decides_nothing() {
    let (rig, app) = behind(r#""127.0.0.1""#).await;
    let two = "X-Forwarded-Host: wiki.localhost\r\nX-Forwarded-Host: evil.example\r\n";
    assert_eq!(ask(&rig, "/open/x", two).await.status, 200);
    assert_eq!(app.last().one("x-forwarded-host").as_deref(), Some("app.localhost"));
}
