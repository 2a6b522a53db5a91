//! Which route a request falls under: the strict reading of its host and path, patterns, and one table; knows nothing
//! of policies, pools or servers.

mod canonical;
mod condition;
mod escape;
mod pattern;
mod specificity;
mod table;

pub use canonical::{CanonicalHost, CanonicalPath, HostFault, MAX_HOST_BYTES, MAX_TARGET_BYTES, PathFault};
pub use condition::{HeaderCondition, Headers, InvalidHeader, InvalidMethod, Methods};
pub use pattern::{
    HostPattern, InvalidHostPattern, InvalidPathPattern, MAX_REGEX_BYTES, MAX_SEGMENT_BYTES, MAX_SEGMENTS, PathPattern,
    RegexFault,
};
pub use specificity::Specificity;
pub use table::{Ask, Entry, Found, Overlap, Table, Tie};
