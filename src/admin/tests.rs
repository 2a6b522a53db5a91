//! The operator's listener and socket over real sockets.

use super::*;
use crate::identity::{AccountId, AccountName, SessionId};
use http::Method;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A process that is as it is told to be.
struct Scripted {
    ready: Result<(), String>,
    reloaded: Reloaded,
    barred: Mutex<Vec<Barred>>,
}

#[async_trait]
impl Operate for Scripted {
    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }

    fn ready(&self) -> Result<(), String> {
        self.ready.clone()
    }

    fn degraded(&self) -> Option<String> {
        None
    }

    async fn reload(&self) -> Reloaded {
        self.reloaded.clone()
    }

    fn decision(&self, id: &str) -> Option<Value> {
        (id == "dec_1").then(|| json!({ "decision": id }))
    }

    async fn status(&self) -> Value {
        json!({ "edition": 7 })
    }

    async fn account(&self, name: &AccountName) -> Result<Option<AccountId>, String> {
        Ok((name.as_str() == "alice").then(AccountId::fresh))
    }

    fn bar(&self, barred: Barred) {
        self.barred.lock().expect("no test panicked with it").push(barred);
    }
}

fn scripted() -> Arc<dyn Operate> {
    let reloaded = Reloaded::Refused { edition: 7, problems: vec![nothing_listens()], tried_again: true };
    Arc::new(Scripted { ready: Ok(()), reloaded, barred: Mutex::default() })
}

fn nothing_listens() -> Problem {
    let place = Place { file: "a.toml".to_owned(), line: 1, column: 1 };
    Problem { place: Some(place), key: "listen".to_owned(), what: "nothing listens".to_owned() }
}

/// A listener on a port of its own.
struct Rig {
    address: SocketAddr,
    _tasks: Tasks,
}

impl Rig {
    fn with(operate: Arc<dyn Operate>) -> Self {
        let tasks = Tasks::new();
        let any = "127.0.0.1:0".parse().expect("an address");
        let bound = listen(Some(any), None, operate, &tasks).expect("a free port");
        Rig { address: bound.address.expect("an address was asked for"), _tasks: tasks }
    }

    async fn says(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("a listener");
        let request = format!("{request}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("an open connection");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer in text");
        answer
    }

