//! Weights as consecutive ranges of slots; knows nothing of how slots are drawn.

use super::Standing;

/// Each member owns as many consecutive slots as its weight says, after division by the weights' common divisor.
/// Eight bytes a member, whatever the weights.
pub(super) struct Shares {
    /// Where each member's slots end; never decreasing.
    ends: Box<[u64]>,
}

impl Shares {
    /// Slots for members of these weights.
    pub fn new(weights: &[u32]) -> Self {
        let divisor = weights.iter().fold(0, |divisor, weight| gcd(divisor, u64::from(*weight))).max(1);
        let ends = weights.iter().scan(0, |end, weight| {
            *end += u64::from(*weight) / divisor;
            Some(*end)
        });
        Shares { ends: ends.collect() }
    }

    /// How many slots there are; 0 if no member has a weight.
    pub fn total(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// How many slots `member` owns.
    pub fn of(&self, member: usize) -> u64 {
        self.ends.get(member).map_or(0, |end| end - self.start(member))
    }

    /// The first slot of `member`.
    pub fn start(&self, member: usize) -> u64 {
        member.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0)
    }

    /// Whether all members with a weight have the same one.
    pub fn are_equal(&self) -> bool {
        (0..self.ends.len()).all(|member| self.of(member) <= 1)
    }

    /// Who owns `slot`, which is below the total.
    pub fn owner(&self, slot: u64) -> usize {
        self.ends.partition_point(|end| *end <= slot)
    }

    /// The member at `fraction` (of 2⁶⁴) of the slots that eligible members own. Looks at every member: for when the
    /// quick ways met only members that may not be chosen.
    pub fn owner_among_eligible(&self, standing: &dyn Standing, fraction: u64) -> Option<usize> {
        let eligible = || (0..self.ends.len()).filter(|&member| self.of(member) > 0 && standing.is_eligible(member));
        let total = eligible().map(|member| self.of(member)).sum();
        let mut ahead = scale(fraction, total);
        let mut last = None;
        for member in eligible() {
            if ahead < self.of(member) {
                return Some(member);
            }
            ahead -= self.of(member);
            last = Some(member);
        }
        // Somebody left between the two looks; whoever was seen last will do.
        last
    }
}

/// `fraction` of 2⁶⁴, of `total`: below `total` if that is above 0.
fn scale(fraction: u64, total: u64) -> u64 {
    ((u128::from(fraction) * u128::from(total)) >> 64) as u64
}

/// The greatest common divisor.
pub(super) fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_follow_reduced_weights() {
        let shares = Shares::new(&[200, 0, 100]);
        assert_eq!(shares.total(), 3);
        assert_eq!([0, 1, 2].map(|slot| shares.owner(slot)), [0, 0, 2]);
        assert_eq!([0, 1, 2].map(|member| shares.of(member)), [2, 0, 1]);
    }

    #[test]
    fn no_weight_at_all_is_no_slot() {
        assert_eq!(Shares::new(&[0, 0]).total(), 0);
        assert_eq!(Shares::new(&[]).total(), 0);
    }

    #[test]
    fn drained_members_do_not_make_the_others_unequal() {
        assert!(Shares::new(&[3, 0, 3]).are_equal());
        assert!(!Shares::new(&[3, 1]).are_equal());
    }
}
