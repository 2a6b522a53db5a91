//! `account`: adds, shows and changes the accounts of people and of programs, beside a running gateway, which obeys within a second, or
//! without one.

mod change;
mod keys;
mod person;

use super::ending::Ending;
use super::home::Home;
use super::output::Output;
use super::unwritten::Whom;
use crate::identity::{AccountName, Group, InvalidGroup};
use std::path::PathBuf;

/// What `account` may be told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    home: Home,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Add an account and print its enrolment link
    Add {
        /// What the person will type to sign in
        #[arg(value_parser = AccountName::parse)]
        user: AccountName,
        /// A group it is in; may be given several times
        #[arg(long = "group", value_parser = Group::parse, value_name = "GROUP", conflicts_with = "service")]
        groups: Vec<Group>,
        /// It is a program's, which signs in with a key; policies admit it by name (service_accounts)
        #[arg(long, requires = "keys")]
        service: bool,
        /// A file with the program's public key or client certificate; may be given several times
        #[arg(long = "key", value_name = "FILE", requires = "service")]
        keys: Vec<PathBuf>,
    },
    /// List all accounts
    List,
    /// Show an account: groups, factors, sessions
    Show {
        /// The account
        #[arg(value_parser = AccountName::parse)]
        user: AccountName,
    },
    /// Show a service account's keys, or change them
    #[command(group(clap::ArgGroup::new("change").args(["set", "add", "remove"])))]
    Keys {
        /// The account
        #[arg(value_parser = AccountName::parse)]
        user: AccountName,
        /// All its keys from now on: a file with a public key or client certificate; may be given several times. Ends its
        /// sessions
        #[arg(long, value_name = "FILE")]
        set: Vec<PathBuf>,
        /// One more, beside those it has; may be given several times. Ends no session
        #[arg(long, value_name = "FILE")]
        add: Vec<PathBuf>,
        /// Take this one away, by its label or fingerprint; may be given several times. Ends its sessions
        #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
        remove: Vec<String>,
    },
    /// Print a new enrolment link; the one before is void
    Enrol {
        /// The account
        #[arg(value_parser = AccountName::parse)]
        user: AccountName,
    },
    /// End every session of an account and admit it nowhere
    Disable {
        /// The account
        #[arg(value_parser = AccountName::parse)]
        user: AccountName,
    },
    /// Let a disabled account sign in again
    Enable {
        /// The account
        #[arg(value_parser = AccountName::parse)]
        user: AccountName,
    },
    /// Forget an account's factors, end its sessions and its link, and print a new enrolment link
    Reset {
        /// The account
        #[arg(value_parser = AccountName::parse)]
        user: AccountName,
        /// Why, for the record
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: String,
    },
    /// Remove an account with everything that belongs to it
    Remove {
        /// The account
        #[arg(value_parser = AccountName::parse)]
        user: AccountName,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Show an account's groups, or set them
    Groups {
        /// The account
        #[arg(value_parser = AccountName::parse)]
        user: AccountName,
        /// All its groups from now on, with commas between; '' for none
        #[arg(long, value_name = "A,B", value_parser = GroupList::parse)]
        set: Option<GroupList>,
    },
}

/// Groups as they are typed, `a,b`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct GroupList(Vec<Group>);

impl GroupList {
    fn parse(text: &str) -> Result<Self, InvalidGroup> {
        let names = text.split(',').map(str::trim).filter(|_| !text.trim().is_empty());
        names.map(Group::parse).collect::<Result<Vec<_>, _>>().map(GroupList)
    }
}

/// Does what was asked with accounts.
pub async fn account(arguments: Arguments, out: &Output) -> anyhow::Result<Ending> {
    let home = &arguments.home;
    let opened = match &arguments.verb {
        Verb::Add { service: false, .. } => home.open_to_enrol().await?,
        Verb::Keys { set, add, remove, .. } if set.is_empty() && add.is_empty() && remove.is_empty() => {
            home.open_without_key().await?
        }
        Verb::List | Verb::Show { .. } | Verb::Groups { set: None, .. } => home.open_without_key().await?,
        Verb::Disable { user } => home.open_to_end(&Whom::Named(user.clone()), &change::undisabled(user)).await?,
        Verb::Add { service: true, .. } => home.open_to_add().await?,
        Verb::Keys { .. }
        | Verb::Enrol { .. }
        | Verb::Enable { .. }
        | Verb::Reset { .. }
        | Verb::Remove { .. }
        | Verb::Groups { set: Some(_), .. } => home.open().await?,
    };
    match arguments.verb {
        Verb::Add { user, groups, service: false, .. } => out.show(&change::add(&opened, user, groups).await?)?,
        Verb::Add { user, keys, .. } => out.show(&keys::open(&opened, user, &keys).await?)?,
        Verb::Keys { user, set, .. } if !set.is_empty() => out.show(&keys::set(&opened, &user, &set).await?)?,
        Verb::Keys { user, add, .. } if !add.is_empty() => out.show(&keys::add(&opened, &user, &add).await?)?,
        Verb::Keys { user, remove, .. } if !remove.is_empty() => {
            out.show(&keys::remove(&opened, &user, &remove).await?)?;
        }
        Verb::Keys { user, .. } => out.show(&keys::of(&opened, &user).await?)?,
        Verb::List => out.show(&person::list(&opened).await?)?,
        Verb::Show { user } => out.show(&person::show(&opened, &user).await?)?,
        Verb::Enrol { user } => out.show(&change::enrol(&opened, &user).await?)?,
        Verb::Disable { user } => out.show(&change::disable(&opened, &user).await?)?,
        Verb::Enable { user } => out.show(&change::enable(&opened, &user).await?)?,
        Verb::Reset { user, reason } => out.show(&change::reset(&opened, &user, &reason).await?)?,
        Verb::Remove { user, yes: true } => out.show(&change::remove(&opened, &user).await?)?,
        Verb::Remove { user, yes: false } => {
            change::confirm(&opened, &user).await?;
            out.show(&change::remove(&opened, &user).await?)?;
        }
        Verb::Groups { user, set: Some(GroupList(groups)) } => {
            out.show(&change::groups(&opened, &user, groups).await?)?;
        }
        Verb::Groups { user, set: None } => out.show(&person::groups(&opened, &user).await?)?,
    }
    Ok(Ending::Fine)
}

fn reason(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() { Err("a reason in words is needed: it goes into the record") } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_a_list_and_nothing_is_an_empty_one() {
        let list = |text: &str| GroupList::parse(text).map(|GroupList(groups)| groups.len());
        assert_eq!((list("a, b"), list("a"), list("")), (Ok(2), Ok(1), Ok(0)));
        assert!(list("a,,b").is_err() && list("a b").is_err());
    }

    #[test]
    fn a_reason_is_more_than_spaces() {
        assert!(reason("  ").is_err());
        assert_eq!(reason(" lost phone ").as_deref(), Ok("lost phone"));
    }
}
