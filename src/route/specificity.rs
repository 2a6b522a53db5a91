//! Which of two routes comes first when a request falls under both; knows the patterns, not the requests.
//!
//! The order, as an operator may rely on it. The first difference decides:
//!
//! 1. **Host.** A host by its name comes before a wildcard; of wildcards, the longer one (`*.eu.example.com` before
//!    `*.example.com`).
//! 2. **Path**, one segment after the other from the left. In each place a literal segment comes before `*`, `*` before
//!    a regex, a regex before `**`. So `/api/admin/**` comes before `/api/*/users`, and that before `/api/**`. A path
//!    that ends comes before the same path with `**`: `/api` before `/api/**`. A regex stands in the place behind the
//!    whole segments its text begins with: `^/api/v[0-9]+$` stands below `/api`, behind `/api/v1` and `/api/*`, before
//!    `/api/**`. Of regexes in one place the longer text comes first, then the alphabet decides.
//! 3. **Headers.** More conditions come before fewer.
//! 4. **Methods.** Some methods come before any method.
//!
//! Nothing else counts: not the order in the file, not the name. Two routes that are equal in all four and that one
//! request can fall under are a mistake, and [`super::Table::build`] says so. If a route's headers or methods do not
//! fit a request, the request falls to the next route in this order, and from a host's routes to those of the wildcards
//! above it.

use std::cmp::Reverse;

use super::condition::{Headers, Methods};
use super::pattern::{HostPattern, PathPattern, Step};

/// A route's place in the order above. The smaller comes first: it is the more specific.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity<'a> {
    host: HostRank<'a>,
    path: &'a [Step],
    headers: Reverse<usize>,
    any_method: bool,
}

/// Of two wildcards that match one host, the longer ends in the shorter, so bytes count as well as labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum HostRank<'a> {
    Exact(&'a str),
    Wildcard(Reverse<usize>, &'a str),
}

impl<'a> Specificity<'a> {
    /// The place of a route with these patterns and conditions.
    pub fn new(host: &'a HostPattern, path: &'a PathPattern, headers: &Headers, methods: &Methods) -> Self {
        let name = host.name();
        let host =
            if host.is_wildcard() { HostRank::Wildcard(Reverse(name.len()), name) } else { HostRank::Exact(name) };
        Self { host, path: path.steps(), headers: Reverse(headers.count()), any_method: methods.is_any() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::HeaderCondition;

    fn host(text: &str) -> HostPattern {
        HostPattern::parse(text).expect(text)
    }

    /// A pattern; one that begins with `^` is a regex.
    fn path(text: &str) -> PathPattern {
        if text.starts_with('^') { PathPattern::parse_regex(text) } else { PathPattern::parse(text) }.expect(text)
    }

    /// Asserts that each comes before the next.
    fn assert_order(routes: &[(HostPattern, PathPattern, Headers, Methods)]) {
        for [(host_a, path_a, headers_a, methods_a), (host_b, path_b, headers_b, methods_b)] in routes.array_windows() {
            let first = Specificity::new(host_a, path_a, headers_a, methods_a);
            let second = Specificity::new(host_b, path_b, headers_b, methods_b);
            assert!(first < second, "{host_a}{path_a} before {host_b}{path_b}");
        }
    }

    #[test]
    fn hosts_by_name_come_before_wildcards_and_longer_wildcards_before_shorter() {
        let hosts = ["a.eu.example.com", "b.test", "*.eu.example.com", "*.example.com", "*.com"];
        assert_order(&hosts.map(|text| (host(text), path("/**"), Headers::none(), Methods::any())));
    }

    #[test]
    fn paths_are_compared_segment_by_segment() {
        let paths = [
            "/api/admin/**",
            "/api/v1",
            "/api/*/users",
            "/api/*",
            "/api/*/**",
            "^/api/v[0-9]+/.*$",
            "^/api/v[0-9]+$",
            "^/api/w[0-9]+$",
            "/api",
            "/api/**",
            "/b",
            "/*/admin",
            "^/ap.*",
            "/**",
        ];
        assert_order(&paths.map(|text| (host("a.test"), path(text), Headers::none(), Methods::any())));
    }

    #[test]
    fn headers_count_before_methods_and_the_host_before_all() {
        let one = || Headers::all_of(vec![HeaderCondition::present("x").expect("a condition")]).expect("one");
        let get = || Methods::parse(&["GET"]).expect("a method");
        assert_order(&[
            (host("a.test"), path("/a"), one(), get()),
            (host("a.test"), path("/a"), one(), Methods::any()),
            (host("a.test"), path("/a"), Headers::none(), get()),
            (host("a.test"), path("/a"), Headers::none(), Methods::any()),
            (host("a.test"), path("/**"), one(), get()),
            (host("*.test"), path("/a"), one(), get()),
        ]);
    }
}
