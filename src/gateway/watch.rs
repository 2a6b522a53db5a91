//! Watches the configuration's files and reloads when one changes: the parent directories, because editors and
//! deployments replace files; debounced, because they do it in several steps.

use super::Reloader;
use crate::config::Sources;
use crate::stdx::task::Tasks;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long nothing may happen before a change counts as complete.
const QUIET: Duration = Duration::from_millis(150);

/// How long a change may go on before it counts as complete anyway: a file that is written all the time, in the same
/// directory, must not keep the others from being noticed.
const LONGEST_CHANGE: Duration = Duration::from_secs(2);

/// How often the files are looked at in case no event came: some file systems send none.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How soon a refused configuration is tried again that only time may mend, and how long it takes at most when that went
/// on for long: a port is mostly free after moments, and what is not for minutes is not urgent.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// Starts watching. Where the system cannot watch, looking now and then remains.
pub fn start(reloader: &Arc<Reloader>, tasks: &Tasks) {
    let reloader = reloader.clone();
    // Before anything else happens, so that a change counts as one even if the task only begins behind it.
    let seen = looks(&reloader.sources());
    tasks.spawn("configuration watcher", async move { watch(&reloader, seen).await });
}

async fn watch(reloader: &Reloader, mut seen: Looks) {
    // One waiting event is enough: it says "something changed".
    let (tell, mut told) = mpsc::channel::<()>(1);
    let look_again = tell.clone();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = tell.try_send(());
        }
    });
    let mut watcher = watcher.inspect_err(|error| tracing::warn!(%error, "files cannot be watched")).ok();
    let mut watched = BTreeSet::new();
    let mut retry = Retry::default();
    loop {
        if follow(&mut watcher, &mut watched, &reloader.sources()) {
            let _ = look_again.try_send(());
        }
        wait(&mut told, retry.pause()).await;
        // Other files live beside ours, our own log perhaps: only a change of ours is worth reading them again. What is
        // seen here is from before the reading, so that a change in the middle of it is noticed the next time.
        let now = looks(&reloader.sources());
        if now != seen {
            retry = Retry::default();
        } else if !retry.is_due(reloader.may_mend_itself()) {
            continue;
        }
        seen = now;
        reloader.look().await;
        // Whether there is anything to try again is known only now.
        retry.is_due(reloader.may_mend_itself());
    }
}

/// When a refused configuration is tried again that only time may mend.
#[derive(Default)]
struct Retry {
    /// The next time, and how long after it the one that follows; `None` if nothing waits.
    next: Option<(Instant, Duration)>,
}

impl Retry {
    /// How long nothing needs to be looked at.
    fn pause(&self) -> Duration {
        let until = self.next.map_or(LOOK_EVERY, |(next, _)| next.saturating_duration_since(Instant::now()));
        until.min(LOOK_EVERY)
    }

    /// Whether it is to be tried now, if something `waits`; from then on it takes twice as long.
    fn is_due(&mut self, waits: bool) -> bool {
        let now = Instant::now();
        match self.next {
            _ if !waits => self.next = None,
            None => self.next = Some((now + FIRST_RETRY, 2 * FIRST_RETRY)),
            Some((next, pause)) if next <= now => {
                self.next = Some((now + pause, (2 * pause).min(LAST_RETRY)));
                return true;
            }
            Some(_) => {}
        }
        false
    }
}

/// Waits until something may have changed, but no longer than `longest`. Where the system cannot watch, nobody ever
/// tells, and only the time counts.
async fn wait(told: &mut mpsc::Receiver<()>, longest: Duration) {
    tokio::select! {
        Some(()) = told.recv() => settle(told).await,
        () = tokio::time::sleep(longest) => {}
    }
}

/// Waits until nothing happened for a while, but not for as long as something else happens beside the files.
async fn settle(told: &mut mpsc::Receiver<()>) {
    let quiet = async { while let Ok(Some(())) = tokio::time::timeout(QUIET, told.recv()).await {} };
    let _ = tokio::time::timeout(LONGEST_CHANGE, quiet).await;
}

/// Watches the directories of these sources, and only those. Gives whether one is new: what changed in it before it was
/// watched came without a word.
fn follow(watcher: &mut Option<RecommendedWatcher>, watched: &mut BTreeSet<PathBuf>, sources: &Sources) -> bool {
    let Some(watcher) = watcher else { return false };
    let parents = sources.files.keys().filter_map(|file| file.parent()).map(Path::to_owned);
    let wanted: BTreeSet<PathBuf> = parents.chain(sources.directories.iter().cloned()).collect();
    for gone in watched.difference(&wanted) {
        let _ = watcher.unwatch(gone);
    }
    for new in wanted.difference(watched) {
        if let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive) {
            tracing::warn!(directory = %new.display(), %error, "a directory cannot be watched");
        }
    }
    let is_new = !wanted.is_subset(watched);
    *watched = wanted;
    is_new
}

/// What a glance at the files shows: which they are, and when anything about them changed, their mode included.
type Looks = BTreeMap<PathBuf, Option<(u64, i64, i64)>>;

fn looks(sources: &Sources) -> Looks {
    let look = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.ino(), found.ctime(), found.ctime_nsec()))
    };
    sources.files.keys().chain(&sources.directories).map(|path| (path.clone(), look(path))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_only_time_mends_is_tried_at_a_pace_that_grows_calm_and_nothing_else_is() {
        let mut retry = Retry::default();
        let mut tried = Vec::new();
        let began = Instant::now();
        while tried.len() < 9 {
            if retry.is_due(true) {
                tried.push(began.elapsed().as_secs());
            }
            tokio::time::sleep(retry.pause()).await;
        }
        assert_eq!(tried, [1, 3, 7, 15, 31, 63, 123, 183, 243]);
        assert!(!retry.is_due(false));
        tokio::time::sleep(LAST_RETRY).await;
        assert!(!retry.is_due(true), "it begins anew");
        assert_eq!(retry.pause(), FIRST_RETRY);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_can_be_watched_the_files_are_looked_at_now_and_then_and_not_all_the_time() {
        let (tell, mut told) = mpsc::channel(1);
        drop(tell);
        for _ in 0..3 {
            let began = Instant::now();
            wait(&mut told, Retry::default().pause()).await;
            assert_eq!(began.elapsed(), LOOK_EVERY);
        }
    }
}
