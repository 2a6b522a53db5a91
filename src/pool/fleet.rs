//! What outlives editions: every member's state by its address, every check, and the one prober; knows no edition.

use super::health::{Check, Method, Prober, Wanted, Watched};
use super::member::MemberState;
use super::plan::{HealthPlan, PoolPlan};
use super::set::{Member, Pool, Pools};
use super::tally::{Counts, Tally};
use crate::stdx::clock::Clock;
use crate::stdx::task::Tasks;
use prometheus_client::registry::Registry;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};
use tokio::sync::watch;

/// All members the process knows. One for each gateway.
pub struct Fleet {
    clock: Arc<dyn Clock>,
    tasks: Tasks,
    tally: Arc<Tally>,
    /// Written and read when an edition is compiled, never by a request; so a lock is enough.
    known: Mutex<Known>,
    /// Written by `watch`, read by the prober.
    wanted: watch::Sender<Wanted>,
    started: Once,
}

impl Fleet {
    /// A fleet that knows nobody. `clock` dates changes of health; `tasks` will own the prober.
    pub fn new(clock: Arc<dyn Clock>, tasks: Tasks) -> Arc<Self> {
        let (wanted, _) = watch::channel(Wanted::default());
        let (tally, known) = (Arc::default(), Mutex::default());
        Arc::new(Fleet { clock, tasks, tally, known, wanted, started: Once::new() })
    }

    /// The pools of a new edition. A pool whose plan is the same as in `previous` is the same pool; members known by
    /// their address keep their state, and checks known by address and plan keep their health. Of two plans with one
    /// name the later stands. Needs no runtime.
    pub fn compile(&self, plans: &[PoolPlan], previous: Option<&Pools>) -> Pools {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.sweep();
        let pools = plans.iter().map(|plan| {
            let same = previous.and_then(|pools| pools.get(&plan.name)).filter(|pool| pool.plan() == plan);
            same.map(Arc::clone).unwrap_or_else(|| {
                let members = known.members(plan);
                Arc::new(Pool::new(plan.clone(), members, Arc::clone(&self.tally)))
            })
        });
        Pools::new(pools.collect())
    }

    /// Probes from now on what `pools`, the edition just published, wants probed, and nothing else.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn watch(&self, pools: &Pools) {
        self.wanted.send_replace(watched(pools));
        self.started.call_once(|| {
            let prober = Prober::new(Arc::clone(&self.clock), Arc::clone(&self.tally));
            self.tasks.spawn("prober", prober.run(self.wanted.subscribe()));
        });
    }

    /// Shows what happened to members in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        self.tally.register(registry);
    }

    /// What happened to members since the process started.
    pub fn counts(&self) -> Counts {
        self.tally.counts()
    }
}

/// The checks that `pools` want, each once, with the names of those that want it.
fn watched(pools: &Pools) -> Wanted {
    let mut checks: BTreeMap<u64, (&Arc<Check>, Vec<&str>)> = BTreeMap::new();
    for pool in pools.iter() {
        for check in pool.members().iter().filter_map(Member::check) {
            checks.entry(check.id()).or_insert((check, Vec::new())).1.push(pool.name());
        }
    }
    let watched = |(check, mut pools): (&Arc<Check>, Vec<&str>)| {
        pools.dedup();
        Watched { check: Arc::clone(check), pools: pools.join(", ").into() }
    };
    checks.into_values().map(watched).collect()
}

/// Who is known, as long as some edition uses it.
#[derive(Default)]
struct Known {
    members: HashMap<SocketAddr, Weak<MemberState>>,
    methods: HashMap<HealthPlan, Checks>,
    /// How many checks there ever were: each check's id.
    checks: u64,
}

/// The checks of one method.
struct Checks {
    method: Arc<Method>,
    by_address: HashMap<SocketAddr, Weak<Check>>,
}

impl Known {
    /// The members of `plan`: those known already, new ones for the rest.
    fn members(&mut self, plan: &PoolPlan) -> Box<[Member]> {
        let member = |planned: &super::plan::MemberPlan| {
            let state = self.state(planned.address);
            let check = plan.health.as_ref().map(|health| self.check(&state, health));
            Member::new(state, check, planned.weight)
        };
        plan.members.iter().map(member).collect()
    }

    fn state(&mut self, address: SocketAddr) -> Arc<MemberState> {
        adopt(&mut self.members, address, || MemberState::new(address))
    }

