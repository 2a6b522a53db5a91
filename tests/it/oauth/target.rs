//! What tokens may be for, where a route has hosts by the dozen.

use super::code::{address, parameter};
use super::service::{ci, claims, identify, signed};
use super::{Program, approve};
use crate::rig::{Member, Rig, TWO_HOSTS, filled};

/// The portal's host is among those of a wildcard.
const WILD: &str = r#"
[policy.deploy]
require = "mfa"
service_accounts = ["ci"]

[[route]]
name = "wild"
host = "*.localhost"
path = "/**"
pool = "app"
policy = "staff"
"#;

async fn rig() -> (Rig, Member) {
    let app = Member::echo("app").await;
    let text = format!("{TWO_HOSTS}{WILD}");
    (Rig::start(&filled(&text, &[("app", &app), ("wiki", &app)])).await, app)
}

/// The portal's origin in all its forms: as an audience it would be every host.
fn forms(rig: &Rig) -> [String; 4] {
    let origin = rig.origin("auth.localhost");
    let slash = format!("{origin}/");
    [origin, slash, "http://auth.localhost".to_owned(), "https://AUTH.localhost:8443".to_owned()]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_device_gets_a_token_for_the_portal_itself_even_under_a_wildcard() {
    let (rig, _app) = rig().await;
    let mut program = Program::of(&rig);
    for portal in forms(&rig) {
        let said = program.post("/oauth/device_authorization", &[("resource", &portal)]).await;
        assert_eq!((said.status, said.error()), (400, "invalid_target"), "{portal}");
    }
    let mut person = rig.signed_in("alice", &["staff"]).await;
    let begun = program.post("/oauth/device_authorization", &[("resource", &rig.origin("any.localhost"))]).await;
    approve(&rig, &mut person, begun.text("user_code")).await;
    program.keep(&program.stolen().poll(begun.text("device_code")).await);
    assert_eq!(program.get(&format!("{}/page", rig.origin("any.localhost"))).await.status, 200);
    assert_eq!(program.get(&format!("{}/page", rig.origin("app.localhost"))).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_to_consent_to_a_token_for_the_portal_itself() {
    let (rig, _app) = rig().await;
    let mut person = rig.signed_in("alice", &["staff"]).await;
    for portal in forms(&rig) {
        let page = person.navigate(&address(&rig, &[("resource", &portal)])).await;
        assert_eq!((page.status, parameter(&page, "error").as_deref()), (303, Some("invalid_target")), "{portal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_service_account_gets_a_token_for_the_portal_itself() {
    let (rig, _app) = rig().await;
    let (key, mut program, _) = ci(&rig).await;
    for (number, portal) in forms(&rig).iter().enumerate() {
        let assertion = signed(&key, &claims(&rig, "ci", &number.to_string()));
        let said = identify(&mut program, &assertion, &[("resource", portal)]).await;
        assert_eq!((said.status, said.error()), (400, "invalid_target"), "{portal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_granted_for_a_host_is_not_for_every_one_when_the_portal_moves_there() {
    let (rig, app) = rig().await;
    let mut person = rig.signed_in("alice", &["staff"]).await;
    let mut program = Program::of(&rig);
    program.connect(&rig, &mut person, &[("resource", &rig.origin("any.localhost"))]).await;
    let moved = format!("{TWO_HOSTS}{WILD}").replace("http://auth.localhost", "http://any.localhost");
    rig.reload(&filled(&moved, &[("app", &app), ("wiki", &app)])).await;
    program.portal = rig.origin("any.localhost");
    assert_eq!(program.refresh().await.error(), "invalid_target");
}
