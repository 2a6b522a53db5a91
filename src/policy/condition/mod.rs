//! The kinds of condition a policy may have, one leaf each; knows nothing of how they are written in a file.
//!
//! A condition is a leaf, a field of [`super::Rules`], and a line in [`ALL`].

mod bound;
mod groups;
mod hours;
mod methods;
mod networks;
mod require;
mod service_accounts;

#[cfg(test)]
mod contract;

pub use bound::Bound;
pub use groups::Groups;
pub use hours::{Days, Hours, InvalidHours};
pub use methods::Methods;
pub use networks::Networks;
pub use require::Require;
pub use service_accounts::ServiceAccounts;

use super::Facts;

/// The words of all conditions, in the order in which they are judged.
pub const ALL: [&str; 7] =
    [require::WORD, service_accounts::WORD, bound::WORD, groups::WORD, networks::WORD, methods::WORD, hours::WORD];

/// One condition of a policy.
pub trait Condition: Send + Sync {
    /// The word in configuration and explanations.
    fn word(&self) -> &'static str;

    /// Whether it holds. Allocates nothing.
    fn holds(&self, facts: &Facts<'_>) -> bool;

    /// What the caller has, in words.
    fn has(&self, facts: &Facts<'_>) -> String;

    /// What is needed, in words.
    fn needs(&self) -> String;

    /// What whoever is refused can do about it.
    fn remedy(&self, facts: &Facts<'_>) -> String;

    /// The judgement with all its words.
    fn line(&self, facts: &Facts<'_>) -> Line {
        let holds = self.holds(facts);
        let remedy = if holds { String::new() } else { self.remedy(facts) };
        Line { condition: self.word(), holds, has: self.has(facts), needs: self.needs(), remedy }
    }
}

/// Whether a condition of an extending policy is at least as strict as the one it stands in for.
pub trait Tighten {
    /// `true` if whatever this allows, `wider` allows too.
    fn within(&self, wider: &Self) -> bool;
}

/// One condition, judged: the one shape from which challenges, pages, logs and explanations are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its word.
    pub condition: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// What the caller has.
    pub has: String,
    /// What is needed.
    pub needs: String,
    /// What to do about it; empty if it holds.
    pub remedy: String,
}

/// `a, b, c` for lists in sentences.
fn list<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
