//! The code flow with PKCE for programs on the person's own machine (RFC 6749 §4.1, RFC 7636, RFC 8252, RFC 9207).

use super::{Program, Said, hundred, recorded};
use crate::rig::{Browser, Page, Rig};
use data_encoding::BASE64URL_NOPAD;
use portcullis::stdx::digest::sha256;
use std::time::Duration;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const BACK: &str = "http://127.0.0.1:4711/back?a=b";

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The address that a program sends its person to, with some parameters changed; an empty one is left out.
pub(super) fn address(rig: &Rig, changed: &[(&str, &str)]) -> String {
    let challenge = BASE64URL_NOPAD.encode(&sha256(VERIFIER.as_bytes()));
    let usual = [
        ("response_type", "code"),
        ("client_id", "tool"),
        ("redirect_uri", BACK),
        ("state", "st&te"),
        ("code_challenge", &*challenge),
        ("code_challenge_method", "S256"),
    ];
    let changes = |name: &str| changed.iter().find(|(own, _)| *own == name).map(|(_, value)| *value);
    let kept = usual.iter().map(|(name, value)| (*name, changes(name).unwrap_or(value)));
    let added = changed.iter().copied().filter(|(name, _)| usual.iter().all(|(own, _)| own != name));
    let all = kept.chain(added).filter(|(_, value)| !value.is_empty());
    let query: Vec<String> = all.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    format!("{}/oauth/authorize?{}", rig.origin("auth.localhost"), query.join("&"))
}

/// A parameter of the address that a page leads to.
pub(super) fn parameter(page: &Page, name: &str) -> Option<String> {
    let to = page.header("location")?;
    let (_, query) = to.split_once('?')?;
    let value = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")))?;
    Some(percent_encoding::percent_decode_str(value).decode_utf8().expect("UTF-8").into_owned())
}

/// The code that a person's approval gives.
async fn code(rig: &Rig, person: &mut Browser, changed: &[(&str, &str)]) -> String {
    let page = person.visit(&address(rig, changed)).await;
    let sent = person.post(&page, "/oauth/authorize", &[("decision", "approve")]).await;
    parameter(&sent, "code").unwrap_or_else(|| panic!("no code: {sent:?}"))
}

async fn redeem(program: &mut Program, code: &str, (redirect, verifier): (&str, &str)) -> Said {
    let kind = ("grant_type", "authorization_code");
    let fields = [kind, ("code", code), ("redirect_uri", redirect), ("code_verifier", verifier)];
    program.post("/oauth/token", &fields).await
}

async fn scene() -> (Rig, Browser, Program) {
    // Nothing here keeps the members: they live as long as the runtime of the test.
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let person = rig.signed_in("alice", &["staff"]).await;
    let program = Program::of(&rig);
    (rig, person, program)
}

