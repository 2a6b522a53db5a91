//! The threads that connections live on, one event loop each, so that nothing of a connection moves between cores; knows
//! nothing of what is said on them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// Event loops, for whoever places connections on them.
#[derive(Clone, Debug)]
pub struct Loops(Arc<[Loop]>);

/// The threads of event loops. Dropping it ends them, and whatever still runs on them.
#[derive(Debug)]
pub struct LoopThreads {
    end: CancellationToken,
    threads: Vec<thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Loop {
    handle: Handle,
    /// Connections that live on it. Written when one is accepted and when it is gone.
    connections: Arc<AtomicUsize>,
}

/// A connection's place on a loop; dropping it gives the place back.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

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
            loops.push(Loop::on(runtime.handle().clone()));
            let end = started.end.clone();
            let body = move || runtime.block_on(end.cancelled());
            started.threads.push(thread::Builder::new().name("edge".to_owned()).spawn(body)?);
        }
        Ok((Loops(loops.into()), started))
    }

    /// The event loop that this is called on, for everything.
    pub fn here() -> Loops {
        Loops(Arc::new([Loop::on(Handle::current())]))
    }

    /// Where connections are accepted.
    pub(super) fn first(&self) -> &Handle {
        &self.0.first().expect("there is at least one loop").handle
    }

    /// The loop with the fewest connections, with a place on it.
    pub(super) fn place(&self) -> (&Handle, Place) {
        let fewest = self.0.iter().min_by_key(|each| each.connections.load(Ordering::Relaxed));
        let Loop { handle, connections } = fewest.expect("there is at least one loop");
        connections.fetch_add(1, Ordering::Relaxed);
        (handle, Place(Arc::clone(connections)))
    }
}

impl Loop {
    fn on(handle: Handle) -> Loop {
        Loop { handle, connections: Arc::default() }
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

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_spread_evenly_and_a_place_given_back_is_taken_next() {
        let (loops, _threads) = Loops::start(3).expect("three threads");
        let mut places: Vec<_> = (0..6).map(|_| loops.place()).collect();
        let counts: Vec<_> = loops.0.iter().map(|each| each.connections.load(Ordering::Relaxed)).collect();
        assert_eq!(counts, [2, 2, 2]);
        let (given_back, _) = places.remove(4);
        assert_eq!(loops.place().0.id(), given_back.id());
    }

    #[test]
    fn dropping_the_loops_ends_their_threads_and_what_runs_on_them() {
        let (loops, threads) = Loops::start(2).expect("two threads");
        let alive = Arc::new(());
        for each in &*loops.0 {
            let held = Arc::clone(&alive);
            each.handle.spawn(async move {
                std::future::pending::<()>().await;
                drop(held);
            });
        }
        drop(threads);
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}
