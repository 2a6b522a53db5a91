//! Pingora as the HTTP engine behind our own accept loop: one proxy for each event loop, shared by all listeners.

use super::front::Front;
use crate::edge::{Edge, stamp};
use crate::edition::{Live, Plan};
use crate::listen::{Connection, LoopNumber, Serve, Unreadable};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::date::get_cached_date;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;
use std::sync::Arc;

/// Connections to members that are kept for reuse, over all pools. A fleet of thousands of members needs more than the
/// engine's 128 a thread; each costs a few KiB.
const KEPT_CONNECTIONS: usize = 16 * 1024;

/// Tries of one request, the first among them: as many members as a pool may allow (eleven), and a few kept connections
/// that turn out closed.
const MOST_TRIES: usize = 16;

/// HTTP/2 streams at once on one connection, and the window of each: what a client can make us hold.
const STREAMS: u32 = 100;
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// The engine.
pub struct Engine {
    /// One for each event loop, at least one. A kept connection to a member stays on its loop: the engine throws one away
    /// that another loop's task is just letting go of.
    proxies: Vec<Arc<HttpProxy<Front>>>,
    edge: Arc<Edge>,
    live: Arc<Live>,
    /// Replaced by a reload, read when a connection begins.
    served: ArcSwap<Vec<Arc<Served>>>,
}

/// The engine with the options of one edition's connections.
struct Served {
    proxy: Arc<HttpProxy<Front>>,
    options: HttpServerOptions,
}

impl Engine {
    /// An engine that runs the phases of `front` on so many event loops.
    pub fn new(front: &Front, loops: usize, plan: &Plan) -> Self {
        let conf = ServerConf {
            max_retries: MOST_TRIES,
            upstream_keepalive_pool_size: KEPT_CONNECTIONS.div_ceil(loops.max(1)),
            ..ServerConf::default()
        };
        let (edge, live) = (front.edge.clone(), front.live.clone());
        let conf = Arc::new(conf);
        let proxies: Vec<_> = (0..loops.max(1)).map(|_| Arc::new(http_proxy(&conf, front.clone()))).collect();
        let served = ArcSwap::from_pointee(Served::all(&proxies, plan));
        Engine { proxies, edge, live, served }
    }

    /// Takes the connection options of another plan, for connections that begin from now on.
    pub fn set_options(&self, plan: &Plan) {
        self.served.store(Arc::new(Served::all(&self.proxies, plan)));
    }
}

impl Served {
    fn all(proxies: &[Arc<HttpProxy<Front>>], plan: &Plan) -> Vec<Arc<Self>> {
        proxies.iter().map(|proxy| Arc::new(Served::new(Arc::clone(proxy), plan))).collect()
    }

    fn new(proxy: Arc<HttpProxy<Front>>, plan: &Plan) -> Self {
        let mut options = HttpServerOptions::default();
        // The engine counts how often a connection is used again.
        options.keepalive_request_limit = Some(plan.limits.requests.saturating_sub(1));
        options.h2_idle_timeout = Some(plan.limits.idle);
        Served { proxy, options }
    }
}

#[async_trait]
impl Serve for Engine {
    async fn serve(&self, io: Stream, LoopNumber(on): LoopNumber, stop: &ShutdownWatch) {
        let served = {
            let all = self.served.load();
            all.get(on).or_else(|| all.first()).cloned()
        };
        if let Some(served) = served {
            served.process_new(io, stop).await;
        }
    }

    async fn close_idle(&self) {
        for proxy in &self.proxies {
            proxy.http_cleanup().await;
        }
    }

    /// Written out here, because the engine has no request to answer, and its own answer would tell what it is.
    fn refuse(&self, connection: &Connection, why: Unreadable) -> Vec<u8> {
        let (answer, request) = self.edge.turn_away(&self.live.hold(), connection, why);
        let (status, (kind, body)) = (answer.status, answer.body.parts());
        let mut bytes = format!("HTTP/1.1 {status}\r\n").into_bytes();
        let mut field = |name: &str, value: &[u8]| {
            [name.as_bytes(), b": ", value, b"\r\n"].iter().for_each(|part| bytes.extend_from_slice(part));
        };
        answer.fields.iter().for_each(|(name, value)| field(name.as_str(), value.as_bytes()));
        field("Content-Type", kind.unwrap_or("text/plain").as_bytes());
        field("Content-Length", body.len().to_string().as_bytes());
        field(stamp::REQUEST_ID.as_str(), request.to_string().as_bytes());
        field("Date", get_cached_date().as_bytes());
        field("Connection", b"close");
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&body);
        bytes
    }
}

#[async_trait]
impl HttpServerApp for Served {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        stop: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        self.proxy.process_new_http(session, stop).await
    }

    fn h2_options(&self) -> Option<H2Options> {
        let mut options = default_h2_options();
        options.max_concurrent_streams(STREAMS);
        options.initial_window_size(STREAM_WINDOW);
        options.initial_connection_window_size(CONNECTION_WINDOW);
        Some(options)
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }
}
