//! The stream of one connection as Pingora drives it: buffered writes, deadlines, the lifeline; knows of HTTP only when
//! an answer is one that nobody asked for.

use super::outbox::Outbox;
use super::watch::{End, Version, Watch};
use super::{Connection, ConnectionLimits, Serve, Unreadable};
use async_trait::async_trait;
use pingora::http::ResponseHeader;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown};
use pingora::protocols::{SocketDigest, Ssl, TimingDigest, UniqueID, UniqueIDType};
use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

/// A connection over `S`: TCP, or TLS over it.
///
/// Reads go straight to the reader's own buffer. Writes are gathered and leave on flush, when they outgrow the outbox,
/// or when the connection begins to wait, so an answer's header and body leave together.
pub(super) struct Io<S> {
    transport: S,
    outbox: Outbox,
    watch: Watch,
    seals: Seals,
    /// Whom to ask for the answer to a header that is no request, until that was asked.
    serve: Option<Arc<dyn Serve>>,
    /// What was given back, or came before its time, and is to be read again.
    again: Vec<u8>,
}

/// What Pingora asks a stream about itself.
pub(super) struct Seals {
    id: UniqueIDType,
    tls: Option<Arc<SslDigest>>,
    version: Version,
    proxy: Arc<ProxyDigest>,
    socket: Arc<SocketDigest>,
}

/// Slices sent in one call; HTTP/2 hands over two, a chunk of HTTP/1.1 three.
const GATHER: usize = 8;

/// How long, and for how many bytes, a closed connection is still read, so that the answer to a client that is still
/// sending is not lost to a reset. The values are nginx's order of magnitude: long enough for a slow uplink.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;

/// How the engine's own refusal of a method begins; it refuses everything else with 400.
const METHOD_REFUSED: &[u8] = b"HTTP/1.1 405 ";

impl<S> Io<S> {
    pub(super) fn new(
        transport: S,
        (connection, serve): (Arc<Connection>, Arc<dyn Serve>),
        limits: ConnectionLimits,
        seals: Seals,
    ) -> Io<S> {
        let watch = Watch::new(connection, seals.version, limits);
        Io { transport, outbox: Outbox::default(), watch, seals, serve: Some(serve), again: Vec::new() }
    }

    #[cfg(test)]
    pub(super) fn transport(&self) -> &S {
        &self.transport
    }
}

