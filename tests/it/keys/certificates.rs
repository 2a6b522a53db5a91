//! `[[certificate]]` and TLS listeners.

use super::request;
use crate::rig::{Member, PATIENCE, Raw};
use portcullis::config::Environment;
use portcullis::gateway::{Gateway, Surroundings};
use portcullis::listen::Loops;
use portcullis::stdx::clock::SystemClock;
use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const ENCRYPTED: &str = r#"
[gateway]
state = "state"
drain = "1s"
[[listen]]
address = "127.0.0.1:0"
tls = true
[limits]
handshake = "300ms"
[log]
access = false
[[certificate]]
cert = "own.pem"
key = {key}
[pool.app]
members = ["{app}"]
[[route]]
name = "app"
host = "app.localhost"
pool = "app"
policy = "open"
"#;

/// A gateway before one member, with a fresh certificate whose key is given as `key` says.
struct Encrypted {
    gateway: Gateway,
    certified: CertifiedKey<KeyPair>,
    _directory: TempDir,
    _app: Member,
}

impl Encrypted {
    async fn start(key: &str, surrounded: impl FnOnce(&Path, String) -> Environment) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let certified = rcgen::generate_simple_self_signed(["app.localhost".to_owned()]).expect("a certificate");
        std::fs::write(directory.path().join("own.pem"), certified.cert.pem()).expect("written");
        let environment = surrounded(directory.path(), certified.signing_key.serialize_pem());
        let app = Member::echo("app").await;
        let text = ENCRYPTED.replace("{key}", key).replace("{app}", &app.address().to_string());
        let path = directory.path().join("portcullis.toml");
        std::fs::write(&path, text).expect("written");
        let loops = Loops::here();
        let surroundings = Surroundings { clock: Arc::new(SystemClock), environment, access: None, loops };
        let gateway = Gateway::start(&path, surroundings).await.unwrap_or_else(|failure| panic!("{failure}"));
        Encrypted { gateway, certified, _directory: directory, _app: app }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.addresses()[0]
    }

    /// Asks over TLS, trusting nothing but the certificate that was made for this gateway.
    async fn get(&self, target: &str) -> Raw {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certified.cert.der().clone()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("app.localhost").expect("a name");
        let stream = TcpStream::connect(self.address()).await.expect("it listens");
        let connector = TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(name, stream).await.expect("the certificate is the one");
        let asked = request(("GET", "app.localhost", target), &["Connection: close"]);
        stream.write_all(&asked).await.expect("it is taken");
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("it ends in time");
        read.expect("it is closed properly");
        Raw::parse(&bytes)
    }
}

fn in_file(directory: &Path, key: String) -> Environment {
    let path = directory.join("own.key");
    std::fs::write(&path, key).expect("written");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("permitted");
    Environment::default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tls_listener_shows_the_configured_certificate() {
    let gateway = Encrypted::start(r#"{ file = "own.key" }"#, in_file).await;
    let answer = gateway.get("/x").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "app /x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_be_an_environment_variable() {
    let set = |_: &Path, key: String| Environment::default().with_variable("OWN_KEY", &key);
    let gateway = Encrypted::start(r#"{ env = "OWN_KEY" }"#, set).await;
    assert_eq!(gateway.get("/x").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_be_a_credential() {
    let handed = |directory: &Path, key: String| {
        let credentials = directory.join("credentials");
        std::fs::create_dir(&credentials).expect("made");
        std::fs::write(credentials.join("own-key"), key).expect("written");
        Environment::default().with_credentials(credentials)
    };
    let gateway = Encrypted::start(r#"{ credential = "own-key" }"#, handed).await;
    assert_eq!(gateway.get("/x").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_never_comes_ends_at_its_deadline() {
    let gateway = Encrypted::start(r#"{ file = "own.key" }"#, in_file).await;
    let began = Instant::now();
    let mut silent = crate::rig::Line::to(gateway.address()).await;
    assert!(silent.ends().await);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(300), "it had its time: {took:?}");
    assert!(took < Duration::from_secs(8), "the default would have taken 10 s: {took:?}");
}
