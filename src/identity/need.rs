//! What a session must have proved to pass, and whether proofs are enough; knows the names of factors, not the factors.

use super::{Assurance, FactorName, Proof, Proofs};
use crate::stdx::clock::Time;
use std::time::Duration;

/// What a session must have proved to pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// How strongly.
    pub level: Assurance,
    /// No longer ago than this.
    pub max_age: Option<Duration>,
    /// With any of these factors among the proofs; with whichever if there are none here.
    pub factors: Vec<FactorName>,
    /// Proofs of these factors do not count.
    pub refuse: Vec<FactorName>,
}

impl Need {
    /// What the portal asks of somebody who comes without a destination: two factors, however old.
    pub const MFA: Need = Need::of(Assurance::Mfa, None);

    /// A level, and how old its proofs may be.
    pub const fn of(level: Assurance, max_age: Option<Duration>) -> Self {
        Need { level, max_age, factors: Vec::new(), refuse: Vec::new() }
    }

    /// Whether these proofs are enough now.
    pub fn is_met_by(&self, proofs: &Proofs, now: Time) -> bool {
        self.is_met_since(proofs, self.oldest(now))
    }

    /// Until when these proofs are enough; `None` if they never were. Without a `max_age` they are for ever.
    pub fn met_until(&self, proofs: &Proofs) -> Option<Time> {
        if !self.is_met_since(proofs, Time::EPOCH) {
            return None;
        }
        let Some(max_age) = self.max_age else { return Some(Time::NEVER) };
        // They are until the age takes away the proof without which the rest is too little.
        let ends = proofs.iter().map(|proof| proof.at);
        let lasting = ends.filter(|at| self.is_met_since(proofs, *at)).max();
        Some(lasting.map_or(Time::NEVER, |at| at.plus(max_age)))
    }

    /// Whether a proof counts towards it now.
    pub fn counts(&self, proof: &Proof, now: Time) -> bool {
        self.counts_since(proof, self.oldest(now))
    }

    /// Whether a factor's proofs may count at all.
    pub fn accepts(&self, factor: FactorName) -> bool {
        !self.refuse.contains(&factor)
    }

    /// Its form in sealed records: level, age in seconds, factors, and refused factors.
    pub fn to_text(&self) -> String {
        let words = |names: &[FactorName]| names.iter().map(|name| name.0).collect::<Vec<_>>().join(",");
        let age = self.max_age.map_or(String::new(), |age| age.as_secs().to_string());
        format!("{};{age};{};{}", self.level, words(&self.factors), words(&self.refuse))
    }

    /// Reads what [`Need::to_text`] wrote; `None` if it is anything else, or names a factor that `named` does not know.
    pub fn parse(text: &str, named: fn(&str) -> Option<FactorName>) -> Option<Self> {
        let names = |words: &str| words.split(',').filter(|word| !word.is_empty()).map(named).collect::<Option<_>>();
        let mut parts = text.split(';');
        let [level, age, factors, refuse] = std::array::from_fn(|_| parts.next());
        let max_age = match age? {
            "" => None,
            secs => Some(Duration::from_secs(secs.parse().ok()?)),
        };
        let (factors, refuse) = (names(factors?)?, names(refuse?)?);
        let need = Need { level: Assurance::parse(level?).ok()?, max_age, factors, refuse };
        parts.next().is_none().then_some(need)
    }

    /// Proofs made before this are too old.
    fn oldest(&self, now: Time) -> Time {
        self.max_age.map_or(Time::EPOCH, |age| now.minus(age))
    }

    fn counts_since(&self, proof: &Proof, oldest: Time) -> bool {
        proof.at >= oldest && self.accepts(proof.factor)
    }

    fn is_met_since(&self, proofs: &Proofs, oldest: Time) -> bool {
        if self.level == Assurance::None && self.factors.is_empty() {
            return true;
        }
        let counts = |proof: &Proof| self.counts_since(proof, oldest);
        let named = |proof: &Proof| self.factors.contains(&proof.factor) && counts(proof);
        proofs.assurance_of(counts) >= self.level && (self.factors.is_empty() || proofs.iter().any(named))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Kinds};
    use super::*;

