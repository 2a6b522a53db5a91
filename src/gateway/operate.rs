//! What the operator's surface asks of the process.

use super::Reloader;
use crate::admin::{Operate, Reloaded};
use crate::edge::DecisionId;
use crate::pool::{Health, PoolStatus};
use crate::telemetry::AccessLog;
use async_trait::async_trait;
use serde_json::{Value, json};

#[async_trait]
impl Operate for Reloader {
    fn metrics(&self) -> String {
        let (metrics, edge) = (&self.edge().metrics, self.edge());
        metrics.sessions_cached.set(i64::try_from(edge.reader.cached()).unwrap_or(i64::MAX));
        metrics.editions_held.set(i64::try_from(self.live().past()).unwrap_or(i64::MAX));
        metrics.set_lost(edge.access.as_ref().map_or(0, AccessLog::lost), edge.recorder.lost());
        metrics.clear_members();
        for pool in self.live().hold().pools.snapshot(edge.clock.now()) {
            for (state, count) in states(&pool) {
                metrics.set_members(&pool.name, state, count);
            }
        }
        metrics.text()
    }

    fn ready(&self) -> Result<(), String> {
        if self.is_leaving() {
            return Err("stopping: connections are being drained".to_owned());
        }
        if self.edge().reader.is_blind() {
            return Err("the store has been silent for too long: no session is believed".to_owned());
        }
        match self.listeners().addresses().is_empty() {
            true => Err("nothing is listened on yet".to_owned()),
            false => Ok(()),
        }
    }

    async fn reload(&self) -> Reloaded {
        Reloader::reload(self).await
    }

    fn decision(&self, id: &str) -> Option<Value> {
        let decided = self.edge().decisions.find(DecisionId::parse(id).ok()?)?;
        let lines = decided.lines.iter().map(|line| {
            json!({
                "condition": line.condition, "holds": line.holds, "has": line.has, "needs": line.needs,
                "remedy": line.remedy,
            })
        });
        Some(json!({
            "decision": id, "at": decided.at.to_string(), "request": decided.request.to_string(),
            "edition": decided.edition, "what": decided.what, "client": decided.client.to_string(),
            "account": decided.account.as_ref().map(|(_, name)| name.as_str()), "route": decided.route, "policy": decided.policy,
            "outcome": decided.outcome, "sentence": decided.sentence, "conditions": lines.collect::<Vec<_>>(),
        }))
    }

    fn status(&self) -> Value {
        let edition = self.live().hold();
        let listeners = self.listeners().addresses();
        let pools = edition.pools.snapshot(self.edge().clock.now());
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "edition": edition.number,
            "editions_held": self.live().past(),
            "last_reload_refused": self.refusal(),
            "listeners": listeners.iter().map(|(plan, actual)| {
                json!({ "address": actual.to_string(), "tls": plan.tls, "redirect_to_https": plan.redirect_to_https })
            }).collect::<Vec<_>>(),
            "connections": self.listeners().open(),
            "streams": self.edge().tethers.len(),
            "sessions_cached": self.edge().reader.cached(),
            "events_lost": self.edge().recorder.lost(),
            "pools": pools.iter().map(pool).collect::<Vec<_>>(),
        })
    }
}

fn pool(pool: &PoolStatus) -> Value {
    let members = pool.members.iter().map(|member| {
        json!({
            "address": member.address.to_string(), "weight": member.weight, "health": member.health.word(),
            "since": member.since.map(|since| since.to_string()), "in_flight": member.in_flight,
            "ejected": member.ejected,
        })
    });
    json!({ "name": &*pool.name, "members": members.collect::<Vec<_>>() })
}

/// Each member counts once: an ejected one as ejected, whatever its probes say.
fn states(pool: &PoolStatus) -> [(&'static str, usize); 4] {
    let count = |health: Health| pool.members.iter().filter(|m| !m.ejected && m.health == health).count();
    [
        ("healthy", count(Health::Healthy)),
        ("unhealthy", count(Health::Unhealthy)),
        ("unknown", count(Health::Unknown)),
        ("ejected", pool.members.iter().filter(|member| member.ejected).count()),
    ]
}
