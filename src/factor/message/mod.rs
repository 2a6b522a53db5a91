//! One-time codes sent to a phone or a mailbox; knows a code only by its digest, and nothing of how it is sent.

use crate::identity::FactorName;

/// The word in configuration and records.
pub const NAME: FactorName = FactorName("message");
