//! What std could have had: time, secrets, sealing, identifiers, bounded maps. Knows no noun of the product.

pub mod bounded;
pub mod clock;
pub mod descriptors;
pub mod digest;
pub mod entropy;
pub mod hash;
pub mod id;
pub mod lifeline;
pub mod memo;
pub mod seal;
pub mod secret;
pub mod span;
pub mod sparing;
pub mod task;
