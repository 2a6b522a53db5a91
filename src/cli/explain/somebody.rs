//! Who asks: an account with what it has, or one that is made up from a level and groups. Judges nothing.

use super::{Arguments, By};
use crate::cli::ending::Stopped;
use crate::cli::home::Essentials;
use crate::cli::opened::{Absent, Opened};
use crate::cli::refusal::advised;
use crate::cli::worth::{self, Standing, Worth};
use crate::edition::Plan;
use crate::factor::{client_key, passkey, password, totp};
use crate::gateway;
use crate::identity::{
    Account, AccountId, AccountKind, AccountName, Assurance, Credential, FactorName, Group, Kind, Kinds, Proof, Proofs,
};
use crate::policy::{Carrier, Line};
use crate::stdx::clock::Time;

/// Who asks.
#[derive(Clone, Debug)]
pub enum Asks {
    /// Nobody who is signed in.
    Nobody,
    /// An account that is disabled, and so has no session.
    Disabled(Account),
    /// Somebody with a session.
    Somebody(Somebody),
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
    /// What carries the session.
    pub carrier: Carrier,
}

/// An account as the store has it.
struct Stored {
    account: Account,
    credentials: Vec<Credential>,
}

impl Asks {
    /// Whom the command line describes. What is assumed is added to `notes`.
    ///
    /// # Errors
    /// If the account is unknown or cannot come like that, or the store cannot be asked for it.
    pub async fn new(
        arguments: &Arguments,
        (plan, now): (&Plan, Time),
        notes: &mut Vec<String>,
    ) -> anyhow::Result<Self> {
        let Arguments { account, groups, assurance, by, .. } = arguments;
        let asked = account.is_some() || groups.is_some() || assurance.is_some() || by.is_some();
        if !asked || *assurance == Some(Assurance::None) {
            return Ok(Asks::Nobody);
        }
        let (named, at) = (account.is_some(), now.minus(arguments.age));
        let Some(Stored { account, credentials }) = stored(arguments, plan, notes).await? else {
            let name = account.clone().map_or_else(|| AccountName::parse("somebody"), Ok)?;
            let account = made_up(name, groups.clone().unwrap_or_default());
            let proofs = invented(assurance.unwrap_or(Assurance::Mfa), at);
            return Ok(Asks::Somebody(Somebody { carrier: carrier(*by, &account)?, account, named, proofs }));
        };
        if account.disabled {
            let name = &account.name;
            notes.push(format!("{name} is disabled, so it has no session: `portcullis account enable {name}`"));
            return Ok(Asks::Disabled(account));
        }
        let holder = Holder { name: &account.name, worth: Worth::of(plan), credentials: &credentials };
        let proofs = match account.kind {
            AccountKind::Person => holder.proofs(*assurance, at, notes),
            AccountKind::Service => holder.keys(at, notes),
        };
        Ok(Asks::Somebody(Somebody { carrier: carrier(*by, &account)?, account, named, proofs }))
    }
}

impl Asks {
    /// The words of a verdict: whoever is disabled does not get on by signing in.
    pub fn told(&self, mut lines: Vec<Line>, answer: String) -> (Vec<Line>, String) {
        let Asks::Disabled(Account { name, .. }) = self else { return (lines, answer) };
        let mut shut = false;
        for line in lines.iter_mut().filter(|line| !line.holds && line.has == NO_SESSION) {
            line.remedy = format!("enable the account: portcullis account enable {name}");
            shut = true;
        }
        let answer = if shut { format!("{name} is disabled and cannot sign in: {answer}") } else { answer };
        (lines, answer)
    }
}

/// What conditions say that whoever is not signed in has.
const NO_SESSION: &str = "no session";

/// What carries the session of an account, if nothing else was said: programs have no cookies.
fn carrier(by: Option<By>, account: &Account) -> anyhow::Result<Carrier> {
    Ok(match (by, account.kind) {
        (Some(By::Cookie), AccountKind::Service) => {
            let name = &account.name;
            return Err(Stopped::misuse(format!(
                "{name} is a service account, which has no cookie: --by bearer, or dpop"
            )));
        }
        (None, AccountKind::Person) | (Some(By::Cookie), _) => Carrier::Cookie,
        (None, AccountKind::Service) | (Some(By::Bearer), _) => Carrier::Bearer,
        (Some(By::Dpop), _) => Carrier::Bound,
    })
}

/// The account that was named, if groups are not given in the place of its own; `None` if there is no store yet.
async fn stored(arguments: &Arguments, plan: &Plan, notes: &mut Vec<String>) -> anyhow::Result<Option<Stored>> {
    let (Some(name), None) = (&arguments.account, &arguments.groups) else { return Ok(None) };
    let essentials: Essentials = arguments.home.essentials_of(plan);
    if gateway::store_in(&essentials.state).map_err(advised)?.is_none() {
        notes.push("there is no store yet, so the account is taken to be in no group".to_owned());
        return Ok(None);
    }
    let opened = Opened::open_without_key(essentials, Absent::Say).await?;
    let Some(account) = opened.store.accounts.by_name(name).await? else {
        return Err(Stopped::misuse(format!(
            "there is no account {name}; --groups A,B explains for one that may come"
        )));
    };
    let credentials = opened.store.credentials.of(account.id).await?;
    Ok(Some(Stored { account, credentials }))
}

fn made_up(name: AccountName, groups: Vec<Group>) -> Account {
    let (id, kind) = (AccountId::new([0; 16]), AccountKind::Person);
    Account { id, name, groups, kind, disabled: false, created: Time::EPOCH }
}

