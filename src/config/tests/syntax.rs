//! Keys, types and places.

use super::*;

#[test]
fn an_unknown_key_is_told_with_the_nearest_that_is_known() {
    assert_problems("[gatway]\nstate = \"/s\"\n", &["1:2: gatway: there is no such key; did you mean gateway?"]);
    assert_problems(
        "[policy.staff]\nrequre = \"mfa\"\n",
        &["2:1: policy.staff.requre: there is no such key; did you mean require?"],
    );
    assert_problems("[admin]\ncolour = 1\n", &["2:1: admin.colour: there is no such key; allowed are address, socket"]);
}

#[test]
fn a_factor_that_there_is_not_is_unknown() {
    assert_problems(
        "[factor.sms]\nsender = \"Example\"\n",
        &["1:9: factor.sms: there is no such key; allowed are password, totp, passkey, message, recovery_code"],
    );
}

#[test]
fn a_key_given_twice_is_told_at_its_second_place_and_the_rest_is_still_checked() {
    assert_problems(
        "[gateway]\nthreads = 1\nthreads = 2\n[limits]\nidle = 5\n",
        &[
            "3:1: gateway.threads: this key is already there, at main.toml:2; a key is given once",
            "5:8: limits.idle: found the number 5; a duration has a unit and quotes: write \"5s\"",
        ],
    );
}

#[test]
fn a_table_given_twice_is_one_problem_however_many_of_its_keys_are() {
    assert_problems(
        "[gateway]\nthreads = 1\ndrain = \"5s\"\n[gateway]\nthreads = 2\ndrain = \"6s\"\n",
        &["4:2: gateway: this table is already there, at main.toml:1; a table is given once"],
    );
}

#[test]
fn a_backslash_in_double_quotes_is_told_to_go_into_single_ones() {
    let files = Files::new().with("main.toml", "[[route]]\npath_regex = \"/v\\d+\"\n");
    let problems = files.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("main.toml:2:18: not TOML: in double quotes a backslash"), "{problems:?}");
    assert!(problems[0].ends_with("in single quotes, such as '/v\\d+'"), "{problems:?}");
}

#[test]
fn single_brackets_for_double_ones_are_one_problem_however_often_they_are_written() {
    let what = "listen: found a table; it may be given many times, so its header is [[listen]]";
    for (text, place) in [
        ("[listen]\naddress = \"127.0.0.1:1\"\n", "1:1"),
        ("[listen]\naddress = \"127.0.0.1:1\"\n[listen]\naddress = \"127.0.0.1:2\"\n", "3:1"),
        ("[listen]\naddress = \"127.0.0.1:1\"\n[[listen]]\naddress = \"127.0.0.1:2\"\n", "1:1"),
        ("[[listen]]\naddress = \"127.0.0.1:1\"\n[listen]\naddress = \"127.0.0.1:2\"\n", "3:1"),
    ] {
        let problems = Files::new().with("main.toml", text).problems();
        assert_eq!(problems, [format!("main.toml:{place}: {what}")], "{text}");
    }
}

#[test]
fn a_wrong_type_says_what_was_found_and_what_is_allowed() {
    for (line, problem) in [
        ("gateway.threads = \"4\"", "gateway.threads: found \"4\"; allowed is a whole number from 0 to 1024"),
        ("gateway.threads = -1", "gateway.threads: found the number -1; allowed is a whole number from 0 to 1024"),
        (
            "gateway.threads = 0x9999",
            "gateway.threads: found the number 0x9999; allowed is a whole number from 0 to 1024",
        ),
        ("gateway.state = true", "gateway.state: found true; allowed is the absolute path of a directory, in quotes"),
        (
            "gateway.state = \"\"",
            "gateway.state: found \"\"; allowed is a text that is not empty and has no control characters",
        ),
        ("gateway.drain = \"5\"", "gateway.drain: found \"5\"; it needs a unit: write \"5s\""),
        ("gateway.drain = \"5x\"", "gateway.drain: found \"5x\"; allowed is a duration such as \"10s\" or \"1h 30m\""),
        ("gateway.drain = \"9M\"", "gateway.drain: found \"9M\"; allowed is a duration such as \"10m\" for minutes"),
        ("gateway.drain = \"2y\"", "gateway.drain: found \"2y\"; it may be 365 days at most"),
        ("limits.idle = \"0s\"", "limits.idle: found \"0s\"; it must be at least 1ms"),
        (
            "limits.header_size = 4096",
            "limits.header_size: found the number 4096; a size has a unit and quotes: write \"4096B\"",
        ),
        (
            "limits.header_size = \"1GiB\"",
            "limits.header_size: found \"1GiB\"; allowed is a size from \"1KiB\" to \"1MiB\"",
        ),
        ("log.access = \"no\"", "log.access: found \"no\"; allowed are true and false, without quotes"),
        (
            "log.level = \"inof\"",
            "log.level: found \"inof\"; allowed is one of \"error\", \"warn\", \"info\", \"debug\"; the nearest is \"info\"",
        ),
        (
            "gateway.trusted_proxies = \"10.0.0.0/8\"",
            "gateway.trusted_proxies: found \"10.0.0.0/8\"; allowed is a list in brackets, each a network such as \"10.0.0.0/8\" or one address",
        ),
        (
            "limits = []",
            "limits: found a list; allowed is a table with connections, per_address, handshake, header_deadline, header_size, idle, requests",
        ),
        ("pool = 1.5", "pool: found the number 1.5; each has a name, so its header is [pool.NAME]"),
        (
            "route = 2026-01-01",
            "route: found the date or time 2026-01-01; it may be given many times, so its header is [[route]]",
        ),
    ] {
        let column = line.find(" = ").expect("a value") + 4;
        assert_problems(&format!("{line}\n"), &[&format!("1:{column}: {problem}")]);
    }
}

