//! What a session must have proved, and how lately; knows the names of factors, not the factors.

use super::{Condition, Facts, Tighten, list};
use crate::identity::{Assurance, FactorName, Need, Proof, Proofs};
use crate::stdx::clock::Time;
use crate::stdx::span;
use std::time::Duration;

pub(super) const WORD: &str = "require";

/// `require`, `max_age`, `factors` and `refuse_factors` of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Require {
    /// What the proofs must come to.
    pub need: Need,
}

impl Require {
    /// Whether a caller without a session may satisfy it.
    pub fn is_nothing(&self) -> bool {
        self.need.level == Assurance::None && self.need.factors.is_empty()
    }
}

impl Condition for Require {
    fn word(&self) -> &'static str {
        WORD
    }

    fn holds(&self, facts: &Facts<'_>) -> bool {
        self.is_nothing() || facts.caller.is_some_and(|caller| self.need.is_met_by(caller.proofs, facts.now))
    }

    fn has(&self, facts: &Facts<'_>) -> String {
        let Some(caller) = facts.caller else { return "no session".to_owned() };
        let level = caller.proofs.assurance();
        let by = match self.need.factors.is_empty() && self.need.refuse.is_empty() {
            true => String::new(),
            false => by(caller.proofs),
        };
        let oldest = caller.proofs.iter().map(|proof| proof.at).min();
        match (self.need.max_age, oldest) {
            (Some(_), Some(at)) => format!("{level}{by}, oldest proof {} ago", span::written(age(facts.now, at))),
            (Some(_), None) | (None, _) => format!("{level}{by}"),
        }
    }

    fn needs(&self) -> String {
        let Need { level, max_age, factors, refuse } = &self.need;
        let with = match factors.as_slice() {
            [] => String::new(),
            some => format!(" with {}", some.iter().map(|name| name.0).collect::<Vec<_>>().join(" or ")),
        };
        let without = match refuse.as_slice() {
            [] => String::new(),
            some => format!(" without {}", list(some)),
        };
        let within = max_age.map_or(String::new(), |age| format!(", proved within {}", span::written(age)));
        format!("{level}{with}{without}{within}")
    }

    fn remedy(&self, facts: &Facts<'_>) -> String {
        match facts.caller {
            None => "sign in".to_owned(),
            Some(caller) if caller.proofs.only_enrol() => "enrol a new factor, then sign in again".to_owned(),
            Some(caller) if self.was_met_by(caller.proofs) => "confirm again who you are".to_owned(),
            Some(_) => format!("prove more, to reach {}", self.needs()),
        }
    }
}

impl Require {
    fn was_met_by(&self, proofs: &Proofs) -> bool {
        self.need.met_until(proofs).is_some()
    }
}

/// Which factors proved it.
fn by(proofs: &Proofs) -> String {
    let factors: Vec<FactorName> = proofs.iter().map(|proof: &Proof| proof.factor).collect();
    if factors.is_empty() { String::new() } else { format!(" by {}", list(&factors)) }
}

/// In whole seconds.
fn age(now: Time, at: Time) -> Duration {
    Duration::from_secs(now.since(at).as_secs())
}

impl Tighten for Require {
    fn within(&self, wider: &Self) -> bool {
        let (own, wider) = (&self.need, &wider.need);
        let fresher = match (own.max_age, wider.max_age) {
            (_, None) => true,
            (Some(own), Some(other)) => own <= other,
            (None, Some(_)) => false,
        };
        let named = wider.factors.is_empty()
            || (!own.factors.is_empty() && own.factors.iter().all(|factor| wider.factors.contains(factor)));
        let refused = wider.refuse.iter().all(|factor| own.refuse.contains(factor));
        own.level >= wider.level && fresher && named && refused
    }
}
