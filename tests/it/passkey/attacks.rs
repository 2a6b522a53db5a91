//! Whatever is not the truth from the right place at the right time, once.

use super::*;
use crate::rig::authenticator::{PRESENT, VERIFIED};
use portcullis::login::CEREMONY_LIFE;
use std::time::Duration;
use tokio::task::JoinSet;

fn id_of(options: &Value) -> &str {
    options["challenge"].as_str().expect("a challenge")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_counts_once() {
    let (rig, _app) = rig().await;
    let (alice, mut device) = enrolled(&rig, "alice").await;
    device.counter = 0;
    let mut browser = alice.other();
    let page = sign_in_page(&rig, &mut browser).await;
    let asked = ask(&mut browser, &page, SIGN_IN).await;
    let credential = device.get(&asked.options, &Lies { counter: Some(9), ..Lies::default() });
    let said = (&*credential, &*asked.ceremony);
    let mut thief = browser.stolen();
    assert_eq!(answer(&mut browser, &page, SIGN_IN, said).await.status, 303);
    let replayed = answer(&mut thief, &page, SIGN_IN, said).await;
    assert_eq!(replayed.status, 422, "{replayed:?}");
    assert!(replayed.body.contains("That passkey was not accepted"), "{}", replayed.body);
    assert_eq!(failures(&rig, 1).await, ["wrong"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_parallel_uses_of_one_assertion_exactly_one_counts() {
    let (rig, _app) = rig().await;
    let mut device = Authenticator::new(&portal(&rig));
    // Synced passkeys do not count their uses: the challenge alone tells the second use from the first.
    device.counter = 0;
    let alice = enrolled_with(&rig, "alice", &mut device).await;
    let mut browser = alice.other();
    let page = sign_in_page(&rig, &mut browser).await;
    let asked = ask(&mut browser, &page, SIGN_IN).await;
    let credential = device.get(&asked.options, &Lies::default());
    let mut uses = JoinSet::new();
    for _ in 0..100 {
        let (mut browser, page) = (browser.stolen(), page.clone());
        let (credential, ceremony) = (credential.clone(), asked.ceremony.clone());
        uses.spawn(async move { answer(&mut browser, &page, SIGN_IN, (&credential, &ceremony)).await.status });
    }
    let answers = uses.join_all().await;
    assert_eq!(answers.iter().filter(|status| **status == 303).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| matches!(status, 303 | 422 | 429)), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_counts_once() {
    let (rig, _app) = rig().await;
    let (mut alice, _device) = enrolled(&rig, "alice").await;
    let page = alice.visit(&format!("{}/account/passkey", portal(&rig))).await;
    let asked = ask(&mut alice, &page, ENROL).await;
    let credential = Authenticator::new(&portal(&rig)).create(&asked.options, &Lies::default());
    let mut again = alice.stolen();
    assert_eq!(answer(&mut alice, &page, ENROL, (&credential, &asked.ceremony)).await.status, 303);
    let replayed = answer(&mut again, &page, ENROL, (&credential, &asked.ceremony)).await;
    assert_eq!(replayed.status, 410, "{replayed:?}");
    // Nor in another enrolment of the same session.
    let page = alice.visit(&format!("{}/account/passkey", portal(&rig))).await;
    let replayed = answer(&mut alice, &page, ENROL, (&credential, &asked.ceremony)).await;
    assert_eq!(replayed.status, 422, "{replayed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_untrue_in_an_assertion_signs_nobody_in() {
    let (rig, _app) = rig().await;
    let (alice, mut device) = enrolled(&rig, "alice").await;
    let (_, other) = enrolled(&rig, "bob").await;
    let lies = [
        Lies { origin: Some("http://auth.localhost"), ..Lies::default() },
        Lies { origin: Some("https://evil.example"), ..Lies::default() },
        Lies { origin: Some("http://app.localhost"), ..Lies::default() },
        Lies { rp_id: Some("localhost"), ..Lies::default() },
        Lies { kind: Some("webauthn.create"), ..Lies::default() },
        Lies { flags: Some(PRESENT), ..Lies::default() },
        Lies { flags: Some(VERIFIED), ..Lies::default() },
        Lies { framed: true, ..Lies::default() },
        Lies { user: other.user.clone(), ..Lies::default() },
        Lies { id: Some(other.id.clone()), ..Lies::default() },
        Lies { id: Some(other.id.clone()), user: other.user.clone(), ..Lies::default() },
        Lies { id: Some(vec![1; 32]), ..Lies::default() },
        Lies { nameless: true, ..Lies::default() },
    ];
    let count = lies.len();
    let (mut bodies, mut unknown) = (Vec::new(), Vec::new());
    for (at, lie) in lies.into_iter().enumerate() {
        let mut browser = alice.other();
        let page = sign_in_page(&rig, &mut browser).await;
        let refused = touch(&mut browser, &page, SIGN_IN, (&mut device, &lie)).await;
        assert_eq!((refused.status, refused.path()), (422, "/sign-in"), "lie {at}: {refused:?}");
        assert_eq!(browser.who_am_i(&portal(&rig)).await, None, "lie {at}");
        match refused.body.contains("not known here any more") {
            true => unknown.push(at),
            false => bodies.push(refused.body.len()),
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "nobody learns what was wrong");
    assert_eq!(
        unknown,
        [11],
        "nor anything of a passkey but whether it is one of anybody's, by its own unguessable id"
    );
    assert_eq!(failures(&rig, count).await, vec!["wrong"; count]);
    let mut browser = alice.other();
    let page = sign_in_page(&rig, &mut browser).await;
    assert_eq!(use_passkey(&mut browser, &page, SIGN_IN, &mut device).await.path(), "/", "the truth works");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_for_one_browser_one_purpose_and_five_minutes() {
    let (rig, _app) = rig().await;
    let (mut alice, mut device) = enrolled(&rig, "alice").await;
    let mut browser = alice.other();
    let page = sign_in_page(&rig, &mut browser).await;
    let asked = ask(&mut browser, &page, SIGN_IN).await;

    let mut thief = rig.browser();
    let theirs = sign_in_page(&rig, &mut thief).await;
    let credential = device.get(&asked.options, &Lies::default());
    let said = (&*credential, &*asked.ceremony);
    assert_eq!(answer(&mut thief, &theirs, SIGN_IN, said).await.status, 422, "another browser");

    let other = ask(&mut browser, &page, SIGN_IN).await;
    assert_ne!(id_of(&asked.options), id_of(&other.options));
    let mixed = (&*credential, &*other.ceremony);
    assert_eq!(answer(&mut browser, &page, SIGN_IN, mixed).await.status, 422, "the challenge of another question");

    // One that was asked for a sign-in completes no attempt of the same browser, and the other way round.
    let half = browser.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    let asked = ask(&mut browser, &page, SIGN_IN).await;
    let credential = device.get(&asked.options, &Lies::default());
    let said = (&*credential, &*asked.ceremony);
    assert_eq!(answer(&mut browser, &half, PROOF, said).await.status, 422, "for a sign-in");
    let asked = ask(&mut browser, &half, PROOF).await;
    let credential = device.get(&asked.options, &Lies::default());
    let said = (&*credential, &*asked.ceremony);
    assert_eq!(answer(&mut browser, &page, SIGN_IN, said).await.status, 422, "for an attempt");

    let asked = ask(&mut browser, &page, SIGN_IN).await;
    let credential = device.get(&asked.options, &Lies::default());
    rig.clock.advance(CEREMONY_LIFE);
    let said = (&*credential, &*asked.ceremony);
    assert_eq!(answer(&mut browser, &page, SIGN_IN, said).await.status, 422, "too late");
    let asked = ask(&mut browser, &page, SIGN_IN).await;
    let credential = device.get(&asked.options, &Lies::default());
    rig.clock.advance(CEREMONY_LIFE - Duration::from_millis(1));
    let said = (&*credential, &*asked.ceremony);
    assert_eq!(answer(&mut browser, &page, SIGN_IN, said).await.status, 303, "just in time");
    assert!(alice.who_am_i(&portal(&rig)).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_accounts_passkey_completes_no_sign_in() {
    let (rig, _app) = rig().await;
    let (alice, _) = enrolled(&rig, "alice").await;
    let (_, mut mallory) = enrolled(&rig, "mallory").await;
    let mut browser = alice.other();
    let page = sign_in_page(&rig, &mut browser).await;
    let page = browser.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    let (id, user) = (alice_id(&rig).await, mallory.user.clone());
    for lies in [Lies::default(), Lies { user: Some(id), ..Lies::default() }, Lies { user, ..Lies::default() }] {
        let refused = touch(&mut browser, &page, PROOF, (&mut mallory, &lies)).await;
        assert_eq!((refused.status, refused.path()), (422, "/sign-in/passkey"), "{refused:?}");
    }
    assert_eq!(browser.who_am_i(&portal(&rig)).await, None);
}

async fn alice_id(rig: &Rig) -> String {
    data_encoding::BASE64URL_NOPAD.encode(&rig.account("alice").await.id.bits())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_that_goes_back_is_refused_and_on_record() {
    let (rig, _app) = rig().await;
    let (alice, mut device) = enrolled(&rig, "alice").await;
    device.counter = 40;
    let mut browser = alice.other();
    let page = sign_in_page(&rig, &mut browser).await;
    assert_eq!(use_passkey(&mut browser, &page, SIGN_IN, &mut device).await.path(), "/");
    let mut copy = alice.other();
    let page = sign_in_page(&rig, &mut copy).await;
    let lies = Lies { counter: Some(12), ..Lies::default() };
    let refused = touch(&mut copy, &page, SIGN_IN, (&mut device, &lies)).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("there is a copy of it"), "{}", refused.body);
    assert_eq!(failures(&rig, 1).await, ["counter"]);
    let mut again = alice.other();
    let page = sign_in_page(&rig, &mut again).await;
    assert_eq!(use_passkey(&mut again, &page, SIGN_IN, &mut device).await.path(), "/", "the one that counts on works");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_account_has_no_passkey() {
    let (rig, _app) = rig().await;
    let (alice, mut device) = enrolled(&rig, "alice").await;
    rig.store.accounts.set_disabled(rig.account("alice").await.id, true).await.unwrap();
    let mut browser = alice.other();
    let page = sign_in_page(&rig, &mut browser).await;
    let refused = touch(&mut browser, &page, SIGN_IN, (&mut device, &Lies::default())).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("That passkey was not accepted"), "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_site_is_given_a_challenge() {
    let (rig, _app) = rig().await;
    let mut browser = rig.browser();
    let page = sign_in_page(&rig, &mut browser).await;
    let url = format!("{}/passkey/options", portal(&rig));
    for from in [[("sec-fetch-site", "cross-site")], [("origin", "https://evil.example")], [("origin", "null")]] {
        assert_eq!(browser.send_form(&url, &fields(&page, SIGN_IN), &from).await.status, 403, "{from:?}");
    }
    let untied = [("occasion".to_owned(), "sign-in".to_owned())];
    assert_eq!(browser.send_form(&url, &untied, &[]).await.status, 403);
    assert_eq!(browser.fetch(&url).await.status, 405, "looking at it makes no challenge");
    for to in [PROOF, ENROL] {
        let refused = question(&mut browser, &page, To("/sign-in", to.1)).await;
        assert!(matches!(refused.status, 403 | 410), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_no_form_at_all_are_refused_like_any_other() {
    let (rig, _app) = rig().await;
    let mut browser = rig.browser();
    let page = sign_in_page(&rig, &mut browser).await;
    let asked = ask(&mut browser, &page, SIGN_IN).await;
    for credential in ["", "{}", "null", "[[[[[[", "{\"id\":1}", &"{\"a\":".repeat(5000)] {
        let refused = answer(&mut browser, &page, SIGN_IN, (credential, &asked.ceremony)).await;
        assert_eq!(refused.status, 422, "{credential:.20}: {refused:?}");
    }
    for ceremony in ["", "A", "!!!!", &"A".repeat(4000)] {
        let refused = answer(&mut browser, &page, SIGN_IN, ("{}", ceremony)).await;
        assert_eq!(refused.status, 422, "{ceremony:.20}: {refused:?}");
    }
}
