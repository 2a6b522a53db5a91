//! How the running program stands and says so: a store that cannot be written, a stop that is cut short, a heartbeat,
//! the limit of open files, and what scripts read.

use super::accounts::with_alice;
use super::process::{Running, Site, eventually, two_hosts};
use crate::rig::{Line, PATIENCE, exchange, get};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// Lets a process write to files, or to none, as on a full disk. It must have been started with the signal for it
/// ignored.
fn allow_bytes(running: &Running, bytes: Option<u64>) {
    let number = i32::try_from(running.number()).expect("numbers of processes are small");
    let limit = Rlimit { current: bytes, maximum: None };
    prlimit(Pid::from_raw(number), Resource::Fsize, limit).expect("it is ours");
}

/// What `status` prints once that holds for it.
async fn status_when(site: &Site, what: &str, holds: impl Fn(&str) -> bool) -> String {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let said = site.tell(&["status"]).await;
        if holds(&said.out) {
            return said.out;
        }
        assert!(tokio::time::Instant::now() < deadline, "it never came true: {what}\n{said:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn operator(running: &Running, path: &str) -> (u16, String) {
    let ready = running.logged("ready").expect("it serves");
    let address: SocketAddr = ready["admin"].as_str().expect("text").parse().expect("an address");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let answer = exchange(address, request.as_bytes()).await;
    (answer.status, answer.body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_written_is_told_until_it_can_be_again() {
    let (site, ..) = two_hosts().await;
    let running = site.run_after("trap '' XFSZ").await;
    let metric = async || operator(&running, "/metrics").await.1;
    assert!(metric().await.contains("\nportcullis_degraded 0\n"));
    allow_bytes(&running, Some(0));
    // A refused reload is an event, and the record is written.
    site.write(&(site.read() + "\n[sesion]\n"));
    let degraded = status_when(&site, "it is degraded", |said| said.starts_with("degraded  portcullis ")).await;
    assert!(degraded.contains("the store cannot be written, so nobody can sign in or enrol: "), "{degraded}");
    assert!(degraded.contains("; the last write that failed: "), "{degraded}");
    assert_eq!(operator(&running, "/readyz").await, (200, "ready\n".to_owned()), "known sessions are still admitted");
    let metrics = metric().await;
    assert!(metrics.contains("\nportcullis_degraded 1\n") && metrics.contains("\nportcullis_ready 1\n"), "{metrics}");
    eventually("it is logged", || running.log().iter().any(|line| line.contains("the store cannot be written"))).await;
    allow_bytes(&running, None);
    let well = status_when(&site, "it is well again", |said| said.starts_with("ready  portcullis ")).await;
    assert!(well.contains("; the last write that failed: "), "what happened is still told: {well}");
    assert!(metric().await.contains("\nportcullis_degraded 0\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_held_in_memory_is_told_until_the_store_holds_it() {
    let (site, ..) = two_hosts().await;
    let (_running, _browser) = with_alice(&site).await;
    let listed = site.tell(&["session", "list", "--json"]).await.json();
    let id = listed[0]["id"].as_str().expect("an id").to_owned();
    for verb in [&["session", "revoke", &id][..], &["account", "disable", "alice"]] {
        assert_eq!(site.tell_on_a_full_disk(verb).await.code, 3);
    }
    let held = "2 orders to end sessions held in memory alone";
    status_when(&site, "they are told", |said| said.contains(held)).await;
    assert_eq!(site.tell(&["session", "revoke", &id]).await.code, 0);
    assert_eq!(site.tell(&["account", "disable", "alice"]).await.code, 0);
    status_when(&site, "they are in the store", |said| !said.contains("held in memory alone")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_cuts_what_is_under_way() {
    for second in ["TERM", "INT"] {
        let (site, app, _wiki) = two_hosts().await;
        let mute = crate::rig::RawMember::play(move |mut line| async move {
            line.head().await;
            std::future::pending().await
        })
        .await;
        let text = site.read().replace(&app.address().to_string(), &mute.address().to_string());
        let site = Site::new(&text.replace(r#"drain = "2s""#, r#"drain = "1h""#));
        let mut running = site.run().await;
        let mut under_way = Line::to(running.address).await;
        under_way.say(get("/open/x", "")).await;
        eventually("the member was asked", || !mute.heard().concat().is_empty()).await;
        running.signal("TERM").await;
        let said = "stopping: no new connections, requests under way may end; another SIGTERM or SIGINT cuts them";
        eventually("it says how to cut it short", || running.logged(said).is_some()).await;
        running.signal(second).await;
        assert_eq!(running.end().await, Some(0), "an ordered end, only a quick one");
        let cut = running.logged("told to stop once more: what is under way is cut").expect("logged");
        assert_eq!((&cut["level"], &cut["connections"]), (&"WARN".into(), &1.into()), "{cut}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_hears_a_heartbeat_if_it_wants_one() {
    let (site, ..) = two_hosts().await;
    let manager = tokio::net::UnixDatagram::bind(site.path("notify")).expect("a free path");
    let _running = site.start_watched(&site.path("notify"), Duration::from_secs(1));
    let mut beats = 0;
    while beats < 3 {
        let mut message = [0; 1024];
        let length = tokio::time::timeout(PATIENCE, manager.recv(&mut message)).await.expect("in time");
        beats += usize::from(&message[..length.expect("a message")] == b"WATCHDOG=1\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_logs_tell_the_time_under_one_name_and_in_one_form() {
    let (site, ..) = two_hosts().await;
    let running = site.run().await;
    exchange(running.address, get("/open/x", "").as_bytes()).await;
    eventually("a line is written", || !running.access().is_empty()).await;
    for line in [running.logged("ready").expect("logged"), running.access().remove(0)] {
        let time = line["time"].as_str().unwrap_or_else(|| panic!("no time: {line}"));
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{line}");
        assert!(line.get("timestamp").is_none(), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_itself_it_takes_no_more_connections_than_it_may_open_files_for() {
    let (site, ..) = two_hosts().await;
    let running = site.run_after("ulimit -n 1000").await;
    let ready = running.logged("ready").expect("it serves");
    assert_eq!((&ready["connections"], &ready["open_files"]), (&450.into(), &1000.into()), "{ready}");
    assert_eq!(site.tell(&["status", "--json"]).await.json()["connections_allowed"], 450);
    assert!(!running.log().iter().any(|line| line.contains("open files, and")), "nobody asked for more");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_the_limit_of_open_files_allows_are_a_warning_where_they_are_written() {
    let (site, ..) = two_hosts().await;
    site.write(&(site.read() + "\n[limits]\nconnections = 20000\n"));
    let running = site.run_after("ulimit -n 1000").await;
    let warned = |line: &String| {
        line.contains("limits.connections: so many need 40100 open files, and this process may have 1000")
            && line.contains("portcullis.toml:")
            && line.contains("WARN")
    };
    assert!(running.log().iter().any(warned), "{:?}", running.log());
    assert_eq!(site.tell(&["status", "--json"]).await.json()["connections_allowed"], 20_000, "it is obeyed");
    let checked = site.tell(&["check"]).await;
    assert!(!checked.out.contains("open files"), "the limit of whoever checks is not the gateway's: {checked:?}");
}

/// The rows of the table below a heading of `docs/operate.md`, each cell as what stands in backticks in it.
fn documented(heading: &str) -> Vec<Vec<BTreeSet<String>>> {
    let page = include_str!("../../../docs/operate.md");
    let (_, section) = page.split_once(&format!("\n{heading}\n")).expect("the heading is there");
    let rows = section.split("\n#").next().unwrap_or_default().lines().filter(|line| line.starts_with("| `"));
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    rows.map(|row| row.trim_matches('|').split('|').map(words).collect()).collect()
}

/// Every key of a value with those above it: `pools[].members[].address`.
fn keys(above: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(name, value)| {
            let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            keys(&key, value, found);
            found.insert(key);
        }),
        Value::Array(list) => list.iter().for_each(|value| keys(&format!("{above}[]"), value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_keys_of_the_status_are_those_it_has() {
    let (site, ..) = two_hosts().await;
    let made = rcgen::generate_simple_self_signed(vec!["app.localhost".to_owned()]).expect("a certificate");
    std::fs::write(site.path("a.pem"), made.cert.pem()).expect("written");
    std::fs::write(site.path("a.key"), made.signing_key.serialize_pem()).expect("written");
    let text = site.read() + "\n[[certificate]]\ncert = \"a.pem\"\nkey = { file = \"a.key\" }\n";
    site.write(&text);
    let running = site.run_after("trap '' XFSZ").await;
    let mut produced = BTreeSet::new();
    site.write(&(text.clone() + "\n[policy.unused]\n"));
    // Noticed by itself: a `reload` that came after that would find nothing changed.
    status_when(&site, "the change is live", |said| !said.contains("none since the start")).await;
    keys("", &site.tell(&["status", "--json"]).await.json(), &mut produced);
    allow_bytes(&running, Some(0));
    site.write(&(text + "\n[sesion]\n"));
    assert_eq!(site.tell(&["reload"]).await.code, 1);
    status_when(&site, "a write failed", |said| said.contains("the last write that failed")).await;
    keys("", &site.tell(&["status", "--json"]).await.json(), &mut produced);
    let documented: BTreeSet<String> =
        documented("### `status --json`").into_iter().flat_map(|row| row[0].clone()).collect();
    assert_eq!(produced, documented);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_keys_of_the_other_commands_are_those_they_have() {
    let (site, ..) = two_hosts().await;
    let (_running, mut browser) = with_alice(&site).await;
    browser.fetch("http://nowhere.localhost/").await;
    let mut produced: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut seen = async |command: &'static str, rest: &[&str]| {
        let said = site.tell(&[command.split(' ').collect::<Vec<_>>(), rest.to_vec(), vec!["--json"]].concat()).await;
        let mut found = BTreeSet::new();
        for line in said.out.lines() {
            keys("", &serde_json::from_str(line).unwrap_or_else(|_| said.json()), &mut found);
        }
        let own = found.iter().map(|key| key.trim_start_matches("[].")).filter(|key| !key.contains(['.', '[']));
        produced.entry(command).or_default().extend(own.map(str::to_owned));
        said
    };
    seen("account list", &[]).await;
    seen("account show", &["alice"]).await;
    seen("account groups", &["alice"]).await;
    seen("session list", &[]).await;
    seen("audit tail", &[]).await;
    seen("audit verify", &[]).await;
    seen("routes", &[]).await;
    seen("explain", &["http://app.localhost/", "--as", "alice"]).await;
    seen("reload", &[]).await;
    seen("check", &[]).await;
    seen("session revoke", &["--all", "alice"]).await;
    for (command, rest) in [
        ("account add", &["bob"][..]),
        ("account enrol", &["bob"]),
        ("account disable", &["bob"]),
        ("account enable", &["bob"]),
        ("account reset", &["alice", "--reason", "lost phone"]),
        ("account remove", &["bob", "--yes"]),
    ] {
        seen(command, rest).await;
    }
    site.write("nonsense");
    seen("reload", &[]).await;
    let rows = documented("### Other commands");
    for (command, keys) in produced {
        let of_it = rows.iter().filter(|row| row[0].contains(command));
        let known: BTreeSet<&String> = of_it.flat_map(|row| &row[1]).collect();
        let missing: Vec<_> = keys.iter().filter(|key| !known.contains(key)).collect();
        assert!(missing.is_empty(), "{command}: not documented: {missing:?}");
    }
}
