//! Pingora's stock proxy service and nothing else, in the profile Portcullis is built in: the ×1 of all figures.

use async_trait::async_trait;
use pingora::listeners::tls::TlsSettings;
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Where it listens, and where it sends what it gets.
#[derive(clap::Args, Debug)]
pub struct Settings {
    /// The port on loopback
    #[arg(long)]
    pub port: u16,
    /// The origin's port on loopback
    #[arg(long)]
    pub origin: u16,
    /// A certificate in PEM: clients then speak TLS
    #[arg(long, requires = "key")]
    pub cert: Option<PathBuf>,
    /// The certificate's private key in PEM
    #[arg(long, requires = "cert")]
    pub key: Option<PathBuf>,
}

/// Idle connections to the origin that are kept: Pingora's default, four times what the driver opens.
const KEPT: usize = 128;

/// Serves until the process is ended.
pub fn serve(settings: &Settings) {
    // Before Pingora installs ring's: the provider that Portcullis uses. An error only says that one is there already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let conf = ServerConf {
        threads: 1,
        upstream_keepalive_pool_size: KEPT,
        // The runner ends it when all is measured, with nothing left to wait for.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let bare = Bare { origin: (Ipv4Addr::LOCALHOST, settings.origin).into() };
    let mut service = http_proxy_service(&server.configuration, bare);
    let address = format!("{}:{}", Ipv4Addr::LOCALHOST, settings.port);
    match (&settings.cert, &settings.key) {
        (Some(cert), Some(key)) => {
            let tls = TlsSettings::intermediate(&cert.to_string_lossy(), &key.to_string_lossy());
            service.add_tls_with_settings(&address, None, tls.expect("the runner made certificate and key"));
        }
        (None, _) | (_, None) => service.add_tcp(&address),
    }
    server.add_service(service);
    server.run_forever()
}

struct Bare {
    origin: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.origin, false, String::new())))
    }
}
