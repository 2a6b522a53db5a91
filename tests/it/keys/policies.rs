//! `[policy.NAME]`: each condition admits and refuses, and says what a caller has and needs.

use crate::rig::{Browser, Member, PASSWORD, Page, Rig, TWO_HOSTS, filled};
use portcullis::stdx::clock::{Clock, Time};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// A gateway with a route `/guarded` that has the policy `own`, which is this.
async fn guarded_by(policies: &str) -> Rig {
    let route = "[[route]]\nname = \"guarded\"\nhost = \"app.localhost\"\npath = \"/guarded\"\npool = \"app\"\n\
         policy = \"own\"\n";
    // Nothing here keeps the member: it lives as long as the runtime of the test.
    let app = Member::echo("app").await;
    Rig::start(&filled(&format!("{TWO_HOSTS}\n{policies}\n{route}"), &[("app", &app), ("wiki", &app)])).await
}

fn guarded(rig: &Rig) -> String {
    format!("{}/guarded", rig.origin("app.localhost"))
}

/// A signed-in browser that has been on the host already, so that the next request is judged at once.
async fn known(rig: &Rig, name: &str, groups: &[&str]) -> Browser {
    let mut browser = rig.signed_in(name, groups).await;
    browser.visit(&format!("{}/", rig.origin("app.localhost"))).await;
    browser
}

