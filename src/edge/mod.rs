//! The hot path: what happens to a request between its header and its log line. Cannot name the store, a factor, the
//! portal or the configuration.

pub mod arrive;
pub mod deliver;
pub mod forward;
pub mod record;
pub mod refuse;
pub mod stamp;
pub mod upgrade;

mod admit;
mod bearer;
mod body;
mod complaint;
mod decisions;
mod denial;
mod finding;
mod origin;
mod passage;
mod refusal;
mod rehearse;
mod strict;
mod survey;
mod tether;
mod turn_away;
mod waiting;

pub use bearer::{Authorization, ForeignCredentials, TokenFault};
pub use body::fault as body_fault;
pub use complaint::Complaints;
pub use decisions::{Decided, DecisionId, Decisions, Under};
pub use denial::Denials;
pub use finding::Finding;
pub use passage::{Admission, Arrival, Forwarding, Passage, RequestId};
pub use refusal::{Failure, Fault, Refusal};
pub use refuse::{METADATA_PATH, RefusedView, forbidden};
pub use rehearse::asks_rehearsal;
pub use tether::Tethers;
pub use waiting::{Kept, Waiting};

use crate::audit::Recorder;
use crate::session::Reader;
use crate::stdx::clock::Clock;
use crate::telemetry::{AccessLog, Metrics};
use crate::token::{AccessTokens, Mint, Proofs, Tickets};
use arc_swap::ArcSwap;
use std::collections::HashSet;
use std::sync::Arc;

/// What the hot path works with. Everything in it is shared and outlives editions.
pub struct Edge {
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Live sessions.
    pub reader: Arc<Reader>,
    /// Access tokens of programs.
    pub tokens: Arc<AccessTokens>,
    /// Credentials that hold none of them.
    pub foreign: ForeignCredentials,
    /// Proofs that go with them.
    pub proofs: Arc<Proofs>,
    /// Stamps for services.
    pub mint: Mint,
    /// Return addresses for the portal.
    pub tickets: Arc<Tickets>,
    /// What was refused lately, for `explain`.
    pub decisions: Decisions,
    /// Which denials were reported lately.
    pub denials: Denials,
    /// Streams that end with their permit.
    pub tethers: Arc<Tethers>,
    /// Security events.
    pub recorder: Recorder,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Warnings, sparingly.
    pub complaints: Complaints,
    /// Ports that people reach us by: those we listen on and the portal's. Replaced when listeners change.
    pub ports: ArcSwap<HashSet<u16>>,
    /// Request lines, if they are wanted.
    pub access: Option<AccessLog>,
    /// Makes the page of a refusal. Handed in, because pages belong to the portal.
    pub render: fn(&RefusedView<'_>) -> String,
}
