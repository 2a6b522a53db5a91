//! What an operator's eyes see: metrics, health, readiness; and that nobody else's eyes do.

use crate::rig::{Line, Member, RawMember, Rig, TWO_HOSTS, exchange, filled, get};
use portcullis::stdx::clock::Clock;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One sample of the OpenMetrics text format.
#[derive(Debug, PartialEq)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Reads a whole exposition, strictly: a family is announced before its samples, and the end is marked.
fn samples(text: &str) -> Vec<Sample> {
    let mut lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.pop(), Some("# EOF"), "the end is marked");
    let (mut families, mut samples) = (BTreeMap::new(), Vec::new());
    for line in lines {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<&str> = comment.splitn(3, ' ').collect();
            assert!(matches!(words[..], ["HELP" | "TYPE" | "UNIT", _, _]), "{line}");
            if words[0] == "TYPE" {
                assert!(families.insert(words[1], words[2]).is_none(), "announced twice: {line}");
            }
            continue;
        }
        let sample = sample(line);
        let family = families.iter().find(|(name, kind)| belongs(&sample.name, name, kind));
        assert!(family.is_some(), "not announced: {line}");
        samples.push(sample);
    }
    let mut seen = BTreeSet::new();
    for sample in &samples {
        assert!(seen.insert((&sample.name, &sample.labels)), "there twice: {sample:?}");
    }
    samples
}

fn belongs(sample: &str, family: &str, kind: &str) -> bool {
    let suffixes: &[&str] = match kind {
        "counter" => &["_total"],
        "histogram" => &["_bucket", "_sum", "_count"],
        "gauge" => &[""],
        other => panic!("{family} is a {other}"),
    };
    sample.strip_prefix(family).is_some_and(|rest| suffixes.contains(&rest))
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
    let (name, labels) = series.split_once('{').map_or((series, ""), |(name, rest)| {
        (name, rest.strip_suffix('}').unwrap_or_else(|| panic!("not closed: {line}")))
    });
    let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let of_process = name.starts_with("process_");
    assert!(plain(name) && (of_process || name.starts_with("portcullis_")), "{line}");
    let mut parsed = BTreeMap::new();
    for label in labels.split(',').filter(|label| !label.is_empty()) {
        let (key, quoted) = label.split_once('=').unwrap_or_else(|| panic!("no value: {line}"));
        let text = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        assert!(plain(key), "{line}");
        parsed.insert(key.to_owned(), text.unwrap_or_else(|| panic!("not quoted: {line}")).to_owned());
    }
    Sample { name: name.to_owned(), labels: parsed, value: value.parse().unwrap_or_else(|_| panic!("{line}")) }
}

async fn metrics(rig: &Rig) -> Vec<Sample> {
    let (status, text) = rig.admin("/metrics").await;
    assert_eq!(status, 200);
    samples(&text)
}

