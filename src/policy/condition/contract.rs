//! What every condition must keep, whichever it is.

use super::super::{Policy, Rules};
use super::*;
use crate::identity::{AccountKind, Assurance, Group};
use crate::stdx::clock::Time;

fn full() -> Policy {
    let mut rules = Rules::level(Assurance::Mfa);
    rules.bound = Some(Bound);
    rules.groups = vec![Groups { any_of: vec![Group::parse("staff").expect("a valid group")] }];
    rules.networks = Some(Networks { any_of: vec!["10.0.0.0/8".parse().expect("a valid network")] });
    rules.methods = Some(Methods { any_of: vec![http::Method::GET] });
    rules.hours = Some(Hours::parse("mon", "07:00", "08:00", "UTC").expect("valid hours"));
    Policy { name: "full".into(), rules }
}

#[test]
fn every_condition_is_listed_in_order() {
    let policy = full();
    let words = |asks| policy.conditions(asks).map(Condition::word).collect::<Vec<_>>();
    let (of_people, of_programs) = (words(AccountKind::Person), words(AccountKind::Service));
    let kept = |words: &[&'static str]| ALL.into_iter().filter(|word| words.contains(word)).collect::<Vec<_>>();
    assert_eq!((kept(&of_people), kept(&of_programs)), (of_people.clone(), of_programs.clone()));
    assert!(ALL.iter().all(|word| of_people.contains(word) || of_programs.contains(word)));
    assert!(!of_programs.contains(&"require") && !of_programs.contains(&"groups"));
}

#[test]
fn every_condition_that_fails_says_what_is_had_what_is_needed_and_what_to_do() {
    let client = "192.0.2.1".parse().expect("an address");
    let facts = Facts { now: Time::EPOCH, caller: None, client, method: &http::Method::PUT };
    for line in super::super::judge(&full(), &facts) {
        assert!(!line.holds, "{}", line.condition);
        assert!(!line.has.is_empty() && !line.needs.is_empty() && !line.remedy.is_empty(), "{line:?}");
    }
}

#[test]
fn every_condition_is_within_itself() {
    let Rules { require, bound, service_accounts, networks, methods, hours, .. } = full().rules;
    assert!(service_accounts.within(&service_accounts));
    assert!(require.within(&require));
    assert!(bound.as_ref().is_some_and(|leaf| leaf.within(leaf)));
    assert!(networks.as_ref().is_some_and(|leaf| leaf.within(leaf)));
    assert!(methods.as_ref().is_some_and(|leaf| leaf.within(leaf)));
    assert!(hours.as_ref().is_some_and(|leaf| leaf.within(leaf)));
}
