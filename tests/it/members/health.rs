//! Health checks take members out and put them back.

use crate::rig::{Line, Member, Rig, Scene, get};
use http::Response;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const CHECKED: &str = r#"health = { path = "/healthz", every = "50ms", timeout = "2s", rise = 1, fall = 1 }"#;

/// A member with a switch that says whether it is well.
async fn switched(name: &'static str) -> (Member, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(true));
    let is_well = Arc::clone(&well);
    let member = Member::scripted(Arc::new(move |seen| {
        let status = if seen.target == "/healthz" && !is_well.load(Ordering::SeqCst) { 503 } else { 200 };
        Response::builder().status(status).body(name.to_owned()).expect("an answer")
    }))
    .await;
    (member, well)
}

async fn before(members: &[SocketAddr]) -> Rig {
    Rig::start(&Scene { members, pool: CHECKED, ..Scene::default() }.text()).await
}

async fn ask(rig: &Rig) -> crate::rig::Raw {
    Line::to(rig.address()).await.ask(get("/open/x", "")).await
}

/// Whether the next six answers all come from `names`, each of them heard.
async fn only(rig: &Rig, names: &[&str]) -> bool {
    let mut heard = std::collections::BTreeSet::new();
    for _ in 0..6 {
        heard.insert(ask(rig).await.body);
    }
    heard.iter().map(String::as_str).eq(names.iter().copied())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_not_well_gets_nothing_until_it_is_well_again() {
    let ((one, well), (two, _)) = (switched("one").await, switched("two").await);
    let rig = before(&[one.address(), two.address()]).await;
    rig.eventually("both serve", async || only(&rig, &["one", "two"]).await).await;
    well.store(false, Ordering::SeqCst);
    rig.eventually("only the healthy one serves", async || only(&rig, &["two"]).await).await;
    well.store(true, Ordering::SeqCst);
    rig.eventually("both serve again", async || only(&rig, &["one", "two"]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_without_a_healthy_member_is_a_503_that_says_when_to_come_back() {
    let (one, well) = switched("one").await;
    let rig = before(&[one.address()]).await;
    well.store(false, Ordering::SeqCst);
    rig.eventually("nobody is healthy", async || ask(&rig).await.status == 503).await;
    let answer = ask(&rig).await;
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert!(answer.body.contains("dec_") && !answer.body.contains("127.0.0.1"), "{answer:?}");
    let page = Line::to(rig.address()).await.ask(get("/open/x", "Accept: text/html\r\n")).await;
    assert_eq!((page.status, page.header("content-type")), (503, Some("text/html; charset=utf-8")));
    well.store(true, Ordering::SeqCst);
    rig.eventually("it serves again", async || ask(&rig).await.status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_of_members_survives_a_reload() {
    let ((one, well), (two, _)) = (switched("one").await, switched("two").await);
    let members = [one.address(), two.address()];
    let rig = before(&members).await;
    well.store(false, Ordering::SeqCst);
    rig.eventually("only the healthy one serves", async || only(&rig, &["two"]).await).await;
    let more = format!("{CHECKED}\nretries = 2");
    rig.reload(&Scene { members: &members, pool: &more, ..Scene::default() }.text()).await;
    assert!(only(&rig, &["two"]).await, "not even one request tries the other");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_vanishes_and_comes_back_is_noticed_by_its_check() {
    let ((mut one, _), (two, _)) = (switched("one").await, switched("two").await);
    let rig = before(&[one.address(), two.address()]).await;
    rig.eventually("both serve", async || only(&rig, &["one", "two"]).await).await;
    one.stop().await;
    for _ in 0..20 {
        assert_eq!(ask(&rig).await.body, "two");
    }
    one.revive().await;
    // Those who could not reach it left it out for ten seconds besides.
    rig.clock.advance(std::time::Duration::from_secs(11));
    rig.eventually("both serve again", async || only(&rig, &["one", "two"]).await).await;
}
