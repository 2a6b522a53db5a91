//! The TCP probe: whether a member accepts a connection. Sends nothing.

use super::HealthPlan;
use async_trait::async_trait;
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::HealthCheck;
use std::io::ErrorKind;
use std::net::SocketAddr;
use tokio::net::TcpStream;

use pingora::{Error, ErrorType, Result};

/// Connects and hangs up.
pub(super) struct TcpProbe {
    rise: u32,
    fall: u32,
}

impl TcpProbe {
    pub fn new(plan: &HealthPlan) -> Self {
        TcpProbe { rise: plan.rise, fall: plan.fall }
    }
}

#[async_trait]
impl HealthCheck for TcpProbe {
    async fn check(&self, target: &Backend) -> Result<()> {
        connect(target).await.map(drop)
    }

    fn health_threshold(&self, success: bool) -> usize {
        threshold(self.rise, self.fall, success)
    }
}

/// A connection to `target`. Its time is bounded by the caller.
pub(super) async fn connect(target: &Backend) -> Result<TcpStream> {
    let address = address(target)?;
    let stream = TcpStream::connect(address).await;
    stream.map_err(|error| {
        let sort = match error.kind() {
            ErrorKind::ConnectionRefused => ErrorType::ConnectRefused,
            ErrorKind::TimedOut => ErrorType::ConnectTimedout,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => ErrorType::ConnectNoRoute,
            _ => ErrorType::ConnectError,
        };
        Error::because(sort, "connecting", error)
    })
}

/// The IP address and port of `target`.
pub(super) fn address(target: &Backend) -> Result<SocketAddr> {
    let address = target.addr.as_inet().copied();
    address.ok_or_else(|| Error::explain(ErrorType::ConnectError, "only IP addresses can be probed"))
}

/// Answers in a row that change a member's health.
pub(super) fn threshold(rise: u32, fall: u32, success: bool) -> usize {
    usize::try_from(if success { rise } else { fall }).unwrap_or(usize::MAX).max(1)
}
