//! Drivers against the origin, as processes; knows no contender.

use load_tests::drive::{BEGIN, Outcome, Target};
use load_tests::stage::{Deadline, Process, free_port};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_load-tests");

/// An origin that ends with the test.
struct Origin {
    port: u16,
    _process: Process,
    _scratch: TempDir,
}

impl Origin {
    fn start() -> Self {
        let scratch = tempfile::tempdir().expect("there is room for temporary files");
        let port = free_port().expect("a port is free");
        let mut command = Command::new(PROGRAM);
        command.args(["origin", "--port", &port.to_string()]);
        let mut process = Process::start("origin", command, scratch.path()).expect("it starts");
        process.wait_for(port, Deadline::after(Duration::from_secs(30))).expect("it listens");
        Self { port, _process: process, _scratch: scratch }
    }
}

/// What a driver that asks on `port` finds.
fn drive(port: u16, arguments: &[&str]) -> Outcome {
    let mut driver = Command::new(PROGRAM);
    driver.arg("drive").args(arguments).args(["--port", &port.to_string()]);
    let output = driver.args(["--connections", "2", "--warm-up", "0", "--seconds", "0.2"]).output();
    let output = String::from_utf8(output.expect("it runs").stdout).expect("it prints text");
    let (begin, outcome) = output.split_once('\n').expect("it prints two lines");
    assert_eq!(begin, BEGIN);
    serde_json::from_str(outcome).expect("the second line is the outcome")
}

fn target(port: u16, path: &str) -> Target {
    Target { port, host: "app.localhost".to_owned(), path: path.to_owned(), field: Some("Cookie: a=b".to_owned()) }
}

#[test]
fn every_kind_of_load_is_answered_by_the_origin() {
    let origin = Origin::start();
    for load in [&["closed"][..], &["paced", "--rate", "200"], &["idle"], &["closed", "--path", "/bytes/200000"]] {
        let outcome = drive(origin.port, load);
        assert_eq!(outcome.fault(), None, "{load:?}");
        assert!(outcome.completed > 0 && outcome.p99_us >= outcome.p50_us, "{load:?}: {outcome:?}");
    }
}

#[test]
fn an_open_loop_keeps_to_its_rate() {
    let origin = Origin::start();
    assert_eq!(drive(origin.port, &["paced", "--rate", "200"]).completed, 40);
}

#[test]
fn where_nobody_listens_nothing_is_measured() {
    let port = free_port().expect("a port is free");
    for load in [&["closed"][..], &["paced", "--rate", "200"], &["idle"]] {
        let fault = drive(port, load).fault();
        assert!(fault.is_some_and(|fault| fault.contains("refused")), "{load:?}");
    }
}

#[test]
fn the_origin_shows_what_it_was_sent_and_answers_in_any_size() {
    let origin = Origin::start();
    let (status, seen) = target(origin.port, "/seen").ask().expect("it answers");
    assert_eq!(status, 200);
    assert!(seen.starts_with("GET /seen HTTP/1.1\r\n") && seen.contains("Cookie: a=b\r\n"), "{seen}");
    let (_, body) = target(origin.port, "/bytes/100000").ask().expect("it answers");
    assert_eq!(body.len(), 100_000);
    let (_, body) = target(origin.port, "/").ask().expect("it answers");
    assert_eq!(body.len(), 128);
}
