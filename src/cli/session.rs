//! `session`: lists and ends sessions, beside a running gateway, which obeys within a second, or without one.

use super::ending::{Ending, Stopped};
use super::home::Home;
use super::moment;
use super::opened::Opened;
use super::output::{Ink, Output, View, count};
use super::table::Table;
use super::unwritten::{self, Whom};
use crate::audit::Event;
use crate::identity::{AccountName, Session, SessionId};
use crate::stdx::clock::Time;
use serde_json::{Value, json};

/// Sessions that are looked at. A million are a hundred times what one gateway's memory holds.
const MOST_LISTED: usize = 1_000_000;

/// What `session` may be told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    home: Home,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List live sessions, newest use first
    List {
        /// Only of this account
        #[arg(value_parser = AccountName::parse)]
        user: Option<AccountName>,
    },
    /// End a session, or all of an account
    #[command(group(clap::ArgGroup::new("which").required(true).args(["id", "all"])))]
    Revoke {
        /// The session, as `session list` shows it
        #[arg(value_parser = SessionId::parse, value_name = "ID")]
        id: Option<SessionId>,
        /// All sessions of this account
        #[arg(long, value_parser = AccountName::parse, value_name = "USER")]
        all: Option<AccountName>,
    },
}

/// Does what was asked with sessions.
pub async fn session(arguments: Arguments, out: &Output) -> anyhow::Result<Ending> {
    let home = arguments.home;
    match arguments.verb {
        Verb::List { user } => list(&home.open_without_key().await?, user.as_ref(), out).await,
        Verb::Revoke { id: Some(id), .. } => {
            let whose = format!("session {id}");
            revoke(&home.open_to_end(&Whom::Session(id), &whose).await?, id, out).await
        }
        Verb::Revoke { id: None, all: Some(name) } => {
            let (whom, whose) = (Whom::Named(name.clone()), all_of(&name));
            revoke_all(&home.open_to_end(&whom, &whose).await?, &name, out).await
        }
        Verb::Revoke { id: None, all: None } => Err(Stopped::misuse("name a session, or --all USER")),
    }
}

async fn list(opened: &Opened, user: Option<&AccountName>, out: &Output) -> anyhow::Result<Ending> {
    let mut listed = match user {
        Some(name) => {
            let account = opened.account(name).await?;
            let sessions = opened.sessions(&account).await?;
            sessions.into_iter().map(|session| (account.name.clone(), session)).collect()
        }
        None => opened.store.sessions.list(MOST_LISTED).await?,
    };
    listed.retain(|(_, session)| opened.lives(session));
    out.show(&Listed { sessions: &listed, now: opened.now })?;
    Ok(Ending::Fine)
}

async fn revoke(opened: &Opened, id: SessionId, out: &Output) -> anyhow::Result<Ending> {
    let listed = opened.store.sessions.list(MOST_LISTED).await?;
    let found = listed.into_iter().find(|(_, session)| session.id == id);
    let Some((name, session)) = found else {
        return Err(Stopped::no(format!("there is no session {id}; `portcullis session list` shows all")));
    };
    if let Err(error) = opened.store.sessions.end(id).await {
        let whose = format!("session {id} of {name}");
        return Err(unwritten::bar(&opened.essentials, &Whom::Session(id), (&whose, error)).await);
    }
    let event = Event::SessionEnded { account: session.account, session: id, by: "operator" };
    opened.record(&event, &[("name", name.to_string())]).await?;
    out.say(&format!("session {id} of {name} has ended"), || json!({ "account": name.as_str(), "ended": 1 }))?;
    Ok(Ending::Fine)
}

async fn revoke_all(opened: &Opened, name: &AccountName, out: &Output) -> anyhow::Result<Ending> {
    let account = opened.account(name).await?;
    let ended = match opened.store.sessions.end_all(account.id, None).await {
        Ok(ended) => ended,
        Err(error) => {
            let whose = all_of(name);
            return Err(unwritten::bar(&opened.essentials, &Whom::Account(account.id), (&whose, error)).await);
        }
    };
    let event = Event::SessionsEnded { account: account.id, count: ended, by: "operator" };
    opened.record(&event, &[("name", name.to_string())]).await?;
    let text = format!("{} of {name} ended", count(ended, "session"));
    out.say(&text, || json!({ "account": name.as_str(), "ended": ended }))?;
    Ok(Ending::Fine)
}

/// How the sessions of an account are spoken of.
fn all_of(name: &AccountName) -> String {
    format!("every session that {name} has")
}

/// Sessions, with their accounts' names.
pub struct Listed<'a> {
    /// Newest use first.
    pub sessions: &'a [(AccountName, Session)],
    /// When they are listed.
    pub now: Time,
}

impl View for Listed<'_> {
    fn text(&self, ink: Ink) -> String {
        if self.sessions.is_empty() {
            return "there are no sessions".to_owned();
        }
        let mut table = Table::new(&["account", "session", "assurance", "opened", "last used", "device", "address"]);
        for (name, session) in self.sessions {
            table.row([
                name.to_string(),
                session.id.to_string(),
                assurance(session).to_owned(),
                moment::ago(self.now, session.created),
                moment::ago(self.now, session.used),
                session.device.name.clone(),
                session.device.address.to_string(),
            ]);
        }
        table.text(ink, "")
    }

    fn json(&self) -> Value {
        let session = |(name, session): &(AccountName, Session)| {
            let proofs = session.proofs.iter();
            json!({
                "id": session.id.to_string(),
                "account": name.as_str(),
                "assurance": session.proofs.assurance().as_str(),
                "may_only_enrol": session.proofs.only_enrol(),
                "proofs": proofs.map(|proof| json!({ "factor": proof.factor.0, "at": proof.at.to_string() }))
                    .collect::<Vec<_>>(),
                "opened": session.created.to_string(),
                "used": session.used.to_string(),
                "device": session.device.name,
                "address": session.device.address.to_string(),
            })
        };
        self.sessions.iter().map(session).collect()
    }
}

/// What a session's proofs add up to, as people read it.
pub fn assurance(session: &Session) -> &'static str {
    if session.proofs.only_enrol() { "may only enrol" } else { session.proofs.assurance().as_str() }
}
