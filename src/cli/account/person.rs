//! Accounts as they are shown: a list, one whole, and its groups alone; changes nothing.

use crate::cli::moment;
use crate::cli::opened::Opened;
use crate::cli::output::{Ink, View, harmless};
use crate::cli::session::{Listed, assurance};
use crate::cli::table::{Table, pairs};
use crate::cli::worth::Standing;
use crate::factor::client_key;
use crate::identity::{Account, AccountName, Credential, Group, Session};
use crate::stdx::clock::Time;
use serde_json::{Value, json};

/// All accounts.
pub async fn list(opened: &Opened) -> anyhow::Result<People> {
    let mut people = Vec::new();
    for account in opened.store.accounts.list().await? {
        people.push(person(opened, account).await?);
    }
    Ok(People(people))
}

/// One account.
pub async fn show(opened: &Opened, name: &AccountName) -> anyhow::Result<Person> {
    let mut shown = person(opened, opened.account(name).await?).await?;
    for held in &mut shown.credentials {
        held.standing = standing(opened, &held.credential).await;
    }
    Ok(shown)
}

/// What a credential is worth; `None` for a program's key, and where the configuration does not tell.
async fn standing(opened: &Opened, credential: &Credential) -> Option<Standing> {
    let worth = opened.essentials.worth.as_ref().filter(|_| credential.factor != client_key::NAME)?;
    Some(worth.of_held(&opened.store, credential, opened.now).await)
}

/// One account's groups.
pub async fn groups(opened: &Opened, name: &AccountName) -> anyhow::Result<GroupsOf> {
    Ok(GroupsOf(opened.account(name).await?))
}

async fn person(opened: &Opened, account: Account) -> anyhow::Result<Person> {
    let credentials = opened.store.credentials.of(account.id).await?;
    let credentials = credentials.into_iter().map(|credential| Held { credential, standing: None }).collect();
    let sessions = opened.sessions(&account).await?;
    let link = opened.link_until(&account).await?;
    Ok(Person { account, credentials, sessions, link, now: opened.now })
}

/// Accounts, by name.
pub struct People(Vec<Person>);

/// An account with all that belongs to it.
pub struct Person {
    account: Account,
    credentials: Vec<Held>,
    sessions: Vec<Session>,
    /// Until when an enrolment link is good, if one is open.
    link: Option<Time>,
    now: Time,
}

/// A credential, and what it is worth, where that was asked.
struct Held {
    credential: Credential,
    standing: Option<Standing>,
}

impl Held {
    /// Empty for what is in use.
    fn state(&self) -> String {
        match self.standing {
            None | Some(Standing::InUse) => String::new(),
            Some(Standing::NotConfigured) => "not configured".to_owned(),
            Some(Standing::NotAccepted) => "not accepted".to_owned(),
            Some(Standing::Waits(until)) => format!("waits until {}", moment::date(until)),
            Some(Standing::Locked) => "locked".to_owned(),
        }
    }

    fn json(&self) -> Value {
        let Held { credential, standing } = self;
        let waits = match standing {
            Some(Standing::Waits(until)) => Some(until.to_string()),
            Some(Standing::InUse | Standing::NotConfigured | Standing::NotAccepted | Standing::Locked) | None => None,
        };
        let state = standing.map(|standing| match standing {
            Standing::InUse => "in use".to_owned(),
            Standing::Waits(_) => "waits".to_owned(),
            Standing::NotConfigured | Standing::NotAccepted | Standing::Locked => self.state(),
        });
        json!({
            "id": credential.id.to_string(),
            "factor": credential.factor.0,
            "label": credential.label,
            "enrolled": credential.created.to_string(),
            "used": credential.used.map(|at| at.to_string()),
            "state": state,
            "waits_until": waits,
        })
    }
}

/// An account's groups.
pub struct GroupsOf(Account);

impl Person {
    fn state(&self) -> &'static str {
        match (self.account.disabled, self.credentials.is_empty()) {
            (true, _) => "disabled",
            (false, true) => "not enrolled",
            (false, false) => "enabled",
        }
    }

    /// The same with what somebody who is not enrolled waits for.
    fn prospect(&self) -> String {
        match (self.account.disabled || !self.credentials.is_empty(), self.link) {
            (true, _) => self.state().to_owned(),
            (false, Some(until)) => format!("{}, link until {}", self.state(), moment::date(until)),
            (false, None) => format!("{}, no link", self.state()),
        }
    }

    fn groups(&self) -> String {
        joined(&self.account.groups)
    }

    fn factors(&self) -> String {
        self.credentials.iter().map(|held| held.credential.factor.0).collect::<Vec<_>>().join(", ")
    }

    /// When the account was last seen: by a session, or by a credential that proved something.
    fn used(&self) -> Option<Time> {
        let sessions = self.sessions.iter().map(|session| session.used);
        sessions.chain(self.credentials.iter().filter_map(|held| held.credential.used)).max()
    }

    fn last_used(&self) -> String {
        self.used().map_or_else(|| "never".to_owned(), |at| moment::ago(self.now, at))
    }

    fn listed(&self) -> Vec<(AccountName, Session)> {
        self.sessions.iter().map(|session| (self.account.name.clone(), session.clone())).collect()
    }

    fn credential_table(&self, ink: Ink) -> String {
        let mut table = Table::new(&["factor", "label", "state", "enrolled", "last used"]);
        for held in &self.credentials {
            let credential = &held.credential;
            table.row([
                credential.factor.to_string(),
                credential.label.clone(),
                held.state(),
                moment::date(credential.created),
                credential.used.map_or_else(|| "never".to_owned(), |at| moment::ago(self.now, at)),
            ]);
        }
        table.text(ink, "  ")
    }

    fn session_table(&self, ink: Ink) -> String {
        let mut table = Table::new(&["session", "assurance", "opened", "last used", "device", "address"]);
        for session in &self.sessions {
            table.row([
                session.id.to_string(),
                assurance(session).to_owned(),
                moment::ago(self.now, session.created),
                moment::ago(self.now, session.used),
                session.device.name.clone(),
                session.device.address.to_string(),
            ]);
        }
        table.text(ink, "  ")
    }
}

