//! Which denials are kept for the auditor: those of an account, the first of their kind in a while. All of them are in the
//! access log, and a stranger's are nowhere else: anybody can cause them by the thousand.

use super::{Decided, DecisionId};
use crate::audit::Event;
use crate::identity::AccountId;
use crate::stdx::bounded::BoundedMap;
use crate::stdx::clock::Time;
use std::time::Duration;

/// For how long the same account is not reported again for the same condition of the same route.
const WINDOW: Duration = Duration::from_secs(60);

/// Denials remembered, so that their like is not reported again. Beyond that the oldest are forgotten, about.
const MOST: usize = 10_000;

/// Account, route and condition.
type Kind = (AccountId, String, String);

/// What was reported lately.
pub struct Denials(BoundedMap<Kind, Time>);

impl Default for Denials {
    fn default() -> Self {
        Denials(BoundedMap::new(MOST))
    }
}

impl Denials {
    /// The event that a denial is worth, if it is worth one.
    pub(super) fn event(&self, id: DecisionId, decided: &Decided) -> Option<Event> {
        let (account, _) = decided.found.account.as_ref()?;
        let route = decided.found.route.clone().unwrap_or_default();
        let failed = decided.lines.iter().find(|line| !line.holds);
        let condition = failed.map_or_else(String::new, |line| line.condition.to_owned());
        let kind = (*account, route.clone(), condition.clone());
        if self.0.get(&kind).is_some_and(|until| decided.at < until) {
            return None;
        }
        self.0.insert(kind, decided.at.plus(WINDOW));
        let policy = decided.found.policy.clone().unwrap_or_default();
        Some(Event::Denied { account: Some(*account), route, policy, condition, decision: id.to_string() })
    }
}
