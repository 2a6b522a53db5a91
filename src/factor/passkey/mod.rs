//! Passkeys and security keys (W3C WebAuthn Level 3): a touch that no look-alike site can relay; knows no page.

use crate::identity::FactorName;

/// The word in configuration and records.
pub const NAME: FactorName = FactorName("passkey");
