//! A factor of which only the outside matters, for tests of the rules between factors; verifies nothing.

use crate::factor::{Against, Begun, Enrolled, Factor, Holder, Rejection, Verified, passkey};
use crate::identity::{FactorName, Kinds};
use crate::stdx::clock::Time;
use crate::stdx::secret::Secret;

/// A factor by its name and what it shows; a credential with an empty state does not count.
pub(super) struct Outside(pub FactorName, pub Kinds);

#[async_trait::async_trait]
impl Factor for Outside {
    fn name(&self) -> FactorName {
        self.0
    }

    fn kinds(&self) -> Kinds {
        self.1
    }

    fn phishing_resistant(&self) -> bool {
        self.0 == passkey::NAME
    }

    fn counts(&self, state: &[u8]) -> bool {
        !state.is_empty()
    }

    async fn verify(&self, _: Against<'_>, _: &Secret, _: Time) -> Result<Verified, Rejection> {
        Err(Rejection::Wrong)
    }

    async fn begin(&self, _: Holder<'_>) -> Result<Begun, Rejection> {
        Err(Rejection::Busy)
    }

    async fn finish(&self, _: &[u8], _: &Secret, _: Time) -> Result<Enrolled, Rejection> {
        Err(Rejection::Wrong)
    }
}
