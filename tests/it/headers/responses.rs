//! What a service may not say to clients: our cookies, our name, and what was meant for one hop.

use crate::rig::{Line, Member, RawMember, Rig, Scene, get};

async fn answered_with(fields: &str) -> crate::rig::Raw {
    let answer = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 5\r\n\r\nhello");
    let member = RawMember::saying(answer).await;
    let rig = Rig::start(&Scene { members: &[member.address()], ..Scene::default() }.text()).await;
    let mut line = Line::to(rig.address()).await;
    line.ask(get("/open/x", "")).await;
    let answer = line.ask(get("/open/x", "")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"), "the connection goes on");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_cannot_set_our_cookies() {
    let answer = answered_with(
        "Set-Cookie: __Host-portcullis=x; Path=/; Secure\r\nset-cookie: portcullis=x\r\nSet-Cookie: PORTCULLIS-attempt=x\r\n\
         Set-Cookie:  portcullis = x\r\nSet-Cookie: portcullis\r\n\
         Set-Cookie: =portcullis=x\r\nSet-Cookie: = __Host-portcullis=x\r\nSet-Cookie: theirs=portcullis; Path=/\r\nSet-Cookie: other=1\r\n",
    )
    .await;
    let set: Vec<_> = answer.head.lines().filter(|line| line.to_ascii_lowercase().starts_with("set-cookie")).collect();
    assert_eq!(set.len(), 2, "{set:?}");
    assert!(set[0].ends_with("theirs=portcullis; Path=/") && set[1].ends_with("other=1"), "{set:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_does_not_speak_in_our_name() {
    let answer = answered_with(
        "X-Portcullis-Account: root\r\nx-portcullis-decision: dec_x\r\nX-Request-Id: theirs\r\nX-Request-Id: twice\r\nX-Theirs: 1\r\n",
    )
    .await;
    assert!(!answer.head.to_ascii_lowercase().contains("x-portcullis"), "{answer:?}");
    assert_eq!(answer.head.to_ascii_lowercase().matches("x-request-id").count(), 1);
    assert!(answer.header("x-request-id").is_some_and(|id| id.starts_with("req_")));
    assert_eq!(answer.header("x-theirs"), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_says_to_its_neighbour_ends_here() {
    let answer = answered_with(
        "Connection: keep-alive, X-Hop\r\nX-Hop: secret\r\nKeep-Alive: timeout=1\r\nProxy-Authenticate: Basic\r\n\
         Proxy-Connection: keep-alive\r\nTE: trailers\r\nTrailer: X-T\r\nUpgrade: h2c\r\n",
    )
    .await;
    for name in [
        "x-hop",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "transfer-encoding",
    ] {
        assert_eq!(answer.header(name), None, "{name}: {answer:?}");
    }
    assert_eq!(answer.header("connection"), Some("keep-alive"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_asks_to_close_has_its_own_connection_closed() {
    let answer = answered_with("Connection: close\r\n").await;
    assert_eq!(answer.header("connection"), Some("keep-alive"), "the client's is another");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_a_service_is_passed_on_as_it_is() {
    let app = Member::status(403).await;
    let rig = Rig::start(&Scene { members: &[app.address()], ..Scene::default() }.text()).await;
    let answer = Line::to(rig.address()).await.ask(get("/open/x", "")).await;
    assert_eq!((answer.status, answer.body.as_str()), (403, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_can_have_no_body_says_of_no_length() {
    let member = RawMember::saying("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n").await;
    let rig = Rig::start(&Scene { members: &[member.address()], ..Scene::default() }.text()).await;
    let answer = Line::to(rig.address()).await.ask(get("/open/x", "")).await;
    assert_eq!((answer.status, answer.header("content-length")), (204, None), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_a_list_of_lengths_is_not_passed_on() {
    let member = RawMember::saying("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok").await;
    let rig = Rig::start(&Scene { members: &[member.address()], ..Scene::default() }.text()).await;
    let answer = Line::to(rig.address()).await.ask(get("/open/x", "")).await;
    assert_eq!(answer.status, 502, "{answer:?}");
}
