//! What an operator writes to say which hosts and paths a route is for; knows no request's method and no headers.

mod host;
mod path;
mod regex;

pub use host::{HostPattern, InvalidHostPattern};
pub(super) use path::Step;
pub use path::{InvalidPathPattern, MAX_SEGMENT_BYTES, MAX_SEGMENTS, PathPattern};
pub(super) use regex::PathRegex;
pub use regex::{MAX_REGEX_BYTES, RegexFault};
