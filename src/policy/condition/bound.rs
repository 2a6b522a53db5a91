//! That a program must prove, with every request, a key that its token is bound to (RFC 9449); knows no proof.

use super::{Condition, Facts, Tighten};
use crate::policy::Carrier;

pub(super) const WORD: &str = "bound";

/// `bound = true` of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound;

impl Condition for Bound {
    fn word(&self) -> &'static str {
        WORD
    }

    fn holds(&self, facts: &Facts<'_>) -> bool {
        facts.caller.is_some_and(|caller| caller.carrier == Carrier::Bound)
    }

    fn has(&self, facts: &Facts<'_>) -> String {
        let words = match facts.caller.map(|caller| caller.carrier) {
            None => "no session",
            Some(Carrier::Cookie) => "a cookie",
            Some(Carrier::Bearer) => "a token that any holder may use",
            Some(Carrier::Bound) => "a token bound to a key",
        };
        words.to_owned()
    }

    fn needs(&self) -> String {
        "a token bound to a key".to_owned()
    }

    fn remedy(&self, _: &Facts<'_>) -> String {
        "use a program that speaks DPoP".to_owned()
    }
}

impl Tighten for Bound {
    fn within(&self, _: &Self) -> bool {
        true
    }
}
