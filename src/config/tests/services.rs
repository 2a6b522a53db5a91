//! `[pool.NAME]` and `[[route]]`.

use super::*;
use crate::pool::{Balance, Ejection, HealthPlan, MemberPlan, PoolPlan, Probe, Timeouts};
use crate::route::{Ask, Found, HostPattern, PathPattern};
use std::time::Duration;

#[test]
fn a_pool_gets_its_defaults_and_what_is_written() {
    let loaded = loaded(
        r#"
[pool.bare]
members = ["[::1]:80"]
[pool.orders]
members = ["10.0.0.1:80", { address = "10.0.0.2:80", weight = 0 }]
balance = "least-request"
health = { path = "/healthz?full", host = "orders.internal", every = "1s" }
timeouts = { read = "1h 30m" }
eject.failures = 0
retries = 0
"#,
    );
    let bare = PoolPlan {
        name: "bare".into(),
        members: vec![MemberPlan { address: "[::1]:80".parse().expect("an address"), weight: 1 }],
        balance: Balance::RoundRobin,
        health: None,
        timeouts: Timeouts::DEFAULT,
        ejection: Ejection::DEFAULT,
        retries: 1,
    };
    let second = Duration::from_secs(1);
    let probe = Probe::Http { path: "/healthz?full".into(), host: Some("orders.internal".into()) };
    let member = |text: &str, weight| MemberPlan { address: text.parse().expect("an address"), weight };
    let orders = PoolPlan {
        name: "orders".into(),
        members: vec![member("10.0.0.1:80", 1), member("10.0.0.2:80", 0)],
        balance: Balance::LeastRequest,
        health: Some(HealthPlan { probe, every: second, timeout: second * 2, rise: 1, fall: 2 }),
        timeouts: Timeouts { read: Duration::from_secs(5400), ..Timeouts::DEFAULT },
        ejection: Ejection { failures: 0, ..Ejection::DEFAULT },
        retries: 0,
    };
    assert_eq!(loaded.plan.pools, [bare, orders]);
}

#[test]
fn pools_that_cannot_work_are_told() {
    let address = "an IP address and a port such as \"127.0.0.1:8080\" or \"[::1]:8080\"";
    assert_problems(
        r#"[pool.a]
[pool.b]
members = []
[pool.c]
members = [{ address = "10.0.0.1:80", weight = 0 }, { address = "10.0.0.2:80", weight = 0 }]
[pool.d]
members = ["10.0.0.1:0", "10.0.0.1", { weight = 2 }, 5]
health = { path = "/", tcp = true }
[pool.e]
members = ["10.0.0.1:80"]
health = {}
[pool.f]
members = ["10.0.0.1:80"]
health = { tcp = true, host = "a" }
[pool.g]
members = [{ address = "10.0.0.1:80", weight = 1001 }]
health = { path = "healthz", host = "a b" }
[pool."h h"]
"#,
        &[
            &format!(
                "1:1: pool.a.members: missing; it must be given: a list in brackets, each {address}, or a table with address and weight"
            ),
            "3:11: pool.b.members: a pool has at least one member",
            "5:11: pool.c.members: every member has weight 0, so none would get anything; at least one needs 1 or more",
            "7:12: pool.d.members[0]: 10.0.0.1:0 has no port; a member's port is from 1 to 65535",
            &format!("7:26: pool.d.members[1]: found \"10.0.0.1\"; allowed is {address}"),
            &format!("7:38: pool.d.members[2].address: missing; it must be given: {address}"),
            &format!("7:54: pool.d.members[3]: found the number 5; allowed is {address}"),
            "8:10: pool.d.health: either path or tcp = true is given: { path = \"/healthz\" } or { tcp = true }",
            "11:10: pool.e.health: either path or tcp = true is given: { path = \"/healthz\" } or { tcp = true }",
            "14:31: pool.f.health.host: a probe that only connects sends no host; give path in place of tcp",
            "16:48: pool.g.members[0].weight: found the number 1001; allowed is a whole number from 0 to 1000",
            "17:19: pool.g.health.path: found \"healthz\"; allowed is a path such as \"/healthz\"",
            "17:37: pool.g.health.host: found \"a b\"; the host has a character other than letters, digits, `-`, `_` and `.`; allowed is a host such as \"orders.internal\"",
            "18:7: pool.h h: a name is 1 to 64 letters a-z, digits, or any of . _ -",
        ],
    );
}

