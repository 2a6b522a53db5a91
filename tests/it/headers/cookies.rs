//! Cookies: no service sees a session's, every service sees the others as they were sent.

use crate::rig::{Line, Rig, get};

/// What of these `Cookie` fields arrives on an open route.
async fn arriving(fields: &[&str]) -> Option<String> {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let fields: String = fields.iter().map(|field| format!("Cookie: {field}\r\n")).collect();
    assert_eq!(Line::to(rig.address()).await.ask(get("/open/x", &fields)).await.status, 200, "{fields}");
    app.last().one("cookie")
}

#[tokio::test(flavor = "multi_thread")]
async fn our_cookies_never_arrive_in_any_spelling() {
    for ours in [
        "portcullis=x",
        "__Host-portcullis=x",
        "__host-Portcullis=x",
        "PORTCULLIS=x",
        "portcullis-attempt=x",
        "__Host-portcullis-binding=x",
        " portcullis=x",
        "portcullis =x",
        "portcullis",
    ] {
        assert_eq!(arriving(&[&format!("a=1; {ours}; b=2")]).await.as_deref(), Some("a=1; b=2"), "{ours}");
        assert_eq!(arriving(&[ours]).await, None, "{ours}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_cookies_arrive_as_they_were_sent() {
    for foreign in ["a=1;b = 2", "a=\"x, y\"; b", "portcullised=1", "my-portcullis=1; x-portcullis=2", "a=portcullis"] {
        assert_eq!(arriving(&[foreign]).await.as_deref(), Some(foreign));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_cookie_fields_become_one() {
    assert_eq!(arriving(&["a=1", "portcullis=x", "b=2; c=3"]).await.as_deref(), Some("a=1; b=2; c=3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_cookie_that_is_sent_opens_its_route_and_goes_no_further() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    for fields in
        [format!("Cookie: a=1; {}\r\n", pass.cookie()), format!("Cookie: a=1\r\nCookie: {}\r\n", pass.cookie())]
    {
        assert_eq!(Line::to(rig.address()).await.ask(get("/x", &fields)).await.status, 200, "{fields}");
        assert_eq!(app.last().one("cookie").as_deref(), Some("a=1"));
        assert!(!format!("{:?}", app.last().headers).contains(&pass.token));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_session_cookies_are_none() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let (own, token) = (pass.cookie(), &pass.token);
    for cookies in [
        format!("Cookie: {own}; {own}\r\n"),
        format!("Cookie: {own}; portcullis=x\r\n"),
        format!("Cookie: portcullis=\r\nCookie: {own}\r\n"),
    ] {
        assert_eq!(Line::to(rig.address()).await.ask(get("/x", &cookies)).await.status, 401, "{cookies}");
    }
    for misspelt in [
        format!("__Host-portcullis={token}"),
        format!("Portcullis={token}"),
        format!("portcullis=\"{token}\""),
        format!("portcullis= {token}"),
        format!("\u{2000}portcullis={token}"),
        format!("$Version=1; $portcullis={token}"),
        format!("portcullis={token}="),
        format!("portcullis={token},"),
    ] {
        let fields = format!("Cookie: {misspelt}\r\n");
        assert_eq!(Line::to(rig.address()).await.ask(get("/x", &fields)).await.status, 401, "{misspelt}");
    }
    assert!(app.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_session_cookie_is_no_session_and_takes_no_claim_along() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let long = "y".repeat(8 * 1024);
    for value in [&b"%%%"[..], b"", b"\xff\xfe", b"../../x", long.as_bytes(), b"a\tb"] {
        for (target, status) in [("/x", 401), ("/open/x", 200)] {
            let head = format!(
                "GET {target} HTTP/1.1\r\nHost: app.localhost\r\nX-Portcullis-Account: root\r\nCookie: portcullis="
            );
            let request = [head.as_bytes(), value, b"\r\n\r\n"].concat();
            let answer = Line::to(rig.address()).await.ask(request).await;
            assert_eq!(answer.status, status, "{:?}", String::from_utf8_lossy(value));
        }
    }
    for seen in app.seen() {
        assert_eq!(
            (seen.target.as_str(), seen.one("x-portcullis-account"), seen.one("cookie")),
            ("/open/x", None, None)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_good_on_its_own_host_only() {
    let (rig, app, wiki) = Rig::two_hosts().await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let request = format!("GET /x HTTP/1.1\r\nHost: wiki.localhost\r\nCookie: {}\r\n\r\n", pass.cookie());
    assert_eq!(Line::to(rig.address()).await.ask(request).await.status, 401);
    assert!(app.seen().is_empty() && wiki.seen().is_empty());
}
