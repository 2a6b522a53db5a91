//! Routes whose methods or headers are meant as a guard, and leave what they do not cover to a route that asks for less;
//! knows what falls where from the table itself.

use super::route::Routes;
use crate::config::raw::{At, Place, Reading};
use crate::config::words::route::Route;
use crate::edition::RoutePlan;
use crate::pool::PoolPlan;
use crate::route::{Ask, Found, Table};
use http::{HeaderMap, Method};
use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

/// What services take, and whether it only reads (RFC 9110 §9.2.1).
const METHODS: [(Method, Effect); 5] = [
    (Method::GET, Effect::Reads),
    (Method::POST, Effect::Writes),
    (Method::PUT, Effect::Writes),
    (Method::PATCH, Effect::Writes),
    (Method::DELETE, Effect::Writes),
];

/// Methods that no usual list has: one that some services know (RFC 4918), and one that none does.
const UNUSUAL: [&str; 2] = ["PROPFIND", "FOO"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Reads,
    Writes,
}

/// Warns of each such route, once for what its headers leave and once for what its methods do.
pub fn warn(written: &[At<Route>], routes: &Routes, pools: &[PoolPlan], reading: &Reading<'_>) {
    let Some(table) = &routes.table else { return };
    let pools: BTreeMap<&str, HashSet<SocketAddr>> = pools.iter().map(|pool| (&*pool.name, servers(pool))).collect();
    let plans: BTreeMap<&str, &RoutePlan> = routes.plans.iter().map(|plan| (&*plan.name, &**plan)).collect();
    for At { value: words, .. } in written {
        let Some(plan) = words.name.as_ref().and_then(|name| plans.get(name.value.as_str())) else { continue };
        let guard = Guard { plan, table, pools: &pools };
        if plan.headers.count() > 0
            && let Some((_, lower)) = guard.without_headers()
        {
            let what = "without these headers, which every client may leave out, a request falls to";
            guard.tell(&words.headers.place, (what, lower), reading);
        }
        let Some(place) = words.methods.as_ref().map(|methods| &methods.place) else { continue };
        if let Some((method, lower)) = guard.with_other_methods() {
            guard.tell(place, (&format!("with {method} a request falls to"), lower), reading);
        } else if let Some((method, lower)) = guard.with_unusual_methods() {
            let what = format!(
                "leave it out, and the route is for every method: with one that is not listed, such as {method}, a \
                 request falls to"
            );
            guard.tell(place, (&what, lower), reading);
        }
    }
}

/// One route that is for some requests to its host and path only.
struct Guard<'a> {
    plan: &'a RoutePlan,
    table: &'a Table<Arc<RoutePlan>>,
    pools: &'a BTreeMap<&'a str, HashSet<SocketAddr>>,
}

impl<'a> Guard<'a> {
    /// A method that the route is for, and the lower route that takes it without the route's headers.
    fn without_headers(&self) -> Option<(Method, &'a RoutePlan)> {
        METHODS.into_iter().find_map(|(method, _)| {
            let lower = Some(()).filter(|()| self.plan.methods.allow(&method)).and_then(|()| self.lower(&method))?;
            Some((method, lower))
        })
    }

    /// A method that the route is not for, and the lower route that takes it: one for every method, because a route
    /// that names its methods was meant. Where only writing is guarded, reading is meant to be left out.
    fn with_other_methods(&self) -> Option<(Method, &'a RoutePlan)> {
        let reads = self.plan.methods.allow(&Method::GET);
        METHODS.into_iter().find_map(|(method, effect)| {
            let missed = !self.plan.methods.allow(&method) && (reads || effect == Effect::Writes);
            let lower = Some(()).filter(|()| missed).and_then(|()| self.lower(&method))?;
            lower.methods.is_any().then_some((method, lower))
        })
    }

    /// The same for a method that nobody thinks of; only where reading is guarded too, for who leaves that out has a lower
    /// route on purpose.
    fn with_unusual_methods(&self) -> Option<(Method, &'a RoutePlan)> {
        let reads = self.plan.methods.allow(&Method::GET);
        UNUSUAL.iter().filter_map(|name| name.parse::<Method>().ok()).find_map(|method| {
            let missed = reads && !self.plan.methods.allow(&method);
            let lower = Some(()).filter(|()| missed).and_then(|()| self.lower(&method))?;
            lower.methods.is_any().then_some((method, lower))
        })
    }

    /// The route that a bare request to the same host and path falls to, if it leads to one of the same servers by a
    /// policy that lets more pass.
    fn lower(&self, method: &Method) -> Option<&'a RoutePlan> {
        let (host, path, headers) = (self.plan.host.example(), self.plan.path.example(), HeaderMap::new());
        let Found::Route(other) = self.table.find(&Ask { host: &host, path: &path, method, headers: &headers }) else {
            return None;
        };
        let weaker = !other.policy.rules.within(&self.plan.policy.rules);
        (weaker && self.shares_a_server_with(other)).then_some(other)
    }

    fn shares_a_server_with(&self, other: &RoutePlan) -> bool {
        let servers = |route: &RoutePlan| self.pools.get(&*route.pool);
        servers(self.plan).zip(servers(other)).is_some_and(|(own, others)| !own.is_disjoint(others))
    }

    fn tell(&self, place: &Place, (what, lower): (&str, &RoutePlan), reading: &Reading<'_>) {
        let (own, weaker) = (&self.plan.policy.name, &lower.policy.name);
        let (name, at) = (&lower.name, &lower.place);
        reading.warn(
            place,
            format!(
                "{what} the route {name:?} at {at}, whose policy {weaker:?} does not ask for all that {own:?} does"
            ),
        );
    }
}

fn servers(pool: &PoolPlan) -> HashSet<SocketAddr> {
    pool.members.iter().map(|member| member.address).collect()
}