    fn check(&mut self, member: &Arc<MemberState>, plan: &HealthPlan) -> Arc<Check> {
        let Known { methods, checks, .. } = self;
        if !methods.contains_key(plan) {
            let method = Arc::new(Method::new(plan));
            methods.insert(plan.clone(), Checks { method, by_address: HashMap::new() });
        }
        let kept = methods.get_mut(plan).expect("the method was put there a line above");
        adopt(&mut kept.by_address, member.address(), || {
            *checks += 1;
            Check::new(*checks, Arc::clone(member), Arc::clone(&kept.method))
        })
    }

    /// Drops what no edition uses any more.
    fn sweep(&mut self) {
        self.members.retain(|_, state| state.strong_count() > 0);
        self.methods.retain(|_, kept| {
            kept.by_address.retain(|_, check| check.strong_count() > 0);
            !kept.by_address.is_empty()
        });
    }
}

/// What lives under `address`, or else what `make` makes.
fn adopt<T>(map: &mut HashMap<SocketAddr, Weak<T>>, address: SocketAddr, make: impl FnOnce() -> T) -> Arc<T> {
    let slot = map.entry(address).or_default();
    slot.upgrade().unwrap_or_else(|| {
        let new = Arc::new(make());
        *slot = Arc::downgrade(&new);
        new
    })
}

#[cfg(test)]
mod tests {
    use super::super::scene::{Scene, checked, http, plan, tcp};
    use super::*;

    #[test]
    fn an_unchanged_pool_is_the_same_pool_in_the_next_edition() {
        let (orders, other) = (plan("orders", &[1, 2]), plan("other", &[3]));
        let mut scene = Scene::of(&[orders.clone(), other.clone()]);
        let before = [Arc::clone(scene.pool("orders")), Arc::clone(scene.pool("other"))];
        scene.reload(&[orders, PoolPlan { retries: 2, ..other }]);
        assert!(Arc::ptr_eq(scene.pool("orders"), &before[0]));
        assert!(!Arc::ptr_eq(scene.pool("other"), &before[1]));
    }

    #[test]
    fn a_members_state_survives_a_changed_weight() {
        let mut orders = checked(plan("orders", &[1, 2]), http());
        let mut scene = Scene::of(std::slice::from_ref(&orders));
        let held = scene.pick("orders");
        scene.probe("orders", 0, Ok(()));
        scene.refuse("orders", 0, 2);
        let before = scene.pool("orders").status(scene.now);
        orders.members[0].weight = 5;
        scene.reload(&[orders]);
        let mut after = scene.pool("orders").status(scene.now);
        assert_eq!(std::mem::replace(&mut after.members[0].weight, 1), 5);
        assert_eq!(after, before);
        drop(held);
        assert_eq!(scene.pools.snapshot(scene.now)[0].members[0].in_flight, 0);
    }

    #[test]
    fn a_changed_check_begins_unknown_and_leaves_the_rest_as_it_was() {
        let mut scene = Scene::of(&[checked(plan("orders", &[1]), http())]);
        scene.probe("orders", 0, Ok(()));
        scene.refuse("orders", 0, 2);
        scene.reload(&[checked(plan("orders", &[1]), tcp())]);
        let member = scene.pool("orders").status(scene.now).members.remove(0);
        assert_eq!((member.health.word(), member.ejected), ("unknown", true));
    }

    #[test]
    fn what_no_edition_uses_is_forgotten() {
        let orders = checked(plan("orders", &[1, 2]), http());
        let mut scene = Scene::of(std::slice::from_ref(&orders));
        scene.probe("orders", 0, Err("no answer"));
        scene.reload(&[]);
        scene.reload(&[]);
        let known = scene.fleet.known.lock().expect("no test panics with it");
        assert_eq!((known.members.len(), known.methods.len()), (0, 0));
        drop(known);
        scene.reload(&[orders]);
        assert_eq!(scene.pools.snapshot(scene.now)[0].members[0].health.word(), "unknown");
    }

    #[test]
    fn a_check_is_watched_once_under_the_names_of_all_pools_that_want_it() {
        let plans =
            [("c", http()), ("a", http()), ("b", tcp())].map(|(name, health)| checked(plan(name, &[1]), health));
        let watched = watched(&Scene::of(&plans).pools);
        let names: Vec<_> = watched.iter().map(|watched| &*watched.pools).collect();
        assert_eq!(names, ["c, a", "b"]);
    }

    #[test]
    fn pools_are_listed_in_the_order_of_the_configuration() {
        let scene = Scene::of(&[plan("c", &[1]), plan("a", &[1]), plan("b", &[1])]);
        let names: Vec<_> = scene.pools.snapshot(scene.now).into_iter().map(|pool| pool.name.to_string()).collect();
        assert_eq!(names, ["c", "a", "b"]);
        assert!(scene.pools.get("d").is_none());
    }
}
