//! Accounts and groups, and the names they may have; knows nothing of how an account proves itself.

use crate::stdx::clock::Time;
use std::fmt;
use std::sync::Arc;

crate::id!(
    /// Names an account for ever, whatever its name becomes.
    AccountId,
    "acc"
);

/// Whoever may come: a person who signs in, or a program that proves itself with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Never changes.
    pub id: AccountId,
    /// What the person types to sign in.
    pub name: AccountName,
    /// Whose it is.
    pub kind: AccountKind,
    /// What policies grant to.
    pub groups: Vec<Group>,
    /// A disabled account has no live session and opens none.
    pub disabled: bool,
    /// When it was added.
    pub created: Time,
}

/// Whose an account is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccountKind {
    /// A person's, who signs in at the portal.
    #[default]
    Person,
    /// A program's, which no portal page is for; policies admit it by name alone.
    Service,
}

impl AccountKind {
    /// The word in records and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            AccountKind::Person => "person",
            AccountKind::Service => "service",
        }
    }

    /// Reads the word; `None` if it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        [AccountKind::Person, AccountKind::Service].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The name an account signs in with, in its one canonical spelling: lower case, so that no two spellings of a name
/// have separate throttles.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(Arc<str>);

/// Text that cannot be an account's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an account's name is 1 to 64 letters a-z, digits, or any of . _ - + @, and begins with a letter or digit")]
pub struct InvalidName;

impl AccountName {
    /// Reads a name as typed: white space around it and upper case are forgiven.
    ///
    /// # Errors
    /// If it is empty, longer than 64 bytes, or has another character.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let text = text.trim_matches(' ').to_ascii_lowercase();
        let fits = (1..=64).contains(&text.len());
        let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-+@".contains(c));
        if fits && starts && plain { Ok(AccountName(text.into())) } else { Err(InvalidName) }
    }

    /// The canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a group of accounts. Compared exactly.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(Arc<str>);

/// Text that cannot be a group's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a group's name is 1 to 64 letters, digits, or any of . _ - : /")]
pub struct InvalidGroup;

impl Group {
    /// Reads a group's name. Commas are refused: services get the groups as a comma-separated list.
    ///
    /// # Errors
    /// If it is empty, longer than 64 bytes, or has another character.
    pub fn parse(text: &str) -> Result<Self, InvalidGroup> {
        let fits = (1..=64).contains(&text.len());
        let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-:/".contains(c));
        if fits && plain { Ok(Group(text.into())) } else { Err(InvalidGroup) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_are_one_name() {
        assert_eq!(AccountName::parse(" Alice@Example.com "), AccountName::parse("alice@example.com"));
    }

    #[test]
    fn odd_names_are_refused() {
        for text in ["", " ", "a b", "-a", "a,b", "a\u{2000}", "ä", &"a".repeat(65)] {
            assert_eq!(AccountName::parse(text), Err(InvalidName), "{text:?}");
        }
        assert!(Group::parse("staff,admin").is_err());
    }
}
