//! The less busy of two members drawn by weight; looks at requests in flight and nothing else.
//!
//! Two draws instead of the minimum over all: several workers, or several gateways, that all see the same member idle
//! do not fall on it together, and the cost does not grow with the pool. Draws follow the weights and a tie goes to the
//! first, so an idle pool shares by weight too.

use super::shares::Shares;
use super::{Balancer, Standing};

pub(super) const WORD: &str = "least-request";
pub(super) const SAYS: &str = "The less busy of two members drawn at random, by requests in flight per weight.";

/// Draws before all members are looked at: with half of the weight out, one choice in 256 needs it.
const QUICK_TRIES: u32 = 8;

/// Power of two choices.
pub(super) struct LeastRequest {
    shares: Shares,
}

impl LeastRequest {
    pub fn new(shares: Shares) -> Self {
        LeastRequest { shares }
    }

    /// An eligible member, drawn by weight.
    fn first(&self, standing: &dyn Standing, total: u64) -> Option<usize> {
        let mut drawn = (0..QUICK_TRIES).map(|_| self.shares.owner(standing.draw(total)));
        let quick = drawn.find(|member| standing.is_eligible(*member));
        quick.or_else(|| self.shares.owner_among_eligible(standing, standing.draw(u64::MAX)))
    }

    /// An eligible member other than `first`, drawn by weight; `None` if a few draws met none.
    fn second(&self, standing: &dyn Standing, first: usize) -> Option<usize> {
        let (start, own) = (self.shares.start(first), self.shares.of(first));
        let others = self.shares.total() - own;
        let tries = if others == 0 { 0 } else { QUICK_TRIES };
        let mut drawn = (0..tries).map(|_| {
            let slot = standing.draw(others);
            self.shares.owner(if slot < start { slot } else { slot + own })
        });
        drawn.find(|member| standing.is_eligible(*member))
    }

    /// Whether `a` has more in flight for its weight than `b` for its own.
    fn is_busier(&self, standing: &dyn Standing, a: usize, b: usize) -> bool {
        let load =
            |member: usize, other: usize| u128::from(standing.in_flight(member)) * u128::from(self.shares.of(other));
        load(a, b) > load(b, a)
    }
}

impl Balancer for LeastRequest {
    fn choose(&self, standing: &dyn Standing) -> Option<usize> {
        let total = self.shares.total();
        if total == 0 {
            return None;
        }
        let first = self.first(standing, total)?;
        match self.second(standing, first) {
            Some(second) if self.is_busier(standing, first, second) => Some(second),
            Some(_) | None => Some(first),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract::Calm;
    use super::*;

    #[test]
    fn of_two_members_the_less_busy_is_taken() {
        let balancer = LeastRequest::new(Shares::new(&[1, 1]));
        let mut standing = Calm::new(2);
        standing.busy(0, 3);
        assert!((0..100).all(|_| balancer.choose(&standing) == Some(1)));
    }

    #[test]
    fn a_heavier_member_may_carry_more() {
        let balancer = LeastRequest::new(Shares::new(&[10, 1]));
        let mut standing = Calm::new(2);
        standing.busy(0, 5);
        standing.busy(1, 1);
        assert!((0..100).all(|_| balancer.choose(&standing) == Some(0)));
    }

    #[test]
    fn a_slow_member_of_ten_is_given_little() {
        let balancer = LeastRequest::new(Shares::new(&[1; 10]));
        let mut standing = Calm::new(10);
        standing.busy(4, 20);
        let slow = (0..10_000).filter(|_| balancer.choose(&standing) == Some(4)).count();
        assert_eq!(slow, 0);
    }
}
