//! The other end of the operator's socket: one question to a running gateway; knows no verb of the command line.

use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

/// How long an answer may take. A reload of a hundred thousand routes takes seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Bytes of an answer. Ten thousand problems fit.
const MOST_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Why a gateway did not answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// There is no socket, or nobody listens on it.
    #[error("no gateway is running here: nobody answers on {}", .0.display())]
    Nobody(PathBuf),
    /// The socket is for others.
    #[error("this user may not use {}; it is for the gateway's user and group", .0.display())]
    Forbidden(PathBuf),
    /// The answer did not come, or could not be read.
    #[error("the gateway on {} did not answer: {why}", socket.display())]
    Broken {
        /// The socket.
        socket: PathBuf,
        /// What happened.
        why: String,
    },
}

/// Asks the gateway on `socket` and gives its status and JSON answer.
///
/// # Errors
/// If no gateway answers, within a minute, in JSON.
pub async fn ask(socket: &Path, method: Method, path: &str) -> Result<(u16, Value), Unanswered> {
    let stream = UnixStream::connect(socket).await.map_err(|error| no_connection(socket, &error))?;
    let broken = |why: String| Unanswered::Broken { socket: socket.to_owned(), why };
    let request = Request::builder().method(method).uri(path).header(HOST, "localhost");
    let request = request.body(Empty::new()).map_err(|error| broken(error.to_string()))?;
    match tokio::time::timeout(ANSWER_LIMIT, exchange(stream, request)).await {
        Ok(answer) => answer.map_err(|error| broken(error.to_string())),
        Err(_) => Err(broken(format!("it took longer than {} s", ANSWER_LIMIT.as_secs()))),
    }
}

async fn exchange(
    stream: UnixStream,
    request: Request<Empty<Bytes>>,
) -> Result<(u16, Value), Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let conversation = async move {
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MOST_ANSWER_BYTES).collect().await?.to_bytes();
        Ok((status, serde_json::from_slice(&body)?))
    };
    // The connection has to be driven until the conversation is over; how it ends then says nothing more.
    let (answer, _) = tokio::join!(conversation, connection);
    answer
}

fn no_connection(socket: &Path, error: &io::Error) -> Unanswered {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Unanswered::Nobody(socket.to_owned()),
        io::ErrorKind::PermissionDenied => Unanswered::Forbidden(socket.to_owned()),
        _ => Unanswered::Broken { socket: socket.to_owned(), why: error.to_string() },
    }
}
