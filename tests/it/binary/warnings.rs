//! Warnings in the log that anybody can cause by asking: they come once in a while, and say which request it was.

use super::process::{Running, Site, eventually, two_hosts};
use crate::rig::{Member, ONE_ROUTE, exchange, filled, get};
use http::Response;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The cookie of a session that was never there.
const STRANGER: &str = "Cookie: portcullis=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n";

/// Asks three times for `target` of `host`, and gives the only warning `message` that came of it; it names the first
/// request.
async fn warned(running: &Running, (host, target): (&str, &str), message: &str) -> Value {
    let mut requests = Vec::new();
    for _ in 0..3 {
        let request = get(target, STRANGER).replace("app.localhost", host);
        let answer = exchange(running.address, request.as_bytes()).await;
        requests.push(answer.header("x-request-id").expect("every answer has one").to_owned());
    }
    // The log is in order: what came of these requests stands before what comes of this signal.
    running.signal("TERM").await;
    eventually("it stops", || running.logged("stopped").is_some()).await;
    let lines = running.log().into_iter().map(|line| serde_json::from_str(&line).unwrap_or_default());
    let warnings: Vec<Value> = lines.filter(|line: &Value| line["message"] == message).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let warning = warnings[0].clone();
    assert_eq!((&warning["level"], &warning["request"]), (&"WARN".into(), &requests[0].clone().into()), "{warning}");
    assert_eq!((&warning["client"], &warning["host"]), (&"127.0.0.1".into(), &host.into()), "{warning}");
    warning
}

fn take_the_store_away(site: &Site) {
    std::fs::rename(site.path("state/portcullis.db"), site.path("taken.db")).expect("it was there");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_cannot_be_read_are_told_once_in_a_while_with_request_and_route() {
    let (site, ..) = two_hosts().await;
    let running = site.run().await;
    take_the_store_away(&site);
    let warning = warned(&running, ("app.localhost", "/boss/x"), "a session could not be read").await;
    assert_eq!(warning["route"], "app-boss", "{warning}");
    assert!(warning["error"].as_str().is_some_and(|error| !error.is_empty()), "{warning}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_without_its_store_is_told_once_in_a_while_with_the_request() {
    let (site, ..) = two_hosts().await;
    let running = site.run().await;
    take_the_store_away(&site);
    let warning = warned(&running, ("auth.localhost", "/"), "the portal could not ask the store").await;
    assert!(warning["error"].as_str().is_some_and(|error| !error.is_empty()), "{warning}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_sets_our_cookie_is_told_once_in_a_while_with_its_member() {
    let setting = |_: &crate::rig::Seen| {
        let answer = Response::builder().header("set-cookie", "portcullis=x; Path=/");
        answer.body(String::new()).expect("an answer")
    };
    let (app, wiki) = (Member::scripted(Arc::new(setting)).await, Member::echo("wiki").await);
    let site = Site::new(&filled(crate::rig::TWO_HOSTS, &[("app", &app), ("wiki", &wiki)]));
    let running = site.run().await;
    let message = "a service tried to set a cookie of the gateway; it was removed";
    let warning = warned(&running, ("app.localhost", "/open/x"), message).await;
    assert_eq!((&warning["route"], &warning["pool"]), (&"app-open".into(), &"app".into()), "{warning}");
    assert_eq!(warning["member"], app.address().to_string(), "{warning}");
}

/// A site with one encrypted listener, and its certificate.
async fn encrypted() -> (Site, Member, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["app.localhost".to_owned()]).expect("a certificate");
    let app = Member::echo("app").await;
    let listener = "[[listen]]\naddress = \"127.0.0.1:0\"\n";
    let certificate = "[[certificate]]\ncert = \"app.pem\"\nkey = { file = \"app.key\" }\n";
    let text = filled(ONE_ROUTE, &[("app", &app)]);
    let site = Site::new(&text.replace(listener, &format!("{listener}tls = true\n\n{certificate}")));
    std::fs::write(site.path("app.pem"), made.cert.pem()).expect("written");
    std::fs::write(site.path("app.key"), made.signing_key.serialize_pem()).expect("written");
    (site, app, made.cert.der().clone())
}

/// Agrees on HTTP/2, says this instead, and waits for the end.
async fn say(address: SocketAddr, trusted: &CertificateDer<'static>, words: &[u8]) {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(address).await.expect("it listens");
    let name = ServerName::try_from("app.localhost").expect("a name");
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake");
    stream.write_all(words).await.expect("sent");
    stream.shutdown().await.expect("sent");
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_speaks_http_2_badly_leaves_nothing_in_the_log() {
    let (site, _app, trusted) = encrypted().await;
    let running = site.run().await;
    let preface = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    // Answers to questions that nobody asked.
    let answers = [0, 0, 8, 6, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8].repeat(3);
    say(running.address, &trusted, b"this is no HTTP/2 at all, whatever was agreed\r\n\r\n").await;
    say(running.address, &trusted, &[preface, answers].concat()).await;
    running.signal("TERM").await;
    eventually("it stops", || running.logged("stopped").is_some()).await;
    let lines = running.log().into_iter().map(|line| serde_json::from_str(&line).unwrap_or_default());
    let own = |line: &Value| line["target"].as_str().is_some_and(|target| target.starts_with("portcullis"));
    let others: Vec<Value> = lines.filter(|line| !own(line)).collect();
    assert!(others.is_empty(), "{others:?}");
}
