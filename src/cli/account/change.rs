//! Changes of accounts, each written to the record of security events; judges nobody.

use super::person::{joined, texts};
use crate::audit::Event;
use crate::cli::ending::Stopped;
use crate::cli::moment;
use crate::cli::opened::{Link, Opened};
use crate::cli::output::{Ink, View, count};
use crate::cli::unwritten::{self, Whom};
use crate::identity::{Account, AccountId, AccountKind, AccountName, Group};
use crate::login::ENROLMENT_LIFE;
use crate::store::Reset;
use serde_json::{Value, json};
use std::io::{self, BufRead, IsTerminal, Write};

/// Policies that a note names one by one; more would bury what it says.
const MOST_GATES: usize = 3;

/// What was changed.
#[derive(Debug)]
pub struct Changed {
    account: Account,
    /// The word for scripts.
    change: &'static str,
    /// The sentence for people.
    sentence: String,
    /// What it did, in numbers, for scripts.
    counts: Vec<(&'static str, usize)>,
    /// What should give pause.
    notes: Vec<String>,
    link: Option<Link>,
}

impl Changed {
    /// A change with no link and nothing to count.
    pub fn of(account: Account, (change, sentence): (&'static str, String), notes: Vec<String>) -> Self {
        Changed { account, change, sentence, counts: Vec::new(), notes, link: None }
    }

    /// The same with something more that it did, in numbers.
    #[must_use]
    pub fn counting(mut self, what: &'static str, number: usize) -> Self {
        self.counts.push((what, number));
        self
    }

    /// Adds what should give pause.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }
}

/// Adds an account and makes its link.
pub async fn add(opened: &Opened, name: AccountName, mut groups: Vec<Group>) -> anyhow::Result<Changed> {
    groups.sort();
    groups.dedup();
    let account = Account {
        id: AccountId::fresh(),
        name,
        groups,
        kind: AccountKind::Person,
        disabled: false,
        created: opened.now,
    };
    if !opened.store.accounts.add(&account).await? {
        let name = &account.name;
        return Err(Stopped::no(format!(
            "there is an account {name} already; `portcullis account enrol {name}` makes a new link for it"
        )));
    }
    let (name, groups) = (account.name.clone(), account.groups.clone());
    opened.record(&Event::AccountAdded { account: account.id, name, groups }, &[]).await?;
    let link = opened.offer(&account).await?;
    let groups = if account.groups.is_empty() { String::new() } else { format!(" ({})", joined(&account.groups)) };
    let sentence = format!("{}{groups} is added", account.name);
    let notes = unnamed(opened, &account.groups).into_iter().chain(outside(opened, &account)).collect();
    Ok(Changed { notes, link: Some(link), change: "added", sentence, account, counts: Vec::new() })
}

/// Makes a new link.
pub async fn enrol(opened: &Opened, name: &AccountName) -> anyhow::Result<Changed> {
    let account = opened.account(name).await?;
    people_only(&account, "enrols with its key: `portcullis account keys`")?;
    let link = opened.offer(&account).await?;
    let (notes, sentence) = (shut(&account), format!("{name} may enrol; links made before are void"));
    Ok(Changed { account, change: "enrolment-offered", sentence, notes, link: Some(link), counts: Vec::new() })
}

/// Ends every session and admits the account nowhere.
pub async fn disable(opened: &Opened, name: &AccountName) -> anyhow::Result<Changed> {
    let account = opened.account(name).await?;
    let sessions = opened.sessions(&account).await?.len();
    let links = usize::from(opened.link_until(&account).await?.is_some());
    if let Err(error) = opened.store.accounts.set_disabled(account.id, true).await {
        let (whom, whose) = (Whom::Account(account.id), undisabled(name));
        return Err(unwritten::bar(&opened.essentials, &whom, (&whose, error)).await);
    }
    let link = if links == 0 { "" } else { "; its enrolment link has ended" };
    let sentence = format!("{name} is disabled; {} ended{link}", count(sessions, "session"));
    let counts = vec![("sessions_ended", sessions), ("links_ended", links)];
    Ok(Changed { counts, ..changed(opened, account, ("disabled", sentence), &[]).await? })
}

/// What is said of an account that cannot be disabled now, but whose sessions can be refused.
pub fn undisabled(name: &AccountName) -> String {
    format!("{name} is not disabled, but every session that {name} has")
}

/// Lets the account sign in again.
pub async fn enable(opened: &Opened, name: &AccountName) -> anyhow::Result<Changed> {
    let account = opened.account(name).await?;
    opened.store.accounts.set_disabled(account.id, false).await?;
    let enrolled = !opened.store.credentials.of(account.id).await?.is_empty();
    let sentence = match (enrolled, opened.link_until(&account).await?) {
        (true, _) => format!("{name} is enabled and may sign in"),
        (false, Some(until)) => {
            format!("{name} is enabled, but not enrolled: the link it has is good until {}", moment::date(until))
        }
        (false, None) => {
            format!("{name} is enabled, but not enrolled: `portcullis account enrol {name}` makes a link")
        }
    };
    changed(opened, account, ("enabled", sentence), &[]).await
}

/// Forgets what the account proves itself with, ends its sessions and its link, and makes a new one.
pub async fn reset(opened: &Opened, name: &AccountName, reason: &str) -> anyhow::Result<Changed> {
    let account = opened.account(name).await?;
    people_only(&account, "gets other keys with `portcullis account keys`")?;
    let (Reset { credentials, sessions }, token) = opened.reset(&account).await?;
    let (factors, ended) = (count(credentials.len(), "factor"), count(sessions.len(), "session"));
    let sentence = format!("{name} is reset; {factors} forgotten, {ended} ended; links made before are void");
    let ids: Vec<String> = credentials.iter().map(|gone| gone.id.to_string()).collect();
    let details = [("reason", reason.to_owned()), ("credentials", ids.join(","))];
    let mut done = changed(opened, account, ("reset", sentence), &details).await?;
    done.counts = vec![("factors_removed", credentials.len()), ("sessions_ended", sessions.len())];
    done.notes = shut(&done.account);
    if let Err(why) = opened.essentials.portal() {
        done.notes.push(format!("no link was made ({why}); `portcullis account enrol {name}` makes one"));
    }
    if let Some(token) = token {
        done.link = Some(opened.offered(&done.account, &token).await?);
    }
    Ok(done)
}

/// Removes the account with everything that belongs to it.
pub async fn remove(opened: &Opened, name: &AccountName) -> anyhow::Result<Changed> {
    let account = opened.account(name).await?;
    opened.store.accounts.remove(account.id).await?;
    let sentence = format!("{name} is removed with its factors and sessions");
    changed(opened, account, ("removed", sentence), &[]).await
}

/// Sets the groups.
pub async fn groups(opened: &Opened, name: &AccountName, mut groups: Vec<Group>) -> anyhow::Result<Changed> {
    let mut account = opened.account(name).await?;
    people_only(&account, "is in no group: policies name it in service_accounts")?;
    groups.sort();
    groups.dedup();
    opened.store.accounts.set_groups(account.id, &groups).await?;
    let before = std::mem::replace(&mut account.groups, groups);
    let sentence = match account.groups.as_slice() {
        [] => format!("{name} is in no group"),
        some => format!("{name} is in {}", joined(some)),
    };
    let fields = [("before", texts(&before).join(",")), ("groups", texts(&account.groups).join(","))];
    let notes = unnamed(opened, &account.groups).into_iter().chain(outside(opened, &account)).collect();
    Ok(Changed { notes, ..changed(opened, account, ("groups", sentence), &fields).await? })
}

/// Asks on the terminal whether an account shall be removed.
///
/// # Errors
/// If the answer is no, or nobody is there to be asked.
pub async fn confirm(opened: &Opened, name: &AccountName) -> anyhow::Result<()> {
    let account = opened.account(name).await?;
    if !io::stdin().is_terminal() {
        return Err(Stopped::misuse(format!("removing {name} cannot be undone; say --yes where nobody can be asked")));
    }
    let credentials = opened.store.credentials.of(account.id).await?.len();
    let sessions = opened.sessions(&account).await?.len();
    let (factors, sessions) = (count(credentials, "factor"), count(sessions, "session"));
    write!(io::stderr(), "Remove {name} with {factors} and {sessions}? This cannot be undone. Type its name: ")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == name.as_str() { Ok(()) } else { Err(Stopped::no("nothing was removed")) }
}

/// Records a change that was made.
pub async fn changed(
    opened: &Opened,
    account: Account,
    (change, sentence): (&'static str, String),
    fields: &[(&str, String)],
) -> anyhow::Result<Changed> {
    let mut fields = fields.to_vec();
    fields.push(("name", account.name.to_string()));
    opened.record(&Event::AccountChanged { account: account.id, change }, &fields).await?;
    Ok(Changed::of(account, (change, sentence), Vec::new()))
}

/// Refuses what makes sense for people alone.
fn people_only(account: &Account, instead: &str) -> anyhow::Result<()> {
    match account.kind {
        AccountKind::Person => Ok(()),
        AccountKind::Service => Err(Stopped::no(format!("{} is a service account; it {instead}", account.name))),
    }
}

/// A note on an account whom a link does not help.
fn shut(account: &Account) -> Vec<String> {
    let name = &account.name;
    let note = || format!("{name} is disabled, and the link opens nothing until `portcullis account enable {name}`");
    Vec::from_iter(account.disabled.then(note))
}

/// A note on an account in no group, if that lets it in nowhere.
fn outside(opened: &Opened, account: &Account) -> Option<String> {
    let gates = &opened.essentials.gates;
    if !account.groups.is_empty() || gates.is_empty() {
        return None;
    }
    let asks =
        |(policy, groups): (&String, &Vec<Group>)| format!("the policy {policy} asks for one of: {}", joined(groups));
    let asked = match gates.len() {
        0..=MOST_GATES => gates.iter().map(asks).collect::<Vec<_>>().join("; "),
        _ => "every route asks for one".to_owned(),
    };
    Some(format!("{} is in no group; {asked}", account.name))
}

/// A note on every group that no policy names, which is mostly a slip of the pen; none where not all policies can be
/// read.
fn unnamed(opened: &Opened, groups: &[Group]) -> Vec<String> {
    let Some(named) = &opened.essentials.groups else { return Vec::new() };
    let known = named.iter().map(|group| group.as_str()).collect::<Vec<_>>().join(", ");
    let hint = if known.is_empty() { String::new() } else { format!("; policies name {known}") };
    let unknown = groups.iter().filter(|group| !named.contains(*group));
    unknown.map(|group| format!("no policy names the group {group}{hint}")).collect()
}

impl View for Changed {
    fn text(&self, ink: Ink) -> String {
        let mut text = self.sentence.clone();
        for note in &self.notes {
            text += &format!("\n{} {note}", ink.bold("note:"));
        }
        if let Some(link) = &self.link {
            let life = moment::span(ENROLMENT_LIFE);
            let until = moment::date(link.expires);
            text += &format!(
                "\n\n  {}\n\ngood once, until {until} ({life}) or until another is made; send it the way you trust",
                link.address
            );
        }
        text
    }

    fn json(&self) -> Value {
        let mut value = json!({
            "id": self.account.id.to_string(),
            "account": self.account.name.as_str(),
            "change": self.change,
            "groups": texts(&self.account.groups),
            "notes": self.notes,
        });
        if let Some(object) = value.as_object_mut() {
            object.extend(self.counts.iter().map(|(name, count)| ((*name).to_owned(), (*count).into())));
        }
        if let (Some(object), Some(link)) = (value.as_object_mut(), &self.link) {
            object.insert("link".to_owned(), link.address.clone().into());
            object.insert("expires".to_owned(), link.expires.to_string().into());
        }
        value
    }
}

#[cfg(test)]
mod tests;