#[test]
fn after_broken_syntax_nothing_is_told_that_may_only_follow_from_it() {
    assert_problems(
        "[gateway]\ndrain = 5s\nthreads = \"x\"\n",
        &["2:9: not TOML: string values must be quoted, expected literal string"],
    );
    let unclosed = problems("[pool.a]\nmembers = [\"127.0.0.1:1\"\n[[route]]\nname = \"a\"\nhost = \"b\"\n");
    assert_eq!(unclosed.len(), 1, "{unclosed:?}");
    assert!(unclosed[0].starts_with("3:1: not TOML: "), "{unclosed:?}");
    let two = Files::new()
        .with("main.toml", "include = [\"a.toml\"]\n[gateway\n")
        .with("a.toml", "[pool\n[[route]\n[defaults]\n")
        .problems();
    let places: Vec<&str> = two.iter().filter_map(|problem| problem.split(": ").next()).collect();
    assert_eq!(places, ["a.toml:1:6", "main.toml:2:9"], "the first of each file");
}

#[test]
fn columns_count_characters_and_not_bytes() {
    assert_problems(
        "gateway = { state = \"ä€😀\", threads = -1 }\n",
        &["1:38: gateway.threads: found the number -1; allowed is a whole number from 0 to 1024"],
    );
}

#[test]
fn bytes_that_are_not_utf_8_are_told_with_their_place() {
    let files = Files::new().with("main.toml", b"[gateway]\nstate = \"\xff\"\n");
    assert_eq!(files.problems(), ["main.toml:2:10: this is not UTF-8, and TOML must be"]);
}

#[test]
fn every_one_of_ten_mistakes_is_told_at_once_in_the_order_of_the_file() {
    assert_problems(
        r#"[gateway]
treads = 4
trusted_proxies = ["10.0.0.1/8", "proxy"]
[session]
idle = 30
[policy.staff]
require = "mfaa"
groups = []
[pool.orders]
members = ["orders.internal:8080", "10.0.0.1:80", "10.0.0.1:80"]
balance = "random"
health = { path = "/", every = "soon" }
[[route]]
name = "orders"
pool = "oders"
policy = "stuff"
"#,
        &[
            "2:1: gateway.treads: there is no such key; did you mean threads?",
            "3:20: gateway.trusted_proxies[0]: found \"10.0.0.1/8\"; its last bits lie outside the network: write \"10.0.0.0/8\" or one address",
            "3:34: gateway.trusted_proxies[1]: found \"proxy\"; allowed is a network such as \"10.0.0.0/8\" or one address",
            "5:8: session.idle: found the number 30; a duration has a unit and quotes: write \"30s\"",
            "7:11: policy.staff.require: found \"mfaa\"; allowed is one of \"none\", \"one-factor\", \"mfa\", \"phishing-resistant\"; the nearest is \"mfa\"",
            "8:10: policy.staff.groups: an empty list lets nobody pass; name at least one, or leave the key out",
            "10:12: pool.orders.members[0]: found \"orders.internal:8080\"; names are not looked up here; allowed is an IP address and a port such as \"127.0.0.1:8080\" or \"[::1]:8080\"",
            "10:51: pool.orders.members[2]: 10.0.0.1:80 is already a member, as pool.orders.members[1]; to give it a larger share set its weight",
            "11:11: pool.orders.balance: found \"random\"; allowed is one of \"round-robin\", \"least-request\"",
            "12:32: pool.orders.health.every: found \"soon\"; allowed is a duration such as \"10s\" or \"1h 30m\"",
            "13:1: route[0].host (route \"orders\"): missing; it must be given: a host such as \"app.example.com\" or \"*.example.com\"",
            "15:8: route[0].pool (route \"orders\"): there is no pool \"oders\"; the nearest is \"orders\"",
            "16:10: route[0].policy (route \"orders\"): there is no policy \"stuff\"; the nearest is \"staff\"",
        ],
    );
}

#[test]
fn sessions_that_cannot_idle_are_told_at_the_key_that_was_written() {
    assert_problems(
        "[session]\nidle = \"20h\"\n",
        &["2:8: session.idle: 20h must be shorter than absolute, which is 12h if it is not given"],
    );
    assert_problems(
        "[session]\nabsolute = \"10m\"\n",
        &["2:12: session.absolute: 10m must be longer than idle, which is 30m; else idle ends no session"],
    );
}
