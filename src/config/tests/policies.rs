//! `[policy.NAME]` and `[defaults]`.

use super::*;
use crate::identity::{AccountKind, Assurance};
use crate::policy::{Condition, Policy};
use std::time::Duration;

fn policy(loaded: &Loaded, name: &str) -> Policy {
    let found = loaded.plan.policies.iter().find(|policy| &*policy.name == name);
    (**found.unwrap_or_else(|| panic!("the policy {name}"))).clone()
}

#[test]
fn a_route_that_says_nothing_gets_the_default_policy_and_without_one_the_built_in_mfa() {
    let bare = loaded(ROUTE);
    assert_eq!(
        (&*bare.plan.routes[0].policy.name, bare.plan.routes[0].policy.rules.require.need.level),
        ("mfa", Assurance::Mfa)
    );
    let text = format!("{ROUTE}[policy.staff]\ngroups = [\"staff\"]\n[defaults]\npolicy = \"staff\"\n");
    assert_eq!(&*loaded(&text).plan.routes[0].policy.name, "staff");
}

#[test]
fn a_policy_that_says_nothing_of_require_needs_mfa() {
    assert_eq!(policy(&loaded("[policy.staff]\n"), "staff").rules.require.need.level, Assurance::Mfa);
}

#[test]
fn the_built_in_policies_cannot_be_given() {
    assert_problems(
        "[policy.open]\n[policy.mfa]\n",
        &[
            "1:9: policy.open: this policy is built in and cannot be given; choose another name",
            "2:9: policy.mfa: this policy is built in and cannot be given; choose another name",
        ],
    );
}

#[test]
fn an_extending_policy_has_every_condition_of_both() {
    let loaded = loaded(
        r#"
[policy.admin]
extends = "staff"
max_age = "10m"
groups = ["admin"]
methods = ["GET"]
[policy.staff]
max_age = "12h"
groups = ["staff", "boss"]
networks = ["10.0.0.0/8", "192.0.2.1"]
hours = { days = "mon-fri", from = "07:00", to = "19:00", zone = "Europe/Berlin" }
"#,
    );
    let admin = policy(&loaded, "admin");
    assert_eq!(admin.rules.require.need.max_age, Some(Duration::from_secs(600)));
    let needs: Vec<String> = admin.conditions(AccountKind::Person).map(Condition::needs).collect();
    assert_eq!(
        needs,
        [
            "mfa, proved within 10m",
            "any of staff, boss",
            "any of admin",
            "an address in 10.0.0.0/8, 192.0.2.1/32",
            "one of GET",
            "mon,tue,wed,thu,fri, 07:00 to 19:00 (Europe/Berlin)",
        ]
    );
    let names: Vec<&str> = loaded.plan.policies.iter().map(|policy| &*policy.name).collect();
    assert_eq!(names, ["mfa", "open", "admin", "staff"]);
}

#[test]
fn a_bound_policy_stays_bound_when_it_is_extended_and_needs_a_session() {
    assert_problems(
        "[policy.staff]\nbound = true\n[policy.loose]\nextends = \"staff\"\nbound = false\n[policy.none]\nrequire = \"none\"\nbound = true\n",
        &[
            "5:9: policy.loose.bound: it would let browsers pass, and \"staff\", which is extended at main.toml:4, may only be made stricter",
            "8:9: policy.none.bound: this needs a session, and with require = \"none\" there may be none; require \"one-factor\" or more",
        ],
    );
}

#[test]
fn an_extending_policy_may_only_be_stricter() {
    assert_problems(
        r#"[policy.staff]
max_age = "1h"
networks = ["10.0.0.0/8"]
methods = ["GET"]
hours = { days = "mon-fri", from = "07:00", to = "19:00", zone = "UTC" }
[policy.loose]
extends = "staff"
require = "one-factor"
max_age = "2h"
networks = ["10.1.0.0/16", "192.0.2.0/24"]
methods = ["GET", "POST"]
hours = { days = "sat", from = "07:00", to = "19:00", zone = "UTC" }
"#,
        &[
            "8:11: policy.loose.require: \"one-factor\" is weaker than \"mfa\", and \"staff\", which is extended at main.toml:7, may only be made stricter",
            "9:11: policy.loose.max_age: 2h is longer than 1h, and \"staff\", which is extended at main.toml:7, may only be made stricter",
            "10:12: policy.loose.networks: not everything in it is allowed there, and \"staff\", which is extended at main.toml:7, may only be made stricter",
            "11:11: policy.loose.methods: not everything in it is allowed there, and \"staff\", which is extended at main.toml:7, may only be made stricter",
            "12:9: policy.loose.hours: they reach beyond the hours there, and \"staff\", which is extended at main.toml:7, may only be made stricter",
        ],
    );
}

