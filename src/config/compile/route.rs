//! `[[route]]`: routes with their pool and policy, and the table that finds them.

use super::Names;
use super::policy::Policies;
use crate::config::raw::{At, Place, Reading};
use crate::config::words::route::Route;
use crate::edition::RoutePlan;
use crate::policy::Policy;
use crate::route::{Entry, Headers, HostPattern, Methods, PathPattern, Table};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every path.
const EVERY_PATH: &str = "/**";

/// The first segment of the paths that are the gateway's own on every host.
const OURS: &str = ".portcullis";

/// What routes refer to.
pub struct Scene<'a> {
    /// Every policy.
    pub policies: &'a Policies<'a>,
    /// The policy of routes that name none.
    pub default: Arc<Policy>,
    /// Every pool.
    pub pools: &'a Names<'a>,
    /// The portal's host.
    pub portal: Option<&'a str>,
}

/// The routes.
pub struct Routes {
    /// In the order of the files.
    pub plans: Vec<Arc<RoutePlan>>,
    /// `None` if some of them tie.
    pub table: Option<Table<Arc<RoutePlan>>>,
    /// Where each policy is first used.
    pub uses: BTreeMap<Arc<str>, Place>,
}

/// The routes of all files.
pub fn compile(written: &[At<Route>], scene: &Scene<'_>, reading: &Reading<'_>) -> Routes {
    let names = written.iter().filter_map(|route| route.value.name.as_ref());
    Names::of("route", names.map(|name| (&name.value, &name.place)), reading);
    let mut uses = BTreeMap::new();
    let mut plans: Vec<(Arc<RoutePlan>, &Place)> = Vec::new();
    for At { place, value: route } in written {
        if let Some(name) = &route.name {
            reading.report.name(place.file(), place.key(), format!("route {:?}", name.value.as_str()));
        }
        let policy = policy(route, scene, reading);
        let policy_place = route.policy.as_ref().map_or(place, |policy| &policy.place);
        uses.entry(policy.name.clone()).or_insert_with(|| policy_place.clone());
        let known = Known { number: plans.len(), place, policy };
        plans.extend(one(route, known, scene, reading).map(|plan| (Arc::new(plan), place)));
    }
    let table = table(&plans, reading);
    Routes { plans: plans.into_iter().map(|(plan, _)| plan).collect(), table, uses }
}

fn policy(route: &Route, scene: &Scene<'_>, reading: &Reading<'_>) -> Arc<Policy> {
    let named = route.policy.as_ref().and_then(|policy| scene.policies.named(&policy.value, &policy.place, reading));
    named.unwrap_or_else(|| scene.default.clone())
}

/// What is known of a route before its keys are looked at.
struct Known<'a> {
    number: usize,
    place: &'a Place,
    policy: Arc<Policy>,
}

/// One route; `None` if a key that it cannot do without is missing or wrong.
fn one(route: &Route, known: Known<'_>, scene: &Scene<'_>, reading: &Reading<'_>) -> Option<RoutePlan> {
    let pool = route.pool.as_ref().filter(|pool| scene.pools.check(&pool.value, &pool.place, reading));
    let path = path(route, reading).inspect(|path| check_against_ours(route, path, reading));
    let methods = methods(route, reading);
    let headers = Headers::all_of(route.headers.value.clone());
    let headers = headers.map_err(|error| reading.problem(&route.headers.place, error.to_string()));
    let host = route.host.as_ref();
    host.into_iter().for_each(|host| check_against_portal(host, scene, reading));
    Some(RoutePlan {
        number: known.number,
        name: route.name.as_ref()?.value.shared(),
        host: host?.value.clone(),
        path: path?,
        methods: methods?,
        headers: headers.ok()?,
        pool: pool?.value.shared(),
        policy: known.policy,
        place: known.place.to_string(),
    })
}

fn check_against_portal(host: &At<HostPattern>, scene: &Scene<'_>, reading: &Reading<'_>) {
    let At { place, value: host } = host;
    if !host.is_wildcard() && scene.portal == Some(host.name()) {
        reading.problem(place, format!("the portal answers every request for {host}; give the route another host"));
    }
}

/// Below `/.portcullis/` the gateway answers by itself on every host.
fn check_against_ours(route: &Route, path: &PathPattern, reading: &Reading<'_>) {
    let regex = route.path_regex.as_ref().map(|regex| &regex.place);
    let place = route.path.as_ref().map(|path| &path.place).or(regex);
    if let (Some(place), true) = (place, path.begins_with(OURS)) {
        reading.warn(place, format!("no request gets here: the gateway answers everything below /{OURS}/ itself"));
    }
}

fn path(route: &Route, reading: &Reading<'_>) -> Option<PathPattern> {
    match (&route.path, &route.path_regex) {
        (Some(_), Some(regex)) => {
            reading.problem(&regex.place, "a route has either path or path_regex, not both");
            None
        }
        (Some(path), None) => Some(path.value.clone()),
        (None, Some(regex)) => Some(regex.value.0.clone()),
        (None, None) => PathPattern::parse(EVERY_PATH).ok(),
    }
}

fn methods(route: &Route, reading: &Reading<'_>) -> Option<Methods> {
    let Some(At { place, value: methods }) = &route.methods else { return Some(Methods::any()) };
    if methods.is_empty() && reading.report.blames(place.file(), place.key()) {
        return None;
    }
    let names: Vec<&str> = methods.iter().map(|method| method.value.as_str()).collect();
    Methods::parse(&names).map_err(|error| reading.problem(place, error.to_string())).ok()
}

fn table(plans: &[(Arc<RoutePlan>, &Place)], reading: &Reading<'_>) -> Option<Table<Arc<RoutePlan>>> {
    let entry = |(plan, _): &(Arc<RoutePlan>, &Place)| Entry {
        host: plan.host.clone(),
        path: plan.path.clone(),
        methods: plan.methods.clone(),
        headers: plan.headers.clone(),
        value: plan.clone(),
        label: plan.name.to_string(),
    };
    let ties = match Table::build(plans.iter().map(entry).collect()) {
        Ok(table) => return Some(table),
        Err(ties) => ties,
    };
    for tie in ties {
        let Some(((first, _), (_, place))) = plans.get(tie.first).zip(plans.get(tie.second)) else { continue };
        reading.problem(
            place,
            format!("nothing says whether this route or {:?} at {} comes first: {}", first.name, first.place, tie.why),
        );
    }
    None
}