/// What a condition had and needed, from the refusal of a request that a program made.
fn had_and_needed(page: &Page, condition: &str) -> (String, String) {
    assert_eq!(page.header("content-type"), Some("application/problem+json"), "{page:?}");
    let document: serde_json::Value = serde_json::from_str(&page.body).expect("JSON");
    let lines = document["conditions"].as_array().unwrap_or_else(|| panic!("no conditions: {document}"));
    let line = lines.iter().find(|line| line["condition"] == condition && line["holds"] == false);
    let line = line.unwrap_or_else(|| panic!("{condition} did not fail: {document}"));
    let text = |name: &str| line[name].as_str().expect("text").to_owned();
    (text("has"), text("needs"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_needs_the_level_it_names() {
    let weak = "[policy.own]\nrequire = \"one-factor\"";
    let rig = guarded_by(weak).await;
    rig.signed_in("alice", &["staff"]).await;
    let mut browser = rig.browser();
    let page = browser.visit(&guarded(&rig)).await;
    let page = browser.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    assert_eq!((page.status, page.body.as_str()), (200, "app /guarded"), "a password is one factor");
    let stronger = std::fs::read_to_string(rig.configuration()).expect("it is there");
    rig.reload(&stronger.replace("\"one-factor\"", "\"mfa\"")).await;
    let refused = browser.fetch(&guarded(&rig)).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    let challenge = refused.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains("insufficient_user_authentication") && challenge.contains("mfa"), "{challenge}");
    let (has, needs) = had_and_needed(&refused, "require");
    assert_eq!((has.as_str(), needs.as_str()), ("one-factor", "mfa"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_needs_proofs_of_the_age_it_names() {
    let rig = guarded_by("[policy.own]\nmax_age = \"10m\"").await;
    let mut browser = known(&rig, "alice", &["staff"]).await;
    rig.clock.advance(Duration::from_secs(599));
    assert_eq!(browser.fetch(&guarded(&rig)).await.status, 200);
    rig.clock.advance(Duration::from_secs(2));
    let refused = browser.fetch(&guarded(&rig)).await;
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").is_some_and(|challenge| challenge.contains(r#"max_age="600""#)));
    let (has, needs) = had_and_needed(&refused, "require");
    assert_eq!(needs, "mfa, proved within 10m");
    assert!(has.contains("10m 1s ago"), "{has}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_needs_a_proof_of_one_of_the_factors_it_names() {
    let rig = guarded_by("[policy.own]\nrequire = \"one-factor\"\nfactors = [\"totp\"]").await;
    rig.signed_in("alice", &["staff"]).await;
    let mut browser = known(&rig, "bob", &["staff"]).await;
    assert_eq!(browser.fetch(&guarded(&rig)).await.status, 200, "a code is among the proofs");
    let mut other = browser.other();
    let page = other.visit(&guarded(&rig)).await;
    let page = other.submit(&page, "/sign-in", &[("name", "bob"), ("password", PASSWORD)]).await;
    assert_eq!(page.path(), "/sign-in/code", "a password is one factor, and not this one");
    rig.clock.advance(Duration::from_secs(31));
    let code = other.code();
    let page = other.submit(&page, "/sign-in/code", &[("code", &code)]).await;
    assert_eq!((page.status, page.body.as_str()), (200, "app /guarded"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_counts_no_proof_of_a_factor_it_refuses() {
    let rig = guarded_by("[policy.own]\nrequire = \"one-factor\"\nrefuse_factors = [\"password\"]").await;
    let mut browser = known(&rig, "alice", &["staff"]).await;
    assert_eq!(browser.fetch(&guarded(&rig)).await.status, 200, "there is a code besides");
    let mut other = browser.other();
    let page = other.visit(&guarded(&rig)).await;
    let page = other.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    assert_eq!(page.path(), "/sign-in/code", "the password counts for nothing");
    let both = std::fs::read_to_string(rig.configuration()).expect("it is there");
    rig.reload(&both.replace("\"one-factor\"", "\"mfa\"")).await;
    let refused = browser.fetch(&guarded(&rig)).await;
    assert_eq!(refused.status, 200, "a policy that nobody can satisfy is not taken: {refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_admits_only_its_groups() {
    let rig = guarded_by("[policy.own]\ngroups = [\"ops\", \"boss\"]").await;
    assert_eq!(known(&rig, "carol", &["boss"]).await.fetch(&guarded(&rig)).await.status, 200);
    let refused = known(&rig, "alice", &["staff"]).await.fetch(&guarded(&rig)).await;
    assert_eq!(refused.status, 403);
    let (_, needs) = had_and_needed(&refused, "groups");
    assert!(needs.contains("ops") && needs.contains("boss"), "{needs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extending_policy_needs_what_it_extends_as_well() {
    let rig = guarded_by("[policy.own]\nextends = \"staff\"\ngroups = [\"boss\"]").await;
    let both = ["staff", "boss"];
    assert_eq!(known(&rig, "carol", &both).await.fetch(&guarded(&rig)).await.status, 200);
    assert_eq!(known(&rig, "dave", &["boss"]).await.fetch(&guarded(&rig)).await.status, 403);
    assert_eq!(known(&rig, "alice", &["staff"]).await.fetch(&guarded(&rig)).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_admits_only_its_networks() {
    let rig = guarded_by("[policy.own]\nrequire = \"none\"\nnetworks = [\"127.0.0.0/8\"]").await;
    assert_eq!(rig.browser().fetch(&guarded(&rig)).await.status, 200);
    let other = std::fs::read_to_string(rig.configuration()).expect("it is there");
    rig.reload(&other.replace("127.0.0.0/8", "192.0.2.0/24")).await;
    let refused = rig.browser().fetch(&guarded(&rig)).await;
    assert_eq!(refused.status, 403);
    let (has, needs) = had_and_needed(&refused, "networks");
    assert!(has.contains("127.0.0.1") && needs.contains("192.0.2.0/24"), "{has}; {needs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_admits_only_its_methods() {
    let rig = guarded_by("[policy.own]\nrequire = \"none\"\nmethods = [\"GET\"]").await;
    let mut browser = rig.browser();
    assert_eq!(browser.fetch(&guarded(&rig)).await.status, 200);
    assert_eq!(browser.request(reqwest::Method::HEAD, &guarded(&rig), &[]).await.status, 200);
    let refused = browser.request(reqwest::Method::POST, &guarded(&rig), &[]).await;
    assert_eq!(refused.status, 403);
    let (has, needs) = had_and_needed(&refused, "methods");
    assert!(has.contains("POST") && needs.contains("GET"), "{has}; {needs}");
}

/// `hours` that hold on `days`, from so many hours after `now` to so many, in UTC.
fn hours(days: &str, now: Time, (from, to): (u32, u32)) -> String {
    let clock = |ahead: u32| {
        let minutes = now.plus(ahead * HOUR).secs() / 60 % (24 * 60);
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    };
    format!("hours = {{ days = \"{days}\", from = \"{}\", to = \"{}\", zone = \"UTC\" }}", clock(from), clock(to))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_admits_only_within_its_hours() {
    let now = portcullis::stdx::clock::SystemClock.now();
    let window = hours("mon-sun", now, (2, 4));
    let rig = guarded_by(&format!("[policy.own]\nrequire = \"none\"\n{window}")).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(rig.browser().fetch(&guarded(&rig)).await.status);
        rig.clock.advance(5 * HOUR / 2);
    }
    assert_eq!(statuses, [403, 200, 403], "before, within and after {window}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_admits_only_on_its_days() {
    let now = portcullis::stdx::clock::SystemClock.now();
    // The epoch was a Thursday.
    let days = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
    let day = |ahead: u64| days[usize::try_from((now.secs() / 86_400 + ahead) % 7).expect("a day")];
    let all_day =
        |day: &str| format!("hours = {{ days = \"{day}\", from = \"00:00\", to = \"23:59:59\", zone = \"UTC\" }}");
    let rig = guarded_by(&format!("[policy.own]\nrequire = \"none\"\n{}", all_day(day(1)))).await;
    let refused = rig.browser().fetch(&guarded(&rig)).await;
    assert_eq!(refused.status, 403);
    let (_, needs) = had_and_needed(&refused, "hours");
    assert!(needs.contains(day(1)), "{needs}");
    rig.clock.advance(24 * HOUR);
    assert_eq!(rig.browser().fetch(&guarded(&rig)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_are_those_of_their_zone() {
    let now = portcullis::stdx::clock::SystemClock.now();
    // Half an hour before to an hour after now, by the clocks of UTC and by those of a place five hours behind.
    let window = hours("mon-sun", now.minus(HOUR / 2), (0, 2));
    let rig = guarded_by(&format!("[policy.own]\nrequire = \"none\"\n{window}")).await;
    assert_eq!(rig.browser().fetch(&guarded(&rig)).await.status, 200);
    let text = std::fs::read_to_string(rig.configuration()).expect("it is there");
    rig.reload(&text.replace("zone = \"UTC\"", "zone = \"Etc/GMT+5\"")).await;
    assert_eq!(rig.browser().fetch(&guarded(&rig)).await.status, 403);
    rig.clock.advance(5 * HOUR);
    assert_eq!(rig.browser().fetch(&guarded(&rig)).await.status, 200);
}
