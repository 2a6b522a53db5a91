//! Which groups an account must be in any of; knows groups by name only.

use super::{Condition, Facts, Tighten, list};
use crate::identity::Group;

pub(super) const WORD: &str = "groups";

/// `groups` of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// Any of these; an empty list lets nobody pass.
    pub any_of: Vec<Group>,
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
        format!("any of {}", list(&self.any_of))
    }

    fn remedy(&self, facts: &Facts<'_>) -> String {
        if facts.caller.is_none() {
            return "sign in".to_owned();
        }
        format!("ask whoever runs this gateway to add the account to {}", list(&self.any_of))
    }
}

impl Tighten for Groups {
    fn within(&self, wider: &Self) -> bool {
        self.any_of.iter().all(|group| wider.any_of.contains(group))
    }
}