impl Seals {
    /// For a connection on the socket numbered `id`; `tls` is what its handshake settled.
    pub(super) fn new(id: UniqueIDType, connection: &Arc<Connection>, tls: Option<(SslDigest, Version)>) -> Seals {
        let (tls, version) = match tls {
            Some((digest, version)) => (Some(Arc::new(digest)), version),
            None => (None, Version::Http1),
        };
        let header = ResponseHeader::build_no_case(200, Some(0)).expect("200 is a status");
        let proxy = ProxyDigest::new(Box::new(header), Some(Box::new(Arc::clone(connection))));
        let socket = SocketDigest::from_raw_fd(id);
        // Both cells are fresh, so neither can be set already.
        let _ = socket.peer_addr.set(Some(connection.peer.into()));
        let _ = socket.local_addr.set(Some(connection.local.into()));
        Seals { id, tls, version, proxy: Arc::new(proxy), socket: Arc::new(socket) }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Io<S> {
    /// Ends the stream, with a last word where one can still be said.
    fn end(&mut self, end: End) -> io::Error {
        match end {
            End::Cut => ErrorKind::ConnectionAborted.into(),
            End::Idle => io::Error::new(ErrorKind::TimedOut, "no request came in time"),
            End::HeaderLate => {
                self.refuse(Unreadable::Late);
                io::Error::new(ErrorKind::TimedOut, "the request's header was not complete in time")
            }
            End::HeaderLong => {
                self.refuse(Unreadable::Long);
                io::Error::new(ErrorKind::InvalidData, "the request's header is too long")
            }
        }
    }

    /// Answers a header that is no request. Whatever the engine says about it after that, and in its own name, is
    /// dropped.
    fn refuse(&mut self, why: Unreadable) {
        if let Some(serve) = self.serve.take() {
            let answer = serve.refuse(self.watch.connection(), why);
            self.outbox.hold(&[IoSlice::new(&answer)]);
        }
    }

    /// Reads again at most `room` bytes of what was put by; `false` if nothing was, or all of it was read.
    fn reread(&mut self, into: &mut ReadBuf<'_>, room: usize) -> bool {
        if let Some(given_back) = self.watch.connection().take_given_back() {
            self.again.extend_from_slice(&given_back);
        }
        if self.again.is_empty() {
            return false;
        }
        let part = self.again.len().min(into.remaining()).min(room);
        into.put_slice(&self.again[..part]);
        self.again.drain(..part);
        if self.again.is_empty() {
            self.again = Vec::new();
        }
        part > 0
    }

    /// The engine looks whether the client has gone, while its request is answered. What comes instead belongs to the next
    /// request: the engine would end this one over it, so it is put by. RFC 9112 §9.3.2 lets clients send on without
    /// waiting, and §2.2 tells of old ones that end a body with an empty line.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.again.is_empty() {
            let mut byte = [0];
            let mut next = ReadBuf::new(&mut byte);
            if let Poll::Ready(read) = Pin::new(&mut self.transport).poll_read(cx, &mut next) {
                if read.is_err() || next.filled().is_empty() {
                    return Poll::Ready(read);
                }
                self.again.extend_from_slice(next.filled());
            }
        }
        self.poll_wait(cx)
    }

    /// Reads at most `room` bytes.
    fn poll_fill(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>, room: usize) -> Poll<io::Result<()>> {
        if into.remaining() <= room {
            return Pin::new(&mut self.transport).poll_read(cx, into);
        }
        let mut part = ReadBuf::new(into.initialize_unfilled_to(room));
        ready!(Pin::new(&mut self.transport).poll_read(cx, &mut part))?;
        let filled = part.filled().len();
        into.advance(filled);
        Poll::Ready(Ok(()))
    }

