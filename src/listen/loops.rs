//! The threads that connections live on, one event loop each, so that nothing of a connection moves between cores; knows
//! nothing of what is said on them.

use crate::stdx::entropy;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// Event loops, for whoever places connections on them.
#[derive(Clone, Debug)]
pub struct Loops {
    /// At least one.
    each: Arc<[Handle]>,
    /// The loops that are still to be dealt in this round. Written at each accept; never held across an await.
    deck: Arc<Mutex<Vec<usize>>>,
}

/// Which of the loops, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LoopNumber(pub usize);

/// The threads of event loops. Dropping it ends them, and whatever still runs on them.
#[derive(Debug)]
pub struct LoopThreads {
    end: CancellationToken,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Loops {
    /// Starts `count` threads, at least one.
    ///
    /// # Errors
    /// If the system has no thread or no descriptor for one more; then none is left.
    pub fn start(count: usize) -> io::Result<(Loops, LoopThreads)> {
        let mut started = LoopThreads { end: CancellationToken::new(), threads: Vec::new() };
        let mut loops = Vec::new();
        for _ in 0..count.max(1) {
            // Only opening files and the store block; nothing a client does.
            let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(4).build()?;
            loops.push(runtime.handle().clone());
            let end = started.end.clone();
            let body = move || runtime.block_on(end.cancelled());
            started.threads.push(thread::Builder::new().name("edge".to_owned()).spawn(body)?);
        }
        Ok((Loops::of(loops), started))
    }

    /// The event loop that this is called on, for everything.
    pub fn here() -> Loops {
        Loops::of(vec![Handle::current()])
    }

    fn of(each: Vec<Handle>) -> Loops {
        Loops { each: each.into(), deck: Arc::default() }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.each.len()
    }

    /// Completes when every loop has run something, which none does while it is stuck; `false` if one has ended.
    pub async fn answer(&self) -> bool {
        let asked: Vec<_> = self.each.iter().map(|each| each.spawn(std::future::ready(()))).collect();
        for answered in asked {
            if answered.await.is_err() {
                return false;
            }
        }
        true
    }

    /// Keeps the first loop busy with `work`.
    #[cfg(test)]
    pub(crate) fn occupy(&self, work: impl FnOnce() + Send + 'static) {
        self.first().spawn(async move { work() });
    }

    /// Where connections are accepted.
    pub(super) fn first(&self) -> &Handle {
        self.each.first().expect("there is at least one loop")
    }

    /// The loop for the next connection. They are dealt in rounds, each loop once a round and in an order of its own:
    /// even, and nobody who opens and closes connections can steer where others go.
    pub(super) fn next(&self) -> (LoopNumber, &Handle) {
        let mut deck = self.deck.lock().unwrap_or_else(PoisonError::into_inner);
        if deck.is_empty() {
            deck.extend(0..self.each.len());
        }
        let drawn = usize::from_le_bytes(entropy::bytes()) % deck.len();
        let place = deck.swap_remove(drawn);
        (LoopNumber(place), self.each.get(place).unwrap_or_else(|| self.first()))
    }
}

impl Drop for LoopThreads {
    fn drop(&mut self) {
        self.end.cancel();
        for thread in self.threads.drain(..) {
            // A panic there was reported when it happened.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn connections_are_dealt_evenly_in_an_order_that_differs_from_round_to_round() {
        let (loops, _threads) = Loops::start(4).expect("four threads");
        let rounds: Vec<Vec<_>> = (0..32).map(|_| (0..4).map(|_| loops.next().1.id()).collect()).collect();
        for round in &rounds {
            assert_eq!(round.iter().collect::<HashSet<_>>().len(), 4, "each loop once");
        }
        assert!(rounds.iter().collect::<HashSet<_>>().len() > 4, "24 orders are possible");
    }

    #[test]
    fn dropping_the_loops_ends_their_threads_and_what_runs_on_them() {
        let (loops, threads) = Loops::start(2).expect("two threads");
        let alive = Arc::new(());
        for each in &*loops.each {
            let held = Arc::clone(&alive);
            each.spawn(async move {
                std::future::pending::<()>().await;
                drop(held);
            });
        }
        drop(threads);
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}
