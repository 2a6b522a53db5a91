//! The deadlines of one connection and the size of its header: when to stop waiting; knows no bytes and no socket.
//!
//! One timer per connection, armed at the first wait and moved only when it has fired or a sooner end is needed, so
//! that a busy keep-alive connection touches the timer wheel about once per idle limit, not once per request.

use super::request_line::RequestLine;
use super::{Connection, ConnectionLimits, Unreadable};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

/// Watches one connection for its stream.
#[derive(Debug)]
pub(super) struct Watch {
    connection: Arc<Connection>,
    version: Version,
    limits: ConnectionLimits,
    /// Requests begun when the present wait began: a difference means that the wait is a new one.
    begun: u32,
    /// Bytes of the header that is arriving.
    taken: usize,
    /// Its first line.
    line: RequestLine,
    /// Its line ends so far.
    lines: usize,
    /// When that header must be complete, once it was waited for.
    header_by: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the timer wakes `waker`.
    armed: bool,
    severed: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Whom the lifeline wakes. A stream has one owner at a time, so one is enough.
    waker: Option<Waker>,
}

/// The protocol that ALPN settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// Fields of one header that the engine takes (pingora-core 0.9.1, `MAX_HEADERS`).
const ENGINES_FIELDS: usize = 256;

/// Why the connection ends here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its lifeline was cut.
    Cut,
    /// No request came in time.
    Idle,
    /// A header began and was not complete in time.
    HeaderLate,
    /// A header is longer than allowed.
    HeaderLong,
}

impl Watch {
    pub(super) fn new(connection: Arc<Connection>, version: Version, limits: ConnectionLimits) -> Watch {
        Watch {
            connection,
            version,
            limits,
            begun: 0,
            taken: 0,
            line: RequestLine::default(),
            lines: 0,
            header_by: None,
            timer: None,
            armed: false,
            severed: None,
            waker: None,
        }
    }

    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Whether it was cut.
    pub(super) fn is_cut(&self) -> bool {
        self.connection.lifeline.is_cut()
    }

    /// Whether a read for so many bytes can only ask whether the client has gone: its request came whole and is being
    /// answered, and the engine reads one byte then (pingora-core 0.9.1, `read_idle_probe`).
    pub(super) fn is_answered(&self, bytes: usize) -> bool {
        bytes == 1 && self.version == Version::Http1 && self.connection.is_busy() && self.connection.is_whole()
    }

    /// Whether nothing is on it and nothing of a next request has come.
    pub(super) fn is_idle(&self) -> bool {
        self.taken == 0 && !self.connection.is_busy()
    }

    /// How many bytes the next read may bring.
    pub(super) fn room(&mut self) -> Result<usize, End> {
        if self.is_cut() {
            return Err(End::Cut);
        }
        // One HTTP/2 connection carries many headers; h2 bounds each of them.
        if self.version == Version::Http2 || self.connection.is_busy() {
            return Ok(usize::MAX);
        }
        self.turn();
        match self.limits.header_bytes.saturating_sub(self.taken) {
            0 => Err(End::HeaderLong),
            room => Ok(room),
        }
    }

    /// Notes that a read brought `bytes`.
    pub(super) fn received(&mut self, bytes: &[u8]) {
        if self.version == Version::Http1 && !self.connection.is_busy() {
            self.taken = self.taken.saturating_add(bytes.len());
            self.lines += memchr::memchr_iter(b'\n', bytes).count();
            if !self.line.holds(bytes) {
                self.connection.note_odd_line();
            }
        }
    }

    /// Whether nobody was asked for anything, so that whatever is said now is about a header that is no request.
    pub(super) fn is_unasked(&self) -> bool {
        self.version == Version::Http1 && !self.connection.is_busy()
    }

    /// Why the engine did not take the header that came last for a request.
    pub(super) fn fault(&self) -> Unreadable {
        if self.connection.had_odd_line() {
            Unreadable::Line
        } else if self.lines > ENGINES_FIELDS {
            Unreadable::Fields
        } else {
            Unreadable::Header
        }
    }

    /// Pending while the caller may go on waiting; it is then woken at the deadline or when the lifeline is cut.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if self.poll_cut(cx).is_ready() {
            return Poll::Ready(End::Cut);
        }
        let armed = self.timer.as_ref().filter(|timer| self.armed && !timer.is_elapsed()).map(|timer| timer.deadline());
        let Some(due) = self.due(armed) else { return Poll::Pending };
        if armed.is_some_and(|armed| armed <= due) {
            return Poll::Pending;
        }
        self.poll_timer(due, cx)
    }

    /// Arms the lifeline to wake the caller.
    pub(super) fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        self.waker = Some(cx.waker().clone());
        self.armed = false;
        self.connection.lifeline.poll_cut(&mut self.severed, cx)
    }

    /// Starts a new wait if a request came and went since the last.
    fn turn(&mut self) {
        let begun = self.connection.requests();
        if begun != self.begun {
            self.begun = begun;
            self.taken = 0;
            self.line = RequestLine::default();
            self.lines = 0;
            self.header_by = None;
        }
    }

    /// When to look at the connection again at the latest; `armed` is when the timer will.
    fn due(&mut self, armed: Option<Instant>) -> Option<Instant> {
        if self.connection.is_busy() {
            return match self.version {
                // Its next header is read by the same task, which then comes by here.
                Version::Http1 => None,
                // The last request ends in a task of its own, and nobody wakes this one.
                Version::Http2 => armed.or_else(|| Some(Instant::now() + self.limits.idle)),
            };
        }
        self.turn();
        Some(if self.begun == 0 {
            self.connection.accepted + self.limits.header
        } else if self.taken == 0 {
            self.connection.quiet_since() + self.limits.idle
        } else {
            *self.header_by.get_or_insert_with(|| Instant::now() + self.limits.header)
        })
    }

    fn poll_timer(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<End> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if due < timer.deadline() {
            timer.as_mut().reset(due);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= due {
                return Poll::Ready(if self.taken == 0 { End::Idle } else { End::HeaderLate });
            }
            timer.as_mut().reset(due);
        }
        self.armed = true;
        Poll::Pending
    }
}
