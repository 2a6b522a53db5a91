//! How a member is chosen among those that may be; knows indexes and weights, not addresses or health.
//!
//! A way of choosing is one file here, one variant and one line in [`Balance::ALL`]. `contract.rs` holds all of them
//! to the same promises.

mod least_request;
mod round_robin;

mod shares;

#[cfg(test)]
mod contract;

use shares::Shares;

/// How a member is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// In turn, smoothly by weight.
    RoundRobin,
    /// The less busy of two drawn at random, by requests in flight per weight.
    LeastRequest,
}

impl Balance {
    /// Every way, by its word in configuration.
    pub const ALL: [(&'static str, Balance); 2] =
        [(round_robin::WORD, Balance::RoundRobin), (least_request::WORD, Balance::LeastRequest)];

    /// One sentence on it for the reference.
    pub const fn says(self) -> &'static str {
        match self {
            Balance::RoundRobin => round_robin::SAYS,
            Balance::LeastRequest => least_request::SAYS,
        }
    }

    /// A balancer over members of these weights.
    pub(super) fn over(self, weights: &[u32]) -> Box<dyn Balancer> {
        let shares = Shares::new(weights);
        match self {
            Balance::RoundRobin => Box::new(round_robin::RoundRobin::new(shares)),
            Balance::LeastRequest => Box::new(least_request::LeastRequest::new(shares)),
        }
    }
}

/// Chooses members by index. Holds no lock and allocates nothing while it chooses.
pub(super) trait Balancer: Send + Sync {
    /// One eligible member with a weight above 0; `None` only if there is none.
    fn choose(&self, standing: &dyn Standing) -> Option<usize>;

    /// The same for a request that somebody else failed. Whom it meets must not follow from whom it met before: two bad
    /// members side by side would be handed the same requests for ever.
    fn choose_another(&self, standing: &dyn Standing) -> Option<usize> {
        self.choose(standing)
    }
}

/// How the members stand at the moment of a choice. A pool implements it over its members' atomics, the contract over
/// plain numbers; what it answers may change between two questions.
pub(super) trait Standing {
    /// Whether member `index` may be chosen.
    fn is_eligible(&self, index: usize) -> bool;

    /// Requests in flight on member `index`.
    fn in_flight(&self, index: usize) -> u32;

    /// A random number below `end`, which is above 0.
    fn draw(&self, end: u64) -> u64;
}
