//! A member that speaks bytes instead of HTTP, and writes down every byte it hears: for what no HTTP library would
//! answer, and for what must arrive to the letter.

use super::line::{Heard, Line};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// A member of a pool.
pub struct RawMember {
    address: SocketAddr,
    heard: Heard,
    serving: JoinHandle<()>,
}

impl RawMember {
    /// A member that does `script` with each connection, and closes it then.
    pub async fn play<F: Future<Output = ()> + Send + 'static>(
        script: impl Fn(Line) -> F + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let heard = Heard::default();
        let serving = tokio::spawn(serve(listener, script, Arc::clone(&heard)));
        RawMember { address, heard, serving }
    }

    /// A member that answers every request without a body with these bytes.
    pub async fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = Arc::new(answer.into());
        Self::play(move |mut line| {
            let answer = Arc::clone(&answer);
            async move {
                while line.head().await.is_some() {
                    line.say(&*answer).await;
                }
            }
        })
        .await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it heard so far, connection by connection.
    pub fn heard(&self) -> Vec<String> {
        let heard = self.heard.lock().expect("no test panicked with it");
        heard.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }
}

impl Drop for RawMember {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    script: impl Fn(Line) -> F + Send + Sync + 'static,
    heard: Heard,
) {
    // Connections belong to this task: they end with it.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = {
            let mut heard = heard.lock().expect("no test panicked with it");
            heard.push(Vec::new());
            heard.len() - 1
        };
        connections.spawn(script(Line::over(stream).noted(Arc::clone(&heard), number)));
    }
}
