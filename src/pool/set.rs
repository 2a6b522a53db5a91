//! Pools as one edition has them: immutable lists of shared members, and how they stand for the operator to see.

use super::balance::Balancer;
use super::health::{Check, Health};
use super::member::MemberState;
use super::plan::PoolPlan;
use super::tally::Tally;
use crate::stdx::clock::Time;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;

/// The pools of one edition. Clones share them.
#[derive(Clone, Default)]
pub struct Pools(Arc<Listed>);

#[derive(Default)]
struct Listed {
    in_order: Vec<Arc<Pool>>,
    by_name: HashMap<Arc<str>, Arc<Pool>>,
}

impl Pools {
    pub(super) fn new(in_order: Vec<Arc<Pool>>) -> Self {
        let by_name = in_order.iter().map(|pool| (Arc::clone(pool.name()), Arc::clone(pool))).collect();
        Pools(Arc::new(Listed { in_order, by_name }))
    }

    /// The pool of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Pool>> {
        self.0.by_name.get(name)
    }

    /// Every pool, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.0.in_order.iter()
    }

    /// How every pool stands at `now`.
    pub fn snapshot(&self, now: Time) -> Vec<PoolStatus> {
        self.iter().map(|pool| pool.status(now)).collect()
    }
}

/// One pool of one edition.
pub struct Pool {
    plan: PoolPlan,
    members: Box<[Member]>,
    balancer: Box<dyn Balancer>,
    tally: Arc<Tally>,
    group: u64,
}

impl Pool {
    pub(super) fn new(plan: PoolPlan, members: Box<[Member]>, tally: Arc<Tally>) -> Self {
        let weights: Vec<u32> = members.iter().map(|member| member.weight).collect();
        let mut hasher = DefaultHasher::new();
        plan.name.hash(&mut hasher);
        Pool { balancer: plan.balance.over(&weights), group: hasher.finish(), plan, members, tally }
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.plan.name
    }

    /// What it was configured to be.
    pub fn plan(&self) -> &PoolPlan {
        &self.plan
    }

    /// How it stands at `now`.
    pub fn status(&self, now: Time) -> PoolStatus {
        let members = self.members.iter().map(|member| member.status(now));
        PoolStatus { name: Arc::clone(self.name()), probed: self.plan.health.is_some(), members: members.collect() }
    }

    /// A number of its own by name, the same in every edition: connections to a member are kept apart by it.
    pub(super) fn group(&self) -> u64 {
        self.group
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(super) fn balancer(&self) -> &dyn Balancer {
        &*self.balancer
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// One member as one pool has it.
pub(super) struct Member {
    state: Arc<MemberState>,
    check: Option<Arc<Check>>,
    weight: u32,
}

impl Member {
    pub fn new(state: Arc<MemberState>, check: Option<Arc<Check>>, weight: u32) -> Self {
        Member { state, check, weight }
    }

    pub fn state(&self) -> &MemberState {
        &self.state
    }

    pub fn check(&self) -> Option<&Arc<Check>> {
        self.check.as_ref()
    }

    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// What its check says; a member without one is taken for healthy.
    pub fn health(&self) -> Health {
        self.check().map_or(Health::Healthy, |check| check.health())
    }

    fn status(&self, now: Time) -> MemberStatus {
        MemberStatus {
            address: self.state.address(),
            weight: self.weight,
            health: self.health(),
            since: match self.state.ejected_since(now) {
                Some(since) => Some(since),
                None => self.check().and_then(|check| check.since()),
            },
            in_flight: self.state.in_flight(),
            ejected: self.state.is_ejected(now),
        }
    }
}

/// How a pool stood at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it has a health check; without one nothing is known of its members' health.
    pub probed: bool,
    /// Its members, in the order of the configuration.
    pub members: Vec<MemberStatus>,
}

impl PoolStatus {
    /// The word for what is known of a member's health.
    pub fn health_of(&self, member: &MemberStatus) -> &'static str {
        if self.probed { member.health.word() } else { "not probed" }
    }
}

/// How a member of a pool stood at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its share in this pool.
    pub weight: u32,
    /// What this pool's health check says of it; healthy where there is none.
    pub health: Health,
    /// Since when it is ejected, or else when its health last changed; `None` if it never did.
    pub since: Option<Time>,
    /// Requests it is serving, over all pools.
    pub in_flight: u32,
    /// Whether it is left out because it failed requests.
    pub ejected: bool,
}