    /// Nothing to read: sends what is held back, and waits as long as the deadlines allow.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.outbox.is_empty() {
            if let Poll::Ready(Err(error)) = self.poll_drain(cx) {
                return Poll::Ready(Err(error));
            }
        } else if self.watch.is_idle() {
            self.outbox.release();
        }
        let end = ready!(self.watch.poll_end(cx));
        Poll::Ready(Err(self.end(end)))
    }

    /// Sends what is held back.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outbox.is_empty() {
            let polled = Pin::new(&mut self.transport).poll_write(cx, self.outbox.held());
            match ready!(self.or_cut(polled, cx))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                sent => self.outbox.sent(sent),
            };
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what is held back and `slices` behind it in one go; returns how much of `slices` left.
    fn poll_through(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            let transport = Pin::new(&mut self.transport);
            let polled = match (self.outbox.is_empty(), slices) {
                (true, [slice]) => transport.poll_write(cx, slice),
                (true, _) => transport.poll_write_vectored(cx, slices),
                (false, _) => {
                    let mut gathered = [IoSlice::new(&[]); GATHER];
                    let all = std::iter::once(IoSlice::new(self.outbox.held())).chain(slices.iter().copied());
                    let count = gathered.iter_mut().zip(all).map(|(place, slice)| *place = slice).count();
                    transport.poll_write_vectored(cx, gathered.get(..count).unwrap_or_default())
                }
            };
            let sent = match ready!(self.or_cut(polled, cx))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                sent => self.outbox.sent(sent),
            };
            if sent > 0 {
                return Poll::Ready(Ok(sent));
            }
        }
    }

    /// The outcome of a write, or the cut that makes waiting for it useless.
    fn or_cut<T>(&mut self, polled: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_pending() && self.watch.poll_cut(cx).is_ready() {
            return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
        }
        polled
    }

    /// Reads on after our side was closed, if the client is still sending. Only bytes that are here already count as a
    /// sign of that: to wait for some at every close would hold the request's context, and what it has taken.
    async fn linger(&mut self) {
        let mut scratch = vec![0; 16 * 1024];
        let mut left = LINGER_BYTES;
        let first = std::future::poll_fn(|cx| Poll::Ready(self.poll_discard(cx, &mut scratch))).await;
        let Poll::Ready(1..) = first else { return };
        let discard = async {
            while left > 0 {
                match std::future::poll_fn(|cx| self.poll_discard(cx, &mut scratch)).await {
                    0 => break,
                    read => left = left.saturating_sub(read),
                }
            }
        };
        // Late or not, the connection is dropped next.
        let _ = tokio::time::timeout(LINGER, discard).await;
    }

    /// How many bytes were thrown away; none at the end and on any error.
    fn poll_discard(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<usize> {
        let mut into = ReadBuf::new(scratch);
        match ready!(Pin::new(&mut self.transport).poll_read(cx, &mut into)) {
            Ok(()) => Poll::Ready(into.filled().len()),
            Err(_) => Poll::Ready(0),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Io<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let room = match this.watch.room() {
            Ok(room) => room,
            Err(end) => return Poll::Ready(Err(this.end(end))),
        };
        if this.watch.is_answered(into.remaining()) {
            return this.poll_gone(cx);
        }
        let before = into.filled().len();
        let read = match this.reread(into, room) {
            true => Poll::Ready(Ok(())),
            false => this.poll_fill(cx, into, room),
        };
        match read {
            Poll::Ready(read) => {
                this.watch.received(into.filled().get(before..).unwrap_or_default());
                Poll::Ready(read)
            }
            Poll::Pending => this.poll_wait(cx),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Io<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.watch.is_cut() {
            return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
        }
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        if this.watch.is_unasked() {
            let method = slices.iter().any(|slice| slice.starts_with(METHOD_REFUSED));
            this.refuse(if method { Unreadable::Method } else { this.watch.fault() });
            return Poll::Ready(Ok(length));
        }
        if length <= this.outbox.room() {
            this.outbox.hold(slices);
            return Poll::Ready(Ok(length));
        }
        this.poll_through(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.watch.is_cut() {
            return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
        }
        ready!(this.poll_drain(cx))?;
        let flushed = Pin::new(&mut this.transport).poll_flush(cx);
        this.or_cut(flushed, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.watch.is_cut() {
            return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
        }
        ready!(this.poll_drain(cx))?;
        let shut = Pin::new(&mut this.transport).poll_shutdown(cx);
        this.or_cut(shut, cx)
    }
}

#[async_trait]
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Shutdown for Io<S> {
    async fn shutdown(&mut self) {
        if AsyncWriteExt::shutdown(self).await.is_ok() {
            self.linger().await;
        }
    }
}

impl<S> UniqueID for Io<S> {
    fn id(&self) -> UniqueIDType {
        self.seals.id
    }
}

impl<S> Ssl for Io<S> {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.seals.tls.clone()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.seals.tls.as_ref()?;
        Some(match self.seals.version {
            Version::Http1 => ALPN::H1,
            Version::Http2 => ALPN::H2,
        })
    }
}

/// Only cleartext HTTP/2 needs to peek, and it is not offered.
impl<S: Send> Peek for Io<S> {}

impl<S> GetTimingDigest for Io<S> {
    /// Empty: it is asked for once per request, and nobody reads it.
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl<S> GetProxyDigest for Io<S> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.seals.proxy))
    }
}

impl<S> GetSocketDigest for Io<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.seals.socket))
    }
}

impl<S> fmt::Debug for Io<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Io").field(self.watch.connection()).finish()
    }
}
