//! Fills in the peers' configuration files; knows no peer.

use anyhow::{Result, ensure};
use std::collections::BTreeMap;

/// What stands for `@NAME@`.
#[derive(Clone, Debug, Default)]
pub struct Places(BTreeMap<&'static str, String>);

impl Places {
    /// With one more place filled in.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.0.insert(name, value.to_string());
        self
    }

    /// The template with every place filled in.
    ///
    /// # Errors
    /// If a place is left over.
    pub fn fill(&self, template: &str) -> Result<String> {
        let fill = |text: String, (name, value): (&&str, &String)| text.replace(&format!("@{name}@"), value);
        let filled = self.0.iter().fold(template.to_owned(), fill);
        let left = filled.lines().find(|line| line.contains('@'));
        ensure!(left.is_none(), "nobody filled in the place in {:?}", left.unwrap_or_default());
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_left_over_is_an_error() {
        let places = Places::default().with("PORT", 81);
        assert_eq!(places.fill("listen @PORT@;").ok().as_deref(), Some("listen 81;"));
        assert!(places.fill("listen @PORT@ @ORIGIN@;").is_err());
    }
}
