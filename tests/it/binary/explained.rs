//! `explain`: by a request's id, of somebody who never enrolled, and of nobody.

use super::accounts::with_alice;
use super::process::{eventually, two_hosts};
use crate::rig::{exchange, get};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_is_explained_by_its_own_id() {
    let (site, ..) = two_hosts().await;
    let running = site.run().await;
    let refused = exchange(running.address, get("/boss/x", "").as_bytes()).await;
    let request = refused.header("x-request-id").expect("every answer has one").to_owned();
    let said = site.tell(&["explain", &request]).await;
    assert_eq!(said.code, 1, "{said:?}");
    for word in ["app-boss", "dec_", &request, "GET app.localhost /boss/x"] {
        assert!(said.out.contains(word), "{word}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_not_refused_is_left_to_the_access_log() {
    let (site, ..) = two_hosts().await;
    let running = site.run().await;
    exchange(running.address, get("/open/x", "").as_bytes()).await;
    eventually("it is written", || !running.access().is_empty()).await;
    let request = running.access()[0]["request"].as_str().expect("an id").to_owned();
    let said = site.tell(&["explain", &request]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.err.contains(&format!("{request} is a request's id, and the gateway remembers no refusal")),
        "{said:?}"
    );
    assert!(said.err.contains(&format!("grep {request}")), "{said:?}");
    assert_eq!(site.tell(&["explain", "req_short"]).await.code, 2, "and a slip is wrong usage");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_never_enrolled_is_told_apart() {
    let (site, ..) = two_hosts().await;
    assert_eq!(site.tell(&["account", "add", "alice", "--group", "staff"]).await.code, 0);
    let said = site.tell(&["explain", "http://app.localhost/x", "--as", "alice"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("alice has enrolled no factor and cannot sign in"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_taken_to_have_proved_what_they_do_not_hold() {
    let (site, ..) = two_hosts().await;
    let (_running, _browser) = with_alice(&site).await;
    site.write(&(site.read() + "\n[factor.passkey]\n"));
    let said = site.tell(&["explain", "http://app.localhost/x", "--as", "alice"]).await;
    assert!(said.code == 0 && said.out.contains("alice can prove password, totp"), "{said:?}");
    let strong = ["explain", "http://app.localhost/x", "--as", "alice", "--assurance", "phishing-resistant"];
    let said = site.tell(&strong).await;
    assert!(said.out.contains("alice cannot prove phishing-resistant, only password, totp"), "{said:?}");
    site.write(&site.read().replace("[factor.totp]", ""));
    let said = site.tell(&["explain", "http://app.localhost/x", "--as", "alice"]).await;
    assert_eq!(said.code, 1, "a password alone is too little: {said:?}");
    assert!(said.out.contains("alice can prove password (totp is not configured)"), "{said:?}");
    assert_eq!(site.tell(&["account", "disable", "alice"]).await.code, 0);
    let said = site.tell(&["explain", "http://app.localhost/x", "--as", "alice"]).await;
    assert!(said.code == 1 && said.out.contains("alice is disabled and cannot sign in"), "{said:?}");
    assert!(said.out.contains("caller   alice (staff)") && !said.out.contains("nobody who is signed in"), "{said:?}");
    assert!(said.out.contains("portcullis account enable alice"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_explained_by_its_name_and_how_it_comes() {
    let (site, ..) = two_hosts().await;
    let policy = "\n[policy.jobs]\nservice_accounts = [\"ci\"]\ngroups = []\nbound = true\n";
    site.write(&(site.read().replace("policy = \"recent\"", "policy = \"jobs\"") + policy));
    let key = rcgen::KeyPair::generate().expect("a key");
    let body = data_encoding::BASE64.encode(&rcgen::PublicKeyData::subject_public_key_info(&key));
    let public = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
    std::fs::write(site.path("ci.pub"), public).expect("written");
    let file = site.path("ci.pub").display().to_string();
    let added = site.tell(&["account", "add", "ci", "--service", "--key", &file]).await;
    assert_eq!(added.code, 0, "{added:?}");
    let url = "http://app.localhost/admin/x";
    let bearer = site.tell(&["explain", url, "--as", "ci"]).await;
    assert!(bearer.code == 1 && bearer.out.contains("use a program that speaks DPoP"), "{bearer:?}");
    let bound = site.tell(&["explain", url, "--as", "ci", "--by", "dpop"]).await;
    assert_eq!(bound.code, 0, "{bound:?}");
    let cookie = site.tell(&["explain", url, "--as", "ci", "--by", "cookie"]).await;
    assert!(cookie.code == 2 && cookie.err.contains("has no cookie"), "{cookie:?}");
    let person = site.tell(&["explain", url, "--groups", "staff", "--by", "dpop", "--json"]).await.json();
    let groups = person["conditions"].as_array().expect("a list").iter().find(|line| line["condition"] == "groups");
    assert_eq!(groups.expect("it is judged")["needs"], "a service account", "{person}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_to_sign_in_and_not_to_ask_for_groups() {
    let (site, ..) = two_hosts().await;
    let said = site.tell(&["explain", "http://wiki.localhost/x", "--json"]).await.json();
    let conditions = said["conditions"].as_array().expect("a list");
    let groups = conditions.iter().find(|condition| condition["condition"] == "groups").expect("it is judged");
    assert_eq!(groups["remedy"], json!("sign in"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_written_as_it_was_configured() {
    let (site, ..) = two_hosts().await;
    site.write(&site.read().replace("max_age = \"10m\"", "max_age = \"24h\""));
    let said = site.tell(&["explain", "http://app.localhost/admin/x"]).await;
    assert!(said.out.contains("proved within 24h"), "{said:?}");
    let added = site.tell(&["account", "add", "alice"]).await;
    assert!(added.out.contains("(24h)"), "{added:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_no_member_answered_is_explained_with_the_members_that_were_tried() {
    let (site, mut app, _wiki) = two_hosts().await;
    let running = site.run().await;
    app.stop().await;
    let failed = exchange(running.address, get("/open/x", "").as_bytes()).await;
    let body: serde_json::Value = serde_json::from_str(&failed.body).expect("a problem document");
    let decision = body["decision"].as_str().expect("an id");
    let said = site.tell(&["explain", decision]).await;
    assert_eq!((failed.status, said.code), (502, 1), "{said:?}");
    let tried = format!("{} refused after ", app.address());
    for word in ["no server of this service could be reached (unreachable)", "app-open", "pool", &tried] {
        assert!(said.out.contains(word), "{word}: {said:?}");
    }
}
