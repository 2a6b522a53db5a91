//! The threads that hash passwords, away from those that serve traffic; know nothing of what they run.
//!
//! As many as may be busy at once and a line before them, both bounded: a flood of sign-ins costs these threads and
//! their memory, and no more.

use super::hash::Memory;
use crate::factor::Rejection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle, available_parallelism};
use tokio::sync::oneshot;

/// How many may wait for each thread. A hash takes some 30 ms, so the last in line waits about a second: as long as a
/// person waits without pressing the button again.
const WAITING_PER_THREAD: usize = 32;

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// A fixed number of threads, each with its own memory. Dropping it ends them.
pub(super) struct Workers {
    /// Where the line begins. Taken by `drop` alone, which tells the threads that nothing more will come.
    line: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

/// Half of the cores, but one at least: the other half serves those who have signed in.
pub(super) fn default_threads() -> usize {
    available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

impl Workers {
    /// Starts `threads` threads, each with `blocks` blocks of memory. Where the system gives fewer, fewer work; with
    /// none, every job is refused.
    pub fn start(threads: usize, blocks: usize) -> Self {
        let (line, jobs) = sync_channel(threads * WAITING_PER_THREAD);
        let jobs = Arc::new(Mutex::new(jobs));
        let start = |number| {
            let jobs = jobs.clone();
            Builder::new().name(format!("argon2-{number}")).spawn(move || work(&jobs, Memory::new(blocks)))
        };
        let log = |error: &std::io::Error| tracing::error!(%error, "a thread for hashing passwords did not start");
        let threads = (0..threads).filter_map(|number| start(number).inspect_err(log).ok()).collect();
        Workers { line: Some(line), threads }
    }

    /// Runs `job` on one of the threads. If whoever waits for it goes away first, it does not run.
    ///
    /// # Errors
    /// [`Rejection::Busy`], at once, if the line is full; also if the job panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Rejection> {
        let (done, result) = oneshot::channel();
        let job: Job = Box::new(move |memory| {
            if !done.is_closed() {
                // The waiting side may still go away now; then nobody needs the result.
                let _ = done.send(job(memory));
            }
        });
        let line = self.line.as_ref().ok_or(Rejection::Busy)?;
        line.try_send(job).map_err(|_| Rejection::Busy)?;
        result.await.map_err(|_| Rejection::Busy)
    }
}

/// Waits for the threads, for one hash at most: `run` borrows the workers, so nobody waits for what is in line.
impl Drop for Workers {
    fn drop(&mut self) {
        drop(self.line.take());
        for thread in self.threads.drain(..) {
            // A thread ends only by running out of jobs; if it panicked it has said so itself.
            let _ = thread.join();
        }
    }
}

fn work(jobs: &Mutex<Receiver<Job>>, mut memory: Memory) {
    while let Some(job) = next(jobs) {
        if catch_unwind(AssertUnwindSafe(|| job(&mut memory))).is_err() {
            tracing::error!("hashing a password panicked");
        }
    }
}

/// The next job, once there is one; `None` when there will be no more. One thread waits in the line's place, the others
/// for the lock.
fn next(jobs: &Mutex<Receiver<Job>>) -> Option<Job> {
    jobs.lock().ok()?.recv().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::Future;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Waker};

    /// Polls once, which is what puts a job in line.
    fn start<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Keeps the one thread busy until the returned sender is dropped.
    async fn occupy(workers: &Workers) -> (impl Future<Output = Result<(), Rejection>> + '_, SyncSender<()>) {
        let (hold, held) = sync_channel::<()>(0);
        let (begun, begins) = oneshot::channel();
        let mut busy = Box::pin(workers.run(move |_| {
            let _ = begun.send(());
            let _ = held.recv();
        }));
        assert!(start(busy.as_mut()).is_pending());
        begins.await.expect("the job begins");
        (busy, hold)
    }

    #[tokio::test]
    async fn a_job_runs_on_a_thread_with_its_own_name() {
        let workers = Workers::start(1, 8);
        let name = workers.run(|_| std::thread::current().name().map(str::to_owned)).await;
        assert_eq!(name, Ok(Some("argon2-0".into())));
    }

    #[tokio::test]
    async fn a_full_line_is_busy_at_once() {
        let workers = Workers::start(1, 8);
        let (busy, hold) = occupy(&workers).await;
        let mut waiting: Vec<_> = (0..WAITING_PER_THREAD).map(|n| Box::pin(workers.run(move |_| n))).collect();
        assert!(waiting.iter_mut().all(|job| start(job.as_mut()).is_pending()));
        assert_eq!(start(pin!(workers.run(|_| ()))), Poll::Ready(Err(Rejection::Busy)));
        drop(hold);
        assert_eq!(busy.await, Ok(()));
        for (n, job) in waiting.into_iter().enumerate() {
            assert_eq!(job.await, Ok(n));
        }
    }

    #[tokio::test]
    async fn a_job_that_nobody_waits_for_does_not_run() {
        let workers = Workers::start(1, 8);
        let (busy, hold) = occupy(&workers).await;
        let ran = Arc::new(AtomicUsize::new(0));
        let count = ran.clone();
        let mut gone = Box::pin(workers.run(move |_| count.fetch_add(1, Ordering::SeqCst)));
        assert!(start(gone.as_mut()).is_pending());
        drop(gone);
        drop(hold);
        assert_eq!(busy.await, Ok(()));
        assert_eq!(workers.run(|_| ()).await, Ok(()));
        assert_eq!(ran.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_panic_ends_its_job_and_not_the_thread() {
        let workers = Workers::start(1, 8);
        let panicked: Result<(), Rejection> = workers.run(|_| panic!("for the test")).await;
        assert_eq!(panicked, Err(Rejection::Busy));
        assert_eq!(workers.run(|_| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn the_threads_end_when_dropped() {
        thread_local!(static ALIVE: Cell<Option<Arc<()>>> = const { Cell::new(None) });
        let alive = Arc::new(());
        let seen = Arc::downgrade(&alive);
        let workers = Workers::start(1, 8);
        assert_eq!(workers.run(move |_| ALIVE.set(Some(alive))).await, Ok(()));
        assert_eq!(seen.strong_count(), 1);
        drop(workers);
        assert_eq!(seen.strong_count(), 0);
    }

    #[tokio::test]
    async fn without_threads_everything_is_busy() {
        assert_eq!(Workers::start(0, 8).run(|_| ()).await, Err(Rejection::Busy));
    }
}
