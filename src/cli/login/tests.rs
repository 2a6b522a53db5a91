//! The client against a gateway that follows a script: what is asked, in which order, with which proofs.

mod script;

use super::aim::{Aim, Origin};
use super::asking::Http;
use super::client::{Approver, Client};
use super::discovery::Binding;
use super::handing::Fields;
use super::kept::{Folder, Kept};
use crate::cli::ending::Stopped;
use crate::cli::output::{Form, Output};
use crate::stdx::clock::{Clock, SystemClock, Time};
use http::Method;
use script::{Scene, Script};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use url::Url;

struct Stage {
    script: Script,
    home: tempfile::TempDir,
}

impl Stage {
    fn new(scene: Scene) -> Self {
        Stage { script: Script::play(scene), home: tempfile::tempdir().expect("a directory") }
    }

    fn origin(&self) -> Origin {
        Origin::parse(&self.script.origin()).expect("an origin")
    }

    fn folder(&self) -> Folder {
        Folder::at(self.home.path().join("login"))
    }

    fn client(&self) -> Client {
        let http = Http::open(&self.origin(), None).expect("a client");
        let told = Output::new(Form::Json).aside();
        let approver = Approver::Somebody;
        Client { http, folder: self.folder(), origin: self.origin(), binding: Binding::Key, told, approver }
    }

    /// The file that is kept.
    fn file(&self) -> std::path::PathBuf {
        let name = self.script.origin().replacen("://", ":", 1);
        self.home.path().join("login").join(format!("{name}.json"))
    }

    fn aim(&self, path: &str) -> Aim {
        let url = Url::parse(&format!("{}{path}", self.script.origin())).expect("an address");
        Aim::at(&url, Method::GET).expect("a request")
    }

    async fn ready(&self) -> anyhow::Result<Kept> {
        self.client().ready(&self.aim("/orders?a=b")).await
    }

    /// What is kept is made to have ended.
    fn age(&self) {
        let place = self.folder().hold(&self.origin(), || Ok(())).expect("it is free");
        let kept = place.read().expect("readable").expect("kept");
        place.write(&Kept { until: Time::from_secs(1), ..kept }).expect("written");
    }

    fn kept(&self) -> Option<Kept> {
        let place = self.folder().hold(&self.origin(), || Ok(())).expect("it is free");
        place.read().expect("readable")
    }
}

fn access(kept: &Kept) -> String {
    kept.access.expose_text().expect("text").to_owned()
}

fn refused(result: anyhow::Result<Kept>) -> (bool, String) {
    let error = result.err().expect("it is refused");
    (error.is::<Stopped>(), format!("{error:#}"))
}

#[tokio::test]
async fn a_sign_in_waits_for_approval_and_is_kept_with_its_key() {
    let stage = Stage::new(Scene { polls: vec!["authorization_pending"], ..Scene::default() });
    let kept = stage.ready().await.expect("tokens");
    assert_eq!((access(&kept).as_str(), kept.account.as_deref()), ("access-1", Some("alice")));
    let asked = stage.script.forms("/device");
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0]["client_id"].as_str(), asked[0]["resource"].as_str()),
        ("portcullis", &*stage.script.origin())
    );
    assert_eq!(stage.script.paths("/token"), 2, "pending, and then approved");
    let again = stage.ready().await.expect("the same tokens");
    assert_eq!(
        (access(&again).as_str(), stage.script.forms("/device").len()),
        ("access-1", 1),
        "nobody is asked again"
    );
    let heard = stage.script.heard();
    let check = heard.iter().rev().find(|heard| heard.path == "/.portcullis/check").expect("it is asked");
    assert_eq!(check.query, "method=GET&path=%2Forders%3Fa%3Db");
    assert_eq!(check.fields["authorization"], "DPoP access-1");
}

#[tokio::test]
async fn no_is_an_answer_and_keeps_nothing() {
    for (word, sentence) in [("access_denied", "denied"), ("expired_token", "expired")] {
        let stage = Stage::new(Scene { polls: vec![word], ..Scene::default() });
        let (answer_is_no, said) = refused(stage.ready().await);
        assert!(answer_is_no && said.contains(sentence), "{said}");
        assert!(stage.kept().is_none());
    }
}

#[tokio::test]
async fn a_refresh_token_is_used_once_however_many_ask() {
    let stage = Stage::new(Scene::default());
    stage.ready().await.expect("tokens");
    stage.age();
    let stage = &stage;
    std::thread::scope(|scope| {
        let one = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            access(&runtime.block_on(stage.ready()).expect("tokens"))
        };
        let all: Vec<_> = (0..10).map(|_| scope.spawn(one)).collect();
        for one in all {
            assert_eq!(one.join().expect("it ends"), "access-2");
        }
    });
    assert_eq!((stage.script.refreshes(), stage.script.forms("/device").len()), (1, 1));
}