impl View for People {
    fn text(&self, ink: Ink) -> String {
        if self.0.is_empty() {
            return "there are no accounts yet; `portcullis account add USER --group GROUP` adds one".to_owned();
        }
        let mut table = Table::new(&["account", "kind", "state", "groups", "factors", "sessions", "last used"]);
        for person in &self.0 {
            table.row([
                person.account.name.to_string(),
                person.account.kind.as_str().to_owned(),
                person.prospect(),
                person.groups(),
                person.factors(),
                person.sessions.len().to_string(),
                person.last_used(),
            ]);
        }
        table.text(ink, "")
    }

    fn json(&self) -> Value {
        self.0.iter().map(View::json).collect()
    }
}

impl View for Person {
    fn text(&self, ink: Ink) -> String {
        let facts = pairs(
            &[
                ("id", self.account.id.to_string()),
                ("state", self.prospect()),
                ("kind", self.account.kind.as_str().to_owned()),
                ("groups", if self.account.groups.is_empty() { "none".to_owned() } else { self.groups() }),
                ("added", moment::date(self.account.created)),
                ("last used", self.last_used()),
            ],
            "  ",
        );
        let mut text = format!("{}\n{facts}", ink.bold(&harmless(self.account.name.as_str())));
        if !self.credentials.is_empty() {
            text += &format!("\n\n{}", self.credential_table(ink));
        }
        if !self.sessions.is_empty() {
            text += &format!("\n\n{}", self.session_table(ink));
        }
        text
    }

    fn json(&self) -> Value {
        json!({
            "id": self.account.id.to_string(),
            "account": self.account.name.as_str(),
            "state": self.state(),
            "kind": self.account.kind.as_str(),
            "disabled": self.account.disabled,
            "link_until": self.link.map(|until| until.to_string()),
            "groups": texts(&self.account.groups),
            "added": self.account.created.to_string(),
            "used": self.used().map(|at| at.to_string()),
            "credentials": self.credentials.iter().map(Held::json).collect::<Vec<_>>(),
            "sessions": Listed { sessions: &self.listed(), now: self.now }.json(),
        })
    }
}

impl View for GroupsOf {
    fn text(&self, _: Ink) -> String {
        if self.0.groups.is_empty() { format!("{} is in no group", self.0.name) } else { joined(&self.0.groups) }
    }

    fn json(&self) -> Value {
        json!({ "account": self.0.name.as_str(), "groups": texts(&self.0.groups) })
    }
}

/// `a, b`.
pub fn joined(groups: &[Group]) -> String {
    texts(groups).join(", ")
}

/// The names of groups.
pub fn texts(groups: &[Group]) -> Vec<&str> {
    groups.iter().map(Group::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{AccountId, AccountKind, Device, FactorName, Kind, Kinds, Proof, SessionId};
    use std::net::Ipv4Addr;

    #[test]
    fn a_session_reads_the_same_beside_its_account_and_in_the_list_of_all() {
        let (id, at) = (AccountId::new([1; 16]), Time::from_secs(0));
        let name = AccountName::parse("alice").expect("a name");
        let account = Account { id, name, groups: Vec::new(), kind: AccountKind::Person, disabled: false, created: at };
        let kinds = Kinds::of(Kind::Possession);
        let code = Proof { factor: FactorName("recovery_code"), kinds, phishing_resistant: false, recovery: true, at };
        let device = Device { name: "Firefox on Linux".to_owned(), address: Ipv4Addr::LOCALHOST.into() };
        let (proofs, id) = ([code].into_iter().collect(), SessionId::new([1; 16]));
        let session = Session { id, account: account.id, proofs, created: at, used: at, device };
        let (credentials, sessions) = (Vec::new(), vec![session]);
        let person = Person { account, credentials, sessions, link: None, now: at };
        let listed = Listed { sessions: &person.listed(), now: at }.text(Ink::Plain);
        for said in [person.text(Ink::Plain), listed] {
            let row = said.lines().find(|line| line.contains("ses_")).expect("its row");
            assert!(row.contains("  may only enrol  "), "{said}");
        }
    }
}
