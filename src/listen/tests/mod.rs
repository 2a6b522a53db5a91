//! The room's stories, told with real sockets, real Pingora sessions and real handshakes; knows no proxy.

mod deadlines;
mod handshakes;
mod sockets;
mod writes;

use super::io::{Io, Seals};
use super::*;
use crate::stdx::lifeline::Lifeline;
use bytes::Bytes;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream, ServerApp};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// The smallest site on Pingora's own HTTP: it says what it knows of the connection. `/hold` never answers.
#[derive(Default)]
struct Site {
    closing: AtomicBool,
    close_idle: Notify,
    /// Told when a request has arrived.
    arrived: Notify,
}

struct Served(Arc<Site>);

#[async_trait]
impl Serve for Served {
    async fn serve(&self, io: Stream, _: LoopNumber, stop: &ShutdownWatch) {
        self.0.process_new(io, stop).await;
    }

    async fn close_idle(&self) {
        self.0.closing.store(true, Ordering::SeqCst);
        self.0.close_idle.notify_waiters();
    }

    fn refuse(&self, connection: &Connection, why: Unreadable) -> Vec<u8> {
        assert!(!connection.is_busy(), "what was asked on a request is not answered here");
        let status = match why {
            Unreadable::Late => 408,
            Unreadable::Long => 431,
            Unreadable::Fields | Unreadable::Line | Unreadable::Clear | Unreadable::Method | Unreadable::Header => 400,
        };
        format!("HTTP/1.1 {status} {}\r\n\r\n", why.word()).into_bytes()
    }
}

#[async_trait]
impl HttpServerApp for Site {
    async fn process_new_http(
        self: &Arc<Self>,
        mut http: ServerSession,
        stop: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let read = tokio::select! {
            biased;
            read = http.read_request() => read,
            () = self.close_idle.notified() => return None,
        };
        match read {
            Ok(true) => {}
            Ok(false) => return None,
            Err(_) => {
                http.shutdown().await;
                return None;
            }
        }
        if *stop.borrow() {
            http.set_keepalive(None);
        }
        let connection = Arc::clone(Connection::of(http.digest()?)?);
        let _underway = connection.request_began();
        self.arrived.notify_one();
        if http.req_header().uri.path() == "/hold" {
            http.read_request_body().await.ok()?;
            std::future::pending::<()>().await;
        }
        let body = format!(
            "tls={} sni={} redirect={}",
            connection.tls.is_some(),
            connection.tls.as_ref().and_then(|tls| tls.sni.as_deref()).unwrap_or("-"),
            connection.redirect_to_https
        );
        let mut header = ResponseHeader::build(200, Some(1)).unwrap();
        header.insert_header("content-length", body.len()).unwrap();
        http.write_response_header(Box::new(header)).await.ok()?;
        http.write_response_body(Bytes::from(body), true).await.ok()?;
        let settings = HttpPersistentSettings::for_session(&http);
        http.finish().await.ok()?.map(|stream| ReusedHttpStream::from_reusable_stream(stream, settings))
    }
}

/// Listeners over a site, with the means to look behind them.
struct Rig {
    site: Arc<Site>,
    listeners: Arc<Listeners>,
    certificates: Arc<Certificates>,
}

impl Rig {
    fn new(limits: ConnectionLimits, certified: Vec<Certified>) -> Rig {
        let site = Arc::new(Site::default());
        let certificates = Arc::new(Certificates::new(certified));
        let served = Arc::new(Served(Arc::clone(&site)));
        let around = (Loops::here(), Meter::default());
        let listeners = Listeners::new(served, Arc::clone(&certificates), limits, around);
        Rig { site, listeners: Arc::new(listeners), certificates }
    }

    /// One cleartext listener.
    async fn plain(limits: ConnectionLimits) -> (Rig, SocketAddr) {
        let rig = Rig::new(limits, Vec::new());
        rig.listeners.apply(&[plan(0)]).await.unwrap();
        let address = rig.only_address();
        (rig, address)
    }

    fn only_address(&self) -> SocketAddr {
        match self.listeners.addresses().as_slice() {
            [(_, address)] => *address,
            addresses => panic!("{addresses:?}"),
        }
    }
}

fn plan(port: u16) -> ListenPlan {
    ListenPlan {
        address: ([127, 0, 0, 1], port).into(),
        tls: false,
        redirect_to_https: false,
        client_certificates: false,
    }
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n";

/// Asks once and returns the body; the connection stays usable.
async fn ask(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    io.write_all(GET).await.unwrap();
    io.flush().await.unwrap();
    let mut answer = Vec::new();
    loop {
        assert_ne!(io.read_buf(&mut answer).await.unwrap(), 0, "closed after {:?}", String::from_utf8_lossy(&answer));
        let text = String::from_utf8(answer.clone()).unwrap();
        let Some((header, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = header.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if length == Some(body.len()) {
            return body.to_owned();
        }
    }
}

/// Everything until the other side closes, be it politely or not.
async fn rest(io: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    while io.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {}
    String::from_utf8(bytes).unwrap()
}

fn served() -> Arc<dyn Serve> {
    Arc::new(Served(Arc::default()))
}

/// A connection's stream over a pipe in memory, so that time can stand still, and the client's end of it.
fn piped(limits: ConnectionLimits) -> (Io<DuplexStream>, DuplexStream, Arc<Connection>) {
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let redirect = super::connection::RedirectToHttps(false);
    let ends = (Lifeline::new(), channel::channel(false).1);
    let connection = Arc::new(Connection::new((address, address), Instant::now(), ends, redirect));
    let (ours, client) = tokio::io::duplex(256 * 1024);
    let seals = Seals::new(0, &connection, None);
    (Io::new(ours, (Arc::clone(&connection), served()), limits, seals), client, connection)
}
