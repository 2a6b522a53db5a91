//! `include`, `[[route]]`.

use super::{ask, get};
use crate::rig::{Member, Rig};
use std::convert::identity;

/// One more route on the host `app.localhost` to the pool `other`.
fn route(name: &str, keys: &str) -> String {
    format!("\n[[route]]\nname = \"{name}\"\nhost = \"app.localhost\"\npool = \"other\"\npolicy = \"open\"\n{keys}\n")
}

/// A gateway with a route for the whole host to a member called `app` and further ones to a member called `other`.
async fn routed(more: &str) -> (Rig, Member, Member) {
    let other = Member::echo("other").await;
    let more = format!("\n[pool.other]\nmembers = [\"{}\"]\n{more}", other.address());
    let (rig, app, _) = Rig::one_route(|text| text + &more).await;
    (rig, app, other)
}

/// Which member answered.
async fn answered_by(rig: &Rig, (method, host, target): (&str, &str, &str), fields: &[&str]) -> String {
    let answer = ask(rig, (method, host, target), fields).await;
    answer.body.split(' ').next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_included_file_brings_a_route() {
    let (rig, _app, text) = Rig::one_route(identity).await;
    let directory = rig.directory().join("routes.d");
    std::fs::create_dir(&directory).expect("made");
    let fragment = "[[route]]\nname = \"team\"\nhost = \"team.localhost\"\npool = \"app\"\npolicy = \"open\"\n";
    std::fs::write(directory.join("team.toml"), fragment).expect("written");
    assert_eq!(ask(&rig, ("GET", "team.localhost", "/"), &[]).await.status, 421);
    rig.reload(&format!("include = [\"routes.d/*.toml\"]\n{text}")).await;
    assert_eq!(ask(&rig, ("GET", "team.localhost", "/x"), &[]).await.body, "app /x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_is_counted_under_its_name() {
    let (rig, ..) = routed(&route("by-any-name", "path = \"/counted\"")).await;
    get(&rig, "/counted").await;
    let told = || async { rig.admin("/metrics").await.1 };
    let counted = r#"portcullis_route_requests_total{route="by-any-name",outcome="permitted"} 1"#;
    rig.eventually("it is counted", async || told().await.lines().any(|line| line == counted)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exact_host_goes_before_a_wildcard() {
    let wildcard = route("wide", "").replace("app.localhost", "*.localhost");
    let (rig, ..) = routed(&wildcard).await;
    assert_eq!(answered_by(&rig, ("GET", "app.localhost", "/"), &[]).await, "app");
    assert_eq!(answered_by(&rig, ("GET", "any.localhost", "/"), &[]).await, "other");
    assert_eq!(answered_by(&rig, ("GET", "a.deep.localhost", "/"), &[]).await, "other");
    assert_eq!(ask(&rig, ("GET", "localhost", "/"), &[]).await.status, 421);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_path_goes_before_a_shorter_one() {
    let (rig, ..) = routed(&route("deep", "path = \"/deep/*/end\"")).await;
    for (path, member) in [("/", "app"), ("/deep/x", "app"), ("/deep/x/end", "other"), ("/deep/x/y/end", "app")] {
        assert_eq!(answered_by(&rig, ("GET", "app.localhost", path), &[]).await, member, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_may_be_a_regular_expression() {
    let (rig, ..) = routed(&route("versions", "path_regex = \"/v[0-9]+/.*\"")).await;
    for (path, member) in [("/v1/x", "other"), ("/v12/", "other"), ("/vx/x", "app"), ("/a/v1/x", "app")] {
        assert_eq!(answered_by(&rig, ("GET", "app.localhost", path), &[]).await, member, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_may_be_for_some_methods() {
    let (rig, ..) = routed(&route("writes", "methods = [\"PUT\", \"DELETE\"]")).await;
    for (method, member) in [("GET", "app"), ("PUT", "other"), ("DELETE", "other"), ("OPTIONS", "app")] {
        assert_eq!(answered_by(&rig, (method, "app.localhost", "/"), &["Content-Length: 0"]).await, member, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_may_be_for_some_headers() {
    let (rig, ..) = routed(&route("beta", "headers = { X-Version = \"2\", X-Beta = true }")).await;
    let both = ["X-Version: 2", "X-Beta: whatever"];
    for (fields, member) in [(&both[..], "other"), (&both[..1], "app"), (&["X-Version: 3", "X-Beta: 1"], "app")] {
        assert_eq!(answered_by(&rig, ("GET", "app.localhost", "/"), fields).await, member, "{fields:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_leads_to_its_pool() {
    let (rig, app, other) = routed(&route("there", "path = \"/there\"")).await;
    get(&rig, "/there").await;
    assert_eq!((app.seen().len(), other.seen().len()), (0, 1));
    get(&rig, "/here").await;
    assert_eq!((app.seen().len(), other.seen().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_is_guarded_by_its_policy() {
    let guarded = "\n[policy.nobody]\nrequire = \"none\"\nnetworks = [\"192.0.2.0/24\"]\n".to_owned()
        + &route("guarded", "path = \"/guarded\"").replace("\"open\"", "\"nobody\"");
    let (rig, _app, other) = routed(&guarded).await;
    assert_eq!(get(&rig, "/guarded").await.status, 403);
    assert!(other.seen().is_empty());
    assert_eq!(get(&rig, "/else").await.status, 200);
}
