//! A server that answers as it is told, or takes a request and says nothing; counts connections and requests.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The status to answer a path with, asked for the n-th time (counted from 0); `None`: never.
type Plot = Arc<dyn Fn(&str, usize) -> Option<u16> + Send + Sync>;

/// The server. It ends with the runtime of the test.
#[derive(Clone)]
pub struct Peer {
    pub address: SocketAddr,
    /// The header of every request.
    asked: Arc<Mutex<Vec<String>>>,
    closed: Arc<AtomicUsize>,
}

impl Peer {
    /// A server that answers by `plot`.
    pub async fn plotted(plot: impl Fn(&str, usize) -> Option<u16> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let peer = Peer { address, asked: Arc::default(), closed: Arc::default() };
        let (serving, plot): (Peer, Plot) = (peer.clone(), Arc::new(plot));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (serving, plot) = (serving.clone(), plot.clone());
                tokio::spawn(async move { serving.converse(stream, &plot).await });
            }
        });
        peer
    }

    /// A server that takes requests and never says anything.
    pub async fn mute() -> Self {
        Self::plotted(|_, _| None).await
    }

    /// The headers of all requests for `path`.
    pub fn asked(&self, path: &str) -> Vec<String> {
        let asked = self.asked.lock().expect("no test panicked with it");
        asked.iter().filter(|head| path_of(head) == path).cloned().collect()
    }

    /// Connections that the other side has closed.
    pub fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }

    async fn converse(&self, mut stream: TcpStream, plot: &Plot) {
        while let Some(head) = head(&mut stream).await {
            let path = path_of(&head).to_owned();
            let nth = self.asked(&path).len();
            self.asked.lock().expect("no test panicked with it").push(head);
            match plot(&path, nth) {
                Some(status) => {
                    let answer = format!("HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n");
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
                None => std::future::pending().await,
            }
        }
        self.closed.fetch_add(1, Ordering::SeqCst);
    }
}

/// Reads a request's header, and of its body only what comes along; `None` if the connection is closed.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let (mut bytes, mut part) = (Vec::new(), [0; 1024]);
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut part).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn path_of(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}

/// An address that takes no connection any more and refuses none: the queue of its listener is full.
pub struct Full {
    pub address: SocketAddr,
    _listener: std::net::TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Full {
    pub async fn new() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        socket.bind(&any.into()).expect("a port");
        socket.listen(0).expect("it listens");
        let listener: std::net::TcpListener = socket.into();
        let address = listener.local_addr().expect("bound");
        let mut waiting = Vec::new();
        let patience = std::time::Duration::from_millis(300);
        while let Ok(connected) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
            waiting.push(connected.expect("it listens"));
        }
        Full { address, _listener: listener, _waiting: waiting }
    }
}