    async fn get(&self, path: &str) -> String {
        self.says(&format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:9180")).await
    }
}

#[tokio::test]
async fn metrics_are_openmetrics_and_a_living_process_is_healthy() {
    let rig = Rig::with(scripted());
    let metrics = rig.get("/metrics").await;
    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
    assert!(metrics.contains("content-type: application/openmetrics-text; version=1.0.0"), "{metrics}");
    assert!(metrics.ends_with("\r\n\r\n# EOF\n"), "{metrics}");
    assert!(rig.get("/healthz").await.ends_with("\r\n\r\nok\n"));
    assert!(rig.get("/readyz").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_gateway_that_is_not_ready_says_why() {
    let reloaded = Reloaded::Unchanged { edition: 1 };
    let ready = Err("it is draining".to_owned());
    let rig = Rig::with(Arc::new(Scripted { ready, reloaded, barred: Mutex::default() }));
    let answer = rig.get("/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("\r\n\r\nit is draining\n"), "{answer}");
}

#[tokio::test]
async fn only_an_ip_address_or_localhost_is_answered_on_the_network() {
    let rig = Rig::with(scripted());
    for host in ["127.0.0.1", "127.0.0.1:9180", "[::1]:9180", "localhost", "LOCALHOST:9180", "10.0.0.1:1"] {
        let answer = rig.says(&format!("GET /healthz HTTP/1.1\r\nHost: {host}")).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{host}: {answer}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:9180", "", "a@127.0.0.1@b"] {
        let answer = rig.says(&format!("GET /healthz HTTP/1.1\r\nHost: {host}")).await;
        assert!(answer.starts_with("HTTP/1.1 421 ") || answer.starts_with("HTTP/1.1 400 "), "{host}: {answer}");
    }
    let two = rig.says("GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example").await;
    assert!(two.starts_with("HTTP/1.1 421 "), "{two}");
    let absolute = rig.says("GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost").await;
    assert!(absolute.starts_with("HTTP/1.1 421 "), "{absolute}");
}

#[tokio::test]
async fn the_network_reads_and_orders_nothing() {
    let rig = Rig::with(scripted());
    let posted = rig.says("POST /metrics HTTP/1.1\r\nHost: localhost").await;
    assert!(posted.starts_with("HTTP/1.1 405 ") && posted.contains("allow: GET, HEAD\r\n"), "{posted}");
    let bar = "POST /bar/acc_00000000000000000000000000";
    for request in ["POST /reload", "GET /status", "GET /decisions/dec_1", "GET /accounts/alice", "GET /", bar] {
        let answer = rig.says(&format!("{request} HTTP/1.1\r\nHost: localhost")).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{request}: {answer}");
    }
    let head = rig.says("HEAD /healthz HTTP/1.1\r\nHost: localhost").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn the_socket_takes_orders_from_its_user_and_group_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (socket, tasks) = (folder.path().join("admin.sock"), Tasks::new());
    listen(None, Some(&socket), scripted(), &tasks).expect("a free path");
    let mode = std::fs::metadata(&socket).expect("a socket").permissions().mode() & 0o777;
    assert_eq!(mode, 0o660);
    let (status, answer) = ask(&socket, Method::POST, "/reload").await.expect("an answer");
    let problems = vec![nothing_listens()];
    assert_eq!(
        (status, Reloaded::from_json(&answer)),
        (422, Some(Reloaded::Refused { edition: 7, problems, tried_again: true }))
    );
    assert_eq!(ask(&socket, Method::GET, "/reload").await.expect("an answer").0, 405);
    assert_eq!(ask(&socket, Method::GET, "/status").await.expect("an answer"), (200, json!({ "edition": 7 })));
    let known = ask(&socket, Method::GET, "/decisions/dec_1").await.expect("an answer");
    assert_eq!(known, (200, json!({ "decision": "dec_1" })));
    assert_eq!(ask(&socket, Method::GET, "/decisions/dec_2").await.expect("an answer").0, 404);
    assert_eq!(ask(&socket, Method::GET, "/accounts/alice").await.expect("an answer").0, 200);
    assert_eq!(ask(&socket, Method::GET, "/accounts/bob").await.expect("an answer").0, 404);
}

#[tokio::test]
async fn the_socket_takes_the_order_to_refuse_sessions() {
    let folder = tempfile::tempdir().expect("a folder");
    let (socket, tasks) = (folder.path().join("admin.sock"), Tasks::new());
    let reloaded = Reloaded::Unchanged { edition: 1 };
    let operate = Arc::new(Scripted { ready: Ok(()), reloaded, barred: Mutex::default() });
    listen(None, Some(&socket), operate.clone(), &tasks).expect("a free path");
    let (session, account) = (SessionId::new([1; 16]), AccountId::new([2; 16]));
    for (path, status) in [
        (format!("/bar/{session}"), 200),
        (format!("/bar/{account}"), 200),
        ("/bar/alice".to_owned(), 404),
        ("/bar/".to_owned(), 404),
    ] {
        assert_eq!(ask(&socket, Method::POST, &path).await.expect("an answer").0, status, "{path}");
    }
    assert_eq!(ask(&socket, Method::GET, &format!("/bar/{session}")).await.expect("an answer").0, 405);
    let barred = operate.barred.lock().expect("no test panicked with it");
    assert_eq!(*barred, [Barred::Session(session), Barred::Account(account)]);
}

#[tokio::test]
async fn a_socket_is_taken_over_only_if_nobody_answers_on_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("admin.sock");
    // A socket whose process is gone: its file stays behind.
    drop(std::os::unix::net::UnixListener::bind(&socket).expect("a free path"));
    assert!(matches!(ask(&socket, Method::GET, "/status").await, Err(Unanswered::Nobody(_))));
    let first = Tasks::new();
    listen(None, Some(&socket), scripted(), &first).expect("nobody answers on it");
    let second = listen(None, Some(&socket), scripted(), &Tasks::new());
    assert!(matches!(second, Err(ListenFailure::Taken(_))), "{second:?}");
    assert_eq!(ask(&socket, Method::GET, "/status").await.expect("the first still answers").0, 200);
    first.stop().await;
    assert!(!socket.exists(), "its file goes with it");
    std::fs::write(&socket, "notes").expect("a file");
    let third = listen(None, Some(&socket), scripted(), &Tasks::new());
    assert!(matches!(third, Err(ListenFailure::NoSocket(_))), "{third:?}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1, "nothing is left lying about");
}

#[tokio::test]
async fn without_a_gateway_the_answer_says_so() {
    let missing = ask(Path::new("/nonexistent/admin.sock"), Method::GET, "/status").await;
    let error = missing.expect_err("there is no gateway").to_string();
    assert_eq!(error, "no gateway is running here: nobody answers on /nonexistent/admin.sock");
}

#[test]
fn a_reload_s_outcome_reads_back_as_written() {
    let outcomes = [
        Reloaded::Applied { edition: 2, notes: vec!["gateway.threads needs a restart".to_owned()] },
        Reloaded::Unchanged { edition: 2 },
        Reloaded::Refused { edition: 2, problems: vec![nothing_listens()], tried_again: true },
        Reloaded::Refused {
            edition: 2,
            problems: vec![Problem::nowhere("it panicked".to_owned())],
            tried_again: false,
        },
    ];
    for outcome in outcomes {
        assert_eq!(Reloaded::from_json(&outcome.to_json()), Some(outcome));
    }
    assert_eq!(Reloaded::from_json(&json!({ "outcome": "applied" })), None);
}

#[test]
fn a_problem_is_shown_with_its_place_and_one_that_an_older_gateway_told_as_it_was() {
    assert_eq!(nothing_listens().to_string(), "a.toml:1:1: listen: nothing listens");
    let older = Problem::from_json(&json!("a.toml:1:1: x: unknown")).expect("a line");
    assert_eq!(older.to_string(), "a.toml:1:1: x: unknown");
}
