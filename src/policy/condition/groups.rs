//! Which groups an account must be in any of; knows groups by name only.

use super::{Condition, Facts, Tighten, list};
use crate::identity::Group;

pub(super) const WORD: &str = "groups";

/// `groups` of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// Any of these; an empty list lets no person pass.
    pub any_of: Vec<Group>,
}

impl Groups {
    /// Whether no person is in any of them.
    pub fn is_nobody(&self) -> bool {
        self.any_of.is_empty()
    }
}

impl Condition for Groups {
    fn word(&self) -> &'static str {
        WORD
    }

    fn holds(&self, facts: &Facts<'_>) -> bool {
        facts.caller.is_some_and(|caller| caller.account.groups.iter().any(|group| self.any_of.contains(group)))
    }

    fn has(&self, facts: &Facts<'_>) -> String {
        match facts.caller {
            None => "no session".to_owned(),
            Some(caller) if caller.account.groups.is_empty() => "no groups".to_owned(),
            Some(caller) => list(&caller.account.groups),
        }
    }

    fn needs(&self) -> String {
        match self.any_of.as_slice() {
            [] => "a service account".to_owned(),
            some => format!("any of {}", list(some)),
        }
    }

    fn remedy(&self, facts: &Facts<'_>) -> String {
        match (self.any_of.as_slice(), facts.caller) {
            ([], _) => "use a program with a service account that the policy names: no person may pass".to_owned(),
            (_, None) => "sign in".to_owned(),
            (some, Some(_)) => format!("ask whoever runs this gateway to add the account to {}", list(some)),
        }
    }
}

impl Tighten for Groups {
    fn within(&self, wider: &Self) -> bool {
        self.any_of.iter().all(|group| wider.any_of.contains(group))
    }
}
