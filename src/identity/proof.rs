//! Proofs of identity and what they add up to; knows the kinds of factor, not the factors.

use super::Assurance;
use crate::stdx::clock::Time;

/// A factor's name as written in configuration and records: `password`, `totp`, …
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactorName(pub &'static str);

impl std::fmt::Display for FactorName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// What a factor shows: something known, something held, something one is (NIST SP 800-63B-4 §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something known.
    Knowledge,
    /// Something held.
    Possession,
    /// Something one is.
    Inherence,
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// No kind.
    pub const NONE: Kinds = Kinds(0);

    /// The set with one kind.
    pub const fn of(kind: Kind) -> Self {
        Kinds(1 << kind as u8)
    }

    /// This set and `kind`.
    pub const fn and(self, kind: Kind) -> Self {
        Kinds(self.0 | 1 << kind as u8)
    }

    /// Both sets together.
    pub const fn union(self, other: Kinds) -> Self {
        Kinds(self.0 | other.0)
    }

    /// How many kinds.
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// For a store.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// What [`Kinds::bits`] gave; unknown bits are dropped.
    pub const fn from_bits(bits: u8) -> Self {
        Kinds(bits & 0b111)
    }
}

/// One factor, proved at one time. Only a factor's `verify` makes them; a store reads back what was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Which factor.
    pub factor: FactorName,
    /// What it shows.
    pub kinds: Kinds,
    /// Whether a look-alike site could not have relayed it.
    pub phishing_resistant: bool,
    /// Whether it only allows the holder to enrol a new factor (a recovery code).
    pub recovery: bool,
    /// When.
    pub at: Time,
}

/// The proofs of one session, at most one for each factor: the newest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proofs(Vec<Proof>);

impl Proofs {
    /// No proofs.
    pub const fn new() -> Self {
        Proofs(Vec::new())
    }

    /// Adds `proof`, in place of an older one of the same factor.
    pub fn add(&mut self, proof: Proof) {
        self.0.retain(|held| held.factor != proof.factor);
        self.0.push(proof);
    }

    /// The proofs, oldest addition first.
    pub fn iter(&self) -> impl Iterator<Item = &Proof> {
        self.0.iter()
    }

    /// Whether `factor` is among them.
    pub fn has(&self, factor: FactorName) -> bool {
        self.0.iter().any(|proof| proof.factor == factor)
    }

    /// When `factor` was proved.
    pub fn time_of(&self, factor: FactorName) -> Option<Time> {
        self.0.iter().find(|proof| proof.factor == factor).map(|proof| proof.at)
    }

    /// Whether a recovery code is among them: such a session may do nothing but enrol.
    pub fn only_enrol(&self) -> bool {
        self.0.iter().any(|proof| proof.recovery)
    }

    /// These proofs without the recovery code, once a new factor stands in its place.
    pub fn recovered(&self) -> Proofs {
        self.0.iter().copied().filter(|proof| !proof.recovery).collect()
    }

    /// What all proofs add up to.
    pub fn assurance(&self) -> Assurance {
        self.assurance_of(|_| true)
    }

    /// What the proofs that `count` add up to.
    pub fn assurance_of(&self, count: impl Fn(&Proof) -> bool) -> Assurance {
        let mut kinds = Kinds::NONE;
        let mut resistant = false;
        for proof in &self.0 {
            if proof.recovery {
                return Assurance::None;
            }
            if count(proof) {
                kinds = kinds.union(proof.kinds);
                resistant |= proof.phishing_resistant && proof.kinds.count() >= 2;
            }
        }
        match kinds.count() {
            0 => Assurance::None,
            1 => Assurance::OneFactor,
            _ if resistant => Assurance::PhishingResistant,
            _ => Assurance::Mfa,
        }
    }
}

impl FromIterator<Proof> for Proofs {
    fn from_iter<I: IntoIterator<Item = Proof>>(proofs: I) -> Self {
        let mut out = Proofs::new();
        proofs.into_iter().for_each(|proof| out.add(proof));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(factor: &'static str, kinds: Kinds, at: u64) -> Proof {
        let at = Time::from_secs(at);
        Proof {
            factor: FactorName(factor),
            kinds,
            phishing_resistant: factor == "passkey",
            recovery: factor == "recovery_code",
            at,
        }
    }

    const KNOWN: Kinds = Kinds::of(Kind::Knowledge);
    const HELD: Kinds = Kinds::of(Kind::Possession);

    #[test]
    fn two_kinds_are_mfa_and_two_of_one_kind_are_not() {
        let both: Proofs = [proof("password", KNOWN, 1), proof("totp", HELD, 2)].into_iter().collect();
        assert_eq!(both.assurance(), Assurance::Mfa);
        let held: Proofs = [proof("totp", HELD, 1), proof("message", HELD, 2)].into_iter().collect();
        assert_eq!(held.assurance(), Assurance::OneFactor);
        assert_eq!(Proofs::new().assurance(), Assurance::None);
    }

    #[test]
    fn a_passkey_with_user_verification_is_phishing_resistant_by_itself() {
        let passkey: Proofs = [proof("passkey", HELD.and(Kind::Inherence), 1)].into_iter().collect();
        assert_eq!(passkey.assurance(), Assurance::PhishingResistant);
        let unverified: Proofs = [proof("passkey", HELD, 1), proof("password", KNOWN, 1)].into_iter().collect();
        assert_eq!(unverified.assurance(), Assurance::Mfa);
    }

    #[test]
    fn a_recovery_code_gives_no_assurance_at_all() {
        let proofs: Proofs = [proof("password", KNOWN, 1), proof("recovery_code", HELD, 1)].into_iter().collect();
        assert_eq!(proofs.assurance(), Assurance::None);
        assert!(proofs.only_enrol());
    }
}
