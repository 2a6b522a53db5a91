//! Who gets a request.

use crate::rig::{Line, Member, Rig, Scene, get};

async fn ask(rig: &Rig) -> String {
    Line::to(rig.address()).await.ask(get("/open/x", "")).await.body
}

#[tokio::test(flavor = "multi_thread")]
async fn members_take_turns() {
    let (one, two) = (Member::echo("one").await, Member::echo("two").await);
    let rig = Rig::start(&Scene { members: &[one.address(), two.address()], ..Scene::default() }.text()).await;
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(ask(&rig).await);
    }
    assert!(answers.windows(2).all(|two| two[0] != two[1]), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_gets_its_share_and_one_without_gets_nothing() {
    let (one, two, none) = (Member::echo("one").await, Member::echo("two").await, Member::echo("none").await);
    let members = format!(
        r#"members = ["{}", {{ address = "{}", weight = 3 }}, {{ address = "{}", weight = 0 }}]"#,
        one.address(),
        two.address(),
        none.address()
    );
    let text = Scene { members: &[one.address()], ..Scene::default() }.text();
    let rig = Rig::start(&text.replace(&format!("members = [\"{}\"]", one.address()), &members)).await;
    for _ in 0..16 {
        ask(&rig).await;
    }
    assert_eq!((one.seen().len(), two.seen().len(), none.seen().len()), (4, 12, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_less_busy_member_gets_the_next_request() {
    let (slow, fast) = (
        crate::rig::RawMember::play(|mut line| async move {
            line.rest().await;
        })
        .await,
        Member::echo("fast").await,
    );
    let members = [slow.address(), fast.address()];
    let rig =
        Rig::start(&Scene { members: &members, pool: "balance = \"least-request\"", ..Scene::default() }.text()).await;
    let mut held = Vec::new();
    // Whoever gets to the slow one stays there; from then on it is the busier one.
    while slow.heard().is_empty() {
        let mut line = Line::to(rig.address()).await;
        line.say(get("/open/x", "")).await;
        rig.eventually("it arrived somewhere", async || slow.heard().len() + fast.seen().len() > held.len()).await;
        held.push(line);
    }
    for _ in 0..10 {
        assert_eq!(ask(&rig).await, "fast /open/x");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_sends_requests_to_the_new_members_at_once() {
    let (one, two) = (Member::echo("one").await, Member::echo("two").await);
    let rig = Rig::start(&Scene { members: &[one.address()], ..Scene::default() }.text()).await;
    let mut line = Line::to(rig.address()).await;
    assert_eq!(line.ask(get("/open/x", "")).await.body, "one /open/x");
    rig.reload(&Scene { members: &[two.address()], ..Scene::default() }.text()).await;
    assert_eq!(line.ask(get("/open/x", "")).await.body, "two /open/x", "on the same connection");
}
