//! How the process stands, for an operator at night and for scripts; changes nothing.

use super::Reloader;
use super::writing::Failed;
use crate::admin::{Operate, Problem, Reloaded};
use crate::edition::Plan;
use crate::listen::Certified;
use crate::pool::PoolStatus;
use crate::stdx::clock::Time;
use crate::store::Operation;
use crate::telemetry::AccessLog;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Everything there is to say: see [`Operate::status`].
pub(super) async fn of(reloader: &Reloader) -> Value {
    let (edge, edition) = (reloader.edge(), reloader.live().hold());
    let (now, plan, history) = (edge.clock.now(), &edition.plan, reloader.history());
    let last = history.last.as_ref();
    let refused: Vec<Value> = match last {
        Some((_, Reloaded::Refused { problems, .. })) => problems.iter().map(Problem::to_json).collect(),
        Some((_, Reloaded::Applied { .. } | Reloaded::Unchanged { .. })) | None => Vec::new(),
    };
    let unready = reloader.ready().err();
    let (pools, reading) = (edition.pools.snapshot(now), reloader.reading());
    let mut status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "process": std::process::id(),
        "at": now.to_string(),
        "started": reloader.started().to_string(),
        "ready": unready.is_none(),
        "unready": unready,
        "degraded": reloader.degraded(),
        "configuration": shown(reloader.path()),
        "state": shown(&absolute(&plan.gateway.state)),
        "portal": plan.portal.as_ref().map(|portal| &portal.origin),
        "admin": {
            "address": plan.gateway.admin.map(|address| address.to_string()),
            "socket": plan.gateway.admin_socket.as_deref().map(shown),
        },
        "edition": edition.number,
        "edition_since": history.published.to_string(),
        "editions_held": reloader.live().past(),
        "last_reload": last.map(|(at, reloaded)| json!({ "at": at.to_string(), "became": reloaded.to_json() })),
        "last_reload_refused": refused,
        "last_reload_tried_again": reloader.may_mend_itself(),
        "reading_since": reading.as_ref().map(|reading| reading.since.to_string()),
        "reading_file": reading.as_ref().and_then(|reading| reading.bookmark.file()).as_deref().map(shown),
        "restart_needed": history.waiting,
        "certificates": certificates(plan, now),
        "pools": pools.iter().map(pool).collect::<Vec<_>>(),
    });
    let (counts, store) = (counts(reloader, plan), store(reloader).await);
    if let Value::Object(status) = &mut status {
        status.insert("store".to_owned(), store);
        status.extend(counts.as_object().cloned().unwrap_or_default());
    }
    status
}

/// What is open, held and lost.
fn counts(reloader: &Reloader, plan: &Plan) -> Value {
    let (edge, listeners) = (reloader.edge(), reloader.listeners());
    json!({
        "listeners": listeners.addresses().iter().map(|(plan, actual)| {
            json!({ "address": actual.to_string(), "tls": plan.tls, "redirect_to_https": plan.redirect_to_https })
        }).collect::<Vec<_>>(),
        "connections": listeners.open(),
        "connections_allowed": plan.limits.connections,
        "streams": edge.tethers.len(),
        "sessions_cached": edge.reader.cached(),
        "sessions_barred": edge.reader.barred(),
        "events_lost": edge.recorder.lost(),
        "deliveries": reloader.deliveries().streaks().into_iter().map(|((courier, sort), streak)| {
            json!({
                "courier": courier, "kind": sort.word(), "failures": streak.as_ref().map_or(0, |streak| streak.failures),
                "since": streak.as_ref().map(|streak| streak.since.to_string()),
                "error": streak.map(|streak| streak.error),
            })
        }).collect::<Vec<_>>(),
        "access_lines_lost": edge.access.as_ref().map_or(0, AccessLog::lost),
        "store_failures": Operation::ALL.iter().map(|sort| edge.metrics.store_failures(sort.word()).get()).sum::<u64>(),
    })
}

/// Asks the store something small.
async fn store(reloader: &Reloader) -> Value {
    let asked = Instant::now();
    let answer = reloader.store().changes.newest().await;
    let known = reloader.writing().known();
    json!({
        "answers": answer.is_ok(),
        "error": answer.err().map(|error| error.0),
        "milliseconds": u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX),
        "believed": !reloader.edge().reader.is_blind(),
        "written": known.failing_since.is_none(),
        "last_failure": known.latest.as_ref().map(failure),
        "last_failed_write": known.last.as_ref().map(failure),
        "lost": reloader.store().ground.check().err().map(|error| error.0),
        "files": reloader.store().ground.files().iter().map(|(name, file)| {
            json!({ "name": name, "device": file.device, "inode": file.inode })
        }).collect::<Vec<_>>(),
    })
}

fn failure(failed: &Failed) -> Value {
    json!({ "at": failed.at.to_string(), "error": failed.error })
}

fn certificates(plan: &Plan, now: Time) -> Vec<Value> {
    let certificate = |certified: &Arc<Certified>| {
        let validity = certified.validity();
        let warning = validity.and_then(|validity| validity.out_of_time(now));
        json!({
            "names": certified.names().collect::<Vec<_>>(),
            "until": validity.map(|validity| validity.until.to_string()),
            "warning": warning.map(|warning| warning.to_string()),
        })
    };
    plan.certificates.iter().map(certificate).collect()
}

fn pool(pool: &PoolStatus) -> Value {
    let members = pool.members.iter().map(|member| {
        json!({
            "address": member.address.to_string(), "weight": member.weight, "health": pool.health_of(member),
            "since": member.since.map(|since| since.to_string()), "in_flight": member.in_flight,
            "ejected": member.ejected,
        })
    });
    json!({ "name": &*pool.name, "members": members.collect::<Vec<_>>() })
}

/// Commands are given in other working directories than the gateway's.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
