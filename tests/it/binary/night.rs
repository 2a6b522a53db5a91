//! The operator at night: a broken configuration, a full disk, a store that is gone or another's, and one question.

use super::accounts::{refused_within_a_second, with_alice};
use super::process::{Site, eventually, other_program, two_hosts};
use crate::rig::{exchange, get};
use serde_json::{Value, json};
use std::path::PathBuf;

/// What makes a configuration unusable that can still be read: a word nobody knows, and syntax at the end.
const BROKEN: &str = "\n[limits]\nidel = \"1s\"\n[[route]\nname =\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_shut_out_although_the_configuration_is_broken() {
    for verb in [&["account", "disable", "alice"][..], &["session", "revoke", "--all", "alice"]] {
        let (site, ..) = two_hosts().await;
        let (running, mut browser) = with_alice(&site).await;
        site.write(&(site.read() + BROKEN));
        let said = site.tell(verb).await;
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains("1 session"), "{said:?}");
        let problems = format!("{} has ", site.path("portcullis.toml").display());
        assert!(said.err.contains(&problems) && said.err.contains("`portcullis check`"), "{said:?}");
        refused_within_a_second(&running, &mut browser).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_on_accounts_sessions_and_the_record_works_beside_a_broken_configuration() {
    let (site, ..) = two_hosts().await;
    assert_eq!(site.tell(&["account", "add", "alice", "--group", "staff"]).await.code, 0);
    site.write(&(site.read() + BROKEN));
    for (arguments, word) in [
        (&["account", "list"][..], "alice"),
        (&["account", "show", "alice"], "staff"),
        (&["account", "enrol", "alice"], "http://auth.localhost:9/enrol/"),
        (&["account", "groups", "alice", "--set", "boss"], "boss"),
        (&["account", "disable", "alice"], "is disabled"),
        (&["account", "enable", "alice"], "is enabled"),
        (&["account", "reset", "alice", "--reason", "lost phone"], "http://auth.localhost:9/enrol/"),
        (&["account", "add", "bob"], "http://auth.localhost:9/enrol/"),
        (&["session", "list"], "there are no sessions"),
        (&["audit", "tail"], "account.changed"),
        (&["account", "remove", "alice", "--yes"], "is removed"),
    ] {
        let said = site.tell(arguments).await;
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        assert!(said.out.contains(word), "{arguments:?}: {said:?}");
        assert!(!said.out.contains("no policy names"), "not all policies can be read: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_kept_where_a_credential_of_the_service_manager_cannot_be_read() {
    let (site, ..) = two_hosts().await;
    assert_eq!(site.tell(&["account", "add", "alice"]).await.code, 0);
    site.write(&(site.read() + "\n[[certificate]]\ncert = \"none.pem\"\nkey = { credential = \"tls.key\" }\n"));
    assert_eq!(site.tell(&["check"]).await.code, 1);
    let said = site.tell(&["account", "list", "--json"]).await;
    assert_eq!((said.code, &said.json()[0]["account"]), (0, &json!("alice")), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_tells_nothing_leaves_the_state_to_be_named() {
    let (site, ..) = two_hosts().await;
    assert_eq!(site.tell(&["account", "add", "alice"]).await.code, 0);
    let state = site.path("state").to_string_lossy().into_owned();
    for text in ["[gateway\nstate = \"state\"\n", "[gateway]\nstate = [\n", "\u{0}"] {
        site.write(text);
        let said = site.tell(&["account", "list"]).await;
        assert_eq!(said.code, 1, "{text}: {said:?}");
        assert!(said.err.contains("say it: --state DIR"), "{text}: {said:?}");
        let said = site.tell(&["account", "disable", "alice", "--state", &state]).await;
        assert!(said.code == 0 && said.out.contains("alice is disabled"), "{text}: {said:?}");
    }
    std::fs::remove_file(site.path("portcullis.toml")).expect("it was there");
    assert_eq!(site.tell(&["account", "list", "--state", &state]).await.code, 0, "and even without any file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_without_an_address_for_the_link_still_resets() {
    let (site, ..) = two_hosts().await;
    assert_eq!(site.tell(&["account", "add", "alice"]).await.code, 0);
    site.write("[gateway]\nstate = \"state\"\n[portal]\norigin = \"auth\"\n");
    let said = site.tell(&["account", "reset", "alice", "--reason", "lost phone"]).await;
    assert!(said.code == 0 && said.out.contains("alice is reset"), "{said:?}");
    assert!(said.out.contains("no link was made") && said.out.contains("account enrol alice"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_could_enrol_nowhere_makes_no_state() {
    for text in ["[[listen]]\naddress = \"127.0.0.1:0\"\n", BROKEN] {
        let site = Site::new(&format!("[gateway]\nstate = \"state\"\n{text}"));
        let said = site.tell(&["account", "add", "alice"]).await;
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.err.contains("portal"), "{said:?}");
        assert!(!site.path("state").exists(), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_configuration_makes_no_store() {
    let (site, ..) = two_hosts().await;
    site.write(&(site.read() + BROKEN));
    let said = site.tell(&["account", "add", "alice"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("only by a configuration without problems"), "{said:?}");
    assert!(!site.path("state").exists());
}

/// A directory that is not this user's: given away by root, or root's.
fn foreign(site: &Site) -> PathBuf {
    let own = site.path("foreign");
    std::fs::create_dir(&own).expect("made");
    if std::os::unix::fs::chown(&own, Some(54_321), None).is_ok() { own } else { PathBuf::from("/usr/share") }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_runs_a_gateway_or_a_command_over_another_users_state() {
    let (site, ..) = two_hosts().await;
    let foreign = foreign(&site);
    let before = std::fs::read_dir(&foreign).expect("readable").count();
    site.write(&site.read().replace("state = \"state\"", &format!("state = \"{}\"", foreign.display())));
    for (verb, code) in [(&["run"][..], 78), (&["account", "list"], 3), (&["account", "add", "alice"], 3)] {
        let said = site.tell(verb).await;
        assert_eq!(said.code, code, "{said:?}");
        assert!(said.err.contains(&format!("{} belongs to the user ", foreign.display())), "{said:?}");
        assert!(said.err.contains("\nrun as that user: sudo -u "), "{said:?}");
    }
    assert_eq!(std::fs::read_dir(&foreign).expect("readable").count(), before, "and nothing was made in it");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_new_store_is_made_beside_a_gateway_whose_store_was_taken_away() {
    let (site, ..) = two_hosts().await;
    let _running = site.run().await;
    let store = site.path("state/portcullis.db");
    std::fs::rename(&store, site.path("taken.db")).expect("it was there");
    for verb in [&["account", "add", "alice"][..], &["account", "list"], &["session", "list"]] {
        let said = site.tell(verb).await;
        assert_eq!(said.code, 3, "{said:?}");
        assert!(said.err.contains("but a gateway is running on it"), "{said:?}");
    }
    assert!(!store.exists());
    let status = site.tell(&["status"]).await;
    assert!(status.out.contains("portcullis.db is gone"), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_at_once_when_the_store_cannot_be_written_but_not_for_good() {
    let (site, ..) = two_hosts().await;
    let (running, mut browser) = with_alice(&site).await;
    let listed = site.tell(&["session", "list", "--json"]).await.json();
    let id = listed[0]["id"].as_str().expect("an id").to_owned();
    let verbs =
        [&["session", "revoke", "--all", "alice"][..], &["account", "disable", "alice"], &["session", "revoke", &id]];
    for verb in verbs {
        let said = site.tell_on_a_full_disk(verb).await;
        assert_eq!(said.code, 3, "{said:?}");
        assert!(said.err.contains("nothing is written: the store is unavailable"), "{said:?}");
        assert!(said.err.contains("is refused by the running gateway from now on, but only until"), "{said:?}");
        assert!(said.err.contains("once the store can be written, give the command again"), "{said:?}");
        assert_eq!(browser.fetch(&format!("{}/", running.origin("app.localhost"))).await.status, 401, "{verb:?}");
    }
    let status = site.tell(&["status"]).await.out;
    assert!(status.contains("2 orders to end sessions held in memory alone"), "{status}");
    assert_eq!(site.tell(&["account", "list", "--json"]).await.json()[0]["disabled"], json!(false));
    running.kill().await;
    let running = site.run().await;
    let page = browser.fetch(&format!("{}/", running.origin("app.localhost"))).await;
    assert_eq!(page.status, 200, "as the operator was told: {page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_shut_out_although_another_program_holds_the_lock_of_the_store() {
    let (site, ..) = two_hosts().await;
    let (running, mut browser) = with_alice(&site).await;
    let mut other = other_program(&site.path("state/portcullis.db")).await;
    sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut other).await.expect("nobody else writes");
    let said = site.tell(&["account", "disable", "alice"]).await;
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains("nothing is written: ") && said.err.contains("holds the store's lock"), "{said:?}");
    assert!(said.err.contains("is refused by the running gateway from now on, but only until"), "{said:?}");
    assert!(said.err.contains("once the store can be written, give the command again"), "{said:?}");
    assert_eq!(browser.fetch(&format!("{}/", running.origin("app.localhost"))).await.status, 401);
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.expect("it lets go");
    let said = site.tell(&["account", "disable", "alice"]).await;
    assert!(said.code == 0 && said.out.contains("alice is disabled; 1 session ended"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_in_place_of_the_store_is_not_written_to_while_the_gateway_has_another_file_open() {
    let (site, ..) = two_hosts().await;
    let (running, _browser) = with_alice(&site).await;
    let (store, copy) = (site.path("state/portcullis.db"), site.path("copy.db"));
    let copying = format!("VACUUM INTO '{}'", copy.display());
    let mut other = other_program(&store).await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(copying)).execute(&mut other).await.expect("it is copied");
    std::fs::rename(&copy, &store).expect("it is put in place");
    let before = std::fs::read(&store).expect("it is there");
    for verb in [
        &["account", "disable", "alice"][..],
        &["account", "add", "bob"],
        &["account", "list"],
        &["session", "revoke", "--all", "alice"],
        &["audit", "tail"],
    ] {
        let said = site.tell(verb).await;
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{verb:?}: {said:?}");
        assert!(said.err.contains("another file lies in place of the store"), "{verb:?}: {said:?}");
        assert!(said.err.contains("restart the gateway to use the file that lies there"), "{verb:?}: {said:?}");
    }
    assert!(std::fs::read(&store).expect("it is there") == before, "the copy was changed");
    running.kill().await;
    // What belonged to the other file, as the documentation says.
    for suffix in ["-wal", "-shm"] {
        std::fs::remove_file(site.path(&format!("state/portcullis.db{suffix}"))).expect("it was left");
    }
    let running = site.run().await;
    assert_eq!(site.tell(&["account", "disable", "alice"]).await.code, 0);
    drop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_master_key_one_may_look_and_shut_people_out_and_nothing_else() {
    for (key, told) in [(None, "it is gone, and the store was made with it"), (Some([7; 32]), "it is another key")] {
        let (site, ..) = two_hosts().await;
        let (running, mut browser) = with_alice(&site).await;
        let (path, kept) = (site.path("state/keys/master.key"), site.path("kept.key"));
        std::fs::copy(&path, &kept).expect("it is there");
        match key {
            Some(key) => std::fs::write(&path, key).expect("it is written"),
            None => std::fs::remove_file(&path).expect("it is there"),
        }
        for verb in [
            &["account", "enrol", "alice"][..],
            &["account", "reset", "alice", "--reason", "lost phone"],
            &["account", "enable", "alice"],
            &["account", "groups", "alice", "--set", "boss"],
            &["account", "remove", "alice", "--yes"],
            &["account", "add", "bob"],
            &["audit", "verify"],
        ] {
            let said = site.tell(verb).await;
            assert_eq!((said.code, said.out.as_str()), (3, ""), "{verb:?}: {said:?}");
            assert!(said.err.contains(told) && said.err.contains(" back from the backup"), "{verb:?}: {said:?}");
        }
        for (verb, word) in [
            (&["account", "list"][..], "alice"),
            (&["account", "show", "alice"], "staff"),
            (&["account", "groups", "alice"], "staff"),
            (&["session", "list"], "alice"),
            (&["audit", "tail"], "sign-in.succeeded"),
        ] {
            let said = site.tell(verb).await;
            assert!(said.code == 0 && said.out.contains(word), "{verb:?}: {said:?}");
            assert!(said.err.starts_with("portcullis: warning: ") && said.err.contains(told), "{verb:?}: {said:?}");
        }
        let said = site.tell(&["account", "disable", "alice"]).await;
        assert!(said.code == 0 && said.out.contains("alice is disabled; 1 session ended"), "{said:?}");
        assert!(said.err.contains(told) && said.err.contains("not in the record"), "{said:?}");
        refused_within_a_second(&running, &mut browser).await;
        assert!(site.tell(&["session", "revoke", "--all", "alice"]).await.err.contains("not in the record"));
        std::fs::rename(&kept, &path).expect("it is put back");
        let said = site.tell(&["audit", "verify"]).await;
        assert!(said.code == 0 && said.err.is_empty(), "the record is as it was: {said:?}");
        assert!(!site.tell(&["audit", "tail"]).await.out.contains("change=disabled"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_without_a_gateway_ends_nothing_and_says_so() {
    let (site, ..) = two_hosts().await;
    assert_eq!(site.tell(&["account", "add", "alice"]).await.code, 0);
    let said = site.tell_on_a_full_disk(&["account", "disable", "alice"]).await;
    assert_eq!(said.code, 3, "{said:?}");
    assert!(!said.err.contains("is refused by the running gateway"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_says_how_everything_stands() {
    let (site, app, _wiki) = two_hosts().await;
    let running = site.run().await;
    site.write(&(site.read() + "\n[sesion]\n"));
    assert_eq!(site.tell(&["reload"]).await.code, 1);
    let said = site.tell(&["status"]).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    let file = site.path("portcullis.toml").display().to_string();
    for part in [
        "ready  portcullis ",
        &file,
        "2, live since ",
        "refused ",
        ": 1 problem; edition 2 serves on",
        "sesion",
        &format!("http {}", running.address),
        "answers, in ",
        &app.address().to_string(),
        "not probed",
    ] {
        assert!(said.out.contains(part), "{part:?} is not in\n{}", said.out);
    }
    let json = site.tell(&["status", "--json"]).await.json();
    assert_eq!((&json["configuration"], &json["edition"], &json["ready"]), (&json!(file), &json!(2), &json!(true)));
    assert_eq!(json["last_reload"]["became"]["outcome"], "refused");
    let checked = site.tell(&["check", "--json"]).await.json();
    assert_eq!(json["last_reload_refused"], checked["problems"], "in the shape of check");
    assert_eq!(site.tell(&["reload", "--json"]).await.json()["problems"], checked["problems"]);
    assert_eq!(json["store"]["answers"], json!(true));
    assert_eq!(json["pools"].as_array().map(Vec::len), Some(2));
    assert!(json["started"].as_str() <= json["at"].as_str(), "{json}");
    let socket = site.path("admin.sock");
    let named = site.tell(&["status", "--config", "/nonexistent", "--socket", socket.to_str().expect("text")]).await;
    assert_eq!(named.code, 0, "{named:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_waits_for_a_restart_is_no_other_store_for_the_commands() {
    let (site, ..) = two_hosts().await;
    let (running, mut browser) = with_alice(&site).await;
    let old = site.path("state").display().to_string();
    site.write(&site.read().replace(r#"state = "state""#, r#"state = "moved""#));
    assert_eq!(site.tell(&["reload"]).await.code, 0);
    let status = site.tell(&["status"]).await;
    assert!(status.out.contains("restart needed") && status.out.contains("  gateway.state\n"), "{status:?}");
    for verb in
        [&["account", "disable", "alice"][..], &["account", "add", "bob"], &["session", "list"], &["audit", "tail"]]
    {
        let said = site.tell(verb).await;
        let expected = format!("the running gateway's store is {old}, and ");
        assert!(said.code == 1 && said.err.contains(&expected), "{verb:?}: {said:?}");
        assert!(said.err.contains(&format!("use --state {old}, or restart the gateway")), "{verb:?}: {said:?}");
    }
    assert!(!site.path("moved").exists(), "and no other store was made");
    let moved = site.path("moved").display().to_string();
    let named = site.tell(&["account", "list", "--state", &moved]).await;
    assert!(named.err.contains("note: the running gateway's store is ") && named.err.contains("no store"), "{named:?}");
    assert_eq!(site.tell(&["account", "disable", "alice", "--state", &old]).await.code, 0);
    refused_within_a_second(&running, &mut browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_no_gateway_is_a_failure() {
    let (site, ..) = two_hosts().await;
    let said = site.tell(&["status"]).await;
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains("no gateway is running here"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_a_gateway_that_stops_is_no() {
    let (site, ..) = two_hosts().await;
    let slow = crate::rig::RawMember::play(move |mut line| async move {
        line.head().await;
        std::future::pending().await
    })
    .await;
    let text = site.read().replace("path = \"/open/**\"\npool = \"app\"", "path = \"/open/**\"\npool = \"slow\"");
    let text = format!("{text}\n[pool.slow]\nmembers = [\"{}\"]\n", slow.address());
    let site = Site::new(&text.replace(r#"drain = "2s""#, r#"drain = "15s""#));
    let running = site.run().await;
    let address = running.address;
    let asked = tokio::spawn(async move { exchange(address, get("/open/x", "").as_bytes()).await });
    eventually("the member was asked", || !slow.heard().concat().is_empty()).await;
    running.signal("TERM").await;
    eventually("it takes no connection", || std::net::TcpStream::connect(address).is_err()).await;
    let said = site.tell(&["status", "--json"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.json()["unready"].as_str().is_some_and(|why| why.contains("stopping")), "{said:?}");
    asked.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_to_the_gateway_is_in_its_log() {
    let (site, ..) = two_hosts().await;
    let (running, _browser) = with_alice(&site).await;
    assert_eq!(site.tell_on_a_full_disk(&["session", "revoke", "--all", "alice"]).await.code, 3);
    let logged = |line: &String| {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        line["message"] == "sessions are refused from now on until the gateway is started again"
            && line["user"].is_u64()
            && line["id"].as_str().is_some_and(|id| id.starts_with("acc_"))
    };
    eventually("it is logged, with who ordered it", || running.log().iter().any(logged)).await;
}
