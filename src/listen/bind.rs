//! Listening sockets: how they are opened and closed; knows nothing of what comes through them.

use super::ListenPlan;
use super::accept::{Reception, accept};
use arc_swap::ArcSwap;
use socket2::{Domain, Protocol, SockRef, TcpKeepalive, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// One open socket and the loop that accepts on it.
pub(super) struct Socket {
    /// Written by a reload, read at each accept.
    plan: Arc<ArcSwap<ListenPlan>>,
    local: SocketAddr,
    closing: CancellationToken,
    accepting: JoinHandle<()>,
}

/// The kernel cuts this down to `net.core.somaxconn`, so it is large: the operator's setting decides.
const BACKLOG: i32 = 65_535;

/// A peer that vanished without a word (a phone out of reach) is noticed after about two minutes.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)).with_retries(4);

impl Socket {
    /// Starts accepting on `listener`.
    pub(super) fn open(
        (listener, local): (TcpListener, SocketAddr),
        plan: Arc<ArcSwap<ListenPlan>>,
        reception: &Arc<Reception>,
        tasks: &TaskTracker,
    ) -> Socket {
        let closing = CancellationToken::new();
        let accepts = accept(listener, Arc::clone(&plan), Arc::clone(reception));
        let closed = closing.clone();
        let accepts = async move {
            closed.run_until_cancelled(accepts).await;
        };
        let accepting = tasks.spawn_on(accepts, reception.loops.first());
        Socket { plan, local, closing, accepting }
    }

    /// What it was planned as.
    pub(super) fn plan(&self) -> ListenPlan {
        ListenPlan::clone(&self.plan.load())
    }

    /// Changes the flags of the connections that follow.
    pub(super) fn replan(&self, plan: &ListenPlan) {
        if *plan != **self.plan.load() {
            self.plan.store(Arc::new(plan.clone()));
        }
    }

    /// The address it really has.
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Closes it; completes when the address is free again. Connections that came through it go on.
    pub(super) async fn close(self) {
        self.closing.cancel();
        if self.accepting.await.is_err() {
            tracing::error!(address = %self.local, "an accept loop panicked");
        }
    }
}

/// Binds `address` and begins to listen. An IPv6 wildcard does not take IPv4 along, so that both can be listed.
///
/// Accepted sockets inherit the options from the listening one, which saves three calls per connection.
pub(super) fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    let options = SockRef::from(&socket);
    options.set_tcp_nodelay(true)?;
    options.set_tcp_keepalive(&KEEPALIVE)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from(socket);
    let local = listener.local_addr()?;
    Ok((listener, local))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn accepted_connections_inherit_no_delay_and_keepalive() {
        let (listener, local) = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let _client = TcpStream::connect(local).await.unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        assert!(accepted.nodelay().unwrap());
        assert!(SockRef::from(&accepted).keepalive().unwrap());
    }
}
