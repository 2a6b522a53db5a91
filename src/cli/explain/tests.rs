//! `explain` over a configuration: the words of every kind of verdict.

use super::*;
use crate::cli::output::{Ink, View};
use crate::cli::settings::ConfigFile;
use crate::config::Loaded;
use clap::Parser;
use report::Report;

const CONFIGURATION: &str = r#"
[gateway]
state = "state"
[[listen]]
address = "127.0.0.1:80"
redirect_to_https = true
[portal]
origin = "https://auth.test"
[factor.password]
[factor.totp]
[policy.staff]
require = "mfa"
max_age = "1h"
groups = ["staff"]
[policy.bound]
extends = "staff"
bound = true
[defaults]
policy = "staff"
[pool.app]
members = ["127.0.0.1:1", "127.0.0.1:2"]
[[route]]
name = "app"
host = "app.test"
pool = "app"
[[route]]
name = "bound"
host = "app.test"
path = "/bound/**"
pool = "app"
policy = "bound"
[[route]]
name = "public"
host = "app.test"
path = "/public/**"
pool = "app"
policy = "open"
[[route]]
name = "reads"
host = "only.test"
path = "/x"
methods = ["GET"]
pool = "app"
"#;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

async fn explained(line: &str) -> Report {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("portcullis.toml");
    std::fs::write(&file, CONFIGURATION).expect("a file");
    let words = ["explain"].into_iter().chain(line.split(' '));
    let mut arguments = Line::try_parse_from(words).expect("a command line").arguments;
    arguments.home = Home::of(ConfigFile { file });
    let loaded: Loaded = arguments.home.config.load().expect("a fine configuration");
    let Target::Request(address) = arguments.target.clone() else { panic!("a URL was given") };
    let now = Time::from_secs(1_700_000_000);
    let question = Question::new(address, &arguments, (&loaded.plan, now)).await.expect("a question");
    verdict::judge(&loaded, &question).report(&loaded, &question)
}

#[tokio::test]
async fn every_kind_of_outcome_is_told() {
    for (line, outcome, answer) in [
        ("https://app.test/public/x", "permitted", "it is forwarded"),
        ("https://app.test/", "sign-in", "a browser is sent to sign in (303)"),
        ("https://app.test/ --groups staff --age 2h", "step-up", "a browser is asked to prove more (303)"),
        ("https://app.test/ --groups staff --assurance one-factor", "step-up", "a browser is asked"),
        (
            "https://app.test/ --as bob --groups guests",
            "forbidden",
            "groups: you have guests, needed is any of staff (403)",
        ),
        ("https://app.test/ --groups staff --age 59m", "permitted", "it is forwarded"),
        ("https://app.test/public/..;/admin", "malformed", "the path is refused: it has a semicolon"),
        ("https://app.test/public/%2e%2e/admin", "malformed", "the path is refused: it has a `.`"),
        ("https://app..test/", "malformed", "the host has an empty label"),
        ("https://app.test/ --method trace", "malformed", "the method is not accepted (405)"),
        ("https://other.test/", "no-host", "no route has this host; there are routes for app.test, only.test"),
        ("https://only.test/x --method POST", "no-route", "the host has routes"),
        ("https://auth.test/sign-in", "own", "this is the portal's host"),
        ("https://app.test/.portcullis/session", "own", "the gateway answers under /.portcullis/"),
    ] {
        let report = explained(line).await;
        assert_eq!(report.outcome, outcome, "{line}: {report:?}");
        assert!(report.answer.starts_with(answer), "{line}: {report:?}");
        assert_eq!(report.permitted, ["permitted", "own"].contains(&outcome), "{line}");
    }
}

#[tokio::test]
async fn a_refusal_shows_route_policy_pool_and_each_condition() {
    let report = explained("https://app.test/orders?x=1 --as bob --groups guests --from 10.0.0.9").await;
    let text = report.text(Ink::Plain);
    for part in [
        "refused  groups: you have guests, needed is any of staff (403)\n",
        "  request  GET app.test/orders?x=1\n",
        "  from     10.0.0.9\n",
        "  caller   bob (guests)\n",
        "  policy   staff\n",
        "  pool     app\n  members  127.0.0.1:1, 127.0.0.1:2\n",
        "✓  require",
        "✗  groups",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let json = report.json();
    assert_eq!((&json["permitted"], &json["outcome"]), (&false.into(), &"forbidden".into()));
    assert_eq!(json["conditions"][1]["condition"], "groups");
    assert_eq!(json["members"], serde_json::json!(["127.0.0.1:1", "127.0.0.1:2"]));
    assert_eq!(json["caller"], serde_json::json!({ "account": "bob", "groups": ["guests"] }));
    assert!(!json.to_string().contains(r#":"""#), "what is absent is left out: {json}");
    let nobody = explained("https://app.test/").await.json();
    assert!(nobody.get("caller").is_none(), "{nobody}");
}

#[tokio::test]
async fn how_the_caller_comes_is_judged_too() {
    for (line, outcome) in [
        ("https://app.test/bound/ --groups staff", "unbound"),
        ("https://app.test/bound/ --groups staff --by bearer", "unbound"),
        ("https://app.test/bound/ --groups staff --by dpop", "permitted"),
    ] {
        assert_eq!(explained(line).await.outcome, outcome, "{line}");
    }
}

#[tokio::test]
async fn what_was_assumed_is_noted() {
    let report = explained("http://app.test/ --as bob").await;
    assert_eq!(report.notes.len(), 2, "{report:?}");
    assert!(report.notes[0].contains("there is no store yet"), "{report:?}");
    assert!(report.notes[1].contains("redirected to https"), "{report:?}");
    let text = report.text(Ink::Plain);
    let notes: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("note:")).collect();
    assert_eq!(notes.len(), 2, "one under the other: {text}");
}

#[test]
fn an_age_and_an_id_that_are_mistyped_say_what_is_allowed() {
    let refused = |words: &[&str]| {
        let words = ["explain"].iter().chain(words);
        Line::try_parse_from(words).map(|line| line.arguments.age).expect_err("a slip").to_string()
    };
    let age = refused(&["https://app.test/", "--age", "5x"]);
    assert!(age.contains("allowed is a duration such as \"10s\" or \"1h 30m\""), "{age}");
    let id = refused(&["dec_short"]);
    assert!(id.contains("mistyped: ") && id.contains("dec_ and 26 letters or digits"), "{id}");
    let path = refused(&["/admin"]);
    assert!(path.contains("a URL with a scheme and a host is needed"), "{path}");
}
