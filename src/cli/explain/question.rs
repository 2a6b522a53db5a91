//! The request that is explained: what was typed, read as a client would send it; who asks, made up from an account, a
//! level and an age. Judges nothing.

use super::Arguments;
use crate::cli::ending::Stopped;
use crate::cli::home::Essentials;
use crate::cli::opened::{Absent, Opened};
use crate::cli::refusal::advised;
use crate::edition::Plan;
use crate::factor::{password, totp};
use crate::gateway;
use crate::identity::{
    Account, AccountId, AccountKind, AccountName, Assurance, FactorName, Group, Kind, Kinds, Proof, Proofs, SessionId,
};
use crate::policy::{Caller, Carrier, Facts};
use crate::stdx::clock::Time;
use http::{HeaderMap, Method};
use std::net::IpAddr;

/// A URL, taken apart but not repaired: the gateway shall see what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `https` or `http`.
    pub scheme: &'static str,
    /// Host and port.
    pub authority: String,
    /// Path and query.
    pub target: String,
}

impl Address {
    /// Reads `[scheme://]host[:port][/path][?query][#fragment]`. The fragment is dropped, as every client does.
    ///
    /// # Errors
    /// If the scheme is another than `https` or `http`, or there is no host.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => ("https", rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => ("http", rest),
            Some((scheme, _)) if !scheme.contains('/') => {
                return Err(format!("{scheme:?} is no scheme of ours: a URL begins with https:// or http://"));
            }
            Some(_) | None => ("https", text),
        };
        let sent = rest.split('#').next().unwrap_or(rest);
        let end = sent.find(['/', '?']).unwrap_or(sent.len());
        let (authority, target) = sent.split_at(end);
        if authority.is_empty() {
            return Err("a URL with a scheme and a host is needed".to_owned());
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Address { scheme, authority: authority.to_owned(), target: format!("{slash}{target}") })
    }
}

/// A request to be judged.
pub struct Question {
    /// Where it goes.
    pub address: Address,
    /// What it wants to do.
    pub method: Method,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Where it comes from.
    pub client: IpAddr,
    /// When.
    pub now: Time,
    /// Who asks.
    pub somebody: Option<Somebody>,
    /// What was assumed.
    pub notes: Vec<String>,
}

/// Who asks, with a session that was made up.
#[derive(Clone, Debug)]
pub struct Somebody {
    /// The account, if it is a real one; else one without a name.
    pub account: Account,
    /// Whether its name was given.
    pub named: bool,
    /// What was proved.
    pub proofs: Proofs,
}

impl Question {
    /// The request that the command line describes.
    ///
    /// # Errors
    /// If the account is unknown, or the store cannot be asked for it.
    pub async fn new(address: Address, arguments: &Arguments, (plan, now): (&Plan, Time)) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        for (name, value) in &arguments.headers {
            headers.append(name, value.clone());
        }
        let client = arguments.from.to_canonical();
        let (somebody, notes) = (None, Vec::new());
        let mut question =
            Question { address, method: arguments.method.clone(), headers, client, now, somebody, notes };
        let asked = arguments.account.is_some() || arguments.groups.is_some() || arguments.assurance.is_some();
        if !asked || arguments.assurance == Some(Assurance::None) {
            return Ok(question);
        }
        let account = question.account(arguments, plan).await?;
        if account.disabled {
            question.notes.push(format!("{} is disabled, so it has no session", account.name));
            return Ok(question);
        }
        let level = arguments.assurance.unwrap_or(Assurance::Mfa);
        let proofs = proofs(level, now.minus(arguments.age));
        question.somebody = Some(Somebody { account, named: arguments.account.is_some(), proofs });
        Ok(question)
    }

    /// What policies are judged by.
    pub fn facts(&self) -> Facts<'_> {
        let caller = self.somebody.as_ref().map(|somebody| Caller {
            session: SessionId::new([0; 16]),
            account: &somebody.account,
            proofs: &somebody.proofs,
            carrier: Carrier::Cookie,
        });
        Facts { now: self.now, caller, client: self.client, method: &self.method }
    }

    /// The account that was named, or one that has only the groups that were given.
    async fn account(&mut self, arguments: &Arguments, plan: &Plan) -> anyhow::Result<Account> {
        let groups = arguments.groups.clone();
        let name = match &arguments.account {
            Some(name) => name.clone(),
            None => return made_up(AccountName::parse("somebody")?, groups.unwrap_or_default()),
        };
        let stored = if groups.is_some() { Ok(None) } else { stored(&name, arguments.home.essentials_of(plan)).await };
        match (stored?, groups) {
            (Some((account, enrolled)), _) => {
                if enrolled == Enrolled::Nothing {
                    self.notes.push(format!(
                        "{name} has enrolled no factor and cannot sign in: `portcullis account enrol {name}` makes a \
                         link; this is what holds after that"
                    ));
                }
                Ok(account)
            }
            (None, Some(groups)) => made_up(name, groups),
            (None, None) => {
                self.notes.push("there is no store yet, so the account is taken to be in no group".to_owned());
                made_up(name, Vec::new())
            }
        }
    }
}

