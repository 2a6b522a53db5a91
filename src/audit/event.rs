//! What is worth keeping for the auditor: a closed list, each event with its name, its account and its fields; holds no
//! secret.

use crate::identity::{AccountId, AccountName, Channel, CredentialId, FactorName, Group, SessionId};
use std::net::IpAddr;

/// A security event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody signed in.
    SignedIn {
        account: AccountId,
        session: SessionId,
        factors: Vec<FactorName>,
        address: IpAddr,
        device: String,
        new_device: bool,
    },
    /// A program proved who it is.
    ProgramSignedIn { account: AccountId, session: SessionId, address: IpAddr },
    /// A program did not prove who it says to be.
    ProgramSignInFailed { account: Option<AccountId>, name: String, why: &'static str, address: IpAddr },
    /// An answer in a sign-in was wrong, or came too often.
    SignInFailed { account: Option<AccountId>, name: String, factor: FactorName, why: &'static str, address: IpAddr },
    /// A session proved more, or again.
    SteppedUp { account: AccountId, session: SessionId, factor: FactorName, address: IpAddr },
    /// A session was handed to another host.
    Entered { account: AccountId, session: SessionId, host: String },
    /// A hand-off was presented on another host, by another browser, or twice.
    EntryRefused { host: String, address: IpAddr },
    /// Somebody signed out, or ended a session of theirs.
    SessionEnded { account: AccountId, session: SessionId, by: &'static str },
    /// All sessions of an account were ended.
    SessionsEnded { account: AccountId, count: usize, by: &'static str },
    /// Somebody let a program act for them, in a session of its own.
    ProgramApproved {
        account: AccountId,
        session: SessionId,
        client: String,
        resource: Option<String>,
        address: IpAddr,
    },
    /// Somebody did not let it.
    ProgramDenied { account: AccountId, client: String, address: IpAddr },
    /// A code or token that is good once came a second time, too late, or from somebody else: its session was ended.
    SecretReused { account: AccountId, session: SessionId, client: String, what: &'static str, address: IpAddr },
    /// A code was handed to whoever delivers it.
    CodeSent { account: AccountId, channel: Channel, address: IpAddr },
    /// A code was not sent, because too many were lately.
    CodeRefused { account: AccountId, limit: &'static str, address: IpAddr },
    /// A recovery code was used.
    Recovered { account: AccountId, session: SessionId, address: IpAddr },
    /// Factors were enrolled, replacing older ones.
    Enrolled { account: AccountId, factors: Vec<FactorName>, address: IpAddr, device: String },
    /// A factor was removed.
    FactorRemoved {
        account: AccountId,
        factor: FactorName,
        credential: CredentialId,
        by: &'static str,
        address: IpAddr,
        device: String,
    },
    /// An account was added.
    AccountAdded { account: AccountId, name: AccountName, groups: Vec<Group> },
    /// An enrolment link was made.
    EnrolmentOffered { account: AccountId },
    /// An account was disabled, enabled, reset or removed, or its groups were changed.
    AccountChanged { account: AccountId, change: &'static str },
    /// A session asked for what its account may not have.
    Denied { account: Option<AccountId>, route: String, policy: String, condition: String, decision: String },
    /// A configuration went live, or was refused.
    Reloaded { edition: u64, outcome: &'static str },
    /// The queue of events was full: so many were not kept.
    Lost { count: u64 },
    /// The gateway started or stopped.
    Lifecycle { what: &'static str },
}

/// An event's fields: names and values, in order.
pub type Fields = Vec<(&'static str, String)>;

impl Event {
    /// The name of [`Event::SignedIn`], by which people are shown their own.
    pub const SIGNED_IN: &str = "sign-in.succeeded";

    /// The name of [`Event::Recovered`].
    pub const RECOVERED: &str = "sign-in.recovered";

    /// The name of [`Event::Enrolled`].
    pub const ENROLLED: &str = "factor.enrolled";

    /// The name of [`Event::FactorRemoved`].
    pub const FACTOR_REMOVED: &str = "factor.removed";

    /// The name of [`Event::AccountChanged`].
    pub const ACCOUNT_CHANGED: &str = "account.changed";

    /// The event's name in the record.
    pub fn name(&self) -> &'static str {
        match self {
            Event::SignedIn { .. } => Self::SIGNED_IN,
            Event::ProgramSignedIn { .. } => "program.signed-in",
            Event::ProgramSignInFailed { .. } => "program.sign-in-failed",
            Event::SignInFailed { .. } => "sign-in.failed",
            Event::SteppedUp { .. } => "session.raised",
            Event::Entered { .. } => "session.entered",
            Event::EntryRefused { .. } => "session.entry-refused",
            Event::SessionEnded { .. } => "session.ended",
            Event::SessionsEnded { .. } => "session.all-ended",
            Event::ProgramApproved { .. } => "program.approved",
            Event::ProgramDenied { .. } => "program.denied",
            Event::SecretReused { .. } => "program.secret-reused",
            Event::CodeSent { .. } => "code.sent",
            Event::CodeRefused { .. } => "code.refused",
            Event::Recovered { .. } => Self::RECOVERED,
            Event::Enrolled { .. } => Self::ENROLLED,
            Event::FactorRemoved { .. } => Self::FACTOR_REMOVED,
            Event::AccountAdded { .. } => "account.added",
            Event::EnrolmentOffered { .. } => "account.enrolment-offered",
            Event::AccountChanged { .. } => Self::ACCOUNT_CHANGED,
            Event::Denied { .. } => "request.denied",
            Event::Reloaded { .. } => "configuration.reloaded",
            Event::Lost { .. } => "events.lost",
            Event::Lifecycle { .. } => "gateway.lifecycle",
        }
    }

    /// The account it is about.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Event::SignedIn { account, .. }
            | Event::ProgramSignedIn { account, .. }
            | Event::SteppedUp { account, .. }
            | Event::Entered { account, .. }
            | Event::SessionEnded { account, .. }
            | Event::SessionsEnded { account, .. }
            | Event::ProgramApproved { account, .. }
            | Event::ProgramDenied { account, .. }
            | Event::SecretReused { account, .. }
            | Event::CodeSent { account, .. }
            | Event::CodeRefused { account, .. }
            | Event::Recovered { account, .. }
            | Event::Enrolled { account, .. }
            | Event::FactorRemoved { account, .. }
            | Event::AccountAdded { account, .. }
            | Event::EnrolmentOffered { account }
            | Event::AccountChanged { account, .. } => Some(*account),
            Event::SignInFailed { account, .. }
            | Event::ProgramSignInFailed { account, .. }
            | Event::Denied { account, .. } => *account,
            Event::EntryRefused { .. } | Event::Reloaded { .. } | Event::Lost { .. } | Event::Lifecycle { .. } => None,
        }
    }

    /// The other fields.
    pub fn fields(&self) -> Fields {
        let list = |factors: &[FactorName]| factors.iter().map(|name| name.0).collect::<Vec<_>>().join(",");
        match self {
            Event::SignedIn { session, factors, address, device, new_device, .. } => vec![
                ("session", session.to_string()),
                ("factors", list(factors)),
                ("address", address.to_string()),
                ("device", device.clone()),
                ("new_device", new_device.to_string()),
            ],
            Event::ProgramSignedIn { session, address, .. } => {
                vec![("session", session.to_string()), ("address", address.to_string())]
            }
            Event::ProgramSignInFailed { name, why, address, .. } => {
                vec![("name", name.clone()), ("why", (*why).to_owned()), ("address", address.to_string())]
            }
            Event::SignInFailed { name, factor, why, address, .. } => vec![
                ("name", name.clone()),
                ("factor", factor.to_string()),
                ("why", (*why).to_owned()),
                ("address", address.to_string()),
            ],
            Event::SteppedUp { session, factor, address, .. } => {
                vec![("session", session.to_string()), ("factor", factor.to_string()), ("address", address.to_string())]
            }
            Event::Entered { session, host, .. } => vec![("session", session.to_string()), ("host", host.clone())],
            Event::EntryRefused { host, address } => vec![("host", host.clone()), ("address", address.to_string())],
            Event::SessionEnded { session, by, .. } => {
                vec![("session", session.to_string()), ("by", (*by).to_owned())]
            }
            Event::SessionsEnded { count, by, .. } => vec![("count", count.to_string()), ("by", (*by).to_owned())],
            Event::ProgramApproved { session, client, resource, address, .. } => vec![
                ("session", session.to_string()),
                ("client", client.clone()),
                ("resource", resource.clone().unwrap_or_default()),
                ("address", address.to_string()),
            ],
            Event::ProgramDenied { client, address, .. } => {
                vec![("client", client.clone()), ("address", address.to_string())]
            }
            Event::SecretReused { session, client, what, address, .. } => vec![
                ("session", session.to_string()),
                ("client", client.clone()),
                ("what", (*what).to_owned()),
                ("address", address.to_string()),
            ],
            Event::CodeSent { channel, address, .. } => {
                vec![("channel", channel.word().to_owned()), ("address", address.to_string())]
            }
            Event::CodeRefused { limit, address, .. } => {
                vec![("limit", (*limit).to_owned()), ("address", address.to_string())]
            }
            Event::Recovered { session, address, .. } => {
                vec![("session", session.to_string()), ("address", address.to_string())]
            }
            Event::Enrolled { factors, address, device, .. } => {
                vec![("factors", list(factors)), ("address", address.to_string()), ("device", device.clone())]
            }
            Event::FactorRemoved { factor, credential, by, address, device, .. } => vec![
                ("factor", factor.to_string()),
                ("credential", credential.to_string()),
                ("by", (*by).to_owned()),
                ("address", address.to_string()),
                ("device", device.clone()),
            ],
            Event::AccountAdded { name, groups, .. } => {
                let groups: Vec<&str> = groups.iter().map(Group::as_str).collect();
                vec![("name", name.to_string()), ("groups", groups.join(","))]
            }
            Event::EnrolmentOffered { .. } => Vec::new(),
            Event::AccountChanged { change, .. } => vec![("change", (*change).to_owned())],
            Event::Denied { route, policy, condition, decision, .. } => vec![
                ("route", route.clone()),
                ("policy", policy.clone()),
                ("condition", condition.clone()),
                ("decision", decision.clone()),
            ],
            Event::Reloaded { edition, outcome } => {
                vec![("edition", edition.to_string()), ("outcome", (*outcome).to_owned())]
            }
            Event::Lost { count } => vec![("count", count.to_string())],
            Event::Lifecycle { what } => vec![("what", (*what).to_owned())],
        }
    }
}