async fn works(rig: &Rig, program: &mut Program) -> bool {
    program.get(&format!("{}/page", rig.origin("app.localhost"))).await.status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_sends_its_person_to_the_portal_and_gets_a_code_back() {
    let (rig, mut person, mut program) = scene().await;
    let page = person.visit(&address(&rig, &[])).await;
    assert!(page.body.contains("calls itself") && page.body.contains("runs on this computer"), "{page:?}");
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("form-action 'self' http://127.0.0.1:4711;"), "{policy}");
    let sent = person.post(&page, "/oauth/authorize", &[("decision", "approve")]).await;
    assert!(sent.status == 303 && sent.header("location").is_some_and(|to| to.starts_with(BACK)), "{sent:?}");
    assert_eq!(parameter(&sent, "state").as_deref(), Some("st&te"));
    assert_eq!(parameter(&sent, "iss"), Some(rig.origin("auth.localhost")));
    let code = parameter(&sent, "code").expect("a code");
    let granted = redeem(&mut program, &code, (BACK, VERIFIER)).await;
    program.keep(&granted);
    assert!(works(&rig, &mut program).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_says_no_or_a_question_that_cannot_be_answered_is_sent_back_with_a_reason() {
    let (rig, mut person, _program) = scene().await;
    let page = person.visit(&address(&rig, &[])).await;
    let sent = person.post(&page, "/oauth/authorize", &[("decision", "deny")]).await;
    assert_eq!(parameter(&sent, "error").as_deref(), Some("access_denied"));
    assert_eq!((parameter(&sent, "code"), parameter(&sent, "state").as_deref()), (None, Some("st&te")));
    for (changed, error) in [
        (("response_type", "token"), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("resource", "https://elsewhere.example"), "invalid_target"),
        (("max_age", "soon"), "invalid_request"),
        (("dpop_jkt", "short"), "invalid_request"),
    ] {
        let sent = person.navigate(&address(&rig, &[changed])).await;
        assert_eq!(parameter(&sent, "error").as_deref(), Some(error), "{changed:?} {sent:?}");
        assert!(sent.header("location").is_some_and(|to| to.starts_with(BACK)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_to_an_address_that_is_not_of_this_machine() {
    let (rig, mut person, _program) = scene().await;
    for odd in [
        "https://evil.test/",
        "http://localhost:4711/",
        "http://127.0.0.1:4711@evil.test/",
        "http://127.0.0.1/",
        "//evil.test",
        "javascript:alert(1)",
        "http://127.0.0.1:4711/#a",
        "",
    ] {
        let page = person.navigate(&address(&rig, &[("redirect_uri", odd)])).await;
        assert_eq!((page.status, page.header("location")), (400, None), "{odd}");
    }
    let twice = format!("{}&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2F", address(&rig, &[]));
    let page = person.navigate(&twice).await;
    assert_eq!((page.status, page.header("location")), (400, None));
    let page = person.navigate(&address(&rig, &[("client_id", "a b")])).await;
    assert_eq!((page.status, page.header("location")), (400, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_comes_twice_ends_the_session_it_gave() {
    let (rig, mut person, mut program) = scene().await;
    let code = code(&rig, &mut person, &[]).await;
    let granted = redeem(&mut program, &code, (BACK, VERIFIER)).await;
    program.keep(&granted);
    assert!(works(&rig, &mut program).await);
    assert_eq!(redeem(&mut program.stolen(), &code, (BACK, VERIFIER)).await.error(), "invalid_grant");
    assert!(!works(&rig, &mut program).await);
    assert_eq!(program.refresh().await.error(), "invalid_grant");
    rig.eventually("it is on record", async || recorded(&rig, "program.secret-reused").await == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_for_one_program_one_address_and_one_secret() {
    let (rig, mut person, program) = scene().await;
    for (client, redirect, verifier) in [
        ("other", BACK, VERIFIER),
        ("tool", "http://127.0.0.1:4711/back", VERIFIER),
        ("tool", BACK, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"),
    ] {
        let code = code(&rig, &mut person, &[]).await;
        let mut thief = program.stolen();
        thief.client = client.to_owned();
        assert_eq!(
            redeem(&mut thief, &code, (redirect, verifier)).await.error(),
            "invalid_grant",
            "{client} {redirect}"
        );
        let late = redeem(&mut program.stolen(), &code, (BACK, VERIFIER)).await;
        assert_eq!(late.error(), "invalid_grant", "who presents it wrongly spends it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_for_a_minute() {
    let (rig, mut person, mut program) = scene().await;
    let code = code(&rig, &mut person, &[]).await;
    rig.clock.advance(Duration::from_secs(60));
    assert_eq!(redeem(&mut program, &code, (BACK, VERIFIER)).await.error(), "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_who_redeem_a_code_at_once_exactly_one_gets_tokens() {
    let (rig, mut person, program) = scene().await;
    let code = code(&rig, &mut person, &[]).await;
    let kind = ("grant_type", "authorization_code");
    let said = hundred(&program, &[kind, ("code", &code), ("redirect_uri", BACK), ("code_verifier", VERIFIER)]).await;
    assert_eq!(said.iter().filter(|said| said.status == 200).count(), 1);
    assert!(said.iter().filter(|said| said.status != 200).all(|said| said.error() == "invalid_grant"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_signed_in_comes_back_to_the_question() {
    let (rig, person, _program) = scene().await;
    let mut other = person.other();
    let page = other.visit(&address(&rig, &[])).await;
    assert!(page.path().starts_with("/sign-in"), "{page:?}");
    rig.clock.advance(Duration::from_secs(31));
    let page = other.sign_in(&page, "alice").await;
    assert!(page.path().starts_with("/oauth/authorize?") && page.body.contains("Approve"), "{page:?}");
}
