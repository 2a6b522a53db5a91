//! A small real HTTP server that shows which server answered and what it was sent; knows nothing of the gateway in front
//! of it.

use super::page;
use super::ports::Ports;
use crate::stdx::lifeline::Lifeline;
use crate::stdx::task::Tasks;
use bytes::Bytes;
use futures_util::stream;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How long a server that was stopped stays away: long enough to see it missing, short enough to wait for it.
const AWAY: Duration = Duration::from_secs(20);

/// Between two events of `/events`.
const TICK: Duration = Duration::from_secs(1);

/// Pause before a port is tried again, or the next connection after one that failed.
const PAUSE: Duration = Duration::from_millis(200);

/// Bytes of a body that are counted; a longer one is refused.
const MOST_BODY_BYTES: usize = 1024 * 1024;

/// One server of one service.
#[derive(Clone, Debug)]
pub struct Member {
    /// The service.
    pub service: &'static str,
    /// The server.
    pub name: String,
    /// Where it listens, on the loopback.
    pub port: u16,
}

/// What a server was sent.
pub struct Seen<'a> {
    /// By which server.
    pub member: &'a Member,
    /// The method.
    pub method: &'a Method,
    /// Path and query.
    pub target: &'a str,
    /// The header fields.
    pub headers: &'a HeaderMap,
    /// How long the body was.
    pub body_bytes: usize,
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

impl Member {
    /// The servers of a demo.
    pub fn all(ports: Ports) -> Vec<Member> {
        let service = |service: &'static str, ports: [u16; 2]| {
            let member = move |(at, port)| Member { service, name: format!("{service}-{}", at + 1), port };
            ports.into_iter().enumerate().map(member)
        };
        service("app", ports.app).chain(service("wiki", ports.wiki)).collect()
    }
}

/// Starts a server; it stops with `tasks`.
///
/// # Errors
/// If its port is taken.
pub async fn start(member: Member, tasks: &Tasks) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", member.port)).await?;
    tasks.spawn("demo-member", live(Arc::new(member), listener, tasks.clone()));
    Ok(())
}

/// Serves, goes away when it is told to, and comes back.
async fn live(member: Arc<Member>, mut listener: TcpListener, tasks: Tasks) {
    loop {
        let life = Lifeline::new();
        let mut stopped = pin!(life.severed());
        loop {
            tokio::select! {
                () = &mut stopped => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => converse(stream, &member, &life, &tasks),
                    Err(_) => tokio::time::sleep(PAUSE).await,
                },
            }
        }
        drop(listener);
        tokio::time::sleep(AWAY).await;
        listener = loop {
            match TcpListener::bind(("127.0.0.1", member.port)).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        };
    }
}

/// Serves one connection until it ends or the server goes away.
fn converse(stream: TcpStream, member: &Arc<Member>, life: &Lifeline, tasks: &Tasks) {
    let (member, life) = (member.clone(), life.clone());
    tasks.spawn("demo-connection", async move {
        let ending = life.clone();
        let service = service_fn(move |request| answer(request, member.clone(), life.clone()));
        let mut server = http1::Builder::new();
        // Between two requests of one connection the gateway may be silent for long.
        server.timer(TokioTimer::new()).header_read_timeout(None);
        let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            _ = connection.as_mut() => return,
            () = ending.severed() => {}
        }
        connection.as_mut().graceful_shutdown();
        // What is under way is finished, then the connection closes; how is of no interest.
        drop(connection.await);
    });
}

async fn answer(request: Request<Incoming>, member: Arc<Member>, life: Lifeline) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    match head.uri.path() {
        "/healthz" => return Ok(text(StatusCode::OK, "text/plain; charset=utf-8", "ok\n".to_owned())),
        "/events" => return Ok(events(&member, &life)),
        "/stop" if head.method == Method::POST && is_direct(&head.headers) => {
            life.cut();
            let said = format!("{} goes away for {} s\n", member.name, AWAY.as_secs());
            return Ok(text(StatusCode::OK, "text/plain; charset=utf-8", said));
        }
        _ => {}
    }
    let Ok(body) = Limited::new(body, MOST_BODY_BYTES).collect().await else {
        return Ok(text(StatusCode::PAYLOAD_TOO_LARGE, "text/plain; charset=utf-8", "too long\n".to_owned()));
    };
    let seen = Seen {
        member: &member,
        method: &head.method,
        target,
        headers: &head.headers,
        body_bytes: body.to_bytes().len(),
    };
    Ok(if wants_page(&head.headers) {
        text(StatusCode::OK, "text/html; charset=utf-8", page::html(&seen))
    } else {
        text(StatusCode::OK, "application/json", page::json(&seen))
    })
}

