//! What is asked next: the first factor that adds something the need still lacks; pure.

use crate::factor::Factors;
use crate::identity::{FactorName, Kinds, Need, Proofs};
use crate::stdx::clock::Time;

/// What an attempt needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: enough is proven.
    Done,
    /// An answer to this factor.
    Ask(FactorName),
    /// Something the account has not enrolled.
    Impossible,
}

/// What `proofs` still lack for `need`, given what the account has `enrolled`. Only the missing proof is asked for, and
/// recovery codes are never asked for: a person may choose them.
pub fn next(factors: &Factors, enrolled: &[FactorName], (proofs, need): (&Proofs, Need), now: Time) -> Next {
    let oldest = need.max_age.map_or(Time::EPOCH, |age| now.minus(age));
    if proofs.assurance_within(oldest) >= need.level {
        return Next::Done;
    }
    let fresh = |name: FactorName| proofs.time_of(name).is_some_and(|at| at >= oldest);
    let held = proofs.iter().filter(|proof| proof.at >= oldest && !proof.recovery);
    let shown = held.fold(Kinds::NONE, |kinds, proof| kinds.union(proof.kinds));
    let useful = factors.iter().find(|factor| {
        let name = factor.name();
        let adds = shown.union(factor.kinds()).count() > shown.count();
        adds && enrolled.contains(&name) && !fresh(name) && name != crate::factor::recovery_code::NAME
    });
    useful.map_or(Next::Impossible, |factor| Next::Ask(factor.name()))
}
