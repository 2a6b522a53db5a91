//! How strongly and how freshly a session must be proved; knows levels, not factors.

use super::{Condition, Facts, Tighten};
use crate::identity::Assurance;
use crate::stdx::clock::Time;
use crate::stdx::span;
use std::time::Duration;

pub(super) const WORD: &str = "require";

/// `require` and `max_age` of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Require {
    /// The least level.
    pub level: Assurance,
    /// No proof that the level needs may be older.
    pub max_age: Option<Duration>,
}

impl Require {
    fn oldest(&self, now: Time) -> Time {
        self.max_age.map_or(Time::EPOCH, |age| now.minus(age))
    }
}

impl Condition for Require {
    fn word(&self) -> &'static str {
        WORD
    }

    fn holds(&self, facts: &Facts<'_>) -> bool {
        if self.level == Assurance::None {
            return true;
        }
        facts.caller.is_some_and(|caller| caller.proofs.assurance_within(self.oldest(facts.now)) >= self.level)
    }

    fn has(&self, facts: &Facts<'_>) -> String {
        let Some(caller) = facts.caller else { return "no session".to_owned() };
        let level = caller.proofs.assurance();
        let newest = caller.proofs.iter().map(|proof| proof.at).min();
        match (self.max_age, newest) {
            (Some(_), Some(at)) => {
                let age = Duration::from_secs(facts.now.since(at).as_secs());
                format!("{level}, oldest proof {} ago", span::written(age))
            }
            (Some(_), None) | (None, _) => level.to_string(),
        }
    }

    fn needs(&self) -> String {
        match self.max_age {
            Some(age) => format!("{}, proved within {}", self.level, span::written(age)),
            None => self.level.to_string(),
        }
    }

    fn remedy(&self, facts: &Facts<'_>) -> String {
        match facts.caller {
            None => "sign in".to_owned(),
            Some(caller) if caller.proofs.only_enrol() => "enrol a new factor, then sign in again".to_owned(),
            Some(caller) if caller.proofs.assurance() >= self.level => "confirm again who you are".to_owned(),
            Some(_) => format!("prove more, to reach {}", self.level),
        }
    }
}

impl Tighten for Require {
    fn within(&self, wider: &Self) -> bool {
        let fresher = match (self.max_age, wider.max_age) {
            (_, None) => true,
            (Some(own), Some(other)) => own <= other,
            (None, Some(_)) => false,
        };
        self.level >= wider.level && fresher
    }
}
