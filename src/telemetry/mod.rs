//! What the gateway tells its operator: metrics, the access log, and set-up of the program's log; knows what is counted,
//! not why.

mod access;
mod json;
mod log;
mod metric;
mod outcome;
mod process;
mod queue;

pub use access::{AccessLog, Line};
pub use log::{Log, set_up};
pub use metric::{Metrics, RouteCounters};
pub use outcome::Outcome;