/// Whether a request came to the server itself and not through the gateway, under whose names services are known.
fn is_direct(headers: &HeaderMap) -> bool {
    headers.get(HOST).is_some_and(|host| host.as_bytes().starts_with(b"127.0.0.1:"))
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.split(',').any(|kind| kind.trim().starts_with("text/html")))
}

/// Server-sent events, one each second, until the client or the server goes away.
fn events(member: &Member, life: &Lifeline) -> Answer {
    let name = member.name.clone();
    let ticks = stream::unfold((0_u64, life.clone()), move |(tick, life)| {
        let event = format!("id: {tick}\ndata: tick {tick} from {name}\n\n");
        async move {
            if tick > 0 {
                tokio::select! {
                    () = tokio::time::sleep(TICK) => {}
                    () = life.severed() => return None,
                }
            }
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from(event))), (tick + 1, life)))
        }
    });
    let mut answer = Response::new(StreamBody::new(ticks).boxed_unsync());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn text(status: StatusCode, media_type: &'static str, text: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)).boxed_unsync());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// A server on a port of its own.
    async fn member() -> (u16, Tasks) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (port, tasks) = (listener.local_addr().expect("an address").port(), Tasks::new());
        let member = Arc::new(Member { service: "app", name: "app-1".to_owned(), port });
        tasks.spawn("demo-member", live(member, listener, tasks.clone()));
        (port, tasks)
    }

    async fn ask(port: u16, head: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a listener");
        stream.write_all(format!("{head}\r\n\r\n").as_bytes()).await.expect("an open connection");
        stream
    }

    async fn says(port: u16, head: &str) -> String {
        let mut answer = String::new();
        let mut stream = ask(port, &format!("{head}\r\nConnection: close")).await;
        stream.read_to_string(&mut answer).await.expect("an answer in text");
        answer
    }

    #[tokio::test]
    async fn a_server_shows_who_it_is_and_what_it_was_sent() {
        let (port, _tasks) = member().await;
        let json = says(port, "GET /a?b=1 HTTP/1.1\r\nHost: app.localhost\r\nX-Portcullis-Account: demo").await;
        let (_, body) = json.split_once("\r\n\r\n").expect("a body");
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!((&body["member"], &body["target"]), (&"app-1".into(), &"/a?b=1".into()));
        assert_eq!(body["headers"]["x-portcullis-account"], "demo");
        let page = says(port, "GET /b?a=1&b=2 HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nX-Odd: <script>").await;
        assert!(page.contains("text/html") && page.contains("app-1"), "{page}");
        assert!(!page.contains("X-Odd: <script>") && page.contains("&lt;script&gt;"), "{page}");
        assert!(page.contains("/b?a=1&amp;b=2"), "{page}");
    }

    #[tokio::test]
    async fn events_tick_and_end_when_the_server_is_stopped() {
        let (port, _tasks) = member().await;
        let mut stream = ask(port, "GET /events HTTP/1.1\r\nHost: app.localhost").await;
        let mut head = vec![0; 1024];
        let mut read = String::new();
        while !read.contains("data: tick 0 from app-1") {
            let length = stream.read(&mut head).await.expect("a stream");
            read += &String::from_utf8_lossy(&head[..length]);
        }
        let refused = says(port, "POST /stop HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 0").await;
        assert!(!refused.contains("goes away"), "only who asks the server itself may stop it: {refused}");
        let stopped = says(port, &format!("POST /stop HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0")).await;
        assert!(stopped.ends_with("app-1 goes away for 20 s\n"), "{stopped}");
        stream.read_to_string(&mut read).await.expect("the stream ends");
        assert!(read.ends_with("0\r\n\r\n"), "{read}");
    }
}
