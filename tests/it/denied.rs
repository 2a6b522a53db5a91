//! What of denials is on record: that somebody asked for what they may not have, once in a while, and nothing that a
//! stranger can cause.

use crate::rig::{Line, Member, Rig, Scene, get};
use std::time::Duration;

/// Denials on record, in order.
async fn on_record(rig: &Rig) -> Vec<String> {
    let rows = rig.store.events.after(0, 1_000).await.expect("the store answers");
    rows.into_iter().filter(|(_, row)| row.name == "request.denied").map(|(_, row)| row.body).collect()
}

/// A host of its own that asks nobody who they are, and only lets an office in.
const OFFICE: &str = r#"
[policy.office]
require = "none"
networks = ["10.0.0.0/8"]

[[route]]
name = "office"
host = "app.localhost"
path = "/office/**"
pool = "app"
policy = "office"

[[route]]
name = "bosses"
host = "app.localhost"
path = "/bosses/**"
pool = "app"
policy = "boss"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_who_is_refused_by_the_thousand_leaves_no_event_and_an_account_one_a_minute() {
    let app = Member::echo("app").await;
    let text = Scene { members: &[app.address()], tables: OFFICE, ..Scene::default() }.text();
    let rig = Rig::start(&text).await;
    let mut line = Line::to(rig.address()).await;
    for _ in 0..100 {
        assert_eq!(line.ask(get("/office/x", "")).await.status, 403);
    }
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let cookie = format!("Cookie: {}\r\n", pass.cookie());
    let denied = async |line: &mut Line| {
        for _ in 0..20 {
            assert_eq!(line.ask(get("/bosses/x", &cookie)).await.status, 403);
        }
    };
    denied(&mut line).await;
    rig.eventually("the first is on record", async || on_record(&rig).await.len() == 1).await;
    rig.clock.advance(Duration::from_secs(61));
    denied(&mut line).await;
    rig.eventually("the next minute's first is too", async || on_record(&rig).await.len() == 2).await;
    for event in on_record(&rig).await {
        assert!(event.contains("bosses") && event.contains("groups"), "{event}");
    }
}
