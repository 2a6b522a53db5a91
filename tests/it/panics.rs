//! A filter that panics denies one request and nothing else.

use crate::rig::{Line, Rig, get, post};

async fn panics(rig: &Rig) -> u64 {
    let (_, metrics) = rig.admin("/metrics").await;
    let line = metrics.lines().find(|line| line.starts_with("portcullis_panics_total ")).expect("it is counted");
    line.rsplit(' ').next().and_then(|count| count.parse().ok()).expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_denies_its_own_request_is_counted_and_touches_nobody_else() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let cookie = format!("Cookie: {}\r\n", pass.cookie());
    let mut old = Line::to(rig.address()).await;
    assert_eq!(old.ask(get("/open/x", "")).await.status, 200);
    assert_eq!(panics(&rig).await, 0);
    for (count, target) in [(1, "/x"), (2, "/open/x"), (3, "/.portcullis/session")] {
        rig.trap.arm(1);
        let mut line = Line::to(rig.address()).await;
        let answer = line.ask(get(target, &cookie)).await;
        assert_eq!(answer.status, 500, "{target} {answer:?}");
        assert!(!answer.body.contains("armed") && !answer.body.contains(".rs"), "{answer:?}");
        assert_eq!(old.ask(get("/open/y", "")).await.body, "app /open/y", "others are served meanwhile");
        rig.trap.disarm();
        assert_eq!(panics(&rig).await, count);
        let again = Line::to(rig.address()).await.ask(get("/x", &cookie)).await;
        assert_eq!(again.status, 200, "the session is as good as before");
    }
    assert!(app.seen().iter().all(|seen| seen.target != "/open/x" || seen.one("cookie").is_none()));
    assert_eq!(app.seen().iter().filter(|seen| seen.target == "/x").count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_on_the_way_to_a_member_denies_the_request_too() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    rig.trap.arm(2);
    let answer = Line::to(rig.address()).await.ask(post("/open/x", "", "hi")).await;
    rig.trap.disarm();
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(app.seen().iter().all(|seen| seen.body.is_empty()), "its body did not go on");
    assert_eq!(panics(&rig).await, 1);
    assert_eq!(Line::to(rig.address()).await.ask(get("/open/x", "")).await.status, 200);
}
