//! The verbs on accounts, sessions and the record: without a gateway, and beside one, which obeys within a second.

use super::process::{Running, Site, two_hosts};
use crate::rig::{Browser, PASSWORD};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A gateway with a signed-in person who has been on a service.
pub async fn with_alice(site: &Site) -> (Running, Browser) {
    let running = site.run().await;
    let added = site.tell(&["account", "add", "alice", "--group", "staff", "--json"]).await;
    assert_eq!(added.code, 0, "{added:?}");
    let mut browser = running.browser();
    browser.enrol(added.json()["link"].as_str().expect("a link")).await;
    let page = browser.visit(&format!("{}/", running.origin("app.localhost"))).await;
    assert_eq!((page.status, page.body.as_str()), (200, "app /"));
    (running, browser)
}

/// Asks until the session is refused; that must happen within a second.
pub async fn refused_within_a_second(running: &Running, browser: &mut Browser) {
    let told = Instant::now();
    loop {
        let before = told.elapsed();
        match browser.fetch(&format!("{}/", running.origin("app.localhost"))).await.status {
            401 => return,
            200 => assert!(before < Duration::from_secs(1), "still admitted after {before:?}"),
            other => panic!("{other}"),
        }
    }
}

fn names(events: &str) -> Vec<String> {
    let event = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["event"].as_str().map(str::to_owned);
    events.lines().filter_map(event).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_has_keys_and_nothing_that_people_have() {
    let (site, ..) = two_hosts().await;
    let key = rcgen::KeyPair::generate().expect("a key");
    let body = data_encoding::BASE64.encode(&rcgen::PublicKeyData::subject_public_key_info(&key));
    let public = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
    let lay = |name: &str, text: &str| std::fs::write(site.path(name), text).expect("written");
    let path = |name: &str| site.path(name).display().to_string();
    lay("ci.pub", &public);
    lay("ci.key", &key.serialize_pem());
    let add = async |file: &str| site.tell(&["account", "add", "ci", "--service", "--key", &path(file)]).await;
    let private = add("ci.key").await;
    assert_eq!((private.code, private.err.contains("it holds a private key")), (1, true), "{private:?}");
    let missing = add("none").await;
    assert_eq!((missing.code, missing.err.contains("none: ")), (1, true), "{missing:?}");
    assert_eq!(site.tell(&["account", "show", "ci"]).await.code, 1, "nothing was added");
    let added = add("ci.pub").await;
    assert_eq!(added.code, 0, "{added:?}");
    assert!(added.out.contains("a service account with 1 key") && added.out.contains("service_accounts = [\"ci\"]"));
    let shown = site.tell(&["account", "show", "ci", "--json"]).await.json();
    assert_eq!((&shown["kind"], &shown["state"]), (&json!("service"), &json!("enabled")));
    let label = shown["credentials"][0]["label"].as_str().expect("a label").to_owned();
    assert!(label.starts_with("P-256 key "), "{label}");
    for verb in [
        &["account", "enrol", "ci"][..],
        &["account", "reset", "ci", "--reason", "x"],
        &["account", "groups", "ci", "--set", "a"],
    ] {
        let refused = site.tell(verb).await;
        assert_eq!((refused.code, refused.err.contains("is a service account")), (1, true), "{refused:?}");
    }
    for wrong in [
        &["account", "add", "cd", "--service"][..],
        &["account", "add", "cd", "--key", "ci.pub"],
        &["account", "add", "cd", "--service", "--key", "ci.pub", "--group", "staff"],
    ] {
        assert_eq!(site.tell(wrong).await.code, 2, "{wrong:?}");
    }
    let certificate = rcgen::CertificateParams::new(vec!["ci".to_owned()]).expect("names").self_signed(&key);
    lay("ci.pem", &certificate.expect("a certificate").pem());
    let both = [path("ci.pub"), path("ci.pem")];
    let set = site.tell(&["account", "keys", "ci", "--set", &both[0], "--set", &both[1]]).await;
    assert_eq!((set.code, set.out.contains("ci has 2 keys")), (0, true), "{set:?}");
    let listed = site.tell(&["account", "keys", "ci"]).await;
    assert!(listed.out.contains(&label) && listed.out.contains("certificate "), "{listed:?}");
    let everyone = site.tell(&["account", "list"]).await;
    assert!(everyone.out.contains("KIND") && everyone.out.contains("service"), "{everyone:?}");
    site.tell(&["account", "add", "alice", "--group", "staff"]).await;
    let person = site.tell(&["account", "keys", "alice", "--set", &both[0]]).await;
    assert_eq!((person.code, person.err.contains("is a person's account")), (1, true), "{person:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_and_go_one_by_one_and_the_record_has_their_fingerprints() {
    let (site, ..) = two_hosts().await;
    let path = |name: &str| site.path(name).display().to_string();
    for name in ["old.pub", "new.pub"] {
        let key = rcgen::KeyPair::generate().expect("a key");
        let body = data_encoding::BASE64.encode(&rcgen::PublicKeyData::subject_public_key_info(&key));
        let public = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
        std::fs::write(site.path(name), public).expect("written");
    }
    let (old, new) = (path("old.pub"), path("new.pub"));
    let twice = site.tell(&["account", "add", "ci", "--service", "--key", &old, "--key", &old]).await;
    assert!(twice.code == 1 && twice.err.contains("it is there already"), "{twice:?}");
    assert_eq!(site.tell(&["account", "add", "ci", "--service", "--key", &old]).await.code, 0);
    let added = site.tell(&["account", "keys", "ci", "--add", &new]).await;
    assert!(added.code == 0 && added.out.contains("ci has 2 keys now; its sessions go on"), "{added:?}");
    let again = site.tell(&["account", "keys", "ci", "--add", &new]).await;
    assert!(again.code == 1 && again.err.contains("it is there already, as P-256 key "), "{again:?}");
    let keys = site.tell(&["account", "keys", "ci", "--json"]).await.json();
    let text = |at: usize, key: &str| keys["keys"][at][key].as_str().expect("text").to_owned();
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(2), "{keys}");
    let nothing = site.tell(&["account", "keys", "ci", "--remove", "nothing"]).await;
    assert!(nothing.code == 1 && nothing.err.contains("ci has no key \"nothing\""), "{nothing:?}");
    let removed = site.tell(&["account", "keys", "ci", "--remove", &text(0, "label"), "--json"]).await.json();
    assert_eq!((&removed["change"], &removed["sessions_ended"]), (&json!("keys-removed"), &json!(0)), "{removed}");
    let left = site.tell(&["account", "keys", "ci"]).await;
    assert!(left.out.contains(&text(1, "fingerprint")) && !left.out.contains(&text(0, "label")), "{left:?}");
    let last = site.tell(&["account", "keys", "ci", "--remove", &text(1, "fingerprint")]).await;
    assert!(last.code == 0 && last.out.contains("ci has no key left"), "{last:?}");
    let record = site.tell(&["audit", "tail"]).await.out;
    for (change, print) in [("keys-added", 1), ("keys-removed", 0)] {
        let told = |line: &str| line.contains(change) && line.contains(&text(print, "fingerprint"));
        assert!(record.lines().any(told), "{change}: {record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_shown_with_what_its_factors_are_worth() {
    let (site, ..) = two_hosts().await;
    let (running, _browser) = with_alice(&site).await;
    let state = async |factor: &str| {
        let shown = site.tell(&["account", "show", "alice", "--json"]).await.json();
        let found = shown["credentials"].as_array().expect("a list").iter().find(|held| held["factor"] == factor);
        found.expect("it is held")["state"].clone()
    };
    assert_eq!((state("password").await, state("totp").await), (json!("in use"), json!("in use")));
    let mut stranger = running.browser();
    for _ in 0..6 {
        let page = stranger.visit(&format!("{}/", running.origin("app.localhost"))).await;
        stranger.submit(&page, "/sign-in", &[("name", "alice"), ("password", "wrong and wrong")]).await;
    }
    assert_eq!(state("password").await, json!("waits"));
    let shown = site.tell(&["account", "show", "alice"]).await;
    assert!(shown.out.contains("STATE") && shown.out.contains("waits until "), "{shown:?}");
    site.write(&site.read().replace("[factor.totp]", "[factor.passkey]"));
    assert_eq!(state("totp").await, json!("not configured"));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_kept_without_a_gateway() {
    let (site, ..) = two_hosts().await;
    let absent = site.tell(&["account", "list"]).await;
    assert_eq!(absent.code, 1, "{absent:?}");
    assert!(absent.err.contains("there is no store"), "{absent:?}");
    let added = site.tell(&["account", "add", "alice", "--group", "staff"]).await;
    assert_eq!(added.code, 0, "{added:?}");
    assert!(added.out.contains("http://auth.localhost:9/enrol/"), "{added:?}");
    let again = site.tell(&["account", "add", "alice"]).await;
    assert_eq!(again.code, 1, "{again:?}");
    let slip = site.tell(&["account", "add", "bob", "--group", "staf"]).await;
    assert!(slip.out.contains("no policy names the group staf"), "{slip:?}");
    let list = site.tell(&["account", "list"]).await;
    assert!(list.out.contains("alice") && list.out.contains("bob"), "{list:?}");
    for (arguments, word) in [
        (&["account", "disable", "alice"][..], "is disabled"),
        (&["account", "show", "alice"], "disabled"),
        (&["account", "enable", "alice"], "is enabled"),
        (&["account", "groups", "alice", "--set", "staff,boss"], "boss"),
        (&["account", "enrol", "alice"], "/enrol/"),
        (&["account", "reset", "alice", "--reason", "lost phone"], "/enrol/"),
        (&["account", "remove", "alice", "--yes"], "is removed"),
    ] {
        let said = site.tell(arguments).await;
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        assert!(said.out.contains(word), "{arguments:?}: {said:?}");
    }
    let gone = site.tell(&["account", "show", "alice"]).await;
    assert_eq!(gone.code, 1, "{gone:?}");
    assert!(gone.err.contains("there is no account alice"), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_added_beside_a_running_gateway_enrols_and_is_let_in() {
    let (site, app, _wiki) = two_hosts().await;
    let (_running, _browser) = with_alice(&site).await;
    assert_eq!(app.last().one("x-portcullis-account").as_deref(), Some("alice"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_person_is_refused_within_a_second() {
    let (site, ..) = two_hosts().await;
    let (running, mut browser) = with_alice(&site).await;
    let said = site.tell(&["account", "disable", "alice"]).await;
    assert!(said.code == 0 && said.out.contains("1 session ended"), "{said:?}");
    refused_within_a_second(&running, &mut browser).await;
    let page = browser.visit(&format!("{}/", running.origin("app.localhost"))).await;
    let page = browser.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    assert!(page.status >= 400, "and cannot sign in: {page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_person_and_one_who_was_reset_are_refused_within_a_second() {
    for verb in [&["account", "remove", "alice", "--yes"][..], &["account", "reset", "alice", "--reason", "left"]] {
        let (site, ..) = two_hosts().await;
        let (running, mut browser) = with_alice(&site).await;
        assert_eq!(site.tell(verb).await.code, 0);
        refused_within_a_second(&running, &mut browser).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_changes_groups_gets_what_they_open_within_a_second() {
    let (site, ..) = two_hosts().await;
    let (running, mut browser) = with_alice(&site).await;
    let boss = format!("{}/boss/x", running.origin("app.localhost"));
    assert_eq!(browser.fetch(&boss).await.status, 403);
    assert_eq!(site.tell(&["account", "groups", "alice", "--set", "staff,boss"]).await.code, 0);
    let told = Instant::now();
    while browser.fetch(&boss).await.status != 200 {
        assert!(told.elapsed() < Duration::from_secs(1), "{:?}", told.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_listed_and_revoked_by_its_id() {
    let (site, ..) = two_hosts().await;
    let (running, mut browser) = with_alice(&site).await;
    let listed = site.tell(&["session", "list", "alice", "--json"]).await.json();
    let session = &listed[0];
    assert_eq!((&session["account"], &session["assurance"]), (&json!("alice"), &json!("mfa")), "{listed}");
    let id = session["id"].as_str().expect("an id");
    assert!(site.tell(&["session", "list"]).await.out.contains(id));
    let revoked = site.tell(&["session", "revoke", id]).await;
    assert_eq!(revoked.code, 0, "{revoked:?}");
    refused_within_a_second(&running, &mut browser).await;
    assert_eq!(site.tell(&["session", "list", "--json"]).await.json(), json!([]));
    let again = site.tell(&["session", "revoke", id]).await;
    assert_eq!(again.code, 1, "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sessions_of_a_person_are_revoked_at_once() {
    let (site, ..) = two_hosts().await;
    let (running, mut browser) = with_alice(&site).await;
    let revoked = site.tell(&["session", "revoke", "--all", "alice"]).await;
    assert!(revoked.code == 0 && revoked.out.contains("1 session"), "{revoked:?}");
    refused_within_a_second(&running, &mut browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_person_keeps_the_name_in_the_record() {
    let (site, ..) = two_hosts().await;
    assert_eq!(site.tell(&["account", "add", "alice", "--group", "staff"]).await.code, 0);
    assert_eq!(site.tell(&["account", "remove", "alice", "--yes"]).await.code, 0);
    let text = site.tell(&["audit", "tail"]).await.out;
    let removed = text.lines().find(|line| line.contains("change=removed")).expect("a line");
    assert!(removed.contains("  alice  ") && !removed.contains("acc_"), "{removed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_shows_sign_ins_and_what_operators_did() {
    let (site, ..) = two_hosts().await;
    let (running, mut browser) = with_alice(&site).await;
    let boss = browser.fetch(&format!("{}/boss/x", running.origin("app.localhost"))).await;
    assert_eq!(boss.status, 403);
    site.tell(&["account", "disable", "alice"]).await;
    let mut events = Vec::new();
    let began = Instant::now();
    while !events.iter().any(|name| name == "request.denied") && began.elapsed() < crate::rig::PATIENCE {
        events = names(&site.tell(&["audit", "tail", "-n", "50", "--json"]).await.out);
    }
    for name in [
        "gateway.lifecycle",
        "configuration.reloaded",
        "account.added",
        "account.enrolment-offered",
        "factor.enrolled",
        "sign-in.succeeded",
        "session.entered",
        "request.denied",
        "account.changed",
    ] {
        assert!(events.iter().any(|event| event == name), "{name} in {events:?}");
    }
    let text = site.tell(&["audit", "tail"]).await.out;
    let signed_in = text.lines().find(|line| line.contains("sign-in.succeeded")).expect("a line");
    assert!(signed_in.contains("alice") && signed_in.contains("password,totp"), "{signed_in}");
    let denied = text.lines().find(|line| line.contains("request.denied")).expect("a line");
    assert!(denied.contains("alice") && denied.contains("groups"), "whom it concerned: {denied}");
    let entered = text.lines().find(|line| line.contains("session.entered")).expect("a line");
    assert!(entered.contains("  alice  "), "who entered: {entered}");
    let columns: Vec<_> =
        text.lines().filter(|line| line.contains("  alice  ")).map(|line| line.find("alice")).collect();
    assert!(columns.len() > 4 && columns.iter().all(|column| *column == columns[0]), "{text}");
    assert_eq!(site.tell(&["audit", "tail", "-n", "2"]).await.out.lines().count(), 2);
}
