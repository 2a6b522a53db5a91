//! What the store stands on: its log taken away from under a running gateway or replaced, and a file that is damaged.

use super::accounts::with_alice;
use super::process::{Said, Site, eventually, other_program, two_hosts};
use serde_json::json;
use std::path::PathBuf;

const LOG: [&str; 2] = ["-wal", "-shm"];

/// What belongs to the store's file.
fn beside(site: &Site, suffix: &str) -> PathBuf {
    site.path(&format!("state/portcullis.db{suffix}"))
}

fn take_away(site: &Site, suffixes: &[&str]) {
    for suffix in suffixes {
        std::fs::rename(beside(site, suffix), site.path(&format!("kept{suffix}"))).expect("it lies there");
    }
}

fn put_back(site: &Site, suffixes: &[&str]) {
    for suffix in suffixes {
        std::fs::rename(site.path(&format!("kept{suffix}")), beside(site, suffix)).expect("it was kept");
    }
}

fn refused_in_words(said: &Said) {
    assert_eq!((said.code, said.out.as_str()), (3, ""), "{said:?}");
    assert!(said.err.contains("is gone, and the running gateway still has it open"), "{said:?}");
    assert!(said.err.contains("systemctl restart portcullis; never kill -9"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_opens_a_store_whose_log_was_taken_away_from_under_the_gateway() {
    let (site, ..) = two_hosts().await;
    let (_running, _browser) = with_alice(&site).await;
    for gone in [&LOG[..], &LOG[..1], &LOG[1..]] {
        take_away(&site, gone);
        for verb in [
            &["account", "list"][..],
            &["account", "add", "carol", "--group", "staff"],
            &["account", "reset", "alice", "--reason", "lost phone"],
            &["account", "remove", "alice", "--yes"],
            &["session", "list"],
            &["audit", "tail"],
            &["audit", "verify"],
        ] {
            refused_in_words(&site.tell(verb).await);
        }
        assert!(gone.iter().all(|suffix| !beside(&site, suffix).exists()), "a new log was made: {gone:?}");
        put_back(&site, gone);
        let listed = site.tell(&["account", "list", "--json"]).await;
        assert_eq!(listed.json()[0]["account"], "alice", "{listed:?}");
        assert_eq!(listed.json().as_array().map(Vec::len), Some(1), "{listed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_opens_no_store_whose_log_was_taken_away_either() {
    let (site, ..) = two_hosts().await;
    let (running, _browser) = with_alice(&site).await;
    take_away(&site, &LOG);
    let url = format!("{}/", running.origin("app.localhost"));
    let said = site.tell(&["explain", &url, "--as", "alice"]).await;
    assert!(said.code != 0 || said.out.contains("is gone"), "{said:?}");
    assert!(!beside(&site, "-wal").exists(), "a new log was made: {said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_shut_out_from_memory_although_the_log_was_taken_away() {
    for named in [true, false] {
        let (site, ..) = two_hosts().await;
        let (running, mut browser) = with_alice(&site).await;
        let listed = site.tell(&["session", "list", "--json"]).await.json();
        let id = listed[0]["id"].as_str().expect("an id").to_owned();
        let verbs = [
            &["session", "revoke", &id][..],
            &["session", "revoke", "--all", "alice"],
            &["account", "disable", "alice"],
        ];
        take_away(&site, &LOG);
        for verb in if named { &verbs[2..] } else { &verbs[..2] } {
            let said = site.tell(verb).await;
            refused_in_words(&said);
            assert!(said.err.contains("nothing is written: "), "{said:?}");
            assert!(said.err.contains("is refused by the running gateway from now on, but only until"), "{said:?}");
            let page = browser.fetch(&format!("{}/", running.origin("app.localhost"))).await;
            assert!([401, 503].contains(&page.status), "{verb:?}: {page:?}");
        }
        let nobody = site.tell(&["account", "disable", "bob"]).await;
        assert!(nobody.code == 3 && nobody.err.contains("nothing has ended: "), "{nobody:?}");
        assert!(nobody.err.contains("there is no such account"), "{nobody:?}");
        assert!(!beside(&site, "-wal").exists(), "a new log was made");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_a_log_that_was_taken_away_is_written_back_at_once_and_at_the_end() {
    for noticed in [true, false] {
        let (site, ..) = two_hosts().await;
        let (mut running, mut browser) = with_alice(&site).await;
        let length = || std::fs::metadata(beside(&site, "")).expect("it is there").len();
        assert!(length() <= 4096, "all of it is still in the log");
        for suffix in LOG {
            std::fs::remove_file(beside(&site, suffix)).expect("it lies there");
        }
        if noticed {
            eventually("the gateway writes it back", || length() > 4096).await;
            eventually("and says why", || running.log().iter().any(|line| line.contains("never kill -9"))).await;
            refused_in_words(&site.tell(&["account", "list"]).await);
        }
        running.signal("TERM").await;
        assert_eq!(running.end().await, Some(0));
        let running = site.run().await;
        let page = browser.fetch(&format!("{}/", running.origin("app.localhost"))).await;
        assert_eq!(page.status, 200, "the session is there: {page:?}");
        assert_eq!(site.tell(&["account", "list", "--json"]).await.json()[0]["account"], json!("alice"));
        assert_eq!(site.tell(&["audit", "verify"]).await.code, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_another_program_made_in_place_of_the_gateways_is_told_apart() {
    let (site, ..) = two_hosts().await;
    let (_running, _browser) = with_alice(&site).await;
    take_away(&site, &LOG);
    let mut other = other_program(&beside(&site, "")).await;
    sqlx::raw_sql("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; ROLLBACK").execute(&mut other).await.expect("it runs");
    assert!(beside(&site, "-wal").exists());
    let said = site.tell(&["account", "list"]).await;
    assert_eq!((said.code, said.out.as_str()), (3, ""), "{said:?}");
    assert!(said.err.contains("portcullis.db-wal lies in place of the one that the running gateway"), "{said:?}");
    assert!(said.err.contains("move portcullis.db-wal and portcullis.db-shm away, and restart"), "{said:?}");
}

/// A site whose gateway has ended, and whose store has lost its log since, if it had one left.
async fn ended() -> Site {
    let (site, ..) = two_hosts().await;
    let (mut running, _browser) = with_alice(&site).await;
    running.signal("TERM").await;
    assert_eq!(running.end().await, Some(0));
    for left in LOG.map(|suffix| beside(&site, suffix)).iter().filter(|path| path.exists()) {
        std::fs::remove_file(left).expect("it lies there");
    }
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_gateway_a_store_without_its_log_is_the_store() {
    let site = ended().await;
    let listed = site.tell(&["account", "list", "--json"]).await;
    assert_eq!((listed.code, &listed.json()[0]["account"]), (0, &json!("alice")), "{listed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_started_once_and_the_backup_is_pointed_to() {
    let site = ended().await;
    let store = std::fs::OpenOptions::new().write(true).open(beside(&site, "")).expect("it opens");
    store.set_len(5000).expect("it is cut");
    let said = site.tell(&["run"]).await;
    assert_eq!(said.code, 78, "no restart mends it: {said:?}");
    let words = ["its file is damaged", "back from the backup", "(SQLite 11)"];
    assert!(words.iter().all(|word| said.err.contains(word)), "{said:?}");
    let said = site.tell(&["account", "list"]).await;
    assert_eq!((said.code, said.out.as_str()), (3, ""), "{said:?}");
    assert!(words.iter().all(|word| said.err.contains(word)), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_opened_is_no_number() {
    let site = ended().await;
    std::fs::create_dir(beside(&site, "-wal")).expect("it is made");
    let said = site.tell(&["run"]).await;
    assert_eq!(said.code, 3, "it may be over by itself: {said:?}");
    assert!(said.err.contains("its file or its log (-wal, -shm) cannot be opened: "), "{said:?}");
    assert!(said.err.contains("LimitNOFILE=") && said.err.contains("(SQLite 14)"), "{said:?}");
}
