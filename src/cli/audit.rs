//! `audit tail`: the last security events, and those that follow; changes nothing in the record. Whether it was altered
//! is next door.

use super::audit_verify::{self, audit_verify};
use super::ending::Ending;
use super::home::Home;
use super::moment;
use super::opened::Opened;
use super::output::{Ink, Output, View, harmless};
use super::table::pad;
use crate::identity::AccountId;
use crate::store::EventRow;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::time::Duration;

/// Events asked for at once.
const PAGE: usize = 500;

/// How often the record is asked for what is new. A person who watches takes it for at once.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

/// As wide as the longest names of events, so that lines of a stream align.
const NAME_WIDTH: usize = 25;

/// What `audit` may be told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    home: Home,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Print the last security events, oldest first
    Tail {
        /// How many
        #[arg(short = 'n', long, default_value_t = 20, value_name = "N")]
        lines: u64,
        /// Go on with each that follows
        #[arg(short, long)]
        follow: bool,
    },
    /// Say whether the record was altered
    Verify(audit_verify::Arguments),
}

/// Does what was asked with the record.
pub async fn audit(arguments: Arguments, out: &Output) -> anyhow::Result<Ending> {
    let opened = arguments.home.open().await?;
    let (lines, follow) = match arguments.verb {
        Verb::Tail { lines, follow } => (lines, follow),
        Verb::Verify(arguments) => return audit_verify(&opened, &arguments, out).await,
    };
    let newest = opened.store.events.newest().await?;
    let mut tail = Tail { opened, names: HashMap::new(), seen: newest.saturating_sub(lines) };
    tail.print(out).await?;
    if !follow {
        return Ok(Ending::Fine);
    }
    loop {
        tokio::time::sleep(FOLLOW_EVERY).await;
        tail.print(out).await?;
    }
}

/// A reader of the record that moves forward.
struct Tail {
    opened: Opened,
    /// Names of accounts, looked up once.
    names: HashMap<AccountId, String>,
    seen: u64,
}

impl Tail {
    /// Prints every event behind those that were seen.
    async fn print(&mut self, out: &Output) -> anyhow::Result<()> {
        loop {
            let page = self.opened.store.events.after(self.seen, PAGE).await?;
            for (number, row) in &page {
                let account = self.name(row.account).await?;
                out.line(&Line { number: *number, row, account })?;
                self.seen = *number;
            }
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }

    /// The account's name, or its id once it was removed.
    async fn name(&mut self, id: Option<AccountId>) -> anyhow::Result<Option<String>> {
        let Some(id) = id else { return Ok(None) };
        if !self.names.contains_key(&id) {
            let account = self.opened.store.accounts.by_id(id).await?;
            self.names.insert(id, account.map_or_else(|| id.to_string(), |account| account.name.to_string()));
        }
        Ok(self.names.get(&id).cloned())
    }
}

/// One event.
struct Line<'a> {
    number: u64,
    row: &'a EventRow,
    account: Option<String>,
}

impl Line<'_> {
    fn fields(&self) -> Map<String, Value> {
        serde_json::from_str(&self.row.body).unwrap_or_default()
    }
}

impl View for Line<'_> {
    fn text(&self, ink: Ink) -> String {
        let fields = self.fields();
        // The account stands in front; an event about nobody else says its name once.
        let told = |name: &str, text: &str| name == "name" && self.account.as_deref() == Some(text);
        let field = |(name, value): (&String, &Value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let shown = || format!("{}{}", ink.dim(&format!("{name}=")), harmless(&text));
            (!text.is_empty() && !told(name, &text)).then(shown)
        };
        let fields = fields.iter().filter_map(field).collect::<Vec<_>>().join(" ");
        let account = self.account.as_deref().unwrap_or("-");
        let (at, name) = (moment::exact(self.row.at), pad(&self.row.name, NAME_WIDTH));
        let line = format!("{}  {}  {}", ink.dim(&at), ink.bold(&name), harmless(account));
        if fields.is_empty() { line } else { format!("{line}  {fields}") }
    }

    fn json(&self) -> Value {
        json!({
            "number": self.number,
            "at": self.row.at.to_string(),
            "event": self.row.name,
            "account": self.account,
            "account_id": self.row.account.map(|id| id.to_string()),
            "fields": self.fields(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::clock::Time;

    #[test]
    fn an_event_is_one_line_whatever_a_stranger_typed() {
        let body = json!({ "name": "alice\u{1b}[2J\n", "why": "wrong", "address": "" }).to_string();
        let row = EventRow { at: Time::from_secs(0), name: "sign-in.failed".to_owned(), account: None, body };
        let text = Line { number: 1, row: &row, account: None }.text(Ink::Plain);
        assert_eq!(text, "1970-01-01 00:00:00  sign-in.failed             -  name=alice\\u{1b}[2J\\n why=wrong");
    }
}
