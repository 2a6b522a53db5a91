//! The one reading of a request's host and path: what two servers could read differently is refused, never repaired.

mod host;
mod path;

pub(super) use host::canonical_name;
pub use host::{CanonicalHost, HostFault, MAX_HOST_BYTES};
pub use path::{CanonicalPath, MAX_TARGET_BYTES, PathFault};
