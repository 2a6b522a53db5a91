//! The keys of `[pool.NAME]`.

use super::leaf::{ProbeHost, ProbePath};
use crate::config::raw::{At, Flag, Item, Kind, List, Number, Parse, Span, Sub, TableWords, Text, table};
use crate::pool::{Balance, Ejection, Timeouts as Plan};
use std::net::SocketAddr;
use std::time::Duration;

const TIMEOUTS: Plan = Plan::DEFAULT;
const EJECTION: Ejection = Ejection::DEFAULT;

/// The share of a member that says nothing.
const WEIGHT: u32 = 1;

table! {
    /// Servers that do the same work. Its name is also the audience of the assertions that its members get.
    Pool {
        /// The servers, each `"IP:port"` or a table with `address` and `weight`.
        members: List<Member>, required, r#"["10.0.1.11:8080", { address = "10.0.1.12:8080", weight = 2 }]"#;
        /// How a member is chosen: in turn, or the less busy of two drawn at random.
        balance: Text<Balance>, or(Balance::RoundRobin), r#""least-request""#;
        /// How members are probed; not at all if it is not given.
        health: Sub<Health>, optional, r#"{ path = "/healthz", every = "5s" }"#;
        /// How long things may take.
        timeouts: Sub<Timeouts>, implied, r#"{ connect = "3s", read = "30s" }"#;
        /// When a member is left out because it failed requests.
        eject: Sub<Eject>, implied, r#"{ failures = 3, time = "10s" }"#;
        /// How many other members are tried when one cannot be reached, or when it ends a new connection before it
        /// answers a request that may be repeated: no POST or PATCH, and no body of more than 64 KiB.
        retries: Number<0, 10>, or(1), "2";
    }
}

table! {
    /// One server, with its share of the load.
    MemberWords {
        /// Where it listens.
        address: Text<SocketAddr>, required, r#""10.0.1.13:8080""#;
        /// Its share, relative to the others; 0 gives it nothing new.
        weight: Number<0, 1000>, or(WEIGHT), "2";
    }
}

table! {
    /// Probes. Either `path` or `tcp = true` is given.
    Health {
        /// Asks `GET` of this path; a status from 200 to 399 is good.
        path: Text<ProbePath>, optional, r#""/healthz""#;
        /// Only connects.
        tcp: Flag, or(false), "true";
        /// The `Host` of the probe; the member's address if it is not given.
        host: Text<ProbeHost>, optional, r#""orders.internal""#;
        /// How often.
        every: Span, or(Duration::from_secs(5)), r#""5s""#;
        /// How long an answer may take.
        timeout: Span, or(Duration::from_secs(2)), r#""2s""#;
        /// Good answers in a row after which an unhealthy member is healthy.
        rise: Number<1, 100>, or(1), "2";
        /// Bad answers in a row after which a healthy member is unhealthy.
        fall: Number<1, 100>, or(2), "3";
    }
}

table! {
    /// How long things may take with a member.
    Timeouts {
        /// Connecting.
        connect: Span, or(TIMEOUTS.connect), r#""3s""#;
        /// Between two reads of a response.
        read: Span, or(TIMEOUTS.read), r#""30s""#;
        /// Between two writes of a request.
        write: Span, or(TIMEOUTS.write), r#""30s""#;
        /// How long an unused connection is kept.
        idle: Span, or(TIMEOUTS.idle), r#""50s""#;
    }
}

table! {
    /// When a member is left out because it failed requests: it could not be connected to, ended a new connection
    /// before it answered a whole request that no other member broke off too, did not begin to answer in time, or
    /// answered with what is not HTTP. An answer with any status is none of these, and starts the count again. Unless
    /// they cannot be connected to, at most half of the members that can be used are left out at a time. While all
    /// members are left out, all are used, and the first answer brings all back; a health check that passes again
    /// brings its member back.
    Eject {
        /// Failures in a row; 0 means never.
        failures: Number<0, 1000>, or(EJECTION.failures), "3";
        /// For how long.
        time: Span, or(EJECTION.time), r#""10s""#;
    }
}

/// `"IP:port"`, or a table with a weight.
pub struct Member;

impl Kind for Member {
    type Value = (SocketAddr, u32);

    fn allowed() -> String {
        format!("{}, or a table with address and weight", <SocketAddr as Parse>::allowed())
    }

    fn read(item: &Item<'_>) -> Option<Self::Value> {
        if item.section().is_none() {
            return <Text<SocketAddr> as Kind>::read(item).map(|address| (address, WEIGHT));
        }
        let MemberWords { address, weight } = <Sub<MemberWords> as Kind>::read(item)?;
        address.map(|At { value, .. }| (value, weight.value))
    }

    fn write((address, weight): &Self::Value) -> String {
        format!("{{ address = \"{address}\", weight = {weight} }}")
    }

    fn tables(path: &str) -> Vec<TableWords> {
        <Sub<MemberWords> as Kind>::tables(path)
    }
}
