//! Which members a request was sent to in vain, and which of them are suspected for it; knows neither the request nor
//! the members.

use super::pick::Pick;

/// The members of one pool that a request was sent to in vain. Allocates only for a suspect, and beyond the 128th member
/// of the pool.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    /// One bit for each of the first 128.
    first: u128,
    others: Vec<usize>,
    suspects: Vec<usize>,
}

impl Tried {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the member of `pick`.
    pub fn add(&mut self, pick: &Pick) {
        match bit(pick.index()) {
            Some(bit) => self.first |= bit,
            None => self.others.push(pick.index()),
        }
    }

    /// Adds the member of `pick`, which broke off before it answered. Whether that is its own failure or the request's
    /// doing shows when another member is asked: see [`Pick::succeeded`].
    pub fn suspect(&mut self, pick: &Pick) {
        self.add(pick);
        self.suspects.push(pick.index());
    }

    /// Whether member `index` is among them.
    pub fn has(&self, index: usize) -> bool {
        bit(index).map_or_else(|| self.others.contains(&index), |bit| self.first & bit != 0)
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.first == 0 && self.others.is_empty()
    }

    /// Whether somebody is suspected.
    pub fn has_suspects(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// The suspects, by their place in the pool.
    pub(super) fn suspects(&self) -> &[usize] {
        &self.suspects
    }
}

fn bit(index: usize) -> Option<u128> {
    u32::try_from(index).ok().and_then(|index| 1_u128.checked_shl(index))
}
