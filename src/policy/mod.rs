//! Who may pass: policies, their conditions, and the one function that says yes. Knows no clock, store or socket: every
//! fact is handed in.

pub mod condition;
mod decide;

pub use condition::{Condition, Line};
pub use decide::{Denial, Permit, Recourse, decide, judge};

use crate::identity::{Account, AccountKind, Assurance, Group, Need, Proofs, SessionId};
use crate::stdx::clock::Time;
use condition::{Bound, Groups, Hours, Methods, Networks, Require, ServiceAccounts, Tighten};
use http::Method;
use std::net::IpAddr;
use std::sync::Arc;

/// One named policy, compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The name in configuration, logs and explanations.
    pub name: Arc<str>,
    /// What must hold.
    pub rules: Rules,
}

/// The conditions of a policy: one field for each kind. All that are present must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// How strongly and how freshly the session must be proved.
    pub require: Require,
    /// Whether only programs pass that prove a key with every request.
    pub bound: Option<Bound>,
    /// Lists of groups; the account must be in any group of *each* list. Extending a policy adds a list.
    pub groups: Vec<Groups>,
    /// Which programs may pass; for them this stands in the place of what was proved and of groups.
    pub service_accounts: ServiceAccounts,
    /// Where the request must come from.
    pub networks: Option<Networks>,
    /// Which methods may be used.
    pub methods: Option<Methods>,
    /// When.
    pub hours: Option<Hours>,
}

impl Rules {
    /// Only a demand for a level; nothing else.
    pub const fn level(level: Assurance) -> Self {
        Rules {
            require: Require { need: Need::of(level, None) },
            bound: None,
            groups: Vec::new(),
            service_accounts: ServiceAccounts { any_of: Vec::new() },
            networks: None,
            methods: None,
            hours: None,
        }
    }

    /// Whether whatever these rules let pass, `wider` would let pass too.
    pub fn within(&self, wider: &Rules) -> bool {
        fn stays<C: Tighten>(own: Option<&C>, wider: Option<&C>) -> bool {
            wider.is_none_or(|wider| own.is_some_and(|own| own.within(wider)))
        }
        let groups = |wider: &Groups| self.groups.iter().any(|own| own.within(wider));
        self.require.within(&wider.require)
            && stays(self.bound.as_ref(), wider.bound.as_ref())
            && wider.groups.iter().all(groups)
            && self.service_accounts.within(&wider.service_accounts)
            && stays(self.networks.as_ref(), wider.networks.as_ref())
            && stays(self.methods.as_ref(), wider.methods.as_ref())
            && stays(self.hours.as_ref(), wider.hours.as_ref())
    }
}

impl Policy {
    /// The built-in policy for routes that say nothing anywhere: MFA.
    pub fn mfa() -> Self {
        Policy { name: "mfa".into(), rules: Rules::level(Assurance::Mfa) }
    }

    /// The built-in policy of routes that say they are open. Absence never means this one.
    pub fn open() -> Self {
        Policy { name: "open".into(), rules: Rules::level(Assurance::None) }
    }

    /// The conditions for whoever asks, in the order in which they are judged: first who asks, then what they may do.
    /// Where everyone may pass, so may every program.
    pub fn conditions(&self, asks: AccountKind) -> impl Iterator<Item = &dyn Condition> {
        let Rules { require, bound, groups, service_accounts, networks, methods, hours } = &self.rules;
        let is_program = asks == AccountKind::Service && self.needs_session();
        let first: &dyn Condition = if is_program { service_accounts } else { require };
        let groups = if is_program { &[] } else { groups.as_slice() };
        std::iter::once(first)
            .chain(bound.iter().map(|leaf| leaf as &dyn Condition))
            .chain(groups.iter().map(|leaf| leaf as &dyn Condition))
            .chain(networks.iter().map(|leaf| leaf as &dyn Condition))
            .chain(methods.iter().map(|leaf| leaf as &dyn Condition))
            .chain(hours.iter().map(|leaf| leaf as &dyn Condition))
    }

    /// Whether a caller without a session may pass.
    pub fn needs_session(&self) -> bool {
        !self.rules.require.is_nothing()
    }

    /// The groups that the policy names: the only ones that a service is told of.
    pub fn named_groups(&self) -> impl Iterator<Item = &Group> {
        self.rules.groups.iter().flat_map(|groups| &groups.any_of)
    }

    /// Until when what an account has proved satisfies this policy, if it does. What a program proves does not grow old:
    /// its sessions end.
    pub fn lapses(&self, account: &Account, proofs: &Proofs) -> Option<Time> {
        match account.kind {
            AccountKind::Person => self.rules.require.need.met_until(proofs),
            AccountKind::Service => Some(Time::NEVER),
        }
    }
}

/// What is known of one request.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// When it is judged.
    pub now: Time,
    /// Who asks, if a live session says so.
    pub caller: Option<Caller<'a>>,
    /// The address it comes from, after trusted proxies were believed.
    pub client: IpAddr,
    /// What it wants to do.
    pub method: &'a Method,
}

impl Facts<'_> {
    /// Whose account asks; without one, a person who has not signed in.
    pub fn asks(&self) -> AccountKind {
        self.caller.map_or(AccountKind::Person, |caller| caller.account.kind)
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The session.
    pub session: SessionId,
    /// Its account.
    pub account: &'a Account,
    /// What it has proved.
    pub proofs: &'a Proofs,
    /// What carries it.
    pub carrier: Carrier,
}

/// What carries a session from a caller to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// A browser's cookie.
    Cookie,
    /// A token that whoever holds it may use.
    Bearer,
    /// A token with a proof of the key that it is bound to.
    Bound,
}
