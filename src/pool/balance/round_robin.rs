//! Members in turn, smoothly by weight; looks at nobody's load.
//!
//! Each pick takes the next number `k` of one counter and goes to slot `k · stride mod total`. The stride has no
//! divisor in common with the total, so every slot comes once in each round and shares are exact; it lies near the
//! golden section of the total, so one member's slots come evenly spread and not in bursts (equal weights use stride 1:
//! the order in which they are listed). The slot of a member that may not be chosen is spent, and the next one taken:
//! what it would have got spreads over all others, not over its neighbour.

use super::shares::{Shares, gcd};
use super::{Balancer, Standing};
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) const WORD: &str = "round-robin";
pub(super) const SAYS: &str = "Members take turns, smoothly by weight.";

/// Slots tried before all members are looked at: enough where half the members are out (one failure in 256), few
/// enough to cost nothing where nearly all are.
const QUICK_TRIES: u32 = 8;

/// 2⁶⁴ divided by the golden ratio: multiples of it fall evenly over the range of a `u64`.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Smooth weighted round robin.
pub(super) struct RoundRobin {
    shares: Shares,
    stride: u64,
    /// Written and read by every choice.
    next: AtomicU64,
}

impl RoundRobin {
    pub fn new(shares: Shares) -> Self {
        let stride = if shares.are_equal() { 1 } else { stride(shares.total()) };
        RoundRobin { shares, stride, next: AtomicU64::new(0) }
    }

    fn slot(&self, turn: u64, total: u64) -> u64 {
        let product = u128::from(turn % total) * u128::from(self.stride);
        (product % u128::from(total)) as u64
    }
}

impl Balancer for RoundRobin {
    fn choose(&self, standing: &dyn Standing) -> Option<usize> {
        let total = self.shares.total();
        if total == 0 {
            return None;
        }
        let mut turn = 0;
        for _ in 0..QUICK_TRIES {
            turn = self.next.fetch_add(1, Ordering::Relaxed);
            let member = self.shares.owner(self.slot(turn, total));
            if standing.is_eligible(member) {
                return Some(member);
            }
        }
        let chosen = self.shares.owner_among_eligible(standing, turn.wrapping_mul(GOLDEN));
        if chosen.is_none() {
            // Nobody was served, so no turn was spent: otherwise a fixed number of choices in vain before each good one
            // could fall in step with the round and give every turn to one member.
            self.next.fetch_sub(u64::from(QUICK_TRIES), Ordering::Relaxed);
        }
        chosen
    }

    /// Drawn by weight, and no turn is spent: the neighbour of a bad member would get all that it failed.
    fn choose_another(&self, standing: &dyn Standing) -> Option<usize> {
        self.shares.owner_among_eligible(standing, standing.draw(u64::MAX))
    }
}

/// The number nearest the golden section of `total` that has no divisor in common with it.
fn stride(total: u64) -> u64 {
    let golden = ((u128::from(total) * u128::from(GOLDEN)) >> 64) as u64;
    let mut nearby = (0..total).flat_map(|distance| [golden.saturating_sub(distance), golden.saturating_add(distance)]);
    nearby.find(|stride| *stride > 0 && gcd(*stride, total) == 1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::super::contract::Calm;
    use super::*;

    fn turns(weights: &[u32], picks: usize) -> Vec<usize> {
        let balancer = RoundRobin::new(Shares::new(weights));
        let standing = Calm::new(weights.len());
        (0..picks).filter_map(|_| balancer.choose(&standing)).collect()
    }

    #[test]
    fn equal_members_take_turns_in_the_order_listed() {
        assert_eq!(turns(&[7, 7, 7], 7), [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn every_round_gives_each_exactly_its_weight() {
        let weights = [5, 1, 3, 2];
        for start in 0..11 {
            let round = turns(&weights, 22).into_iter().skip(start).take(11);
            let counts = round.fold([0; 4], |mut counts, member| {
                counts[member] += 1;
                counts
            });
            assert_eq!(counts, weights, "from {start}");
        }
    }

    #[test]
    fn a_heavy_member_does_not_get_its_share_in_one_burst() {
        let turns = turns(&[50, 25, 25], 400);
        let longest = turns.chunk_by(|a, b| a == b).filter(|run| run[0] == 0).map(<[usize]>::len).max();
        assert!(longest <= Some(2), "{longest:?}");
    }

    #[test]
    fn what_a_member_failed_spreads_over_all_others_and_spends_no_turn() {
        let balancer = RoundRobin::new(Shares::new(&[1, 1, 1, 1]));
        let (calm, mut others) = (Calm::new(4), Calm::new(4));
        others.skip(1);
        let mut counts = [0; 4];
        for turn in 0..400 {
            assert_eq!(balancer.choose(&calm), Some(turn % 4));
            counts[balancer.choose_another(&others).expect("three are left")] += 1;
        }
        assert!(counts[1] == 0 && [0, 2, 3].iter().all(|other| counts[*other] > 100), "{counts:?}");
    }

    #[test]
    fn what_a_member_that_is_out_would_get_spreads_over_all_others() {
        let balancer = RoundRobin::new(Shares::new(&[1, 1, 1, 1]));
        let mut standing = Calm::new(4);
        standing.skip(1);
        let mut counts = [0; 4];
        (0..300).filter_map(|_| balancer.choose(&standing)).for_each(|member| counts[member] += 1);
        assert_eq!(counts, [100, 0, 100, 100]);
    }
}
