//! The device flow (RFC 8628).

use super::{DEVICE_GRANT, Program, approve, hundred, recorded};
use crate::rig::Rig;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_program_shows_a_code_and_gets_a_token_once_somebody_approved_it() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let mut person = rig.signed_in("alice", &["staff"]).await;
    let mut program = Program::of(&rig);
    let begun = program.post("/oauth/device_authorization", &[]).await;
    assert_eq!(begun.page.header("cache-control"), Some("no-store"));
    assert_eq!(begun.text("verification_uri"), format!("{}/device", rig.origin("auth.localhost")));
    let code = begun.text("user_code").to_owned();
    assert_eq!(program.poll(begun.text("device_code")).await.error(), "authorization_pending");
    let page = person.visit(begun.text("verification_uri_complete")).await;
    assert!(page.body.contains("calls itself") && page.body.contains("tool") && page.body.contains(&code), "{page:?}");
    assert!(page.body.contains("127.0.0.1") && page.body.contains("every site"), "{page:?}");
    approve(&rig, &mut person, &code).await;
    let granted = program.poll(begun.text("device_code")).await;
    assert_eq!((granted.text("token_type"), &granted.document["expires_in"]), ("Bearer", &600.into()));
    program.keep(&granted);
    let page = program.get(&format!("{}/page", rig.origin("app.localhost"))).await;
    assert_eq!((page.status, page.body.as_str()), (200, "app /page"));
    let seen = app.last();
    assert_eq!(seen.one("x-portcullis-account").as_deref(), Some("alice"));
    assert_eq!(seen.one("authorization"), None, "no service sees the token");
    rig.eventually("the approval is on record", async || recorded(&rig, "program.approved").await == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typed_code_leads_to_the_same_question_and_the_session_is_listed_and_can_be_ended() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut person = rig.signed_in("alice", &["staff"]).await;
    let mut program = Program::of(&rig);
    let begun = program.post("/oauth/device_authorization", &[("resource", &rig.origin("app.localhost"))]).await;
    let portal = rig.origin("auth.localhost");
    let page = person.visit(&format!("{portal}/device")).await;
    let typed = begun.text("user_code").to_lowercase().replace('-', " ");
    let page = person.submit(&page, "/device", &[("user_code", &typed)]).await;
    assert!(page.body.contains("app.localhost") && !page.body.contains("every site"), "{page:?}");
    person.submit(&page, "/device", &[("decision", "approve")]).await;
    let granted = program.poll(begun.text("device_code")).await;
    program.keep(&granted);
    let service = format!("{}/page", rig.origin("app.localhost"));
    assert_eq!(program.get(&service).await.status, 200);
    let mine = person.visit(&format!("{portal}/")).await;
    assert!(mine.body.contains("tool on the command line"), "{mine:?}");
    let all = rig.store.sessions.of(rig.account("alice").await.id).await.expect("the store");
    let theirs = all.iter().find(|session| session.device.name.starts_with("tool")).expect("it is listed");
    let csrf = mine.form("/account/sessions/end").into_iter().find(|(name, _)| name == "csrf").expect("a token");
    let fields = [csrf, ("session".to_owned(), theirs.id.to_string())];
    let from = [("sec-fetch-site", "same-origin")];
    assert_eq!(person.send_form(&format!("{portal}/account/sessions/end"), &fields, &from).await.status, 303);
    assert_eq!(program.get(&service).await.status, 401, "at once, in the process that ended it");
    assert_eq!(program.refresh().await.error(), "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_approved_by_a_session_that_was_ended_beside_the_gateway_a_moment_ago() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut person = rig.signed_in("alice", &["staff"]).await;
    let account = rig.account("alice").await.id;
    let mut program = Program::of(&rig);
    let begun = program.post("/oauth/device_authorization", &[]).await;
    let page = person.visit(begun.text("verification_uri_complete")).await;
    let fields = page.form("/device");
    let approve = [fields, vec![("decision".to_owned(), "approve".to_owned())]].concat();
    // The gateway hears of it within a fifth of a second: this is faster.
    rig.store.sessions.end_all(account, None).await.unwrap();
    let address = format!("{}/device", rig.origin("auth.localhost"));
    person.send_form(&address, &approve, &[("sec-fetch-site", "same-origin")]).await;
    assert_ne!(program.poll(begun.text("device_code")).await.error(), "");
    assert_eq!(rig.store.sessions.of(account).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_signed_in_or_has_not_proved_it_lately_does_that_first() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut person = rig.signed_in("alice", &["staff"]).await;
    let mut program = Program::of(&rig);
    let begun = program.post("/oauth/device_authorization", &[]).await;
    let address = begun.text("verification_uri_complete").to_owned();
    let mut other = person.other();
    let page = other.visit(&address).await;
    assert!(page.path().starts_with("/sign-in"), "{page:?}");
    rig.clock.advance(Duration::from_secs(31));
    let page = other.sign_in(&page, "alice").await;
    assert!(page.path().starts_with("/device?user_code=") && page.body.contains("tool"), "{page:?}");
    rig.clock.advance(Duration::from_secs(6 * 60));
    let begun = program.post("/oauth/device_authorization", &[]).await;
    let page = person.visit(begun.text("verification_uri_complete")).await;
    assert!(page.path().starts_with("/sign-in/"), "the proofs are six minutes old: {page:?}");
    assert_eq!(program.poll(begun.text("device_code")).await.error(), "authorization_pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_proof_does_not_approve_even_if_the_page_was_open_already() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut person = rig.signed_in("alice", &["staff"]).await;
    let mut program = Program::of(&rig);
    let begun = program.post("/oauth/device_authorization", &[]).await;
    let page = person.visit(begun.text("verification_uri_complete")).await;
    rig.clock.advance(Duration::from_secs(6 * 60));
    let page = person.submit(&page, "/device", &[("decision", "approve")]).await;
    assert!(page.path().starts_with("/sign-in/"), "{page:?}");
    assert_eq!(program.poll(begun.text("device_code")).await.error(), "authorization_pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_asks_too_often_is_slowed_down_and_one_that_comes_too_late_is_told_so() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut program = Program::of(&rig);
    let begun = program.post("/oauth/device_authorization", &[]).await;
    let code = begun.text("device_code").to_owned();
    assert_eq!((begun.document["interval"].as_u64(), begun.document["expires_in"].as_u64()), (Some(5), Some(600)));
    assert_eq!(program.poll(&code).await.error(), "authorization_pending");
    rig.clock.advance(Duration::from_secs(2));
    assert_eq!(program.poll(&code).await.error(), "slow_down");
    rig.clock.advance(Duration::from_secs(5));
    assert_eq!(program.poll(&code).await.error(), "authorization_pending");
    rig.clock.advance(Duration::from_secs(600));
    assert_eq!(program.poll(&code).await.error(), "expired_token");
    let mut person = rig.signed_in("alice", &["staff"]).await;
    let page = person.visit(begun.text("verification_uri_complete")).await;
    assert!(page.status == 422 && page.body.contains("There is no such code"), "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_program_gets_nothing_and_the_code_is_spent() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut person = rig.signed_in("alice", &["staff"]).await;
    let mut program = Program::of(&rig);
    let begun = program.post("/oauth/device_authorization", &[]).await;
    let page = person.visit(begun.text("verification_uri_complete")).await;
    let denied = person.submit(&page, "/device", &[("decision", "deny")]).await;
    assert!(denied.body.contains("was not connected"), "{denied:?}");
    assert_eq!(program.poll(begun.text("device_code")).await.error(), "access_denied");
    let again = person.submit(&page, "/device", &[("decision", "approve")]).await;
    assert!(!again.body.contains("is connected"), "{again:?}");
    assert_eq!(program.poll(begun.text("device_code")).await.error(), "access_denied");
    rig.eventually("the denial is on record", async || recorded(&rig, "program.denied").await == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_who_use_an_approved_code_at_once_exactly_one_gets_tokens() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut person = rig.signed_in("alice", &["staff"]).await;
    let mut program = Program::of(&rig);
    let begun = program.post("/oauth/device_authorization", &[]).await;
    approve(&rig, &mut person, begun.text("user_code")).await;
    let fields = [("grant_type", DEVICE_GRANT), ("device_code", begun.text("device_code"))];
    let said = hundred(&program, &fields).await;
    assert_eq!(said.iter().filter(|said| said.status == 200).count(), 1);
    assert!(said.iter().filter(|said| said.status != 200).all(|said| said.error() == "invalid_grant"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_for_the_program_that_asked_for_it() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut person = rig.signed_in("alice", &["staff"]).await;
    let mut program = Program::of(&rig);
    let begun = program.post("/oauth/device_authorization", &[]).await;
    approve(&rig, &mut person, begun.text("user_code")).await;
    let mut other = program.stolen();
    other.client = "other".to_owned();
    assert_eq!(other.poll(begun.text("device_code")).await.error(), "invalid_grant");
    assert_eq!(program.poll(begun.text("device_code")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_codes_are_counted_and_after_a_few_one_has_to_wait() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut person = rig.signed_in("alice", &["staff"]).await;
    let mut program = Program::of(&rig);
    let begun = program.post("/oauth/device_authorization", &[]).await;
    let portal = rig.origin("auth.localhost");
    for _ in 0..5 {
        assert_eq!(person.visit(&format!("{portal}/device?user_code=BCDF-BCDF")).await.status, 422);
    }
    let page = person.visit(begun.text("verification_uri_complete")).await;
    assert_eq!((page.status, page.header("retry-after")), (429, Some("1")), "the right one has to wait too");
    let metrics = rig.admin("/metrics").await.1;
    for (result, count) in [("wrong", 5), ("throttled", 1)] {
        let counted = format!(r#"portcullis_programs_total{{grant="user_code",result="{result}"}} {count}"#);
        assert!(metrics.contains(&counted), "{counted} is not in\n{metrics}");
    }
    rig.clock.advance(Duration::from_secs(2));
    assert_eq!(person.visit(begun.text("verification_uri_complete")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_guesses_no_code_in_somebody_else_s_name() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut person = rig.signed_in("alice", &["staff"]).await;
    let mut program = Program::of(&rig);
    let begun = program.post("/oauth/device_authorization", &[]).await;
    let device = format!("{}/device", rig.origin("auth.localhost"));
    for _ in 0..20 {
        let page = person.follow_from_elsewhere(&format!("{device}?user_code=BCDF-BCDF")).await;
        assert!(page.status == 200 && page.body.contains("BCDF-BCDF"), "the code is filled in: {page:?}");
        let page = person.fetch(&format!("{device}?user_code=BCDF-BCDF")).await;
        assert_eq!(page.status, 200, "a browser that does not say where it comes from");
    }
    let page = person.follow_from_elsewhere(begun.text("verification_uri_complete")).await;
    assert!(!page.body.contains("calls itself"), "nobody has looked it up: {page:?}");
    let page = person.submit(&page, "/device", &[("user_code", begun.text("user_code"))]).await;
    assert!(page.status == 200 && page.body.contains("calls itself"), "no guess was counted: {page:?}");
    person.submit(&page, "/device", &[("decision", "approve")]).await;
    assert_eq!(program.poll(begun.text("device_code")).await.status, 200);
    let page = person.follow_from_elsewhere(&format!("{device}?user_code=%22%3E%3Cscript%3E")).await;
    assert!(page.status == 200 && !page.body.contains("<script"), "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_site_approves_nothing() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut person = rig.signed_in("alice", &["staff"]).await;
    let mut program = Program::of(&rig);
    let begun = program.post("/oauth/device_authorization", &[]).await;
    let page = person.visit(begun.text("verification_uri_complete")).await;
    let decision = ("/device", &[("decision", "approve")][..]);
    let foreign = person.post_from(&page, decision, &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(foreign.status, 403);
    let fields = [("user_code", begun.text("user_code")), ("decision", "approve")];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let from = [("sec-fetch-site", "same-origin")];
    let made_up = person.send_form(&format!("{}/device", rig.origin("auth.localhost")), &fields, &from).await;
    assert_eq!(made_up.status, 403);
    assert_eq!(program.poll(begun.text("device_code")).await.error(), "authorization_pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_request_is_told_what_is_wrong_with_it() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut program = Program::of(&rig);
    let begin = "/oauth/device_authorization";
    assert_eq!(program.send(begin, &[], &[]).await.error(), "invalid_request");
    assert_eq!(program.send(begin, &[("client_id", "a"), ("client_id", "a")], &[]).await.error(), "invalid_request");
    assert_eq!(program.send(begin, &[("client_id", "a b")], &[]).await.error(), "invalid_client");
    for resource in ["https://elsewhere.example", "nonsense", &rig.origin("auth.localhost")] {
        assert_eq!(program.post(begin, &[("resource", resource)]).await.error(), "invalid_target", "{resource}");
    }
    assert_eq!(program.post(begin, &[("acr_values", "unheard-of")]).await.error(), "invalid_request");
    assert_eq!(program.post(begin, &[("max_age", "soon")]).await.error(), "invalid_request");
    assert_eq!(program.post("/oauth/token", &[]).await.error(), "invalid_request");
    assert_eq!(program.post("/oauth/token", &[("grant_type", "password")]).await.error(), "unsupported_grant_type");
    assert_eq!(program.poll("made up").await.error(), "invalid_grant");
    let json = [("content-type", "application/json")];
    assert_eq!(program.send("/oauth/token", &[("client_id", "a")], &json).await.error(), "invalid_request");
    let page = program.get_with(&format!("{}/oauth/token", rig.origin("auth.localhost")), &[]).await;
    assert_eq!((page.status, page.header("allow")), (405, Some("POST")));
    let answer = program.post("/oauth/token", &[]).await;
    assert_eq!(answer.page.header("access-control-allow-origin"), None);
    assert_eq!(answer.page.header("set-cookie"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_needs_is_proved_before_it_is_approved() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut person = rig.signed_in("alice", &["staff"]).await;
    rig.clock.advance(Duration::from_secs(120));
    let mut program = Program::of(&rig);
    let begun = program.post("/oauth/device_authorization", &[("acr_values", "mfa"), ("max_age", "60")]).await;
    let page = person.visit(begun.text("verification_uri_complete")).await;
    assert!(page.path().starts_with("/sign-in/"), "two minutes are too long ago here: {page:?}");
    let begun = program.post("/oauth/device_authorization", &[("acr_values", "mfa"), ("max_age", "180")]).await;
    let page = person.visit(begun.text("verification_uri_complete")).await;
    assert!(page.path().starts_with("/device"), "{page:?}");
}