/// The value of a sample with these labels; `None` if there is none.
fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels = labels.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
    samples.iter().find(|sample| sample.name == name && sample.labels == labels).map(|sample| sample.value)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_serves_is_alive_and_ready() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    assert_eq!(rig.admin("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(rig.admin("/readyz").await, (200, "ready\n".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_the_metrics_can_be_read() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    rig.signed_in("alice", &["staff"]).await;
    rig.reload("nonsense").await;
    let samples = metrics(&rig).await;
    for name in ["portcullis_edition", "portcullis_editions_held", "portcullis_sessions_cached"] {
        assert!(value(&samples, name, &[]).is_some(), "{name} in {samples:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_is_told_of_under_the_usual_names() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let samples = metrics(&rig).await;
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(value(&samples, "portcullis_build_info", &version), Some(1.0));
    let of = |name: &str| value(&samples, name, &[]).unwrap_or_else(|| panic!("{name} in {samples:?}"));
    let started = of("process_start_time_seconds");
    let age = rig.clock.now().secs() as f64 - started;
    assert!((-1.0..3600.0).contains(&age), "{started}");
    assert!(of("process_resident_memory_bytes") > 1_000_000.0);
    assert!(of("process_cpu_seconds_total") > 0.0);
    let (open, most) = (of("process_open_fds"), of("process_max_fds"));
    assert!((3.0..most).contains(&open), "{open} of {most}");
    assert_eq!((of("portcullis_ready"), of("portcullis_degraded")), (1.0, 0.0));
}

/// Has the gateway take a certificate for these names to `text`, which ends when this year begins.
async fn certify(rig: &Rig, text: &str, names: &[&str], year: i32) {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut wanted = rcgen::CertificateParams::new(names).expect("names");
    wanted.not_after = rcgen::date_time_ymd(year, 1, 1);
    let key = rcgen::KeyPair::generate().expect("a key");
    let made = wanted.self_signed(&key).expect("a certificate");
    std::fs::write(rig.directory().join("a.pem"), made.pem()).expect("written");
    std::fs::write(rig.directory().join("a.key"), key.serialize_pem()).expect("written");
    rig.reload(&format!("{text}\n[[certificate]]\ncert = \"a.pem\"\nkey = {{ file = \"a.key\" }}\n")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_each_certificate_is_told_by_its_names() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let text = filled(TWO_HOSTS, &[("app", &app), ("wiki", &app)]);
    certify(&rig, &text, &["a.test", "*.b.test"], 2999).await;
    let samples = metrics(&rig).await;
    for name in ["a.test", "*.b.test"] {
        let end = value(&samples, "portcullis_certificate_not_after_seconds", &[("name", name)]);
        assert_eq!(end, Some(32_472_144_000.0), "{name}");
    }
    rig.reload(&text).await;
    assert!(!metrics(&rig).await.iter().any(|sample| sample.name.contains("certificate")), "it is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_warns_of_a_certificate_before_and_after_its_end() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let text = filled(TWO_HOSTS, &[("app", &app), ("wiki", &app)]);
    certify(&rig, &text, &["app.localhost"], 2100).await;
    let warning = async || rig.status().await["certificates"][0]["warning"].clone();
    assert_eq!(warning().await, serde_json::Value::Null);
    // 2100-01-01, in seconds.
    let end = portcullis::stdx::clock::Time::from_secs(4_102_444_800);
    rig.clock.advance(end.minus(5 * DAY).since(rig.clock.now()));
    assert_eq!(warning().await, "expires in 5 days");
    rig.clock.advance(8 * DAY);
    assert_eq!(warning().await, "expired 3 days ago");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_how_they_ended_and_by_route() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let outcomes = [("/open/x", "permitted"), ("/", "sign-in"), ("/a/%2e%2e/b", "malformed")];
    for (target, _) in outcomes {
        exchange(rig.address(), get(target, "").as_bytes()).await;
    }
    exchange(rig.address(), b"GET / HTTP/1.1\r\nHost: nowhere.localhost\r\n\r\n").await;
    let counted = async || {
        let samples = metrics(&rig).await;
        let all = outcomes.iter().map(|(_, outcome)| *outcome).chain(["unknown"]);
        all.into_iter().all(|word| value(&samples, "portcullis_requests_total", &[("outcome", word)]) == Some(1.0))
    };
    rig.eventually("each is counted once", counted).await;
    let samples = metrics(&rig).await;
    for (route, outcome) in [("app-open", "permitted"), ("app", "refused")] {
        let labels = [("route", route), ("outcome", outcome)];
        assert_eq!(value(&samples, "portcullis_route_requests_total", &labels), Some(1.0), "{route}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn even_a_request_that_cannot_be_read_leaves_a_line_with_time_and_client() {
    let app = Member::echo("app").await;
    let text = filled(TWO_HOSTS, &[("app", &app), ("wiki", &app)]).replace("access = false", "access = true");
    let rig = Rig::start(&text).await;
    exchange(rig.address(), get("/a/%2e%2e/b", "").as_bytes()).await;
    rig.eventually("it is written", async || !rig.lines().is_empty()).await;
    let line = &rig.lines()[0];
    assert_eq!((&line["outcome"], &line["client"]), (&"malformed".into(), &"127.0.0.1".into()), "{line}");
    assert!(line["time"].is_string() && line["request"].is_string(), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_of_a_sign_in_are_counted() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    rig.signed_in("alice", &["staff"]).await;
    let mut browser = rig.browser();
    let page = browser.visit(&format!("{}/", rig.origin("app.localhost"))).await;
    browser.submit(&page, "/sign-in", &[("name", "alice"), ("password", "not her password")]).await;
    let counted = async |factor, result| {
        value(&metrics(&rig).await, "portcullis_sign_ins_total", &[("factor", factor), ("result", result)])
    };
    rig.eventually("a wrong password", async || counted("password", "wrong").await == Some(1.0)).await;
    rig.eventually("the code that ended the set-up", async || counted("totp", "succeeded").await == Some(1.0)).await;
    assert_eq!(counted("passkey", "counter").await, Some(0.0), "what never happened can be watched for");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_counted_by_their_state() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let samples = metrics(&rig).await;
    let members = |state| value(&samples, "portcullis_pool_members", &[("pool", "app"), ("state", state)]);
    assert_eq!((members("unknown"), members("healthy")), (Some(1.0), Some(0.0)), "nobody asked how it is");
    assert_eq!(members("unhealthy"), Some(0.0));
    let member = &rig.status().await["pools"][0]["members"][0];
    assert_eq!(member["health"], "not probed", "{member}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_drains_is_alive_and_not_ready() {
    let (begin, begun) = tokio::sync::watch::channel(false);
    let member = RawMember::play(move |mut line| {
        let mut begun = begun.clone();
        async move {
            line.head().await;
            let _ = begun.wait_for(|begun| *begun).await;
            line.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;
        }
    })
    .await;
    let text = TWO_HOSTS.replace("{app}", &member.address().to_string()).replace(r#"drain = "2s""#, r#"drain = "19s""#);
    let wiki = Member::echo("wiki").await;
    let rig = Rig::start(&filled(&text, &[("wiki", &wiki)])).await;
    let (public, operator) = (rig.address(), rig.gateway().admin_address().expect("it is configured"));
    let mut under_way = Line::to(public).await;
    under_way.say(get("/open/x", "")).await;
    rig.eventually("the member was asked", async || !member.heard().concat().is_empty()).await;
    let stopping = tokio::spawn(rig.stop());
    let ask = async |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {operator}\r\nConnection: close\r\n\r\n");
        exchange(operator, request.as_bytes()).await
    };
    while ask("/readyz").await.status != 503 {
        assert!(!stopping.is_finished(), "it ended without having been unready");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(ask("/readyz").await.body.contains("stopping"));
    assert_eq!(ask("/healthz").await.status, 200);
    begin.send_replace(true);
    let answer = under_way.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
    stopping.await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_listener_never_answers_as_the_operators() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let operator = rig.gateway().admin_address().expect("it is configured");
    for path in ["/metrics", "/healthz", "/readyz", "/status", "/reload", "/decisions/x"] {
        for host in [operator.to_string(), "localhost".to_owned(), "127.0.0.1".to_owned(), "app.localhost".to_owned()] {
            let answer =
                exchange(rig.address(), format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await;
            let expected = if host == "app.localhost" { 401 } else { 421 };
            assert_eq!(answer.status, expected, "{host}{path}: {answer:?}");
        }
    }
    assert!(app.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_listener_answers_only_under_its_own_address() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let operator = rig.gateway().admin_address().expect("it is configured");
    let ask = async |host: &str| {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        exchange(operator, request.as_bytes()).await.status
    };
    assert_eq!(ask(&operator.to_string()).await, 200);
    assert_eq!(ask("localhost").await, 200);
    assert_eq!(ask("rebound.example").await, 421);
    assert_eq!(ask("app.localhost").await, 421, "and none of the gateway's hosts is served here");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_network_the_operator_can_only_read() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let operator = rig.gateway().admin_address().expect("it is configured");
    for path in ["/reload", "/status", "/decisions/dec_00000000000000000000000000"] {
        for method in ["GET", "POST"] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: {operator}\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(exchange(operator, request.as_bytes()).await.status, 404, "{method} {path}");
        }
    }
    let request = format!("POST /metrics HTTP/1.1\r\nHost: {operator}\r\nContent-Length: 0\r\n\r\n");
    let answer = exchange(operator, request.as_bytes()).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")));
}
