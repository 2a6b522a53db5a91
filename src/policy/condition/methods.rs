//! Which methods may be used; HEAD counts as GET.

use super::{Condition, Facts, Tighten, list};
use http::Method;

pub(super) const WORD: &str = "methods";

/// `methods` of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Methods {
    /// Any of these; an empty list lets nobody pass.
    pub any_of: Vec<Method>,
}

impl Condition for Methods {
    fn word(&self) -> &'static str {
        WORD
    }

    fn holds(&self, facts: &Facts<'_>) -> bool {
        let head_as_get = *facts.method == Method::HEAD && self.any_of.contains(&Method::GET);
        head_as_get || self.any_of.contains(facts.method)
    }

    fn has(&self, facts: &Facts<'_>) -> String {
        facts.method.to_string()
    }

    fn needs(&self) -> String {
        format!("one of {}", list(&self.any_of))
    }

    fn remedy(&self, _: &Facts<'_>) -> String {
        "use an allowed method, or ask for a route whose policy allows this one".to_owned()
    }
}

impl Tighten for Methods {
    fn within(&self, wider: &Self) -> bool {
        self.any_of.iter().all(|method| wider.any_of.contains(method))
    }
}
