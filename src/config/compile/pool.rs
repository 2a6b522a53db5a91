//! `[pool.NAME]`.

use crate::config::raw::{At, Entry, Place, Reading};
use crate::config::words::pool::{Health, Pool};
use crate::edition::RoutePlan;
use crate::pool::{Ejection, HealthPlan, MemberPlan, PoolPlan, Probe, Timeouts};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

/// The pools of all files. Warns of those that no route uses.
pub fn compile(entries: &[Entry<Pool>], routes: &[Arc<RoutePlan>], reading: &Reading<'_>) -> Vec<PoolPlan> {
    let used: BTreeSet<&str> = routes.iter().map(|route| &*route.pool).collect();
    let unused = entries.iter().filter(|entry| !used.contains(entry.name.as_str()));
    unused.for_each(|entry| reading.warn(&entry.place, "no route uses this pool"));
    entries.iter().map(|entry| one(entry, reading)).collect()
}

fn one(entry: &Entry<Pool>, reading: &Reading<'_>) -> PoolPlan {
    let Pool { members: listed, balance, health, timeouts, eject, retries } = &entry.body;
    let timeouts = &timeouts.value;
    PoolPlan {
        name: entry.name.shared(),
        members: listed.as_ref().map(|listed| members(listed, reading)).unwrap_or_default(),
        balance: balance.value,
        health: health.as_ref().and_then(|health| self::health(health, reading)),
        timeouts: Timeouts {
            connect: timeouts.connect.value,
            read: timeouts.read.value,
            write: timeouts.write.value,
            idle: timeouts.idle.value,
        },
        ejection: Ejection { failures: eject.value.failures.value, time: eject.value.time.value },
        retries: retries.value,
    }
}

fn members(listed: &At<Vec<At<(SocketAddr, u32)>>>, reading: &Reading<'_>) -> Vec<MemberPlan> {
    let At { place, value: listed } = listed;
    let mut places: BTreeMap<SocketAddr, &Place> = BTreeMap::new();
    for At { place, value: (address, _) } in listed {
        if address.port() == 0 {
            reading.problem(place, format!("{address} has no port; a member's port is from 1 to 65535"));
        }
        if let Some(first) = places.insert(*address, place) {
            reading.problem(
                place,
                format!("{address} is already a member, as {}; to give it a larger share set its weight", first.key()),
            );
        }
    }
    let members: Vec<MemberPlan> = listed
        .iter()
        .map(|At { value: (address, weight), .. }| MemberPlan { address: *address, weight: *weight })
        .collect();
    let blamed = reading.report.blames(place.file(), place.key());
    if members.is_empty() && !blamed {
        reading.problem(place, "a pool has at least one member");
    } else if members.iter().all(|member| member.weight == 0) && !blamed {
        reading.problem(place, "every member has weight 0, so none would get anything; at least one needs 1 or more");
    }
    members
}

fn health(health: &At<Health>, reading: &Reading<'_>) -> Option<HealthPlan> {
    let At { place, value: Health { path, tcp, host, every, timeout, rise, fall } } = health;
    let probe = match (path, tcp.value) {
        (Some(path), false) => {
            let host = host.as_ref().map(|host| host.value.0.clone());
            Probe::Http { path: path.value.0.clone(), host }
        }
        (None, true) => {
            if let Some(host) = host {
                reading.problem(&host.place, "a probe that only connects sends no host; give path in place of tcp");
            }
            Probe::Tcp
        }
        (Some(_), true) | (None, false) => {
            if !reading.report.blames(place.file(), place.key()) {
                reading.problem(place, "either path or tcp = true is given: { path = \"/healthz\" } or { tcp = true }");
            }
            return None;
        }
    };
    let (every, timeout) = (every.value, timeout.value);
    Some(HealthPlan { probe, every, timeout, rise: rise.value, fall: fall.value })
}