/// Whether an account can prove anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Enrolled {
    Something,
    Nothing,
}

/// The account as the store has it; `None` if there is no store yet.
async fn stored(name: &AccountName, essentials: Essentials) -> anyhow::Result<Option<(Account, Enrolled)>> {
    if gateway::store_in(&essentials.state).map_err(advised)?.is_none() {
        return Ok(None);
    }
    let opened = Opened::open_without_key(essentials, Absent::Say).await?;
    match opened.store.accounts.by_name(name).await? {
        Some(account) => {
            let credentials = opened.store.credentials.of(account.id).await?;
            Ok(Some((account, if credentials.is_empty() { Enrolled::Nothing } else { Enrolled::Something })))
        }
        None => {
            Err(Stopped::misuse(format!("there is no account {name}; --groups A,B explains for one that may come")))
        }
    }
}

fn made_up(name: AccountName, groups: Vec<Group>) -> anyhow::Result<Account> {
    Ok(Account {
        id: AccountId::new([0; 16]),
        name,
        groups,
        kind: AccountKind::Person,
        disabled: false,
        created: Time::EPOCH,
    })
}

/// Proofs that give `level`, all made at `at`.
fn proofs(level: Assurance, at: Time) -> Proofs {
    let proof = |factor, kinds| Proof { factor, kinds, phishing_resistant: false, recovery: false, at };
    let known = proof(password::NAME, Kinds::of(Kind::Knowledge));
    let held = proof(totp::NAME, Kinds::of(Kind::Possession));
    let touched = proof(FactorName("passkey"), Kinds::of(Kind::Possession).and(Kind::Inherence));
    match level {
        Assurance::None => Proofs::new(),
        Assurance::OneFactor => Proofs::from_iter([known]),
        Assurance::Mfa => Proofs::from_iter([known, held]),
        Assurance::PhishingResistant => Proofs::from_iter([Proof { phishing_resistant: true, ..touched }]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_not_repaired() {
        for (text, scheme, authority, target) in [
            ("https://app.test/a/../b;x?q=1#part", "https", "app.test", "/a/../b;x?q=1"),
            ("HTTP://App.test:8080", "http", "App.test:8080", "/"),
            ("app.test/a//b", "https", "app.test", "/a//b"),
            ("https://app.test?q", "https", "app.test", "/?q"),
            ("app.test/?to=https://a.test/", "https", "app.test", "/?to=https://a.test/"),
        ] {
            let address = Address::parse(text).expect(text);
            assert_eq!((address.scheme, &*address.authority, &*address.target), (scheme, authority, target), "{text}");
        }
        assert!(Address::parse("ftp://app.test/").is_err());
        for text in ["/admin", "https:///admin", "", "?q"] {
            assert_eq!(Address::parse(text), Err("a URL with a scheme and a host is needed".to_owned()), "{text}");
        }
    }

    #[test]
    fn made_up_proofs_give_exactly_the_level_asked_for() {
        for level in Assurance::ALL {
            assert_eq!(proofs(level, Time::from_secs(1)).assurance(), level);
        }
    }
}
