//! Refresh tokens, their reuse (RFC 9700 §4.14.2), and giving tokens back (RFC 7009).

use super::{Program, connected, hundred, recorded};
use crate::rig::Rig;
use std::time::Duration;

async fn works(rig: &Rig, program: &mut Program) -> bool {
    program.get(&format!("{}/page", rig.origin("app.localhost"))).await.status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_gives_new_tokens_and_leaves_another_in_its_place() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (_person, mut program) = connected(&rig, "alice").await;
    for _ in 0..4 {
        rig.clock.advance(Duration::from_secs(601));
        assert!(!works(&rig, &mut program).await, "it has expired");
        let granted = program.refresh().await;
        program.keep(&granted);
        assert!(works(&rig, &mut program).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_counts_as_a_use_and_an_idle_session_gives_none() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (_person, mut program) = connected(&rig, "alice").await;
    for _ in 0..3 {
        rig.clock.advance(Duration::from_secs(25 * 60));
        let granted = program.refresh().await;
        program.keep(&granted);
    }
    rig.clock.advance(Duration::from_secs(30 * 60));
    assert_eq!(program.refresh().await.error(), "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_comes_back_ends_its_session() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (_person, mut program) = connected(&rig, "alice").await;
    let mut thief = program.stolen();
    let granted = thief.refresh().await;
    thief.keep(&granted);
    assert!(works(&rig, &mut thief).await);
    assert_eq!(program.refresh().await.error(), "invalid_grant");
    assert!(!works(&rig, &mut thief).await && !works(&rig, &mut program).await, "neither has anything any more");
    assert_eq!(thief.refresh().await.error(), "invalid_grant");
    rig.eventually("it is on record", async || recorded(&rig, "program.secret-reused").await == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_program_gets_nothing_for_it_and_spends_nothing() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (_person, mut program) = connected(&rig, "alice").await;
    let mut other = program.stolen();
    other.client = "other".to_owned();
    assert_eq!(other.refresh().await.error(), "invalid_grant");
    assert_eq!(program.refresh().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_who_refresh_at_once_exactly_one_gets_tokens() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (_person, program) = connected(&rig, "alice").await;
    let said = hundred(&program, &[("grant_type", "refresh_token"), ("refresh_token", &program.refresh)]).await;
    assert_eq!(said.iter().filter(|said| said.status == 200).count(), 1);
    assert!(said.iter().filter(|said| said.status != 200).all(|said| said.error() == "invalid_grant"));
    let one = said.iter().find(|said| said.status == 200).expect("one");
    let mut lucky = program.stolen();
    lucky.keep(one);
    assert!(!works(&rig, &mut lucky).await, "and the others ended its session");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_given_back_ends_its_session_whichever_it_is() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (mut person, mut program) = connected(&rig, "alice").await;
    for kind in ["refresh", "access"] {
        let token = if kind == "refresh" { program.refresh.clone() } else { program.access.clone() };
        assert!(works(&rig, &mut program).await);
        let mut other = program.stolen();
        other.client = "other".to_owned();
        assert_eq!(other.post("/oauth/revoke", &[("token", &token)]).await.status, 200);
        assert!(works(&rig, &mut program).await, "it is another's: {kind}");
        assert_eq!(other.send("/oauth/revoke", &[("token", &token)], &[]).await.error(), "invalid_request");
        assert!(works(&rig, &mut program).await, "and nobody's who does not say who it is: {kind}");
        assert_eq!(program.post("/oauth/revoke", &[("token", &token)]).await.status, 200);
        assert!(!works(&rig, &mut program).await, "{kind}");
        assert_eq!(program.refresh().await.error(), "invalid_grant");
        program.connect(&rig, &mut person, &[]).await;
    }
    assert_eq!(program.post("/oauth/revoke", &[("token", "made up")]).await.status, 200);
    assert_eq!(program.post("/oauth/revoke", &[]).await.error(), "invalid_request");
}
