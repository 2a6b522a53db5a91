//! `login`: a person approves it in a browser, and from then on commands get through.

use super::process::{Running, Said, Site, eventually, two_hosts};
use crate::rig::{Browser, Member, TWO_HOSTS, filled};
use reqwest::Method;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

/// What stands in for curl: says with which words it was called, and what was handed over with them.
const CURL: &str = r#"#!/bin/sh
echo "words: $*"
for word; do case $word in @*) cat "${word#@}";; esac; done
exit 7
"#;

/// A gateway, a person who is signed in at it, and their command line.
struct Desk {
    site: Site,
    running: Running,
    person: Browser,
    app: Member,
    _wiki: Member,
}

impl Desk {
    /// With the usual two hosts, and this change made to their configuration.
    async fn with(change: impl FnOnce(String) -> String) -> Self {
        let (app, wiki) = (Member::echo("app").await, Member::echo("wiki").await);
        let site = Site::new(&change(filled(TWO_HOSTS, &[("app", &app), ("wiki", &wiki)])));
        let running = site.run().await;
        let link = site.tell(&["account", "add", "alice", "--group", "staff", "--json"]).await.json();
        let mut person = running.browser();
        person.enrol(link["link"].as_str().expect("a link")).await;
        let curl = site.path("curl");
        std::fs::write(&curl, CURL).expect("written");
        std::fs::set_permissions(&curl, std::fs::Permissions::from_mode(0o700)).expect("it is ours");
        Desk { site, running, person, app, _wiki: wiki }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.running.origin("app.localhost"))
    }

    fn curl(&self) -> String {
        self.site.path("curl").to_str().expect("text").to_owned()
    }

    /// Gives a command that nobody has to approve anything for.
    async fn tell(&self, arguments: &[&str]) -> Said {
        self.site.tell(&[&["login"], arguments].concat()).await
    }

    /// Gives a command, decides on what it shows, and waits for its end.
    async fn decide(&mut self, decision: &str, arguments: &[&str]) -> Said {
        let mut command = self.site.begin(&[&["login", "--json"], arguments].concat());
        eventually("it says where to approve", || step(&command, "open").is_some()).await;
        let open = step(&command, "open").expect("it was said");
        let address = open["verification_uri_complete"].as_str().expect("an address");
        let page = self.person.visit(address).await;
        let code = open["user_code"].as_str().expect("a code");
        assert!(page.body.contains(code), "the code can be compared: {}", page.body);
        self.person.submit(&page, "/device", &[("decision", decision)]).await;
        let code = command.end().await.expect("no signal");
        Said { code, out: command.printed().join("\n"), err: command.log().join("\n") }
    }

    async fn sign_in(&mut self) {
        let origin = self.at("");
        let said = self.decide("approve", &[&origin]).await;
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains("signed-in"), "{said:?}");
    }

    /// Sends a request with printed header fields and nothing else.
    async fn ask(&self, path: &str, printed: &str) -> u16 {
        let fields: Vec<_> = printed.lines().filter_map(|line| line.split_once(": ")).collect();
        let mut program = self.running.browser();
        program.request(Method::GET, &self.at(path), &fields).await.status
    }
}

