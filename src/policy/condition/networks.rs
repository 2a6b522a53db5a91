//! Where a request must come from; knows networks, not how the client's address was found.

use super::{Condition, Facts, Tighten, list};
use ipnet::IpNet;

pub(super) const WORD: &str = "networks";

/// `networks` of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks {
    /// Any of these; an empty list lets nobody pass.
    pub any_of: Vec<IpNet>,
}

impl Condition for Networks {
    fn word(&self) -> &'static str {
        WORD
    }

    fn holds(&self, facts: &Facts<'_>) -> bool {
        self.any_of.iter().any(|network| network.contains(&facts.client))
    }

    fn has(&self, facts: &Facts<'_>) -> String {
        facts.client.to_string()
    }

    fn needs(&self) -> String {
        format!("an address in {}", list(&self.any_of))
    }

    fn remedy(&self, _: &Facts<'_>) -> String {
        "connect from an allowed network".to_owned()
    }
}

impl Tighten for Networks {
    fn within(&self, wider: &Self) -> bool {
        self.any_of.iter().all(|own| wider.any_of.iter().any(|other| other.contains(own)))
    }
}
