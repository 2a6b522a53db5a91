//! `Connection` and the fields of one hop: a client can have only its own fields removed.

use crate::rig::{Line, Rig, get, post};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_cannot_have_a_field_removed_that_says_who_it_is() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    for named in [
        "X-Portcullis-Account",
        "x-portcullis-assertion",
        "X-Portcullis-Groups",
        "X-Forwarded-For",
        "x-forwarded-anything",
        "Forwarded",
        "Cookie",
        "Authorization",
        "Host",
        "X-Real-IP",
        "X-Request-Id",
        "close, X-Portcullis-Account",
        "keep-alive,x-portcullis-account",
        ":authority",
        "\"X-Portcullis-Account\"",
        "x y",
        "a,b,c,d,e,f,g,h,i,j,k,l",
    ] {
        let fields = format!("Connection: {named}\r\nCookie: {}\r\n", pass.cookie());
        let answer = Line::to(rig.address()).await.ask(get("/x", &fields)).await;
        assert_eq!(answer.status, 400, "{named} {answer:?}");
        let fields = format!("Connection: close\r\nConnection: {named}\r\n");
        assert_eq!(Line::to(rig.address()).await.ask(get("/open/x", &fields)).await.status, 400, "{named}");
    }
    assert!(app.seen().is_empty(), "{:?}", app.seen());
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_one_hop_end_here() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let fields = "Connection: keep-alive, X-Hop\r\nConnection: X-Other-Hop\r\nX-Hop: 1\r\nX-Other-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
                  Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\nTE: trailers\r\nTrailer: X-T\r\nX-Kept: 1\r\n";
    assert_eq!(Line::to(rig.address()).await.ask(get("/open/x", fields)).await.status, 200);
    let seen = app.last();
    for name in [
        "connection",
        "x-hop",
        "x-other-hop",
        "keep-alive",
        "proxy-connection",
        "te",
        "upgrade",
        "transfer-encoding",
        "proxy-authorization",
        "trailer",
    ] {
        assert_eq!(seen.all(name), Vec::<String>::new(), "{name}");
    }
    assert_eq!(seen.one("x-kept").as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_stays_whole_whatever_the_client_nominates() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let inner = "GET /admin/x HTTP/1.1\r\nHost: app.localhost\r\n\r\n";
    for named in ["content-length", "transfer-encoding", "content-length, transfer-encoding", "te", "trailer", "expect"]
    {
        let answer =
            Line::to(rig.address()).await.ask(post("/open/x", &format!("Connection: {named}\r\n"), inner)).await;
        assert!(matches!(answer.status, 200 | 400), "{named} {answer:?}");
        if answer.status == 200 {
            assert_eq!(app.last().body, inner.as_bytes(), "{named}");
        }
    }
    assert!(app.seen().iter().all(|seen| seen.target == "/open/x"), "{:?}", app.seen());
}
