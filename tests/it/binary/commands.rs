//! The verbs that look and change nothing: `check`, `routes`, `explain`, `reference`, `completions`; and `reload`.

use super::process::{Site, eventually, two_hosts};
use crate::rig::{exchange, get};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn check_says_what_a_fine_configuration_comes_to() {
    let (site, ..) = two_hosts().await;
    let said = site.tell(&["check"]).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert!(said.out.contains("is fine: 5 routes, 2 pools with 2 members"), "{said:?}");
    assert!(!site.path("state").exists(), "it changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_every_problem_with_its_place() {
    let site = Site::new("[[listen]]\naddress = \"127.0.0.1:0\"\ntsl = true\n\n[pool.a]\nmembers = [\"here\"]\n");
    let said = site.tell(&["check"]).await;
    assert_eq!(said.code, 1);
    let file = site.path("portcullis.toml");
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines.len(), 3, "{said:?}");
    assert!(lines[0].starts_with(&format!("{}:3:1: listen[0].tsl: ", file.display())), "{said:?}");
    assert!(lines[0].ends_with("did you mean tls?"), "the nearest known name: {said:?}");
    assert!(lines[1].starts_with(&format!("{}:6:12: pool.a.members[0]: ", file.display())), "{said:?}");
    assert_eq!(lines[2], format!("{}: 2 problems", file.display()));
    let json = site.tell(&["check", "--json"]).await;
    assert_eq!(json.code, 1);
    let problem = &json.json()["problems"][0];
    assert_eq!(
        (&problem["line"], &problem["column"], &problem["key"]),
        (&json!(3), &json!(1), &json!("listen[0].tsl"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_there_is_a_problem_too() {
    let (site, ..) = two_hosts().await;
    let missing = site.path("missing.toml");
    let said = site.tell(&["check", "--config", missing.to_str().expect("text")]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("missing.toml"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_ends_with_two() {
    let (site, ..) = two_hosts().await;
    for arguments in [&["chekc"][..], &["account", "add"], &["explain"], &["session", "revoke"], &[]] {
        let said = site.tell(arguments).await;
        assert_eq!(said.code, 2, "{arguments:?}: {said:?}");
        assert!(said.err.contains("Usage"), "{said:?}");
    }
    assert_eq!(site.tell(&["--help"]).await.code, 0);
    assert!(site.tell(&["--version"]).await.out.starts_with("portcullis "));
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_stand_in_the_order_of_matching() {
    let (site, ..) = two_hosts().await;
    let said = site.tell(&["routes"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let names: Vec<&str> = said.out.lines().skip(1).filter_map(|line| line.split_whitespace().nth(2)).collect();
    assert_eq!(names, ["app-admin", "app-boss", "app-open", "app", "wiki"], "{}", said.out);
    let json = site.tell(&["routes", "--json"]).await.json();
    let admin = json.as_array().expect("a list").iter().find(|route| route["name"] == "app-admin").expect("there");
    assert_eq!(
        (&admin["policy"], &admin["pool"], &admin["path"]),
        (&json!("recent"), &json!("app"), &json!("/admin/**"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_broken_file_scripts_get_its_problems_and_people_the_edition_that_serves() {
    let (site, ..) = two_hosts().await;
    let _running = site.run().await;
    site.write(&site.read().replace("name = \"wiki\"", "nmae = \"wiki\""));
    let socket = site.path("admin.sock");
    eventually("the refusal is known", || socket.exists()).await;
    let checked = site.tell(&["check", "--json"]).await.json();
    for verb in [&["routes", "--json"][..], &["explain", "http://app.localhost/x", "--json"]] {
        let said = site.tell(verb).await;
        assert_eq!((said.code, &said.json()), (1, &checked), "{said:?}");
        assert!(said.err.contains("edition 2 serves meanwhile"), "{said:?}");
    }
    let people = site.tell(&["routes"]).await;
    assert_eq!((people.code, people.out.as_str()), (1, ""), "{people:?}");
    assert!(people.err.contains("route[4].nmae: ") && people.err.contains("edition 2 serves"), "{people:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_judges_condition_by_condition_and_ends_with_the_answer() {
    let (site, ..) = two_hosts().await;
    let permitted = site.tell(&["explain", "http://app.localhost/x", "--groups", "staff"]).await;
    assert_eq!(permitted.code, 0, "{permitted:?}");
    assert!(permitted.out.starts_with("permitted"), "{permitted:?}");
    let forbidden = site.tell(&["explain", "http://app.localhost/boss/x", "--groups", "staff"]).await;
    assert_eq!(forbidden.code, 1, "{forbidden:?}");
    let failed = forbidden.out.lines().find(|line| line.contains('✗')).expect("a failed condition");
    assert!(failed.contains("groups") && failed.contains("staff") && failed.contains("boss"), "{failed}");
    let old =
        site.tell(&["explain", "http://app.localhost/admin/x", "--groups", "staff", "--age", "11m", "--json"]).await;
    assert_eq!((old.code, &old.json()["outcome"]), (1, &json!("step-up")), "{old:?}");
    let nobody = site.tell(&["explain", "http://app.localhost/x", "--json"]).await;
    assert_eq!((nobody.code, &nobody.json()["outcome"]), (1, &json!("sign-in")), "{nobody:?}");
    let open = site.tell(&["explain", "http://app.localhost/open/x"]).await;
    assert_eq!(open.code, 0, "{open:?}");
    let unknown = site.tell(&["explain", "http://nowhere.localhost/", "--json"]).await;
    assert_eq!((unknown.code, &unknown.json()["outcome"]), (1, &json!("no-host")), "{unknown:?}");
    let odd = site.tell(&["explain", "http://app.localhost/a/%2e%2e/b", "--json"]).await;
    assert_eq!((odd.code, &odd.json()["outcome"]), (1, &json!("malformed")), "{odd:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_explained_by_its_id() {
    let (site, ..) = two_hosts().await;
    let running = site.run().await;
    let refused = exchange(running.address, get("/boss/x", "").as_bytes()).await;
    let problem: serde_json::Value = serde_json::from_str(&refused.body).expect("JSON");
    let id = problem["decision"].as_str().expect("an id");
    let said = site.tell(&["explain", id]).await;
    assert_eq!(said.code, 1, "{said:?}");
    for word in ["app-boss", "policy", "boss", "require", "groups", "GET app.localhost /boss/x"] {
        assert!(said.out.contains(word), "{word}: {}", said.out);
    }
    let never = site.tell(&["explain", "dec_00000000000000000000000000"]).await;
    assert_eq!(never.code, 1, "{never:?}");
    assert!(never.err.contains("is unknown"), "{never:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_and_completions_are_printed() {
    let (site, ..) = two_hosts().await;
    let reference = site.tell(&["reference"]).await;
    assert_eq!((reference.code, reference.out.trim_end()), (0, portcullis::config::reference().trim_end()));
    for shell in ["bash", "zsh", "fish"] {
        let said = site.tell(&["completions", shell]).await;
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains("portcullis") && said.out.contains("explain"), "{shell}");
    }
    assert_eq!(site.tell(&["completions", "abacus"]).await.code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_says_what_became_of_it() {
    let (site, ..) = two_hosts().await;
    let running = site.run().await;
    let good = site.read();
    let unchanged = site.tell(&["reload"]).await;
    assert_eq!((unchanged.code, unchanged.out.trim()), (0, "nothing has changed; edition 2 stays"));
    eventually("the log says so too", || running.logged("nothing has changed").is_some()).await;
    site.write(&good.replace("name = \"wiki\"", "nmae = \"wiki\""));
    let refused = site.tell(&["reload"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.out.contains("route[4].nmae: ") && refused.out.contains("edition 2 keeps serving"), "{refused:?}");
    eventually("the log says so too", || running.log().iter().any(|line| line.contains("route[4].nmae"))).await;
    site.write(&(good + "\n[session]\nidle = \"20m\"\n"));
    let applied = site.tell(&["reload", "--json"]).await;
    assert_eq!((applied.code, &applied.json()["edition"]), (0, &json!(3)), "{applied:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_without_a_gateway_fails() {
    let (site, ..) = two_hosts().await;
    let said = site.tell(&["reload"]).await;
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains("no gateway is running here"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_socket_is_named_the_command_says_what_to_add_and_that_nobody_was_asked() {
    let (site, ..) = two_hosts().await;
    site.write(&site.read().replace("socket = \"admin.sock\"", ""));
    for verb in ["status", "reload"] {
        let said = site.tell(&[verb]).await;
        assert_eq!(said.code, 3, "1 would say that it is not ready, or has refused: {said:?}");
        let add = "add socket = \"/run/portcullis/admin.sock\" to [admin]";
        assert!(said.err.contains(add) && said.err.contains("portcullis.toml names no socket"), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_verify_proves_the_record_and_finds_the_head_that_was_kept() {
    let (site, ..) = two_hosts().await;
    assert_eq!(site.tell(&["account", "add", "alice"]).await.code, 0);
    let said = site.tell(&["audit", "verify"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.starts_with("the record is sound: 2 events in one chain"), "{said:?}");
    let json = site.tell(&["audit", "verify", "--json"]).await.json();
    assert_eq!((&json["sound"], &json["events"]), (&json!(true), &json!(2)));
    let head = json["head"].as_str().expect("text").to_owned();
    assert_eq!(site.tell(&["account", "disable", "alice"]).await.code, 0);
    assert_eq!(site.tell(&["audit", "verify", "--head", &head]).await.code, 0);
    let other = site.tell(&["audit", "verify", "--head", &"ab".repeat(32)]).await;
    assert_eq!(other.code, 1, "{other:?}");
    assert!(other.out.contains("was written anew"), "{other:?}");
    assert_eq!(site.tell(&["audit", "verify", "--head", "abc"]).await.code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_directory_that_others_may_write_into_is_refused_with_the_remedy() {
    use std::os::unix::fs::PermissionsExt;
    let (site, ..) = two_hosts().await;
    assert_eq!(site.tell(&["account", "add", "alice"]).await.code, 0);
    let state = site.path("state");
    let set = |mode| std::fs::set_permissions(&state, std::fs::Permissions::from_mode(mode)).expect("it is ours");
    set(0o777);
    for arguments in [&["account", "list"][..], &["audit", "tail"], &["run"]] {
        let said = site.tell(arguments).await;
        assert_ne!(said.code, 0, "{arguments:?}: {said:?}");
        let remedy = format!("chmod 0700 {}", state.display());
        assert!(said.err.contains("its mode is 0777") && said.err.contains(&remedy), "{arguments:?}: {said:?}");
    }
    set(0o755);
    assert_eq!(site.tell(&["account", "list"]).await.code, 0, "others may look, which is a warning of check");
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_of_the_unit_a_missing_credential_is_a_warning_to_look_and_a_problem_to_serve() {
    let (site, ..) = two_hosts().await;
    let notice = "\n[notice]\nwebhook = { url = \"http://localhost:9/\", token = { credential = \"notice-token\" } }\n";
    site.write(&(site.read() + notice));
    let check = site.tell(&["check"]).await;
    assert_eq!(check.code, 0, "{check:?}");
    for word in
        ["warning: notice.webhook.token: the credential \"notice-token\"", "/run/credentials/portcullis.service"]
    {
        assert!(check.out.contains(word), "{word}: {check:?}");
    }
    assert_eq!(site.tell(&["routes"]).await.code, 0);
    assert_eq!(site.tell(&["explain", "http://app.localhost/open/x"]).await.code, 0);
    let added = site.tell(&["account", "add", "alice", "--group", "staf"]).await;
    assert!(added.code == 0 && added.err.is_empty(), "{added:?}");
    assert!(added.out.contains("no policy names the group staf"), "all of it can be told: {added:?}");
    let run = site.tell(&["run"]).await;
    assert!(run.code == 78 && run.err.contains("there is no credential directory"), "{run:?}");
}
