//! How sure we are who is asking: four levels in order; knows nothing of which factor gives which.

use std::fmt;

/// How strongly a session has been proved. Ordered: a stronger level satisfies a demand for a weaker one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assurance {
    /// Nothing was proved.
    #[default]
    None,
    /// One kind of factor.
    OneFactor,
    /// Two different kinds of factor (NIST SP 800-63B-4 AAL2).
    Mfa,
    /// As `Mfa`, by a factor that a look-alike site cannot relay.
    PhishingResistant,
}

/// Text that is none of the four levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of none, one-factor, mfa, phishing-resistant")]
pub struct InvalidAssurance;

impl Assurance {
    /// Weakest first.
    pub const ALL: [Assurance; 4] =
        [Assurance::None, Assurance::OneFactor, Assurance::Mfa, Assurance::PhishingResistant];

    /// The word used in configuration, headers, tokens and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Assurance::None => "none",
            Assurance::OneFactor => "one-factor",
            Assurance::Mfa => "mfa",
            Assurance::PhishingResistant => "phishing-resistant",
        }
    }

    /// Reads the word.
    ///
    /// # Errors
    /// If it is none of the four.
    pub fn parse(text: &str) -> Result<Self, InvalidAssurance> {
        Self::ALL.into_iter().find(|level| level.as_str() == text).ok_or(InvalidAssurance)
    }
}

impl fmt::Display for Assurance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
