//! What is asked next: the cheapest proof that leads to what is needed, and the others that would; pure.

use crate::factor::{Factor, Factors, password, recovery_code};
use crate::identity::{Assurance, Credential, FactorName, Need, Proof, Proofs};
use crate::stdx::clock::Time;

/// What an attempt needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: enough is proven.
    Done,
    /// An answer to this factor.
    Ask(FactorName),
    /// This factor, which the account has not enrolled, nor anything else that would do.
    Enrol(FactorName),
    /// As [`Next::Enrol`], but the account had a second factor, which does not count any more: one proof less than it
    /// had must not be enough to give it another.
    Lapsed,
    /// Something that is not configured.
    Impossible,
}

/// What was proven, and what has to be.
#[derive(Clone, Copy)]
pub struct Gap<'a> {
    /// The proofs there are.
    pub proofs: &'a Proofs,
    /// What they must come to.
    pub need: &'a Need,
    /// Now.
    pub now: Time,
}

/// What is asked next, given what the account has `enrolled`: the first proof of the fewest that are enough.
pub fn next(factors: &Factors, enrolled: &[FactorName], gap: Gap<'_>) -> Next {
    if gap.need.is_met_by(gap.proofs, gap.now) {
        return Next::Done;
    }
    let useful = useful(factors, gap);
    let held: Vec<_> = useful.iter().copied().filter(|factor| enrolled.contains(&factor.name())).collect();
    if let Some(first) = ways(&held, gap).into_iter().next() {
        return Next::Ask(first);
    }
    let missing = ways(&useful, gap).into_iter().find(|name| !enrolled.contains(name));
    missing.map_or(Next::Impossible, Next::Enrol)
}

/// The factors with any of which the account can go on, the one that is asked for first.
pub fn choices(factors: &Factors, enrolled: &[FactorName], gap: Gap<'_>) -> Vec<FactorName> {
    let mut useful = useful(factors, gap);
    useful.retain(|factor| enrolled.contains(&factor.name()));
    ways(&useful, gap)
}

/// The highest level that an account reaches with what it has `enrolled`.
pub fn strongest(factors: &Factors, enrolled: &[FactorName]) -> Assurance {
    let reaches = |level: &&Assurance| {
        let (proofs, need) = (Proofs::new(), Need::of(**level, None));
        !choices(factors, enrolled, Gap { proofs: &proofs, need: &need, now: Time::EPOCH }).is_empty()
    };
    Assurance::ALL.iter().rev().find(reaches).copied().unwrap_or(Assurance::OneFactor)
}

/// The level that an account was brought to by everything it holds, whether that counts by today's configuration or not:
/// two factors, if it holds a second one at all.
pub fn brought_to(held: &[Credential]) -> Assurance {
    let second = |held: &Credential| ![password::NAME, recovery_code::NAME].contains(&held.factor);
    if held.iter().any(second) { Assurance::Mfa } else { Assurance::OneFactor }
}

/// The factors that the account could enrol to come to what is needed, the one to advise first.
pub fn enrolments(factors: &Factors, enrolled: &[FactorName], gap: Gap<'_>) -> Vec<FactorName> {
    let mut ways = ways(&useful(factors, gap), gap);
    ways.retain(|name| !enrolled.contains(name));
    ways
}

/// The factors whose proof would count and is not there. Recovery codes are never asked for: a person may choose them.
fn useful<'f>(factors: &'f Factors, gap: Gap<'_>) -> Vec<&'f dyn Factor> {
    let fresh = |name| gap.proofs.iter().any(|proof| proof.factor == name && gap.need.counts(proof, gap.now));
    let useful = |factor: &&dyn Factor| {
        let name = factor.name();
        name != recovery_code::NAME && gap.need.accepts(name) && !fresh(name)
    };
    factors.iter().map(|factor| &**factor).filter(useful).collect()
}

/// Each factor with which a smallest sufficient set of proofs begins, those of the smallest sets first. There are few
/// factors, so every set of them is tried.
fn ways(useful: &[&dyn Factor], gap: Gap<'_>) -> Vec<FactorName> {
    let sets = 1_u32..1 << useful.len().min(MOST);
    let mut enough: Vec<u32> = sets.filter(|set| suffices(useful, *set, gap)).collect();
    let smallest = enough.clone();
    enough.retain(|set| !smallest.iter().any(|other| other != set && other & set == *other));
    enough.sort_by_key(|set| (set.count_ones(), set.trailing_zeros()));
    let mut first: Vec<FactorName> = Vec::new();
    for factor in enough.iter().filter_map(|set| useful.get(set.trailing_zeros() as usize)) {
        if !first.contains(&factor.name()) {
            first.push(factor.name());
        }
    }
    first
}

/// Factors that are combined with one another: more than there are.
const MOST: usize = 12;

/// Whether what is proven and one proof of each factor in `set`, made now, would be enough.
fn suffices(useful: &[&dyn Factor], set: u32, gap: Gap<'_>) -> bool {
    let chosen = useful.iter().enumerate().filter(|(at, _)| set & 1 << at != 0);
    let imagined = chosen.map(|(_, factor)| Proof {
        factor: factor.name(),
        kinds: factor.kinds(),
        phishing_resistant: factor.phishing_resistant(),
        recovery: false,
        at: gap.now,
    });
    // A recovery code that let somebody in is over once there is a new proof.
    let mut proofs = gap.proofs.recovered();
    imagined.for_each(|proof| proofs.add(proof));
    gap.need.is_met_by(&proofs, gap.now)
}

