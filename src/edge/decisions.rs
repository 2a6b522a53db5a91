//! What was refused lately, by decision id, for whoever asks "why"; bounded, in memory, holding no secret.

use crate::identity::{AccountId, AccountName};
use crate::policy::Line;
use crate::stdx::bounded::BoundedMap;
use crate::stdx::clock::Time;
use std::net::IpAddr;
use std::sync::Arc;

crate::id!(
    /// Names one refusal.
    DecisionId,
    "dec"
);

/// Refusals remembered. A person who reads an id off a page asks within the hour.
const REMEMBERED: usize = 10_000;

/// One refusal, as `explain` shows it.
#[derive(Clone, Debug)]
pub struct Decided {
    /// When.
    pub at: Time,
    /// The request's name.
    pub request: super::RequestId,
    /// The edition that decided.
    pub edition: u64,
    /// `METHOD host path`, without the query.
    pub what: String,
    /// From where.
    pub client: IpAddr,
    /// The account, if a session said so.
    pub account: Option<(AccountId, AccountName)>,
    /// The route, if one was found.
    pub route: Option<String>,
    /// The policy, if one judged.
    pub policy: Option<String>,
    /// The word for the refusal.
    pub outcome: &'static str,
    /// One sentence.
    pub sentence: String,
    /// Every condition, if a policy judged.
    pub lines: Vec<Line>,
}

/// The refusals remembered.
pub struct Decisions(BoundedMap<DecisionId, Arc<Decided>>);

impl Default for Decisions {
    fn default() -> Self {
        Self::new()
    }
}

impl Decisions {
    /// None yet.
    pub fn new() -> Self {
        Decisions(BoundedMap::new(REMEMBERED))
    }

    /// Remembers one and names it.
    pub fn keep(&self, decided: Decided) -> DecisionId {
        let id = DecisionId::new(fastrand::u128(..).to_be_bytes());
        self.0.insert(id, Arc::new(decided));
        id
    }

    /// The refusal of that name, if it is still remembered.
    pub fn find(&self, id: DecisionId) -> Option<Arc<Decided>> {
        self.0.get(&id)
    }
}
