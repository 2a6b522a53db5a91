//! Encrypted connections: certificates by name, HTTP/2 and HTTP/1.1 by ALPN, cookies that only they carry.

use crate::rig::{Browser, Line, Member, Raw, Rig, Scene, get};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate for some names, in files of its own.
struct Certificate {
    pem: String,
    der: CertificateDer<'static>,
    files: (PathBuf, PathBuf),
}

/// A certificate, written under `name` in a directory; again under the same name, it is replaced.
fn certificate(directory: &TempDir, name: &str, hosts: &[&str]) -> Certificate {
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let made = rcgen::generate_simple_self_signed(hosts).expect("a certificate");
    let files = (directory.path().join(format!("{name}.pem")), directory.path().join(format!("{name}.key")));
    std::fs::write(&files.0, made.cert.pem()).expect("written");
    std::fs::write(&files.1, made.signing_key.serialize_pem()).expect("written");
    Certificate { pem: made.cert.pem(), der: made.cert.der().clone(), files }
}

/// A gateway with one encrypted listener, and what its clients trust.
struct Case {
    rig: Rig,
    app: Member,
    directory: TempDir,
    apps: Certificate,
    portals: Certificate,
    text: String,
}

impl Case {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let apps = certificate(&directory, "app", &["app.localhost", "*.wild.localhost"]);
        let portals = certificate(&directory, "portal", &["auth.localhost", "wiki.localhost"]);
        let tables: String = [&apps, &portals]
            .map(|Certificate { files: (cert, key), .. }| {
                format!("[[certificate]]\ncert = {cert:?}\nkey = {{ file = {key:?} }}\n")
            })
            .concat();
        let app = Member::echo("app").await;
        let text = Scene { members: &[app.address()], tables: &tables, ..Scene::default() }.text();
        let text = text
            .replace("address = \"127.0.0.1:0\"\n", "address = \"127.0.0.1:0\"\ntls = true\n")
            .replace("http://auth.localhost", "https://auth.localhost");
        let rig = Rig::start(&text).await;
        Case { rig, app, directory, apps, portals, text }
    }

    fn origin(&self, host: &str) -> String {
        self.rig.origin(host).replace("http://", "https://")
    }

    /// A client that trusts both certificates and speaks these protocols, best first.
    fn config(&self, protocols: &[&[u8]]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for trusted in [&self.apps, &self.portals] {
            roots.add(trusted.der.clone()).expect("a certificate");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }

    async fn connect(&self, name: &str, protocols: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.rig.address()).await.expect("it listens");
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        TlsConnector::from(self.config(protocols)).connect(name, stream).await
    }

    /// A sender of HTTP/2 requests on one connection.
    async fn http2(&self, name: &str) -> http2::SendRequest<Empty<Bytes>> {
        let stream = self.connect(name, &[b"h2"]).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        tokio::spawn(connection);
        sender
    }
}

/// Sends one HTTP/1.1 request over an open connection and reads its answer's header.
async fn ask(stream: &mut TlsStream<TcpStream>, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut part).await {
            Ok(count @ 1..) => answer.extend_from_slice(&part[..count]),
            Ok(_) | Err(_) => break,
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().expect("a chain")[0].clone().into_owned()
}

type Answer = (u16, String);