/// What a command said of a step, wherever it said so.
fn step(command: &Running, name: &str) -> Option<Value> {
    let lines = [command.printed(), command.log()].concat();
    let steps = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    steps.into_iter().find(|said| said["step"] == name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_signs_in_by_itself_and_is_handed_a_token_that_others_do_not_see() {
    let mut desk = Desk::with(|text| text).await;
    let (curl, url) = (desk.curl(), desk.at("/orders?a=b"));
    let said = desk.decide("approve", &["--exec", "--", &curl, "-sS", &url]).await;
    assert_eq!(said.code, 7, "the command's own code: {said:?}");
    let words = said.out.lines().next().expect("its words");
    assert!(words.starts_with("words: --header @/dev/fd/") && words.ends_with(&format!("-sS {url}")), "{words}");
    assert!(said.out.contains("\nAuthorization: DPoP ") && said.out.contains("\nDPoP: "), "{said:?}");
    assert_eq!(desk.ask("/orders?a=b", &said.out).await, 200);
    assert_eq!(desk.app.last().target, "/orders?a=b");
    assert_eq!(desk.ask("/orders?a=b", &said.out).await, 401, "a proof is good once");
    let seen = "printf '%s %s' \"${PORTCULLIS_AUTHORIZATION%% *}\" \"${PORTCULLIS_DPOP%%.*}\"";
    let said = desk.tell(&[&url, "--exec", "--", "sh", "-c", seen]).await;
    assert!(said.code == 0 && said.out.starts_with("DPoP ey"), "others find it in their environment: {said:?}");
    let kept = std::fs::read_dir(desk.site.path("config/portcullis/login")).expect("a directory");
    for file in kept.flatten() {
        let mode = file.metadata().expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.file_name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_told_before_anything_is_sent_and_signing_out_ends_the_session() {
    let mut desk = Desk::with(|text| text).await;
    desk.sign_in().await;
    let (origin, boss, page) = (desk.at(""), desk.at("/boss/x"), desk.at("/page"));
    let refused = desk.tell(&[&boss, "--print-header"]).await;
    assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{refused:?}");
    assert!(refused.err.contains("boss"), "the gateway's own sentence: {refused:?}");
    let printed = desk.tell(&[&page, "--print-header"]).await;
    assert_eq!((printed.code, printed.out.lines().count(), printed.err.as_str()), (0, 2, ""), "{printed:?}");
    let listed = desk.tell(&["--list", "--json"]).await;
    assert_eq!(listed.json()[0]["origin"], origin.as_str());
    assert!(!listed.out.contains(printed.out.split_whitespace().nth(2).expect("a token")));
    let out = desk.tell(&[&origin, "--logout"]).await;
    assert!(out.code == 0 && out.out.contains("the session is ended"), "{out:?}");
    assert_eq!(desk.ask("/page", &printed.out).await, 401);
    assert_eq!(desk.tell(&["--list", "--json"]).await.json(), Value::Array(Vec::new()));
    assert_eq!(desk.tell(&[&origin, "--logout"]).await.code, 1, "nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_session_of_a_file_that_others_may_read() {
    let mut desk = Desk::with(|text| text).await;
    desk.sign_in().await;
    let (origin, page) = (desk.at(""), desk.at("/page"));
    let printed = desk.tell(&[&page, "--print-header"]).await;
    let folder = desk.site.path("config/portcullis/login");
    let file = folder.join(format!("{}.json", origin.replacen("://", ":", 1)));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("it is ours");
    let refused = desk.tell(&[&page, "--print-header"]).await;
    assert!(refused.code == 1 && refused.err.contains("may be read by others"), "{refused:?}");
    let out = desk.tell(&[&origin, "--logout"]).await;
    assert!(out.code == 0 && out.out.contains("the session is ended"), "{out:?}");
    assert_eq!(desk.ask("/page", &printed.out).await, 401);
    assert_eq!(std::fs::read_dir(folder).expect("a directory").count(), 0, "no lock is left either");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_without_a_person_does_not_wait_for_one() {
    let desk = Desk::with(|text| text).await;
    let page = desk.at("/page");
    for arguments in [&[&page, "--print-header"][..], &[&page, "--print-header", "--json", "--no-input"]] {
        let said = desk.tell(arguments).await;
        let advice = format!("sign in first: portcullis login {}", desk.at(""));
        assert!(said.code == 1 && said.out.is_empty() && said.err.contains(&advice), "{said:?}");
    }
    let unknown = desk.tell(&[&page.replace("app.localhost", "none.localhost")]).await;
    assert!(unknown.code == 1 && unknown.err.contains("this host is not served here"), "{unknown:?}");
    let bare = desk.tell(&[page.trim_start_matches("http://"), "--print-header"]).await;
    assert!(bare.code == 2 && bare.err.contains(&format!("or {page}")), "{bare:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_commands_at_once_do_not_use_one_refresh_token_twice() {
    // A token that ends within a minute is renewed before it is handed over, so each of them has to.
    let mut desk = Desk::with(|text| text + "\n[oauth]\naccess = \"50s\"\n").await;
    desk.sign_in().await;
    let (desk, page) = (&desk, desk.at("/page"));
    let words = [page.as_str(), "--print-header"];
    let all = futures_util::future::join_all((0..10).map(|_| desk.tell(&words))).await;
    for said in &all {
        assert_eq!(said.code, 0, "{said:?}");
    }
    for said in &all {
        assert_eq!(desk.ask("/page", &said.out).await, 200, "the session lives");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_is_told_and_keeps_nothing() {
    let mut desk = Desk::with(|text| text).await;
    let url = desk.at("/");
    let said = desk.decide("deny", &[&url, "--print-header"]).await;
    assert!(said.code == 1 && said.out.is_empty() && said.err.contains("it was denied"), "{said:?}");
    assert_eq!(desk.tell(&["--list", "--json"]).await.json(), Value::Array(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_tokens_must_be_bound_a_bearer_token_is_not_enough() {
    let tied = "\n[policy.tied]\nextends = \"staff\"\nbound = true\n";
    let change = |text: String| text.replace("policy = \"recent\"", "policy = \"tied\"") + tied;
    let mut desk = Desk::with(change).await;
    let (page, admin) = (desk.at("/page"), desk.at("/admin/x"));
    let said = desk.decide("approve", &[&page, "--bearer"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let bearer = desk.tell(&[&page, "--print-header"]).await;
    assert!(bearer.out.starts_with("Authorization: Bearer ") && bearer.out.lines().count() == 1, "{bearer:?}");
    assert_eq!(desk.ask("/page", &bearer.out).await, 200);
    let refused = desk.tell(&[&admin, "--print-header", "--bearer"]).await;
    assert!(refused.code == 1 && refused.err.contains("leave --bearer out"), "{refused:?}");
    let said =
        desk.decide("approve", &[&admin, "--exec", "--", "sh", "-c", "echo \"$PORTCULLIS_AUTHORIZATION\""]).await;
    assert!(said.out.contains("DPoP ey"), "a sign-in of its own binds the next: {said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_and_absent_gateways_are_told_apart() {
    let (site, ..) = two_hosts().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
    let url = format!("http://app.localhost:{}/", nobody.port());
    let silent = site.tell(&["login", &url]).await;
    assert_eq!(silent.code, 3, "{silent:?}");
    assert!(silent.err.contains("asking http://app.localhost:") && silent.err.contains("its metadata"), "{silent:?}");
    for wrong in [
        ["login", "--exec", "--", "curl", "-V"].as_slice(),
        &["login", "--exec", "--", "curl", "http://a.localhost/", "http://b.localhost/"],
        &["login", &url, "--ca", "/dev/null"],
        &["login", "http://app.example.com/"],
    ] {
        let said = site.tell(wrong).await;
        assert_eq!(said.code, 2, "{wrong:?}: {said:?}");
    }
}
