//! One frozen, numbered, compiled configuration; knows no file and nothing that changes after it was published.

mod live;
mod plan;

pub use live::{Held, Live};
pub use plan::{
    FactorPlan, GatewayPlan, MessagePlan, OauthPlan, PasskeyPlan, PasswordPlan, Plan, PortalPlan, RoutePlan, TotpPlan,
    TrustedProxies, is_certified,
};

use crate::identity::SessionRules;
use crate::pool::{Pool, Pools};
use crate::route::Table;
use crate::telemetry::{Metrics, RouteCounters};
use crate::token::Audience;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// One edition. A request holds one from its first filter to its log line.
pub struct Edition {
    /// Counts from 1; a reload that was refused takes no number.
    pub number: u64,
    /// The plan it was made from; settings are read from here.
    pub plan: Arc<Plan>,
    /// Which route a request falls under.
    pub routes: Table<Arc<RoutePlan>>,
    /// The pools of its routes.
    pub pools: Pools,
    /// What each route needs at hand, by the route's number.
    ready: Vec<Ready>,
}

/// What a route needs at hand, looked up once an edition and not once a request.
pub struct Ready {
    /// Where requests go.
    pub pool: Arc<Pool>,
    /// Whom a caller is vouched for to, and by whom; `None` if there is no portal, and so nobody who could be vouched for.
    pub audience: Option<Audience>,
    /// What is counted.
    pub counters: RouteCounters,
}

impl Edition {
    /// An edition of a plan. `None` if a route names a pool that is not among `pools`, which a compiled plan never does.
    pub fn assemble(
        number: u64,
        (plan, routes): (Arc<Plan>, Table<Arc<RoutePlan>>),
        pools: Pools,
        metrics: &Metrics,
    ) -> Option<Self> {
        let issuer: Option<Arc<str>> = plan.portal.as_ref().map(|portal| portal.origin.as_str().into());
        let ready = plan.routes.iter().map(|route| Ready::of(route, &pools, issuer.as_ref(), metrics));
        let ready = ready.collect::<Option<Vec<_>>>()?;
        Some(Edition { number, plan, routes, pools, ready })
    }

    /// When sessions end.
    pub fn sessions(&self) -> SessionRules {
        self.plan.sessions
    }

    /// What a route of this edition needs at hand.
    pub fn ready(&self, route: &RoutePlan) -> Option<&Ready> {
        self.ready.get(route.number)
    }

    /// Whether `host` is the portal's.
    pub fn is_portal(&self, host: &str) -> bool {
        self.plan.portal.as_ref().is_some_and(|portal| portal.host == host)
    }
}

impl Ready {
    fn of(route: &RoutePlan, pools: &Pools, issuer: Option<&Arc<str>>, metrics: &Metrics) -> Option<Self> {
        let pool = pools.get(&route.pool)?.clone();
        let groups: Vec<_> = route.policy.named_groups().cloned().collect();
        // The same issuer, pool and groups give the same key in every edition, so a reload costs no signature.
        let mut hasher = DefaultHasher::new();
        (issuer, &route.pool, &groups).hash(&mut hasher);
        let key = hasher.finish();
        let audience = issuer.map(|issuer| Audience { key, issuer: issuer.clone(), pool: route.pool.clone(), groups });
        Some(Ready { pool, audience, counters: metrics.route(&route.name) })
    }
}
