//! What the operator's surface asks of the process.

use super::{Reloader, status};
use crate::admin::{Operate, Reloaded};
use crate::edge::{DecisionId, RequestId};
use crate::identity::{AccountId, AccountName};
use crate::listen::Certified;
use crate::pool::{Health, PoolStatus};
use crate::session::Barred;
use crate::stdx::clock::Time;
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
        edge.recorder.throttled().iter().for_each(|(factor, tries)| metrics.set_throttled(factor, *tries));
        edge.recorder.limited().iter().for_each(|(limit, codes)| metrics.set_codes_refused(limit, *codes));
        metrics.ready.set(self.ready().is_ok().into());
        metrics.degraded.set(self.degraded().is_some().into());
        metrics.configuration_refused.set(self.is_refused().into());
        let edition = self.live().hold();
        metrics.set_certificates(edition.plan.certificates.iter().flat_map(|certified| ends(certified)));
        metrics.clear_members();
        for pool in edition.pools.snapshot(edge.clock.now()) {
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
        self.store().ground.check().map_err(|error| error.to_string())?;
        if self.edge().reader.is_blind() {
            return Err("the store has been silent for too long: no session is believed".to_owned());
        }
        match self.listeners().addresses().is_empty() {
            true => Err("nothing is listened on yet".to_owned()),
            false => Ok(()),
        }
    }

    fn degraded(&self) -> Option<String> {
        let known = self.writing().known();
        let (since, failed) = known.failing_since.zip(known.last)?;
        let why = failed.error;
        Some(format!("since {since} the store cannot be written, so nobody can sign in or enrol: {why}"))
    }

    async fn reload(&self) -> Reloaded {
        Reloader::reload(self).await
    }

    fn decision(&self, id: &str) -> Option<Value> {
        let decisions = &self.edge().decisions;
        let (id, decided) = match RequestId::parse(id) {
            Ok(request) => decisions.of_request(request)?,
            Err(_) => {
                let id = DecisionId::parse(id).ok()?;
                (id, decisions.find(id)?)
            }
        };
        let found = &decided.found;
        let lines = decided.lines.iter().map(|line| {
            json!({
                "condition": line.condition, "holds": line.holds, "has": line.has, "needs": line.needs,
                "remedy": line.remedy,
            })
        });
        Some(json!({
            "decision": id.to_string(), "at": decided.at.to_string(), "request": decided.request.to_string(),
            "edition": decided.edition, "what": decided.what, "client": decided.client.to_string(),
            "account": found.account.as_ref().map(|(_, name)| name.as_str()), "route": found.route,
            "policy": found.policy, "pool": found.pool,
            "members": found.members.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "outcome": decided.outcome, "sentence": decided.sentence, "conditions": lines.collect::<Vec<_>>(),
        }))
    }

    async fn status(&self) -> Value {
        status::of(self).await
    }

    async fn account(&self, name: &AccountName) -> Result<Option<AccountId>, String> {
        self.store().accounts.still_known(name).await.map_err(|error| error.to_string())
    }

    fn bar(&self, barred: Barred) {
        let edge = self.edge();
        edge.reader.bar(barred, edge.clock.now());
        match barred {
            Barred::Session(session) => edge.tethers.cut_session(session),
            Barred::Account(account) => edge.tethers.cut_account(account),
        }
    }
}

/// When a certificate expires, by each of its names; one that has none answers clients that ask for none.
fn ends(certified: &Certified) -> impl Iterator<Item = (&str, Time)> {
    let until = certified.validity().map(|validity| validity.until);
    let unnamed = certified.names().next().is_none().then_some("");
    certified.names().chain(unnamed).filter_map(move |name| Some((name, until?)))
}

/// Each member counts once: an ejected one as ejected, whatever its probes say.
fn states(pool: &PoolStatus) -> [(&'static str, usize); 4] {
    let members = || pool.members.iter().filter(|member| !member.ejected);
    let count = |health: Health| members().filter(|member| pool.probed && member.health == health).count();
    let unprobed = members().filter(|_| !pool.probed).count();
    [
        ("healthy", count(Health::Healthy)),
        ("unhealthy", count(Health::Unhealthy)),
        ("unknown", count(Health::Unknown) + unprobed),
        ("ejected", pool.members.iter().filter(|member| member.ejected).count()),
    ]
}
