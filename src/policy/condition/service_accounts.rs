//! Which programs may pass, by name; knows nothing of how a program proves itself.

use super::{Condition, Facts, Tighten, list};
use crate::identity::AccountName;

pub(super) const WORD: &str = "service_accounts";

/// `service_accounts` of a policy: what stands for a program in the place of `require` and `groups`, which are for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceAccounts {
    /// Any of these; an empty list lets no program pass.
    pub any_of: Vec<AccountName>,
}

impl Condition for ServiceAccounts {
    fn word(&self) -> &'static str {
        WORD
    }

    fn holds(&self, facts: &Facts<'_>) -> bool {
        facts.caller.is_some_and(|caller| self.any_of.contains(&caller.account.name))
    }

    fn has(&self, facts: &Facts<'_>) -> String {
        facts.caller.map_or_else(|| "no session".to_owned(), |caller| caller.account.name.to_string())
    }

    fn needs(&self) -> String {
        match self.any_of.as_slice() {
            [] => "a person".to_owned(),
            some => format!("any of {}", list(some)),
        }
    }

    fn remedy(&self, facts: &Facts<'_>) -> String {
        match facts.caller {
            None => "sign in".to_owned(),
            Some(caller) => {
                let name = &caller.account.name;
                format!("have the policy name it: service_accounts = [\"{name}\"]")
            }
        }
    }
}

impl Tighten for ServiceAccounts {
    fn within(&self, wider: &Self) -> bool {
        self.any_of.iter().all(|name| wider.any_of.contains(name))
    }
}
