//! Which certificate answers, and who is refused.

use super::*;
use crate::stdx::secret::Secret;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, ClientConfig, HandshakeKind, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate for `names`, and what a client must trust to accept it.
fn issue(names: &[&str]) -> (Certified, CertificateDer<'static>) {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let issued = rcgen::generate_simple_self_signed(names).unwrap();
    let key = Secret::new(issued.signing_key.serialize_pem());
    (Certified::parse(issued.cert.pem().as_bytes(), &key).unwrap(), issued.cert.der().clone())
}

fn client(trusted: &[&CertificateDer<'static>], protocols: &[&[u8]]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add((*certificate).clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

async fn connect(client: &TlsConnector, address: SocketAddr, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await.unwrap();
    client.connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}

async fn secure(limits: ConnectionLimits, certified: Vec<Certified>) -> (Rig, SocketAddr) {
    let rig = Rig::new(limits, certified);
    rig.listeners.apply(&[ListenPlan { tls: true, ..plan(0) }]).await.unwrap();
    let address = rig.only_address();
    (rig, address)
}

const LIMITS: ConnectionLimits = ConnectionLimits::DEFAULT;

#[tokio::test]
async fn the_name_asked_for_picks_the_certificate() {
    let (one, one_root) = issue(&["one.test"]);
    let (two, two_root) = issue(&["two.test", "*.two.test"]);
    let (_rig, address) = secure(LIMITS, vec![one, two]).await;
    let client_of_two = client(&[&two_root], &[]);
    let mut io = connect(&client(&[&one_root], &[]), address, "one.test").await.unwrap();
    assert_eq!(ask(&mut io).await, "tls=true sni=one.test redirect=false");
    let mut io = connect(&client_of_two, address, "App.Two.test").await.unwrap();
    assert_eq!(ask(&mut io).await, "tls=true sni=app.two.test redirect=false");
    assert!(connect(&client_of_two, address, "one.test").await.is_err());
}

#[tokio::test]
async fn no_name_gets_the_first_certificate() {
    let (first, first_root) = issue(&["127.0.0.1", "one.test"]);
    let (second, _) = issue(&["two.test"]);
    let (_rig, address) = secure(LIMITS, vec![first, second]).await;
    let mut io = connect(&client(&[&first_root], &[]), address, "127.0.0.1").await.unwrap();
    assert_eq!(ask(&mut io).await, "tls=true sni=- redirect=false");
}

#[tokio::test]
async fn an_unknown_name_is_refused_as_unrecognised() {
    let (certified, root) = issue(&["*.one.test"]);
    let (_rig, address) = secure(LIMITS, vec![certified]).await;
    let client = client(&[&root], &[]);
    for name in ["two.test", "one.test", "a.b.one.test"] {
        let error = connect(&client, address, name).await.unwrap_err();
        let error = error.into_inner().unwrap().downcast::<rustls::Error>().unwrap();
        assert_eq!(*error, rustls::Error::AlertReceived(AlertDescription::UnrecognisedName), "{name}");
    }
}

/// A log that stays in memory.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_name_without_a_certificate_is_logged_and_not_each_time() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false);
    let _guard = tracing::subscriber::set_default(subscriber.with_max_level(tracing::Level::WARN).finish());
    let (certified, root) = issue(&["one.test"]);
    let (_rig, address) = secure(LIMITS, vec![certified]).await;
    let client = client(&[&root], &[]);
    for _ in 0..3 {
        connect(&client, address, "two.test").await.unwrap_err();
    }
    // Once another connection was answered, those before it are through on the one thread.
    let mut io = connect(&client, address, "one.test").await.unwrap();
    ask(&mut io).await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.matches("a TLS handshake failed").count(), 1, "{text}");
    assert!(text.contains("WARN") && text.contains(r#"no certificate is for \"two.test\""#), "{text}");
}

#[tokio::test]
async fn replaced_certificates_answer_the_next_handshake() {
    let (old, old_root) = issue(&["one.test"]);
    let (new, new_root) = issue(&["one.test"]);
    let (rig, address) = secure(LIMITS, vec![old]).await;
    let mut before = connect(&client(&[&old_root], &[]), address, "one.test").await.unwrap();
    rig.certificates.replace(vec![new]);
    let mut after = connect(&client(&[&new_root], &[]), address, "one.test").await.unwrap();
    assert!(connect(&client(&[&old_root], &[]), address, "one.test").await.is_err());
    ask(&mut before).await;
    ask(&mut after).await;
}

#[tokio::test]
async fn a_client_that_returns_resumes_its_session() {
    let (certified, root) = issue(&["one.test"]);
    let (_rig, address) = secure(LIMITS, vec![certified]).await;
    let client = client(&[&root], &[]);
    let mut io = connect(&client, address, "one.test").await.unwrap();
    assert_eq!(io.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
    ask(&mut io).await;
    let io = connect(&client, address, "one.test").await.unwrap();
    assert_eq!(io.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
}

#[tokio::test]
async fn a_handshake_that_does_not_come_ends_at_its_deadline() {
    let (certified, _) = issue(&["one.test"]);
    let (rig, address) =
        secure(ConnectionLimits { handshake: Duration::from_millis(50), ..LIMITS }, vec![certified]).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    assert_eq!(rest(&mut silent).await, "");
    rig.listeners.drain(Duration::from_secs(30)).await;
    assert_eq!(rig.listeners.open(), 0);
}

#[tokio::test]
async fn http_2_is_served_and_ends_when_idle() {
    let (certified, root) = issue(&["one.test"]);
    let limits = ConnectionLimits { idle: Duration::from_millis(100), ..LIMITS };
    let (_rig, address) = secure(limits, vec![certified]).await;
    let io = connect(&client(&[&root], &[b"h2"]), address, "one.test").await.unwrap();
    assert_eq!(io.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await;
    let (mut sender, connection) = shaken.unwrap();
    let request = http::Request::get("https://one.test/").body(http_body_util::Empty::<Bytes>::new()).unwrap();
    let (answered, ended) = tokio::join!(sender.send_request(request), connection);
    assert_eq!(answered.unwrap().status(), 200);
    // Ended by us: the client's side of it was still held.
    drop(ended);
    assert!(sender.is_closed());
}

#[test]
fn each_thing_wrong_with_a_certificate_is_said_of_the_right_file() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let issued = rcgen::generate_simple_self_signed(vec!["one.test".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["one.test".to_owned()]).unwrap();
    let chain = write("chain.pem", &issued.cert.pem());
    let key = write("key.pem", &issued.signing_key.serialize_pem());
    let other_key = write("other.pem", &other.signing_key.serialize_pem());
    let nothing = write("nothing.pem", "nothing");
    let garbage = write("garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let missing = directory.path().join("missing.pem");

    assert_eq!(Certified::open(&chain, &key).unwrap().names().collect::<Vec<_>>(), ["one.test"]);
    for (chain, key, at_fault, said) in [
        (&missing, &key, &missing, "No such file"),
        (&nothing, &key, &nothing, "no CERTIFICATE section"),
        (&key, &key, &key, "no CERTIFICATE section"),
        (&garbage, &key, &garbage, "cannot be read"),
        (&chain, &nothing, &nothing, "no private key"),
        (&chain, &chain, &chain, "no private key"),
        (&chain, &other_key, &other_key, "does not belong"),
    ] {
        let error = Certified::open(chain, key).unwrap_err().to_string();
        assert!(error.starts_with(&at_fault.display().to_string()) && error.contains(said), "{error}");
    }
}
