//! From typed values to a plan: every rule between keys, and what stands in where nothing was given. A rule that is
//! broken is reported and something harmless stands in, so that the rest is still checked.

mod doubt;
mod factor;
mod fall_through;
mod gateway;
mod listen;
mod message;
mod policy;
mod pool;
mod portal;
mod reach;
mod route;
mod state;

pub use reach::uncertified;

use super::problem::hint;
use super::raw::{Name, Place, Reading};
use super::words::{Main, Shared};
use crate::edition::{Plan, RoutePlan};
use crate::route::Table;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What all files together hold.
pub struct Raw {
    /// The main file's own tables.
    pub main: Main,
    /// Policies, pools and routes of all files, the main file's first.
    pub shared: Shared,
    /// The directories that `include` looks in.
    pub directories: Vec<PathBuf>,
}

/// Compiles. There is a table unless routes tie; whether anything may be used is for the report to say.
pub fn compile(raw: &Raw, reading: &Reading<'_>) -> (Plan, Option<Table<Arc<RoutePlan>>>) {
    let Raw { main, shared, .. } = raw;
    let portal = portal::compile(main, reading);
    let factors = factor::compile(main, reading);
    let policies = policy::compile(&shared.policy.value, reading);
    let names = Names::of("pool", shared.pool.value.iter().map(|pool| (&pool.name, &pool.place)), reading);
    let scene = route::Scene {
        policies: &policies,
        default: policies.default(&main.defaults.value, reading),
        pools: &names,
        portal: portal.as_ref().map(|portal| portal.host.as_str()),
    };
    let routes = route::compile(&shared.route.value, &scene, reading);
    policies.check_sign_in(&routes.uses, &factor::SignIn::new(main, &factors, reading), reading);
    let pools = pool::compile(&shared.pool.value, &routes.plans, reading);
    let certificates = listen::certificates(main, reading);
    policies.warn_of_unused(&routes.uses, &main.defaults.value, reading);
    listen::warn_of_plain(main, &routes.plans, reading);
    fall_through::warn(&shared.route.value, &routes, &pools, reading);
    doubt::members_of_our_own(&shared.pool.value, main, reading);
    state::check(main, reading);
    let plan = Plan {
        gateway: gateway::compile(main, reading),
        listeners: listen::listeners(main, reading),
        limits: listen::limits(&main.limits.value, reading),
        certificates: certificates.iter().map(|(_, certified)| certified.clone()).collect(),
        sessions: portal::sessions(&main.session, reading),
        oauth: portal::oauth(&main.oauth, reading),
        pools,
        policies: policies.into_all(),
        routes: routes.plans,
        portal,
        factors,
        notice: message::notice(main, reading),
    };
    doubt::certificates(&certificates, &plan, reading);
    reach::check((main, shared), &plan, reading);
    (plan, routes.table)
}

/// The names of one kind of thing over all files, and where each is.
struct Names<'a> {
    what: &'static str,
    places: BTreeMap<&'a str, &'a Place>,
}

impl<'a> Names<'a> {
    /// Collects names; one that is there twice is reported at its second place.
    fn of(what: &'static str, names: impl IntoIterator<Item = (&'a Name, &'a Place)>, reading: &Reading<'_>) -> Self {
        let mut places: BTreeMap<&str, &Place> = BTreeMap::new();
        for (name, place) in names {
            let name = name.as_str();
            if let Some(first) = places.get(name) {
                reading.problem(place, format!("there is already a {what} {name:?}, at {first}; a name is given once"));
            } else {
                places.insert(name, place);
            }
        }
        Names { what, places }
    }

    /// Whether `name` is among them; if not, that is reported at `place`.
    fn check(&self, name: &Name, place: &Place, reading: &Reading<'_>) -> bool {
        let known = self.places.contains_key(name.as_str());
        if !known {
            let (what, near) = (self.what, hint(name.as_str(), self.places.keys().copied()));
            reading.problem(place, format!("there is no {what} {:?}{near}", name.as_str()));
        }
        known
    }
}