#[test]
fn extending_nothing_or_oneself_is_told() {
    assert_problems(
        r#"[policy.a]
extends = "b"
[policy.b]
extends = "c"
[policy.c]
extends = "b"
[policy.staff]
extends = "stuff"
[policy.stufff]
"#,
        &[
            "6:11: policy.c.extends: a policy cannot extend itself: b extends c extends b",
            "8:11: policy.staff.extends: there is no policy \"stuff\"; the nearest is \"stufff\"",
        ],
    );
}

#[test]
fn a_long_chain_of_policies_is_no_danger() {
    let link = |at: u32| format!("[policy.p{at}]\nextends = \"p{}\"\n", at + 1);
    let chain: String = (0..5000).map(link).collect();
    let loaded = loaded(&format!("{chain}[policy.p5000]\nmax_age = \"1h\"\n"));
    assert_eq!(policy(&loaded, "p0").rules.require.need.max_age, Some(Duration::from_secs(3600)));
}

#[test]
fn conditions_that_can_never_hold_are_told() {
    assert_problems(
        r#"[policy.a]
require = "none"
groups = ["staff"]
max_age = "1h"
[policy.b]
groups = []
networks = []
methods = []
hours = { days = "mon", from = "07:00", to = "07:00", zone = "UTC" }
[policy.c]
groups = ["a,b"]
hours = { days = "monday", from = "7", to = "24:00", zone = "Berlin" }
"#,
        &[
            "3:10: policy.a.groups: this needs a session, and with require = \"none\" there may be none; require \"one-factor\" or more",
            "4:11: policy.a.max_age: this needs a session, and with require = \"none\" there may be none; require \"one-factor\" or more",
            "6:10: policy.b.groups: an empty list lets nobody pass; name at least one, or leave the key out",
            "7:12: policy.b.networks: an empty list lets nobody pass; name at least one, or leave the key out",
            "8:11: policy.b.methods: an empty list lets nobody pass; name at least one, or leave the key out",
            "9:46: policy.b.hours.to: from and to are the same time; for whole days write from = \"00:00\", to = \"23:59:59\"",
            "11:11: policy.c.groups[0]: found \"a,b\"; a group's name is 1 to 64 letters, digits, or any of . _ - : /",
            "12:18: policy.c.hours.days: found \"monday\"; days are a list such as \"mon-fri\" or \"mon,wed,sat-sun\"",
            "12:35: policy.c.hours.from: found \"7\"; a time of day is written \"07:00\"",
            "12:45: policy.c.hours.to: found \"24:00\"; a time of day is written \"07:00\"",
            "12:61: policy.c.hours.zone: found \"Berlin\"; a time zone is a name of the IANA database such as \"Europe/Berlin\" or \"UTC\"",
        ],
    );
}

#[test]
fn no_route_becomes_open_by_default() {
    let problem =
        "needs no session, and a route must not be open because it says nothing; name it in each route that is open";
    assert_problems(
        "[defaults]\npolicy = \"open\"\n",
        &[&format!("2:10: defaults.policy: the policy \"open\" {problem}")],
    );
    assert_problems("defaults.policy = \"none\"\n", &["1:19: defaults.policy: there is no policy \"none\""]);
}

#[test]
fn a_policy_that_nobody_can_satisfy_is_told() {
    let listen = "[[listen]]\naddress = \"127.0.0.1:80\"\n";
    let check = |text: &str, expected: &[&str]| {
        let files = Files::new().with("main.toml", format!("{text}{listen}"));
        assert_eq!(files.problems(), expected, "\n{text}");
    };
    check(
        "[policy.staff]\nrequire = \"one-factor\"\n[policy.free]\nrequire = \"none\"\n",
        &[
            "main.toml:2:11: policy.staff.require: the policy \"staff\" needs one-factor, but there is no [portal] where anybody could sign in",
        ],
    );
    check(
        "[policy.staff]\n[portal]\norigin = \"https://a.example\"\n[factor.password]\n",
        &[
            "main.toml:1:9: policy.staff: the policy \"staff\" needs mfa, but only password counts here; two kinds are needed: [factor.password] and [factor.totp]",
        ],
    );
    check(
        "[portal]\norigin = \"https://a.example\"\n",
        &[
            "main.toml:1:1: portal: nobody can sign in: no factor is configured; give [factor.password] and [factor.totp]",
        ],
    );
    assert_problems(
        "[policy.admin]\nrequire = \"phishing-resistant\"\n",
        &[
            "2:11: policy.admin.require: the policy \"admin\" needs phishing-resistant, but nothing that counts here is phishing-resistant; give [factor.passkey]",
        ],
    );
    let files = Files::new().with("main.toml", format!("{listen}{ROUTE}"));
    assert_eq!(
        files.problems(),
        [
            "main.toml:6:1: route[0] (route \"app\"): the policy \"mfa\" needs mfa, but there is no [portal] where anybody could sign in"
        ]
    );
    let open = format!("{listen}{ROUTE}policy = \"open\"\n");
    Files::new().with("main.toml", open).loaded();
}
