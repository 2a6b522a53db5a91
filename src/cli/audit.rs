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
    ///
    /// Each event is chained to the one before, from the first on, under a key derived from the master key, and a seal
    /// under the same key says which is the newest. So whoever has the store's file alone cannot change, remove or
    /// insert an event unseen, nor cut off the newest. What this cannot see: a record that was put back, together with
    /// its seal, to an older state or to before its first event; and one that somebody wrote anew who has the master
    /// key. A head that was kept elsewhere shows both: --head. Ends with 1 if the record was altered
    Verify(audit_verify::Arguments),
}

/// Does what was asked with the record.
pub async fn audit(arguments: Arguments, out: &Output) -> anyhow::Result<Ending> {
    let home = arguments.home;
    match arguments.verb {
        Verb::Tail { lines, follow: false } => Tail::of(&home, lines).await?.print(out).await?,
        Verb::Tail { lines, follow: true } => Tail::of(&home, lines).await?.follow(out).await?,
        Verb::Verify(arguments) => return audit_verify(&home.open().await?, &arguments, out).await,
    }
    Ok(Ending::Fine)
}

/// A reader of the record that moves forward.
struct Tail {
    opened: Opened,
    /// Names of accounts, looked up once; `None` if it was removed.
    names: HashMap<AccountId, Option<String>>,
    widths: Widths,
    seen: u64,
}

/// The widest that was printed so far, so that what follows stands in the same columns.
#[derive(Clone, Copy, Debug, Default)]
struct Widths {
    event: usize,
    account: usize,
}

impl Tail {
    /// A reader of the last `lines` events and of those that follow.
    async fn of(home: &Home, lines: u64) -> anyhow::Result<Self> {
        let opened = home.open_without_key().await?;
        let newest = opened.store.events.newest().await?;
        let (names, widths) = (HashMap::new(), Widths::default());
        Ok(Tail { opened, names, widths, seen: newest.saturating_sub(lines) })
    }

    /// Prints what there is and then each that follows, until it is interrupted.
    async fn follow(&mut self, out: &Output) -> anyhow::Result<()> {
        loop {
            self.print(out).await?;
            tokio::time::sleep(FOLLOW_EVERY).await;
        }
    }

    /// Prints every event behind those that were seen.
    async fn print(&mut self, out: &Output) -> anyhow::Result<()> {
        loop {
            let page = self.opened.store.events.after(self.seen, PAGE).await?;
            let mut accounts = Vec::with_capacity(page.len());
            for (_, row) in &page {
                let account = self.name(row).await?;
                self.widths.event = self.widths.event.max(row.name.chars().count());
                self.widths.account = self.widths.account.max(shown(account.as_deref()).chars().count());
                accounts.push(account);
            }
            for ((number, row), account) in page.iter().zip(accounts) {
                out.line(&Line { number: *number, row, account, widths: self.widths })?;
                self.seen = *number;
            }
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }

    /// The account's name; once it was removed, the one that the row has, or else its id.
    async fn name(&mut self, row: &EventRow) -> anyhow::Result<Option<String>> {
        let Some(id) = row.account else { return Ok(None) };
        if !self.names.contains_key(&id) {
            let account = self.opened.store.accounts.by_id(id).await?;
            self.names.insert(id, account.map(|account| account.name.to_string()));
        }
        let named = self.names.get(&id).cloned().flatten();
        let told = || fields(row).get("name").and_then(Value::as_str).map(str::to_owned);
        Ok(Some(named.or_else(told).unwrap_or_else(|| id.to_string())))
    }
}

/// One event.
struct Line<'a> {
    number: u64,
    row: &'a EventRow,
    account: Option<String>,
    widths: Widths,
}

/// What an event says of itself; one that somebody spoiled is shown as it lies there.
fn fields(row: &EventRow) -> Map<String, Value> {
    let spoiled = |_| Map::from_iter([("unreadable".to_owned(), Value::from(row.body.clone()))]);
    serde_json::from_str(&row.body).unwrap_or_else(spoiled)
}

/// An account as it stands in its column.
fn shown(account: Option<&str>) -> String {
    harmless(account.unwrap_or("-"))
}

/// A value that ends where it seems to.
fn quoted(text: &str) -> String {
    let harmless = harmless(text);
    let plain = !text.contains([' ', '"', '=']);
    if plain { harmless } else { format!("\"{}\"", harmless.replace('"', "\\\"")) }
}

impl View for Line<'_> {
    fn text(&self, ink: Ink) -> String {
        let fields = fields(self.row);
        // The account stands in front; an event about nobody else says its name once.
        let told = |name: &str, text: &str| name == "name" && self.account.as_deref() == Some(text);
        let field = |(name, value): (&String, &Value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let shown = || format!("{}{}", ink.dim(&format!("{name}=")), quoted(&text));
            (!text.is_empty() && !told(name, &text)).then(shown)
        };
        let fields = fields.iter().filter_map(field).collect::<Vec<_>>().join(" ");
        let account = pad(&shown(self.account.as_deref()), self.widths.account);
        let (at, name) = (moment::exact(self.row.at), pad(&self.row.name, self.widths.event));
        format!("{}  {}  {account}  {fields}", ink.dim(&at), ink.bold(&name)).trim_end().to_owned()
    }

    fn json(&self) -> Value {
        json!({
            "number": self.number,
            "at": self.row.at.to_string(),
            "event": self.row.name,
            "account": self.account,
            "account_id": self.row.account.map(|id| id.to_string()),
            "fields": fields(self.row),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::clock::Time;

    #[test]
    fn an_event_that_somebody_spoiled_is_shown_as_it_lies_there() {
        let row = EventRow {
            at: Time::from_secs(0),
            name: "sign-in.failed".to_owned(),
            account: None,
            body: "{\"name\":".to_owned(),
        };
        assert_eq!(fields(&row)["unreadable"], "{\"name\":");
    }

    #[test]
    fn an_event_is_one_line_whatever_a_stranger_typed() {
        let body = json!({ "name": "alice\u{1b}[2J\n", "why": "wrong", "address": "" }).to_string();
        let row = EventRow { at: Time::from_secs(0), name: "sign-in.failed".to_owned(), account: None, body };
        let text = Line { number: 1, row: &row, account: None, widths: Widths::default() }.text(Ink::Plain);
        assert_eq!(text, "1970-01-01 00:00:00 UTC  sign-in.failed  -  name=alice\\u{1b}[2J\\n why=wrong");
    }

    #[test]
    fn columns_line_up_and_a_value_with_spaces_is_quoted() {
        let body = json!({ "reason": "lost \"phone\"", "change": "reset" }).to_string();
        let row = EventRow { at: Time::from_secs(0), name: "account.changed".to_owned(), account: None, body };
        let (account, widths) = (Some("bo".to_owned()), Widths { event: 17, account: 5 });
        let text = Line { number: 1, row: &row, account, widths }.text(Ink::Plain);
        let expected = r#"1970-01-01 00:00:00 UTC  account.changed    bo     change=reset reason="lost \"phone\"""#;
        assert_eq!(text, expected);
    }
}
