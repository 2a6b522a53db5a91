//! Pools: who their members are, how they fare, and which one gets a request; knows neither routes nor sessions.
//!
//! A [`Pools`] is part of one edition and never changes. What outlives editions (how busy a member is, whether it can
//! be reached, what its health checks said) belongs to the [`Fleet`] and is found again by the member's address.

mod fleet;
mod set;

mod pick;
mod tried;

mod ejection;
mod member;

mod balance;
mod health;

pub mod peer;
mod plan;
mod tally;

#[cfg(test)]
mod scene;
#[cfg(test)]
mod stories;

pub use balance::Balance;
pub use ejection::Lapse;
pub use fleet::Fleet;
pub use health::Health;
pub use pick::{NoMember, Pick};
pub use plan::{Ejection, HealthPlan, MemberPlan, PoolPlan, Probe, Timeouts};
pub use set::{MemberStatus, Pool, PoolStatus, Pools};
pub use tally::Counts;
pub use tried::Tried;