#[tokio::test]
async fn a_used_refresh_token_leads_to_a_new_sign_in() {
    let stage = Stage::new(Scene::default());
    stage.ready().await.expect("tokens");
    stage.age();
    stage.script.with(|scene| scene.refresh = "another".to_owned());
    stage.ready().await.expect("tokens");
    assert_eq!(stage.script.forms("/device").len(), 2);
    assert_eq!(stage.script.forms("/revoke").len(), 1, "and the session before is ended");
}

#[tokio::test]
async fn a_request_that_needs_more_is_signed_in_for_with_exactly_that() {
    let challenge =
        r#"DPoP algs="ES256", error="insufficient_user_authentication", acr_values="phishing-resistant", max_age="60""#;
    let stage = Stage::new(Scene {
        checks: vec![(401, challenge, r#"{"detail":"this needs a passkey"}"#)],
        ..Scene::default()
    });
    stage.ready().await.expect("tokens");
    let asked = stage.script.forms("/device");
    assert_eq!(asked.len(), 2);
    assert!(!asked[0].contains_key("acr_values"));
    assert_eq!((asked[1]["acr_values"].as_str(), asked[1]["max_age"].as_str()), ("phishing-resistant", "60"));
    let twice = Stage::new(Scene { checks: vec![(401, challenge, "{}"), (401, challenge, "{}")], ..Scene::default() });
    let (answer_is_no, said) = refused(twice.ready().await);
    assert!(answer_is_no && said.contains("still refused"), "{said}");
    assert_eq!(twice.script.forms("/device").len(), 2, "once is enough");
}

#[tokio::test]
async fn a_token_that_is_not_good_any_more_is_renewed_and_then_asked_for_anew() {
    let invalid = (401, r#"DPoP error="invalid_token""#, "{}");
    let stage = Stage::new(Scene::default());
    stage.ready().await.expect("tokens");
    stage.script.with(|scene| scene.checks = vec![invalid]);
    assert_eq!(access(&stage.ready().await.expect("tokens")), "access-2");
    assert_eq!((stage.script.refreshes(), stage.script.forms("/device").len()), (1, 1));
    stage.script.with(|scene| scene.checks = vec![invalid, invalid]);
    assert_eq!(access(&stage.ready().await.expect("tokens")), "access-4");
    assert_eq!((stage.script.refreshes(), stage.script.forms("/device").len()), (2, 2));
}

#[tokio::test]
async fn a_refusal_is_told_in_the_gateway_s_own_words() {
    let stage =
        Stage::new(Scene { checks: vec![(403, "", r#"{"detail":"only for \u001b[2J staff"}"#)], ..Scene::default() });
    let (answer_is_no, said) = refused(stage.ready().await);
    assert!(answer_is_no);
    assert_eq!(said, "only for \\u{1b}[2J staff");
}

#[tokio::test]
async fn a_gateway_that_has_never_heard_of_the_question_is_no_obstacle() {
    let stage = Stage::new(Scene { checks: vec![(404, "", "")], ..Scene::default() });
    assert!(stage.ready().await.is_ok());
}

#[tokio::test]
async fn a_nonce_is_learnt_where_it_is_asked_for_and_goes_into_what_is_handed_over() {
    let stage = Stage::new(Scene { nonces: true, ..Scene::default() });
    let mut client = stage.client();
    let aim = stage.aim("/orders");
    let kept = client.ready(&aim).await.expect("tokens");
    assert_eq!(client.http.nonce(&aim.url), Some("nonce-1"));
    assert!(Fields::of(&aim, &kept, &client.http).is_ok());
    assert_eq!(stage.script.proofs_used_twice(), 0);
}

#[tokio::test]
async fn a_server_that_binds_nothing_gives_bearer_tokens() {
    let stage = Stage::new(Scene { binds: false, ..Scene::default() });
    let kept = stage.ready().await.expect("tokens");
    assert!(kept.key.is_none());
    let heard = stage.script.heard();
    assert!(heard.iter().all(|heard| !heard.fields.contains_key("dpop")));
    assert_eq!(heard.last().expect("a check").fields["authorization"], "Bearer access-1");
}

#[tokio::test]
async fn tokens_that_are_not_bound_as_they_should_be_are_not_kept() {
    let stage = Stage::new(Scene { grants: "Bearer", ..Scene::default() });
    let (_, said) = refused(stage.ready().await);
    assert!(said.contains("DPoP") && stage.kept().is_none(), "{said}");
}

#[tokio::test]
async fn redirects_and_endless_answers_are_refused() {
    for (status, body, sentence) in [(302, String::new(), "302"), (200, "x".repeat(70 * 1024), "longer than 64 KiB")] {
        let stage = Stage::new(Scene { metadata: Some((status, body)), ..Scene::default() });
        let (_, said) = refused(stage.ready().await);
        assert!(said.contains(sentence) && said.contains(&stage.script.origin()), "{said}");
        assert_eq!(stage.script.heard().len(), 1, "nothing is followed");
    }
}

#[tokio::test]
async fn signing_out_gives_the_token_back_and_forgets_it_even_if_nobody_answers() {
    let stage = Stage::new(Scene::default());
    stage.ready().await.expect("tokens");
    assert!(matches!(stage.client().sign_out().await, Ok(Some(Ok(())))));
    assert_eq!(stage.script.forms("/revoke")[0]["token"], "refresh-1");
    assert!(stage.kept().is_none());
    assert!(matches!(stage.client().sign_out().await, Ok(None)), "nothing is left");
    stage.ready().await.expect("tokens");
    stage.script.with(|scene| scene.metadata = Some((503, String::new())));
    assert!(matches!(stage.client().sign_out().await, Ok(Some(Err(_)))));
    assert!(stage.kept().is_none());
}

#[tokio::test]
async fn signing_out_gives_back_what_others_could_have_read_and_says_what_lives_on_where_it_cannot() {
    let stage = Stage::new(Scene::default());
    stage.ready().await.expect("tokens");
    let file = stage.file();
    std::fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("it is ours");
    let refused = stage.ready().await.err().expect("it is exposed").to_string();
    assert!(refused.contains("may be read by others"), "{refused}");
    assert!(matches!(stage.client().sign_out().await, Ok(Some(Ok(())))));
    assert_eq!(stage.script.forms("/revoke")[0]["token"], "refresh-1");
    assert!(!file.exists());
    stage.ready().await.expect("tokens");
    std::fs::write(&file, "garbage").expect("it is ours");
    let told = stage.client().sign_out().await.expect("it is removed").expect("it was there");
    let told = format!("{:#}", told.expect_err("nothing could be given back"));
    let portal = format!("end it at {}/", stage.script.origin());
    assert!(told.contains("the session may live on") && told.contains(&portal) && !told.contains("--logout"), "{told}");
    assert!(!file.exists());
}

#[tokio::test]
async fn nobody_is_asked_to_approve_what_could_not_be_kept() {
    let stage = Stage::new(Scene::default());
    std::fs::create_dir_all(stage.file().with_extension("new")).expect("made");
    let (_, said) = refused(stage.ready().await);
    assert!(said.contains("the tokens could not be kept in"), "{said}");
    assert_eq!(stage.script.forms("/device").len(), 0);
}

#[tokio::test]
async fn a_place_that_was_never_signed_in_to_leaves_nothing_behind() {
    let stage = Stage::new(Scene { polls: vec!["access_denied"], ..Scene::default() });
    let (_, said) = refused(stage.ready().await);
    assert!(said.contains("denied"), "{said}");
    let folder = stage.file();
    let left = std::fs::read_dir(folder.parent().expect("a directory")).expect("it was made").count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn where_nobody_could_approve_it_nothing_is_asked_for() {
    let stage = Stage::new(Scene::default());
    let alone = || Client { approver: Approver::Nobody, ..stage.client() };
    let (answer_is_no, said) = refused(alone().ready(&stage.aim("/orders")).await);
    assert!(answer_is_no && said.contains(&format!("portcullis login {}", stage.script.origin())), "{said}");
    assert_eq!(stage.script.forms("/device").len(), 0);
    stage.ready().await.expect("tokens");
    assert!(alone().ready(&stage.aim("/orders")).await.is_ok(), "what is there is enough");
    let challenge = r#"DPoP error="insufficient_user_authentication", max_age="60""#;
    stage.script.with(|scene| scene.checks = vec![(401, challenge, r#"{"detail":"a fresher sign-in is needed"}"#)]);
    let (answer_is_no, said) = refused(alone().ready(&stage.aim("/orders")).await);
    assert!(answer_is_no && said.contains("a fresher sign-in is needed") && said.contains("--print-header"), "{said}");
}

#[tokio::test]
async fn a_server_that_is_no_gateway_is_told_in_a_sentence() {
    let page = "<!doctype html><p>hello".to_owned();
    let problem = r#"{"title":"Bad Gateway","detail":"the service is away"}"#.to_owned();
    for (status, body, sentence) in [
        (200, page.clone(), "is not behind a gateway"),
        (404, page, "is not behind a gateway"),
        (421, String::new(), "this host is not served here"),
        (502, problem, "it answered 502, the service is away"),
    ] {
        let stage = Stage::new(Scene { metadata: Some((status, body)), ..Scene::default() });
        let (_, said) = refused(stage.ready().await);
        assert!(said.contains(sentence) && !said.contains("line 1 column"), "{status}: {said}");
    }
}

#[tokio::test]
async fn a_token_that_lasts_is_not_renewed() {
    let stage = Stage::new(Scene::default());
    let kept = stage.ready().await.expect("tokens");
    assert!(SystemClock.now().plus(Duration::from_secs(60)) < kept.until);
    stage.ready().await.expect("tokens");
    assert_eq!(stage.script.refreshes(), 0);
}