/// An account with what it holds.
struct Holder<'a> {
    name: &'a AccountName,
    worth: Worth,
    credentials: &'a [Credential],
}

impl Holder<'_> {
    /// The fewest proofs of what a person holds that come to the level, or proofs of everything.
    fn proofs(&self, level: Option<Assurance>, at: Time, notes: &mut Vec<String>) -> Proofs {
        let name = self.name;
        if self.credentials.is_empty() {
            notes.push(format!(
                "{name} has enrolled no factor and cannot sign in: `portcullis account enrol {name}` makes a link; this \
                 is what holds after that"
            ));
            return invented(level.unwrap_or(Assurance::Mfa), at);
        }
        let held = self.in_use(at);
        let idle = self.idle();
        let Some(level) = level else {
            let what = "assumed is that all of it was proved; --assurance asks about less";
            notes.push(format!("{name} can prove {}{idle}; {what}", listed(&held)));
            return held.into_iter().collect();
        };
        fewest(&held, level).unwrap_or_else(|| {
            notes.push(format!(
                "{name} cannot prove {level}, only {}{idle}: this is what holds with that",
                listed(&held)
            ));
            held.into_iter().collect()
        })
    }

    /// What a program proves.
    fn keys(&self, at: Time, notes: &mut Vec<String>) -> Proofs {
        let name = self.name;
        if self.credentials.is_empty() {
            notes.push(format!(
                "{name} has no key and proves itself to nobody: `portcullis account keys {name} --add FILE`"
            ));
        }
        let kinds = Kinds::of(Kind::Possession);
        Proofs::from_iter([Proof { factor: client_key::NAME, kinds, phishing_resistant: false, recovery: false, at }])
    }

    /// A proof of each factor that it holds and that counts.
    fn in_use(&self, at: Time) -> Vec<Proof> {
        let counts = |held: &&Credential| self.worth.of_credential(held) == Standing::InUse;
        let mut names: Vec<FactorName> = Vec::new();
        for held in self.credentials.iter().filter(counts) {
            if !names.contains(&held.factor) {
                names.push(held.factor);
            }
        }
        names.into_iter().filter_map(|name| worth::proof(name, at)).collect()
    }

    /// What it holds and what does not count, in words that follow a list.
    fn idle(&self) -> String {
        let why = |held: &Credential| match self.worth.of_credential(held) {
            Standing::NotConfigured => Some(format!(" ({} is not configured)", held.factor)),
            Standing::NotAccepted => Some(format!(" (one {} is not accepted)", held.factor)),
            Standing::InUse | Standing::Waits(_) | Standing::Locked => None,
        };
        self.credentials.iter().filter_map(why).collect()
    }
}

fn listed(proofs: &[Proof]) -> String {
    match proofs {
        [] => "nothing".to_owned(),
        some => some.iter().map(|proof| proof.factor.0).collect::<Vec<_>>().join(", "),
    }
}

/// The smallest set of proofs that comes to a level: exactly to it, if one does. There are few, so all are tried.
fn fewest(held: &[Proof], level: Assurance) -> Option<Proofs> {
    let chosen = |set: u32| -> Proofs {
        held.iter().enumerate().filter(|(at, _)| set & 1 << at != 0).map(|(_, proof)| *proof).collect()
    };
    let sets = (1_u32..1 << held.len().min(MOST)).filter(|set| chosen(*set).assurance() >= level);
    let best = sets.min_by_key(|set| (chosen(*set).assurance() != level, set.count_ones(), set.trailing_zeros()));
    best.map(chosen)
}

/// Factors that are combined with one another: more than there are.
const MOST: usize = 12;

/// Proofs that give `level`, all made at `at`.
fn invented(level: Assurance, at: Time) -> Proofs {
    let factors: &[FactorName] = match level {
        Assurance::None => &[],
        Assurance::OneFactor => &[password::NAME],
        Assurance::Mfa => &[password::NAME, totp::NAME],
        Assurance::PhishingResistant => &[passkey::NAME],
    };
    factors.iter().filter_map(|name| worth::proof(*name, at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factor::message;

    #[test]
    fn invented_proofs_give_exactly_the_level_asked_for() {
        for level in Assurance::ALL {
            assert_eq!(invented(level, Time::from_secs(1)).assurance(), level);
        }
    }

    #[test]
    fn the_fewest_proofs_that_an_account_has_come_to_the_level_and_no_others_are_made_up() {
        let held = |names: &[FactorName]| -> Vec<Proof> {
            names.iter().filter_map(|name| worth::proof(*name, Time::EPOCH)).collect()
        };
        let chosen = |names: &[FactorName], level| {
            fewest(&held(names), level).map(|proofs| listed(&Vec::from_iter(proofs.iter().copied())))
        };
        let both = [password::NAME, message::NAME];
        assert_eq!(chosen(&both, Assurance::Mfa).as_deref(), Some("password, message"));
        assert_eq!(chosen(&both, Assurance::OneFactor).as_deref(), Some("password"));
        assert_eq!(chosen(&both, Assurance::PhishingResistant), None);
        assert_eq!(chosen(&[passkey::NAME], Assurance::Mfa).as_deref(), Some("passkey"));
        assert_eq!(chosen(&[message::NAME], Assurance::Mfa), None);
        assert_eq!(chosen(&[], Assurance::OneFactor), None);
    }
}