async fn ask2(
    sender: &mut http2::SendRequest<Empty<Bytes>>,
    url: &str,
    fields: &[(&str, &str)],
) -> Result<Answer, hyper::Error> {
    let request = fields.iter().fold(http::Request::get(url), |request, (name, value)| request.header(*name, *value));
    sender.ready().await?;
    let answer = sender.send_request(request.body(Empty::new()).expect("a request")).await?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn both_protocols_are_spoken_and_the_client_chooses() {
    let case = Case::new().await;
    let mut sender = case.http2("app.localhost").await;
    let url = format!("{}/open/x?y", case.origin("app.localhost"));
    assert_eq!(ask2(&mut sender, &url, &[]).await.expect("an answer"), (200, "app /open/x?y".to_owned()));
    for protocols in [&[&b"http/1.1"[..]][..], &[]] {
        let mut stream = case.connect("app.localhost", protocols).await.expect("a handshake");
        assert!(ask(&mut stream, &get("/open/x", "")).await.starts_with("HTTP/1.1 200"));
        assert!(ask(&mut stream, &get("/x", "")).await.starts_with("HTTP/1.1 401"), "on the same connection");
    }
    let seen = case.app.last();
    assert_eq!(seen.one("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(seen.one("x-forwarded-port").as_deref(), Some("443"), "where none was named");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_on_https_is_a_host_cookie_that_is_secure() {
    let case = Case::new().await;
    let link = case.rig.invite("alice", &["staff"]).await.replace("http://", "https://");
    let trusted = [case.apps.pem.as_str(), case.portals.pem.as_str()];
    let mut browser = Browser::trusting(case.rig.address(), case.rig.clock.clone(), &trusted);
    let deep = format!("{}/deep?link=1", case.origin("app.localhost"));
    browser.visit(&deep).await;
    let page = browser.enrol(&link).await;
    assert_eq!((page.url.as_str(), page.status), (deep.as_str(), 200), "{page:?}");
    let names: Vec<&String> = browser.jar["app.localhost"].keys().chain(browser.jar["auth.localhost"].keys()).collect();
    assert!(names.iter().all(|name| name.starts_with("__Host-portcullis")), "{names:?}");
    assert!(browser.jar["app.localhost"].contains_key("__Host-portcullis"));
    assert_eq!(case.app.last().one("cookie"), None);
    let mut stream = case.connect("app.localhost", &[]).await.expect("a handshake");
    let token = &browser.jar["app.localhost"]["__Host-portcullis"];
    let answer = ask(&mut stream, &get("/x", &format!("Cookie: portcullis={token}\r\n"))).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "without its prefix it is no session: {answer}");
    let answer = ask(&mut stream, &get("/x", "Sec-Fetch-Mode: navigate\r\n")).await;
    let set = Raw::parse(answer.as_bytes()).header("set-cookie").expect("the browser is bound").to_owned();
    for attribute in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
        assert!(set.contains(attribute), "{set}");
    }
    assert!(!set.contains("Domain"), "{set}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_a_client_asks_for_picks_the_certificate() {
    let case = Case::new().await;
    for (name, certificate) in [
        ("app.localhost", &case.apps),
        ("any.wild.localhost", &case.apps),
        ("wiki.localhost", &case.portals),
        ("auth.localhost", &case.portals),
    ] {
        let stream = case.connect(name, &[b"h2"]).await.expect(name);
        assert_eq!(shown(&stream), certificate.der, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_no_certificate_has_is_refused_in_the_handshake() {
    let case = Case::new().await;
    for name in ["nowhere.localhost", "a.b.wild.localhost", "wild.localhost"] {
        let refused = case.connect(name, &[b"h2"]).await.expect_err(name).to_string();
        assert!(refused.contains("UnrecognizedName") || refused.contains("UnrecognisedName"), "{name}: {refused}");
    }
    let (_, metrics) = case.rig.admin("/metrics").await;
    assert!(metrics.contains(r#"portcullis_tls_handshakes_failed_total{reason="unknown_name"} 3"#), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_forgets_the_s_of_https_is_told_so_and_nothing_arrives() {
    let case = Case::new().await;
    let answer = Line::to(case.rig.address()).await.ask(get("/open/x", "")).await;
    assert!(answer.status == 400 && answer.body.contains("this port speaks TLS"), "{answer:?}");
    assert!(case.app.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_shown_to_new_connections_and_old_ones_go_on() {
    let case = Case::new().await;
    let mut old = case.connect("app.localhost", &[b"http/1.1"]).await.expect("a handshake");
    let mut old2 = case.http2("app.localhost").await;
    let url = format!("{}/open/x", case.origin("app.localhost"));
    assert_eq!(ask2(&mut old2, &url, &[]).await.expect("an answer").0, 200);
    assert!(ask(&mut old, &get("/open/x", "")).await.starts_with("HTTP/1.1 200"));
    let new = certificate(&case.directory, "app", &["app.localhost"]);
    case.rig.gateway().reload().await;
    let case = Case { apps: new, ..case };
    let stream = case.connect("app.localhost", &[b"http/1.1"]).await.expect("the new certificate is trusted");
    assert_eq!(shown(&stream), case.apps.der);
    assert!(ask(&mut old, &get("/open/x", "")).await.starts_with("HTTP/1.1 200"));
    assert_eq!(ask2(&mut old2, &url, &[]).await.expect("an answer").0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_does_not_fit_its_key_changes_nothing() {
    let case = Case::new().await;
    let stray = rcgen::generate_simple_self_signed(vec!["app.localhost".to_owned()]).expect("a certificate");
    std::fs::write(&case.apps.files.0, stray.cert.pem()).expect("written");
    case.rig.gateway().reload().await;
    let stream = case.connect("app.localhost", &[b"h2"]).await.expect("the old one still stands");
    assert_eq!(shown(&stream), case.apps.der);
}

#[tokio::test(flavor = "multi_thread")]
async fn crumbs_of_cookies_become_one_field_again() {
    let case = Case::new().await;
    let pass = case.rig.pass("alice", &["staff"], "app.localhost").await;
    let mut sender = case.http2("app.localhost").await;
    let url = format!("{}/x", case.origin("app.localhost"));
    let own = format!("__Host-portcullis={}", pass.token);
    let crumbs = [("cookie", "a=1"), ("cookie", own.as_str()), ("cookie", "b=2")];
    assert_eq!(ask2(&mut sender, &url, &crumbs).await.expect("an answer").0, 200);
    assert_eq!(case.app.last().one("cookie").as_deref(), Some("a=1; b=2"));
    assert_eq!(case.app.last().one("x-portcullis-account").as_deref(), Some("alice"));
    let twice = [("cookie", own.as_str()), ("cookie", own.as_str())];
    assert_eq!(ask2(&mut sender, &url, &twice).await.expect("an answer").0, 401);
}

/// The frames of a `GET` as they stand on the wire, with a path that no library would send. RFC 7541: that method and
/// `https` are entries 2 and 7 of its table, `:authority` and `:path` are 1 and 4.
fn frames(path: &str) -> Vec<u8> {
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).expect("it is short");
    let literal = |entry: u8, value: &str| [&[entry, length(value.as_bytes())], value.as_bytes()].concat();
    let fields = [vec![0x82, 0x87], literal(1, "app.localhost"), literal(4, path)].concat();
    let headers = [0, 0, length(&fields), 1, 0x05, 0, 0, 0, 1];
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings, &headers, &fields].concat()
}

/// Whether the answer to the only request of a connection is a 200, which is entry 8 of that table.
async fn is_fine(stream: &mut TlsStream<TcpStream>) -> bool {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.expect("a frame");
        let [_, high, low, kind, ..] = head;
        let mut payload = vec![0; usize::from(high) << 8 | usize::from(low)];
        stream.read_exact(&mut payload).await.expect("its payload");
        if kind == 1 {
            return payload.first() == Some(&0x88);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragment_in_a_path_of_http_2_is_neither_matched_nor_forwarded() {
    let case = Case::new().await;
    for (path, open) in [("/open/a#b", true), ("/open/a?b#c", true), ("/admin/a#/../open/b", false)] {
        let mut stream = case.connect("app.localhost", &[b"h2"]).await.expect("a handshake");
        stream.write_all(&frames(path)).await.expect("sent");
        assert_eq!(is_fine(&mut stream).await, open, "{path}");
    }
    let arrived: Vec<_> = case.app.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(arrived, ["/open/a", "/open/a?b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_http_2_is_held_to_the_same_rules() {
    let case = Case::new().await;
    let mut sender = case.http2("app.localhost").await;
    let origin = case.origin("app.localhost");
    for (target, fields, status) in [
        ("/open/../x", &[][..], 400),
        ("/open/%2e%2e/x", &[], 400),
        ("/open//x", &[], 400),
        ("/open/..;/x", &[], 400),
        ("/open/x", &[("x_portcullis_account", "root")], 400),
        ("/x", &[], 401),
        ("/x", &[("x-portcullis-account", "root")], 401),
        ("/OPEN/x", &[], 401),
    ] {
        let answer = ask2(&mut sender, &format!("{origin}{target}"), fields).await.expect("an answer");
        assert_eq!(answer.0, status, "{target} {fields:?}");
    }
    assert!(case.app.seen().is_empty(), "{:?}", case.app.seen());
    let forged = [("x-portcullis-account", "root"), ("x-forwarded-for", "10.0.0.1"), ("forwarded", "for=10.0.0.1")];
    assert_eq!(ask2(&mut sender, &format!("{origin}/open/x"), &forged).await.expect("an answer").0, 200);
    let seen = case.app.last();
    assert_eq!(seen.one("x-portcullis-account"), None);
    assert_eq!(seen.one("x-forwarded-for").as_deref(), Some("127.0.0.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_names_for_one_request_of_http_2_are_one_too_many() {
    let case = Case::new().await;
    let mut sender = case.http2("app.localhost").await;
    let url = format!("{}/open/x", case.origin("app.localhost"));
    for host in ["wiki.localhost", "auth.localhost", "app.localhost@wiki.localhost"] {
        let answer = ask2(&mut sender, &url, &[("host", host)]).await;
        assert!(
            answer.as_ref().is_err() || answer.as_ref().is_ok_and(|(status, _)| *status == 400),
            "{host}: {answer:?}"
        );
    }
    assert!(case.app.seen().is_empty());
    let answer = ask2(&mut sender, &url, &[]).await.expect("the connection goes on");
    assert_eq!(answer.0, 200);
    let own = format!("app.localhost:{}", case.rig.address().port());
    assert_eq!(case.app.last().one("host").as_deref(), Some(own.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_made_for_one_host_serves_those_of_its_certificate_and_no_other() {
    let case = Case::new().await;
    let port = case.rig.address().port();
    // Shown to `any.wild.localhost` is the certificate of `app.localhost`; `wiki.localhost` has another.
    let mut sender = case.http2("any.wild.localhost").await;
    for (host, status) in [("app.localhost", 200), ("wiki.localhost", 421), ("auth.localhost", 421)] {
        let url = format!("{}/open/x", case.origin(host));
        let answer = ask2(&mut sender, &url, &[]).await.expect("an answer");
        assert_eq!(answer.0, status, "HTTP/2, {host}: {answer:?}");
        let mut stream = case.connect("any.wild.localhost", &[b"http/1.1"]).await.expect("a handshake");
        for named in [host.to_owned(), format!("{host}:{port}"), host.to_ascii_uppercase()] {
            let answer = ask(&mut stream, &format!("GET /open/x HTTP/1.1\r\nHost: {named}\r\n\r\n")).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "HTTP/1.1, {named}: {answer}");
        }
    }
    assert!(case.app.seen().iter().all(|seen| seen.target == "/open/x"));
    let mut own = case.http2("wiki.localhost").await;
    let answer = ask2(&mut own, &format!("{}/x", case.origin("wiki.localhost")), &[]).await.expect("an answer");
    assert_eq!(answer.0, 401, "on a connection of its own it is served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_takes_no_request_of_another_connection_along() {
    let case = Case::new().await;
    let (mut one, mut two) = (case.http2("app.localhost").await, case.http2("app.localhost").await);
    let url = format!("{}/open/x", case.origin("app.localhost"));
    let many: Vec<_> = (0..50)
        .map(|_| {
            let mut one = one.clone();
            let url = url.clone();
            tokio::spawn(async move { ask2(&mut one, &url, &[]).await })
        })
        .collect();
    for answer in many {
        assert_eq!(answer.await.expect("no panic").expect("an answer").0, 200, "streams of one connection run at once");
    }
    assert_eq!(ask2(&mut two, &url, &[]).await.expect("an answer").0, 200);
    assert_eq!(ask2(&mut one, &url, &[]).await.expect("an answer").0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_without_tls_leads_to_the_one_with_it() {
    let case = Case::new().await;
    // A network of our own on loopback: both ports must be known before anything listens.
    let [_, a, b, c] = (own_number(&case.directory) | 0x7f00_0000).to_be_bytes();
    let text = case.text.replace("127.0.0.1:0", &format!("127.{a}.{b}.{c}:8443")).replace("{port}", "8443");
    let text = format!("{text}\n[[listen]]\naddress = \"127.{a}.{b}.{c}:8080\"\nredirect_to_https = true\n");
    let rig = Rig::start(&text).await;
    let plain = rig.gateway().addresses()[1];
    let mut line = Line::to(plain).await;
    for (target, to) in [
        ("/open/x?y=%2F", "https://app.localhost:8443/open/x?y=%2F"),
        ("/", "https://app.localhost:8443/"),
        ("/.portcullis/session", "https://app.localhost:8443/.portcullis/session"),
    ] {
        let answer = line.ask(get(target, "Cookie: portcullis=x\r\n")).await;
        assert_eq!((answer.status, answer.header("location")), (308, Some(to)), "{answer:?}");
        assert_eq!(answer.header("set-cookie"), None);
    }
    for target in ["/open/../x", "//evil.example/x", "/\\evil.example"] {
        let answer = Line::to(plain).await.ask(get(target, "")).await;
        assert_eq!((answer.status, answer.header("location")), (400, None), "{target}");
    }
    assert!(case.app.seen().is_empty());
}

/// A number that is this test's own: derived from the name of its directory, which nobody else has.
fn own_number(directory: &TempDir) -> u32 {
    let name = directory.path().to_string_lossy();
    name.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) & 0x00ff_fff0 | 2
}
