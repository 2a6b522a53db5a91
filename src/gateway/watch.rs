//! Watches the configuration's files and reloads when one changes: the parent directories, because editors and
//! deployments replace files; debounced, because they do it in several steps.

use super::Reloader;
use crate::config::Sources;
use crate::stdx::task::Tasks;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;

/// How long nothing may happen before a change counts as complete.
const QUIET: Duration = Duration::from_millis(150);

/// How long a change may go on before it counts as complete anyway: a file that is written all the time, in the same
/// directory, must not keep the others from being noticed.
const LONGEST_CHANGE: Duration = Duration::from_secs(2);

/// How often the files are looked at in case no event came: some file systems send none.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Starts watching. Where the system cannot watch, looking now and then remains.
pub fn start(reloader: &Arc<Reloader>, tasks: &Tasks) {
    let reloader = reloader.clone();
    tasks.spawn("configuration watcher", async move { watch(&reloader).await });
}

async fn watch(reloader: &Reloader) {
    // One waiting event is enough: it says "something changed".
    let (tell, mut told) = mpsc::channel::<()>(1);
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = tell.try_send(());
        }
    });
    let mut watcher = watcher.inspect_err(|error| tracing::warn!(%error, "files cannot be watched")).ok();
    let mut watched = BTreeSet::new();
    follow(&mut watcher, &mut watched, &reloader.sources());
    let mut seen = looks(&reloader.sources());
    loop {
        wait(&mut told).await;
        // Other files live beside ours, our own log perhaps: only a change of ours is worth reading them again. What is
        // seen here is from before the reading, so that a change in the middle of it is noticed the next time.
        let now = looks(&reloader.sources());
        if now == seen {
            continue;
        }
        seen = now;
        reloader.look().await;
        follow(&mut watcher, &mut watched, &reloader.sources());
    }
}

/// Waits until something may have changed. Where the system cannot watch, nobody ever tells, and only the time counts.
async fn wait(told: &mut mpsc::Receiver<()>) {
    tokio::select! {
        Some(()) = told.recv() => settle(told).await,
        () = tokio::time::sleep(LOOK_EVERY) => {}
    }
}

/// Waits until nothing happened for a while, but not for as long as something else happens beside the files.
async fn settle(told: &mut mpsc::Receiver<()>) {
    let quiet = async { while let Ok(Some(())) = tokio::time::timeout(QUIET, told.recv()).await {} };
    let _ = tokio::time::timeout(LONGEST_CHANGE, quiet).await;
}

/// Watches the directories of these sources, and only those.
fn follow(watcher: &mut Option<RecommendedWatcher>, watched: &mut BTreeSet<PathBuf>, sources: &Sources) {
    let Some(watcher) = watcher else { return };
    let parents = sources.files.iter().filter_map(|file| file.parent()).map(Path::to_owned);
    let wanted: BTreeSet<PathBuf> = parents.chain(sources.directories.iter().cloned()).collect();
    for gone in watched.difference(&wanted) {
        let _ = watcher.unwatch(gone);
    }
    for new in wanted.difference(watched) {
        if let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive) {
            tracing::warn!(directory = %new.display(), %error, "a directory cannot be watched");
        }
    }
    *watched = wanted;
}

/// What a glance at the files shows.
fn looks(sources: &Sources) -> BTreeMap<PathBuf, Option<(SystemTime, u64)>> {
    let look = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    sources.files.iter().chain(&sources.directories).map(|path| (path.clone(), look(path))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn where_nothing_can_be_watched_the_files_are_looked_at_now_and_then_and_not_all_the_time() {
        let (tell, mut told) = mpsc::channel(1);
        drop(tell);
        for _ in 0..3 {
            let began = Instant::now();
            wait(&mut told).await;
            assert_eq!(began.elapsed(), LOOK_EVERY);
        }
    }
}
