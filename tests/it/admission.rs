//! Who is let through, and what the others are told.

use crate::rig::{Rig, exchange};

#[tokio::test(flavor = "multi_thread")]
async fn an_open_route_is_open_and_every_other_asks_a_program_for_a_session() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let open = rig.browser().fetch(&format!("{}/", rig.origin("app.localhost"))).await;
    assert_eq!(open.status, 401);
    let challenge = Rig::challenge(&rig.origin("app.localhost"), "");
    assert_eq!(open.header("www-authenticate"), Some(&*challenge));
    assert_eq!(open.header("content-type"), Some("application/problem+json"));
    assert!(open.header("x-request-id").is_some_and(|id| id.starts_with("req_")));
    assert!(app.seen().is_empty());
    let open = rig.browser().fetch(&format!("{}/open/x?y=1", rig.origin("app.localhost"))).await;
    assert_eq!((open.status, open.body.as_str()), (200, "app /open/x?y=1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_without_a_session_is_sent_to_the_portal() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let page = rig.browser().navigate(&format!("{}/deep?link=1", rig.origin("app.localhost"))).await;
    assert_eq!(page.status, 303);
    let to = page.header("location").expect("a location");
    assert!(to.starts_with(&format!("{}/sign-in?to=", rig.origin("auth.localhost"))), "{to}");
    assert!(!to.contains("deep"), "the address travels sealed");
    assert!(app.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_hosts_and_paths_reveal_nothing() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let ask = |host: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let answer = exchange(rig.address(), ask("nowhere.localhost").as_bytes()).await;
    assert_eq!(answer.status, 421, "{answer:?}");
    assert!(!answer.body.contains("pool"), "{answer:?}");
}