#[test]
fn a_route_is_found_with_its_pool_policy_and_place() {
    let files = Files::new().with(
        "main.toml",
        format!(
            r#"{REST}
[pool.app]
members = ["127.0.0.1:3000"]
[[route]]
name = "app"
host = "App.example.com"
path = "/api/*"
methods = ["GET"]
headers = {{ X-Beta = true, x-version = "2" }}
pool = "app"
policy = "open"
[[route]]
name = "rest"
host = "*.example.com"
path_regex = "/v[0-9]+/.*"
pool = "app"
"#
        ),
    );
    let loaded = files.loaded();
    let headers = [("x-beta", "1"), ("x-version", "2")]
        .into_iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)))
        .collect();
    let find = |host, path| match loaded.routes.find(&Ask { host, path, method: &http::Method::GET, headers: &headers })
    {
        Found::Route(route) => Some(&*route.name),
        Found::NoRoute | Found::NoHost => None,
    };
    assert_eq!(find("app.example.com", "/api/x"), Some("app"));
    assert_eq!(find("app.example.com", "/v1/x"), Some("rest"));
    assert_eq!(find("app.example.com", "/"), None);
    let [app, rest] = &loaded.plan.routes[..] else { panic!("two routes") };
    assert_eq!((app.number, &*app.pool, &*app.policy.name), (0, "app", "open"));
    assert_eq!((rest.number, &*rest.policy.name), (1, "mfa"));
    assert_eq!(app.place, format!("{}:11", files.path().join("main.toml").display()));
}

#[test]
fn routes_that_cannot_work_are_told() {
    let host = HostPattern::parse("https://a.example").expect_err("a URL");
    let path = PathPattern::parse("/a//../b").expect_err("a path of no request");
    let regex = PathPattern::parse_regex("[").expect_err("no regex");
    assert_problems(
        r#"[pool.app]
members = ["127.0.0.1:3000"]
[[route]]
name = "a"
host = "https://a.example"
path = "/a//../b"
path_regex = "["
methods = ["get"]
headers = { "X Y" = "1", X-A = false, Host = "a" }
pool = "app"
[[route]]
name = "a"
host = "auth.localhost"
path = "/a"
path_regex = "/a"
methods = []
pool = "app"
[[route]]
name = "c c"
host = "a.example"
"#,
        &[
            &format!("5:8: route[0].host (route \"a\"): found \"https://a.example\"; {host}"),
            &format!("6:8: route[0].path (route \"a\"): found \"/a//../b\"; {path}"),
            &format!("7:14: route[0].path_regex (route \"a\"): found \"[\"; {regex}"),
            "8:12: route[0].methods[0] (route \"a\"): found \"get\"; allowed is a method in capitals such as \"GET\"",
            "9:21: route[0].headers.X Y (route \"a\"): found \"1\"; `X Y` is no header name",
            "9:32: route[0].headers.X-A (route \"a\"): found false; allowed is the header's value in quotes, or true for any",
            "9:46: route[0].headers.Host (route \"a\"): found \"a\"; the host is no header condition; write `host = …`",
            "12:8: route[1].name (route \"a\"): there is already a route \"a\", at main.toml:4; a name is given once",
            "13:8: route[1].host (route \"a\"): the portal answers every request for auth.localhost; give the route another host",
            "15:14: route[1].path_regex (route \"a\"): a route has either path or path_regex, not both",
            "16:11: route[1].methods (route \"a\"): the list is empty; leave `methods` out to allow any",
            "18:1: route[2].pool: missing; it must be given: a name such as \"orders\"",
            "19:8: route[2].name: found \"c c\"; a name is 1 to 64 letters a-z, digits, or any of . _ -",
        ],
    );
}

#[test]
fn routes_that_tie_are_told_with_both_places() {
    let again = "[[route]]\nname = \"again\"\nhost = \"APP.example.com\"\npath = \"/**\"\npool = \"app\"\n";
    assert_problems(
        &format!("{ROUTE}{again}"),
        &[
            "8:1: route[1] (route \"again\"): nothing says whether this route or \"app\" at main.toml:4 comes first: both are for the same host and path with the same conditions; remove one",
        ],
    );
}

#[test]
fn a_pool_without_a_route_is_a_warning() {
    let files = Files::new().with("main.toml", format!("[pool.app]\nmembers = [\"127.0.0.1:1\"]\n{REST}"));
    let none = "main.toml: no route: nothing is served";
    assert_eq!(files.warnings(), [none, "main.toml:1:7: pool.app: no route uses this pool"]);
}

#[test]
fn a_member_that_is_an_address_of_the_web_is_told_to_be_without_a_scheme() {
    let allowed = "allowed is an IP address and a port such as \"127.0.0.1:8080\" or \"[::1]:8080\"";
    let member = "http://127.0.0.1:8391";
    assert_problems(
        &format!("[pool.a]\nmembers = [\"{member}\"]\n"),
        &[&format!("2:12: pool.a.members[0]: found \"{member}\"; it is written without a scheme; {allowed}")],
    );
}
