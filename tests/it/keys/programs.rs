//! `[oauth]`, and what policies say of programs.

use super::with;
use crate::rig::{Member, Rig, TWO_HOSTS, filled};
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn rig(configuration: &str) -> (Rig, Member) {
    let app = Member::echo("app").await;
    let rig = Rig::start(&filled(configuration, &[("app", &app), ("wiki", &app)])).await;
    (rig, app)
}

/// Sends a form to the portal as a program does.
async fn send(rig: &Rig, path: &str, fields: &[(&str, &str)]) -> Value {
    let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let page = rig.browser().send_form(&format!("{}{path}", rig.origin("auth.localhost")), &fields, &[]).await;
    serde_json::from_str(&page.body).unwrap_or_else(|_| panic!("no JSON: {page:?}"))
}

async fn begin(rig: &Rig, client: &str) -> Value {
    send(rig, "/oauth/device_authorization", &[("client_id", client)]).await
}

/// What a device that somebody approved gets.
async fn granted(rig: &Rig) -> Value {
    let begun = begin(rig, "tool").await;
    let mut person = rig.signed_in("alice", &["staff"]).await;
    let page = person.visit(begun["verification_uri_complete"].as_str().expect("an address")).await;
    person.submit(&page, "/device", &[("decision", "approve")]).await;
    let code = begun["device_code"].as_str().expect("a code");
    send(rig, "/oauth/token", &[("client_id", "tool"), ("grant_type", DEVICE_GRANT), ("device_code", code)]).await
}

async fn status(rig: &Rig, (path, token): (&str, &Value)) -> u16 {
    let bearer = format!("Bearer {}", token["access_token"].as_str().expect("a token"));
    let url = format!("{}{path}", rig.origin("app.localhost"));
    rig.browser().request(Method::GET, &url, &[("authorization", &bearer)]).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn only_programs_of_the_configured_names_are_taken() {
    let (rig, _app) = rig(&format!("{TWO_HOSTS}\n[oauth]\nclients = [\"tool\"]\n")).await;
    assert!(begin(&rig, "tool").await["device_code"].is_string());
    assert_eq!(begin(&rig, "other").await["error"], "invalid_client");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_is_good_for_as_long_as_configured() {
    let (rig, _app) = rig(&format!("{TWO_HOSTS}\n[oauth]\naccess = \"90s\"\n")).await;
    let token = granted(&rig).await;
    assert_eq!(token["expires_in"], 90);
    rig.clock.advance(Duration::from_secs(89));
    assert_eq!(status(&rig, ("/page", &token)).await, 200);
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(status(&rig, ("/page", &token)).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_may_be_approved_for_as_long_as_configured() {
    let (rig, _app) = rig(&format!("{TWO_HOSTS}\n[oauth]\ndevice_code = \"90s\"\n")).await;
    let begun = begin(&rig, "tool").await;
    assert_eq!(begun["expires_in"], 90);
    let mut person = rig.signed_in("alice", &["staff"]).await;
    let address = begun["verification_uri_complete"].as_str().expect("an address");
    rig.clock.advance(Duration::from_secs(89));
    assert_eq!(person.visit(address).await.status, 200);
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(person.visit(address).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_may_admit_only_programs_that_prove_their_key() {
    let route = "[[route]]\nname = \"guarded\"\nhost = \"app.localhost\"\npath = \"/guarded\"\npool = \"app\"\n\
                 policy = \"own\"\n\n[policy.own]\nextends = \"staff\"\n";
    let plain = format!("{TWO_HOSTS}\n{route}");
    let app = Member::echo("app").await;
    let text = |plain: &str| filled(plain, &[("app", &app), ("wiki", &app)]);
    let rig = Rig::start(&text(&plain)).await;
    let token = granted(&rig).await;
    assert_eq!(status(&rig, ("/guarded", &token)).await, 200);
    rig.reload(&text(&with(&plain, "[policy.own]", "bound = true"))).await;
    assert_eq!(status(&rig, ("/guarded", &token)).await, 401, "any holder of it could come");
    assert_eq!(status(&rig, ("/page", &token)).await, 200);
}
