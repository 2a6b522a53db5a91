//! What people and scripts are told on the way: one view for each step; none shows a secret.

use super::kept::{Kept, Unread};
use crate::cli::moment;
use crate::cli::output::{Ink, View, harmless};
use crate::cli::table::Table;
use crate::stdx::clock::Time;
use serde_json::{Value, json};
use std::time::Duration;

/// Somebody has to approve it.
pub struct Open<'a> {
    /// For what.
    pub origin: &'a str,
    /// Where the code is typed.
    pub address: &'a str,
    /// The same with the code in it.
    pub complete: Option<&'a str>,
    /// The code.
    pub code: &'a str,
    /// How long it is good for.
    pub life: Duration,
}

impl View for Open<'_> {
    fn text(&self, ink: Ink) -> String {
        let (address, code) = (harmless(self.complete.unwrap_or(self.address)), harmless(self.code));
        format!(
            "To sign in to {}, open this on any device:\n\n    {}\n\nand compare the code, or type it:  {}\n\nWaiting \
             for up to {} …",
            self.origin,
            ink.bold(&address),
            ink.bold(&code),
            moment::span(self.life)
        )
    }

    fn json(&self) -> Value {
        json!({
            "step": "open",
            "origin": self.origin,
            "verification_uri": self.address,
            "verification_uri_complete": self.complete,
            "user_code": self.code,
            "expires_in": self.life.as_secs(),
        })
    }
}

/// A stronger or fresher sign-in is needed.
pub struct Raised<'a> {
    /// For what.
    pub address: &'a str,
    /// What is missing, in a sentence.
    pub why: &'a str,
}

impl View for Raised<'_> {
    fn text(&self, _: Ink) -> String {
        format!("{} asks for more: {}", harmless(self.address), harmless(self.why))
    }

    fn json(&self) -> Value {
        json!({ "step": "more", "address": self.address, "why": self.why })
    }
}

/// Another command does the same.
pub struct Waiting<'a>(pub &'a str);

impl View for Waiting<'_> {
    fn text(&self, _: Ink) -> String {
        format!("waiting for another command that signs in to {} …", self.0)
    }

    fn json(&self) -> Value {
        json!({ "step": "wait", "origin": self.0 })
    }
}

/// There are tokens.
pub struct SignedIn<'a> {
    /// They, as they are kept.
    pub kept: &'a Kept,
    /// When the session behind them ends, if the gateway tells.
    pub ends: Option<&'a str>,
}

impl View for SignedIn<'_> {
    fn text(&self, ink: Ink) -> String {
        let whom =
            self.kept.account.as_deref().map_or_else(String::new, |account| format!(" as {}", harmless(account)));
        let until = match self.ends.and_then(|ends| moment::parse(ends).ok()) {
            Some(ends) => format!("until {} at the latest", moment::date(ends)),
            None if self.kept.refresh.is_some() => "for as long as the gateway renews it".to_owned(),
            None => format!("until {}", moment::date(self.kept.until)),
        };
        format!("{} to {}{whom}, {until}", ink.good("signed in"), self.kept.resource)
    }

    fn json(&self) -> Value {
        json!({
            "step": "signed-in",
            "origin": self.kept.resource.as_str(),
            "account": self.kept.account,
            "bound": self.kept.key.is_some(),
            "token_until": self.kept.until.to_string(),
            "ends": self.ends,
        })
    }
}

/// What is kept, without secrets.
pub struct Listed<'a> {
    /// In the order of their origins.
    pub kept: &'a [(String, Result<Kept, Unread>)],
    /// When.
    pub now: Time,
}

impl View for Listed<'_> {
    fn text(&self, ink: Ink) -> String {
        if self.kept.is_empty() {
            return "nothing is kept".to_owned();
        }
        let mut table = Table::new(&["origin", "account", "token", "renewed", "bound", "problem"]);
        let word = |yes: bool, word: &str| if yes { word.to_owned() } else { String::new() };
        for (name, kept) in self.kept {
            match kept {
                Ok(kept) => table.row([
                    kept.resource.to_string(),
                    kept.account.clone().unwrap_or_default(),
                    self.life(kept),
                    word(kept.refresh.is_some(), "yes"),
                    word(kept.key.is_some(), "to a key"),
                    String::new(),
                ]),
                Err(unread) => {
                    let none = String::new;
                    table.row([name.clone(), none(), none(), none(), none(), unread.to_string()]);
                }
            }
        }
        table.text(ink, "")
    }

    fn json(&self) -> Value {
        let one = |(name, kept): &(String, Result<Kept, Unread>)| match kept {
            Ok(kept) => json!({
                "origin": kept.resource.as_str(),
                "issuer": kept.issuer.as_str(),
                "account": kept.account,
                "token_until": kept.until.to_string(),
                "renewed": kept.refresh.is_some(),
                "bound": kept.key.is_some(),
            }),
            Err(unread) => json!({ "file": name, "problem": unread.to_string() }),
        };
        self.kept.iter().map(one).collect()
    }
}

impl Listed<'_> {
    fn life(&self, kept: &Kept) -> String {
        match kept.until <= self.now {
            true => "has ended".to_owned(),
            false => format!("for {}", moment::span(kept.until.since(self.now))),
        }
    }
}
