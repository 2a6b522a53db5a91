//! A line on which a connection's life hangs: whoever holds it may cut it; knows nothing of why.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A shared switch that is cut once and stays cut.
#[derive(Clone, Debug, Default)]
pub struct Lifeline(Arc<Line>);

#[derive(Debug, Default)]
struct Line {
    /// Written by `cut`, read at each poll: cheaper than the token's own lock.
    cut: AtomicBool,
    token: CancellationToken,
}

impl Lifeline {
    /// A line that is not cut.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts the line: whatever hangs on it ends at its next step, and is woken to take it.
    pub fn cut(&self) {
        self.0.cut.store(true, Ordering::Release);
        self.0.token.cancel();
    }

    /// Whether the line was cut.
    pub fn is_cut(&self) -> bool {
        self.0.cut.load(Ordering::Acquire)
    }

    /// Completes when the line is cut.
    pub fn severed(&self) -> WaitForCancellationFutureOwned {
        self.0.token.clone().cancelled_owned()
    }

    /// Ready if the line is cut; otherwise `waiter` is armed to wake the caller when it is.
    pub fn poll_cut(
        &self,
        waiter: &mut Option<std::pin::Pin<Box<WaitForCancellationFutureOwned>>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.is_cut() {
            return Poll::Ready(());
        }
        let waiting = waiter.get_or_insert_with(|| Box::pin(self.severed()));
        waiting.as_mut().poll(cx)
    }
}
