//! The HTTP probe: one `GET` on a connection of its own, judged by the status alone. Never reads a body.

use super::HealthPlan;
use super::tcp::{address, connect, threshold};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1::Builder;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use pingora::{Error, ErrorType, Result};
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::HealthCheck;
use std::net::SocketAddr;
use std::pin::pin;
use tokio::net::TcpStream;

/// Who is asking, for the member's access log.
const AGENT: &str = "portcullis-health";

/// A status line and the headers that a health endpoint sends fit many times over; what is longer is no health answer.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Asks for one path and takes a status from 200 to 399 for good.
pub(super) struct HttpProbe {
    path: String,
    host: Option<String>,
    rise: u32,
    fall: u32,
}

impl HttpProbe {
    pub fn new(plan: &HealthPlan, path: &str, host: Option<&str>) -> Self {
        HttpProbe { path: path.to_owned(), host: host.map(str::to_owned), rise: plan.rise, fall: plan.fall }
    }

    fn request(&self, member: SocketAddr) -> Result<Request<Empty<Bytes>>> {
        let request = Request::get(&*self.path).header(USER_AGENT, AGENT).header(CONNECTION, "close");
        let request = match &self.host {
            Some(host) => request.header(HOST, host),
            None => request.header(HOST, member.to_string()),
        };
        let request = request.body(Empty::new());
        request.map_err(|error| Error::because(ErrorType::InvalidHTTPHeader, "writing the probe's request", error))
    }
}

#[async_trait]
impl HealthCheck for HttpProbe {
    async fn check(&self, target: &Backend) -> Result<()> {
        let request = self.request(address(target)?)?;
        let status = exchange(connect(target).await?, request).await;
        let status = status.map_err(|error| Error::because(sort(&error), "asking", error))?;
        if (200..400).contains(&status.as_u16()) {
            return Ok(());
        }
        Error::e_explain(ErrorType::HTTPStatus(status.as_u16()), "the status is not one from 200 to 399")
    }

    fn health_threshold(&self, success: bool) -> usize {
        threshold(self.rise, self.fall, success)
    }
}

/// What an exchange that came to nothing was.
fn sort(error: &hyper::Error) -> ErrorType {
    if error.is_parse() || error.is_parse_too_large() || error.is_parse_status() {
        ErrorType::H1Error
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        ErrorType::ConnectionClosed
    } else {
        ErrorType::ReadError
    }
}

/// Sends `request` and returns the status of the answer; the connection ends with this future.
async fn exchange(stream: TcpStream, request: Request<Empty<Bytes>>) -> hyper::Result<StatusCode> {
    let mut builder = Builder::new();
    builder.max_buf_size(MAX_HEADER_BYTES);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let mut answer = pin!(sender.send_request(request));
    let response = tokio::select! {
        biased;
        response = &mut answer => response,
        // The connection may be over before its answer was looked at.
        ended = connection => {
            ended?;
            answer.await
        }
    };
    Ok(response?.status())
}