#[cfg(test)]
mod tests {
    use super::super::outside::Outside;
    use super::*;
    use crate::identity::{Kind, Kinds};
    use std::sync::Arc;
    use std::time::Duration;

    const NOW: Time = Time::from_secs(10_000);
    const KNOWN: Kinds = Kinds::of(Kind::Knowledge);
    const HELD: Kinds = Kinds::of(Kind::Possession);

    fn factors() -> Factors {
        let both = HELD.and(Kind::Inherence);
        let all = [("passkey", both), ("password", KNOWN), ("totp", HELD), ("message", HELD), ("recovery_code", HELD)];
        let all = all.map(|(word, kinds)| Arc::new(Outside(FactorName(word), kinds)) as Arc<dyn Factor>);
        Factors::new(all.into())
    }

    fn names(words: &[&'static str]) -> Vec<FactorName> {
        words.iter().map(|word| FactorName(word)).collect()
    }

    fn proofs(all: &[(&'static str, u64)]) -> Proofs {
        let kinds = |word| factors().get(FactorName(word)).map_or(HELD, |factor| factor.kinds());
        let proof = |(word, at): &(&'static str, u64)| Proof {
            factor: FactorName(word),
            kinds: kinds(*word),
            phishing_resistant: *word == "passkey",
            recovery: *word == "recovery_code",
            at: Time::from_secs(*at),
        };
        all.iter().map(proof).collect()
    }

    /// What is asked next, and what could be answered instead.
    fn asked(enrolled: &[&'static str], proven: &[(&'static str, u64)], need: &Need) -> (Next, Vec<FactorName>) {
        let (enrolled, proofs) = (names(enrolled), proofs(proven));
        let gap = Gap { proofs: &proofs, need, now: NOW };
        (next(&factors(), &enrolled, gap), choices(&factors(), &enrolled, gap))
    }

    fn ask(word: &'static str) -> Next {
        Next::Ask(FactorName(word))
    }

    const RECENT: Option<Duration> = Some(Duration::from_secs(600));

    #[test]
    fn only_what_is_missing_is_asked_for() {
        let recent = Need::of(Assurance::Mfa, RECENT);
        let both = ["password", "totp"];
        assert_eq!(asked(&both, &[("password", 9_900)], &Need::MFA), (ask("totp"), names(&["totp"])));
        assert_eq!(asked(&both, &[("password", 1), ("totp", 9_900)], &recent).0, ask("password"));
        assert_eq!(asked(&both, &[("password", 9_900), ("totp", 1)], &recent).0, ask("totp"));
        assert_eq!(asked(&both, &[("password", 1), ("totp", 1)], &recent).0, ask("password"));
        assert_eq!(asked(&both, &[("password", 9_900), ("totp", 9_900)], &recent).0, Next::Done);
    }

    #[test]
    fn the_fewest_proofs_are_asked_for_first_and_others_may_be_given_instead() {
        let recent = Need::of(Assurance::Mfa, RECENT);
        let all = ["password", "passkey", "totp", "message"];
        let stale = [("password", 1), ("totp", 1)];
        assert_eq!(asked(&all, &stale, &recent), (ask("passkey"), names(&["passkey", "password"])));
        let half = [("password", 9_900)];
        assert_eq!(asked(&all, &half, &Need::MFA).1, names(&["passkey", "totp", "message"]));
    }

    #[test]
    fn a_refused_factor_is_neither_asked_for_nor_counted() {
        let need = Need { refuse: names(&["message"]), ..Need::MFA };
        let half = [("password", 9_900)];
        assert_eq!(asked(&["password", "message"], &half, &Need::MFA).0, ask("message"));
        assert_eq!(asked(&["password", "message"], &half, &need).0, Next::Enrol(FactorName("passkey")));
        assert_eq!(asked(&["password", "message", "totp"], &half, &need), (ask("totp"), names(&["totp"])));
    }

    #[test]
    fn a_named_factor_is_asked_for_although_the_level_is_reached() {
        let need = Need { factors: names(&["totp", "passkey"]), ..Need::MFA };
        let by_message = [("password", 9_900), ("message", 9_900)];
        assert_eq!(asked(&["password", "message", "totp"], &by_message, &need).0, ask("totp"));
        assert_eq!(asked(&["password", "message"], &by_message, &need).0, Next::Enrol(FactorName("passkey")));
    }

    #[test]
    fn what_no_enrolled_factor_gives_is_to_be_enrolled_and_what_none_gives_is_impossible() {
        let strong = Need::of(Assurance::PhishingResistant, None);
        let both = [("password", 9_900), ("totp", 9_900)];
        assert_eq!(asked(&["password", "totp"], &both, &strong), (Next::Enrol(FactorName("passkey")), Vec::new()));
        let neither = Need { refuse: names(&["passkey"]), ..strong };
        assert_eq!(asked(&["password", "totp"], &both, &neither).0, Next::Impossible);
        let (enrolled, proofs) = (names(&["password"]), proofs(&[("password", 9_900)]));
        let gap = Gap { proofs: &proofs, need: &Need::MFA, now: NOW };
        assert_eq!(enrolments(&factors(), &enrolled, gap), names(&["passkey", "totp", "message"]));
    }

    #[test]
    fn a_recovery_code_is_never_asked_for_and_never_enough() {
        let held = ["password", "recovery_code"];
        assert_eq!(asked(&held, &[("password", 9_900)], &Need::MFA).0, Next::Enrol(FactorName("passkey")));
        let let_in = [("password", 9_900), ("recovery_code", 9_900)];
        assert_eq!(asked(&held, &let_in, &Need::MFA).0, Next::Enrol(FactorName("passkey")));
    }
}
