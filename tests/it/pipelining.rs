//! Clients that send on before they were answered: whatever comes early waits for its turn.

use crate::rig::{Line, RawMember, Rig, Scene, content_length, get, post};
use std::sync::Arc;
use tokio::sync::Notify;

/// A member that answers each request only when it is told to.
struct Slow {
    member: RawMember,
    /// A request came whole.
    came: Arc<Notify>,
    /// It may be answered.
    go: Arc<Notify>,
}

impl Slow {
    async fn new() -> Self {
        let (came, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (tell, wait) = (Arc::clone(&came), Arc::clone(&go));
        let member = RawMember::play(move |mut line| {
            let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
            async move {
                while let Some(head) = line.head().await {
                    line.exactly(content_length(&head)).await;
                    tell.notify_one();
                    wait.notified().await;
                    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
                    line.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len())).await;
                }
            }
        })
        .await;
        Slow { member, came, go }
    }

    async fn rig(&self) -> Rig {
        Rig::start(&Scene { members: &[self.member.address()], ..Scene::default() }.text()).await
    }

    /// Sends `early` while `first` waits for its answer, then has it answered. The gateway has seen what came early by
    /// then, or sees it after.
    async fn between(&self, line: &mut Line, first: &str, early: &str) -> String {
        line.say(first).await;
        self.came.notified().await;
        line.say(early).await;
        tokio::task::yield_now().await;
        self.go.notify_one();
        let answer = line.answer().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    fn paths(&self) -> Vec<String> {
        let heard = self.member.heard().concat();
        let lines = heard.lines().filter(|line| line.ends_with("HTTP/1.1"));
        lines.filter_map(|line| line.split(' ').nth(1)).map(str::to_owned).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_end_behind_a_body_is_no_request_and_costs_nobody_an_answer() {
    let slow = Slow::new().await;
    let rig = slow.rig().await;
    let mut line = Line::to(rig.address()).await;
    let whole = post("/open/form", "", "hello");
    let (head, body) = whole.split_at(whole.len() - 5);
    line.say(head).await;
    assert_eq!(slow.between(&mut line, body, "\r\n").await, "/open/form");
    slow.go.notify_one();
    assert_eq!(line.ask(get("/open/next", "")).await.body, "/open/next", "the connection is as good as before");
    assert_eq!(slow.paths(), ["/open/form", "/open/next"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_sent_before_the_answer_to_the_one_before_is_answered_after_it() {
    let slow = Slow::new().await;
    let rig = slow.rig().await;
    let mut line = Line::to(rig.address()).await;
    for (first, second) in [("/open/a", "/open/b"), ("/open/c", "/open/d")] {
        assert_eq!(slow.between(&mut line, &get(first, ""), &get(second, "")).await, first);
        slow.go.notify_one();
        assert_eq!(line.answer().await.body, second);
        slow.came.notified().await;
    }
    assert_eq!(slow.paths(), ["/open/a", "/open/b", "/open/c", "/open/d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_when_its_turn_comes() {
    let slow = Slow::new().await;
    let rig = slow.rig().await;
    for odd in ["GET /open/a b HTTP/1.1\r\nHost: app.localhost\r\n\r\n", "GET  /open/c#d HTTP/1.1\r\n\r\n"] {
        let mut line = Line::to(rig.address()).await;
        assert_eq!(slow.between(&mut line, &get("/open/x", ""), odd).await, "/open/x");
        let answer = line.answer().await;
        assert_eq!(answer.status, 400, "{odd:?} {answer:?}");
        assert!(line.ends().await);
    }
    assert_eq!(slow.paths(), ["/open/x", "/open/x"]);
}
