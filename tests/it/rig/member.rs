//! A member that does what it is told and remembers what it saw: a real HTTP/1.1 server on a real socket.

use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What a member answers to a request.
pub type Script = Arc<dyn Fn(&Seen) -> Response<String> + Send + Sync>;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// Path and query, byte for byte.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Seen {
    /// The values of a header field.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    }

    /// The one value of a header field.
    pub fn one(&self, name: &str) -> Option<String> {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name} arrived {} times", all.len());
        all.into_iter().next()
    }
}

/// A member of a pool.
pub struct Member {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    serving: Option<JoinHandle<()>>,
    script: Script,
}

impl Member {
    /// A member that answers 200 with its name and the target.
    pub async fn echo(name: &'static str) -> Self {
        Self::scripted(Arc::new(move |seen: &Seen| Response::new(format!("{name} {}", seen.target)))).await
    }

    /// A member that answers as `script` says.
    pub async fn scripted(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::default();
        let serving = Some(tokio::spawn(serve(listener, script.clone(), Arc::clone(&seen))));
        Member { address, seen, serving, script }
    }

    /// A member that answers with this status.
    pub async fn status(status: u16) -> Self {
        Self::scripted(Arc::new(move |_: &Seen| {
            let mut response = Response::new(String::new());
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            response
        }))
        .await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it saw so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test panicked with it").clone()
    }

    /// What it saw last.
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("it saw a request")
    }

    /// Pulls the plug: nobody listens any more and every connection breaks.
    pub async fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = serving.await;
        }
    }

    /// Listens again where it did.
    pub async fn revive(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the port is still free");
        self.serving = Some(tokio::spawn(serve(listener, self.script.clone(), self.seen.clone())));
    }
}

async fn serve(listener: TcpListener, script: Script, seen: Arc<Mutex<Vec<Seen>>>) {
    // Connections belong to this task: they end with it.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (script, seen) = (script.clone(), seen.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| answer(request, script.clone(), seen.clone()));
            let http = hyper::server::conn::http1::Builder::new();
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: http::Request<Incoming>,
    script: Script,
    seen: Arc<Mutex<Vec<Seen>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    let target = parts.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let request = Seen { method: parts.method.to_string(), target, headers: parts.headers, body };
    seen.lock().expect("no test panicked with it").push(request.clone());
    Ok(script(&request).map(|body| Full::new(Bytes::from(body))))
}
