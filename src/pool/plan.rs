//! What a pool is configured to be, after every default was applied; knows no file.

pub use super::balance::Balance;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// One pool.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolPlan {
    /// Its name, also the audience of the assertions its members get.
    pub name: Arc<str>,
    /// At least one.
    pub members: Vec<MemberPlan>,
    /// How a member is chosen.
    pub balance: Balance,
    /// How members are probed; `None`: not at all.
    pub health: Option<HealthPlan>,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// When a member is left out because it failed requests.
    pub ejection: Ejection,
    /// How many other members are tried when one cannot be reached, or breaks off before it answers a request that may
    /// be repeated.
    pub retries: u32,
}

/// One member of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberPlan {
    /// Where it listens; its identity across reloads.
    pub address: SocketAddr,
    /// Its share of the load, relative to the others; 0 drains it.
    pub weight: u32,
}

/// An active health check. The first answer decides at once; `rise` and `fall` count from then on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HealthPlan {
    /// What is asked.
    pub probe: Probe,
    /// How often, give or take a tenth; longer than a day counts as a day.
    pub every: Duration,
    /// How long an answer may take, connecting included.
    pub timeout: Duration,
    /// Good answers in a row after which an unhealthy member is healthy.
    pub rise: u32,
    /// Bad answers in a row after which a healthy member is unhealthy.
    pub fall: u32,
}

/// What a health check asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Probe {
    /// That a connection is accepted.
    Tcp,
    /// That `GET path` is answered with a status from 200 to 399.
    Http {
        /// The path, beginning with `/`.
        path: String,
        /// The `Host` header; the member's address if `None`.
        host: Option<String>,
    },
}

/// How long things may take with a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Connecting.
    pub connect: Duration,
    /// Between two reads of a response.
    pub read: Duration,
    /// Between two writes of a request.
    pub write: Duration,
    /// How long an unused connection is kept.
    pub idle: Duration,
}

impl Timeouts {
    /// Connecting within a data centre takes milliseconds; 3 s is three SYN retries. A response that says nothing for
    /// 30 s is what nginx and Envoy users give up on. Kept connections go before common servers' 60–75 s.
    pub const DEFAULT: Timeouts = Timeouts {
        connect: Duration::from_secs(3),
        read: Duration::from_secs(30),
        write: Duration::from_secs(30),
        idle: Duration::from_secs(50),
    };
}

/// Passive ejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// Requests in a row that a member fails before it is left out; 0: never. It fails those for which it cannot be
    /// connected to, and those it does not begin to answer; for the latter at most half of a pool is left out at a time.
    /// A member that comes back is left out again at its first failure, until it answers.
    pub failures: u32,
    /// For how long.
    pub time: Duration,
}

impl Ejection {
    /// Three in a row is no accident; ten seconds later it is tried again.
    pub const DEFAULT: Ejection = Ejection { failures: 3, time: Duration::from_secs(10) };
}