    const KNOWN: Kinds = Kinds::of(Kind::Knowledge);
    const HELD: Kinds = Kinds::of(Kind::Possession);
    const HOUR: Option<Duration> = Some(Duration::from_secs(3600));

    fn proofs(all: &[(&'static str, Kinds, u64)]) -> Proofs {
        let proof = |(word, kinds, at): &(&'static str, Kinds, u64)| Proof {
            factor: FactorName(word),
            kinds: *kinds,
            phishing_resistant: *word == "passkey",
            recovery: *word == "recovery_code",
            at: Time::from_secs(*at),
        };
        all.iter().map(proof).collect()
    }

    #[test]
    fn a_need_is_met_until_the_proof_it_needs_grows_old() {
        let proofs = proofs(&[("password", KNOWN, 100), ("totp", HELD, 200)]);
        let until = |level, age| Need::of(level, age).met_until(&proofs);
        assert_eq!(until(Assurance::Mfa, HOUR), Some(Time::from_secs(3700)));
        assert_eq!(until(Assurance::OneFactor, HOUR), Some(Time::from_secs(3800)));
        assert_eq!(until(Assurance::Mfa, None), Some(Time::NEVER));
        assert_eq!(until(Assurance::PhishingResistant, None), None);
        assert_eq!(until(Assurance::None, None), Some(Time::NEVER));
        let met = |secs| Need::of(Assurance::Mfa, HOUR).is_met_by(&proofs, Time::from_secs(secs));
        assert!(met(3700) && !met(3701));
    }

    #[test]
    fn a_refused_factor_counts_for_nothing() {
        let by_message = proofs(&[("password", KNOWN, 100), ("message", HELD, 200)]);
        let need = Need { refuse: vec![FactorName("message")], ..Need::MFA };
        assert!(Need::MFA.is_met_by(&by_message, Time::from_secs(300)));
        assert!(!need.is_met_by(&by_message, Time::from_secs(300)));
        let by_both = proofs(&[("password", KNOWN, 100), ("message", HELD, 200), ("totp", HELD, 200)]);
        assert!(need.is_met_by(&by_both, Time::from_secs(300)));
    }

    #[test]
    fn one_of_the_named_factors_must_be_among_the_proofs_that_count() {
        let need = Need { max_age: HOUR, factors: vec![FactorName("passkey"), FactorName("totp")], ..Need::MFA };
        let old_code = proofs(&[("password", KNOWN, 5_000), ("message", HELD, 5_000), ("totp", HELD, 100)]);
        assert!(!need.is_met_by(&old_code, Time::from_secs(5_000)), "the code is too old");
        assert!(need.is_met_by(&old_code, Time::from_secs(3_000)));
        assert_eq!(need.met_until(&old_code), Some(Time::from_secs(3_700)));
        let neither = proofs(&[("password", KNOWN, 100), ("message", HELD, 100)]);
        assert_eq!(need.met_until(&neither), None);
    }

    #[test]
    fn a_need_reads_back_as_written_and_nothing_else_is_read() {
        const KNOWN: [&str; 2] = ["totp", "message"];
        let named = |word: &str| KNOWN.into_iter().find(|known| *known == word).map(FactorName);
        let full = Need {
            max_age: HOUR,
            factors: vec![FactorName("totp"), FactorName("message")],
            refuse: vec![FactorName("message")],
            ..Need::MFA
        };
        for need in [Need::MFA, full, Need::of(Assurance::None, HOUR)] {
            assert_eq!(Need::parse(&need.to_text(), named), Some(need));
        }
        for text in ["", "mfa", "mfa;;", "strong;;;", "mfa;x;;", "mfa;;smell;", "mfa;;;smell", "mfa;;;;"] {
            assert_eq!(Need::parse(text, named), None, "{text}");
        }
    }

    #[test]
    fn a_named_factor_is_needed_even_where_no_level_is() {
        let need = Need { factors: vec![FactorName("totp")], ..Need::of(Assurance::None, None) };
        assert!(!need.is_met_by(&Proofs::new(), Time::EPOCH));
        assert!(need.is_met_by(&proofs(&[("totp", HELD, 1)]), Time::from_secs(2)));
    }
}
