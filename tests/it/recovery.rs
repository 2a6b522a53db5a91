//! The day the phone is gone, and the links that begin everything: each works once, and nothing is half done.

use crate::rig::{Browser, Member, PASSWORD, Page, Post, Rig, Scene};
use portcullis::admin::Reloaded;
use std::time::Duration;

const NEW_PASSWORD: [(&str, &str); 2] = [("new_password", PASSWORD), ("new_password_again", PASSWORD)];

/// The page that asks for a recovery code, after a right password.
async fn recovery_page(rig: &Rig, browser: &mut Browser, name: &str) -> Page {
    let portal = rig.origin("auth.localhost");
    let page = browser.visit(&format!("{portal}/sign-in")).await;
    let page = browser.submit(&page, "/sign-in", &[("name", name), ("password", PASSWORD)]).await;
    assert_eq!(page.path(), "/sign-in/code", "{page:?}");
    assert!(page.body.contains("Use a recovery code instead"), "{}", page.body);
    browser.visit(&format!("{portal}/sign-in/recovery")).await
}

/// The factors an account has in the store.
async fn factors(rig: &Rig, name: &str) -> Vec<String> {
    let all = rig.store.credentials.of(rig.account(name).await.id).await.unwrap();
    all.iter().map(|credential| credential.factor.to_string()).collect()
}

/// Passwords, and codes by message in the place of the app that everybody has.
async fn without_apps(rig: &Rig, app: &Member, post: &Post) {
    let tables = format!("[factor.message]\nwebhook = {}\n", post.webhook());
    let text = Scene { members: &[app.address()], tables: &tables, ..Scene::default() }.text();
    assert!(text.contains("[factor.totp]\n"));
    let reloaded = rig.reload(&text.replace("[factor.totp]\n", "")).await;
    assert!(matches!(reloaded, Reloaded::Applied { .. }), "{reloaded:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_had_an_app_that_counts_no_more_needs_a_recovery_code_beside_the_password() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let post = Post::open().await;
    let (portal, service) = (rig.origin("auth.localhost"), rig.origin("app.localhost"));
    let alice = rig.signed_in("alice", &["staff"]).await;
    without_apps(&rig, &app, &post).await;
    let mut browser = alice.other();
    let page = browser.visit(&format!("{service}/page")).await;
    let page = browser.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    assert_eq!((page.status, page.path()), (200, "/sign-in/recovery"), "{page:?}");
    assert!(page.body.contains("is not accepted here any more"), "{}", page.body);
    assert_eq!(browser.navigate(&format!("{portal}/enrol")).await.status, 410);
    let code = alice.codes[0].clone();
    let page = browser.submit(&page, "/sign-in/recovery", &[("code", &code)]).await;
    assert_eq!((page.status, page.path()), (200, "/enrol"), "{page:?}");
    let page = browser.submit(&page, "/enrol", &[("contact", "+4915123456789")]).await;
    let sent = post.code(1).await;
    let page = browser.submit(&page, "/enrol", &[("code", &sent)]).await;
    browser.enrol_codes(&page).await;
    assert_eq!(browser.visit(&format!("{service}/page")).await.body, "app /page");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_had_an_app_that_counts_no_more_and_no_recovery_code_enrols_nothing_by_password() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let post = Post::open().await;
    let (portal, service) = (rig.origin("auth.localhost"), rig.origin("app.localhost"));
    let alice = rig.signed_in("alice", &["staff"]).await;
    let held = rig.store.credentials.of(rig.account("alice").await.id).await.unwrap();
    let codes = held.iter().find(|held| held.factor.0 == "recovery_code").unwrap().id;
    let session = rig.store.sessions.of(rig.account("alice").await.id).await.unwrap()[0].id;
    rig.store.credentials.remove(codes, session, &[]).await.unwrap().unwrap();
    without_apps(&rig, &app, &post).await;
    let mut thief = alice.other();
    let page = thief.visit(&format!("{service}/page")).await;
    let page = thief.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    assert_eq!(page.status, 403, "{page:?}");
    assert!(page.body.contains("enrolment link"), "{}", page.body);
    for path in ["/account/message", "/account/password", "/enrol"] {
        let page = thief.visit(&format!("{portal}{path}")).await;
        assert!([403, 410].contains(&page.status), "{path}: {page:?}");
    }
    assert_eq!(thief.visit(&format!("{service}/page")).await.status, 403);
    assert_eq!(post.given("code").len(), 0);
    assert_eq!(factors(&rig, "alice").await, ["password", "totp"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_opens_nothing_but_the_way_to_a_new_app() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let (portal, service) = (rig.origin("auth.localhost"), rig.origin("app.localhost"));
    let mut lost = rig.signed_in("alice", &["staff", "boss"]).await;
    lost.visit(&format!("{service}/page")).await;
    let seen = app.seen().len();
    let mut browser = lost.other();
    let page = recovery_page(&rig, &mut browser, "alice").await;
    let code = lost.codes[3].clone();
    let page = browser.submit(&page, "/sign-in/recovery", &[("code", &code)]).await;
    assert_eq!((page.status, page.path()), (200, "/enrol"), "{page:?}");

    assert_eq!(browser.who_am_i(&portal).await.unwrap()["assurance"], "none");
    for path in ["/page", "/admin/x", "/boss/x"] {
        let answer = browser.visit(&format!("{service}{path}")).await;
        assert_eq!(answer.path(), "/enrol", "{path}: {answer:?}");
        assert_eq!(browser.fetch(&format!("{service}{path}")).await.status, 401, "{path}");
    }
    for path in ["/", "/account/password", "/account/codes", "/account/sessions/end-others"] {
        let answer = browser.visit(&format!("{portal}{path}")).await;
        assert_eq!(answer.path(), "/enrol", "{path}: {answer:?}");
    }
    assert_eq!(app.seen().len(), seen);
    assert!(lost.who_am_i(&portal).await.is_some(), "nothing changed so far");

    let page = browser.visit(&format!("{portal}/enrol")).await;
    let page = browser.enrol_app(page).await;
    assert_eq!((page.status, page.path()), (200, "/"), "{page:?}");
    assert_eq!(browser.visit(&format!("{service}/page")).await.body, "app /page");
    assert_eq!(browser.who_am_i(&portal).await.unwrap()["assurance"], "mfa");
    for origin in [&portal, &service] {
        assert_eq!(lost.who_am_i(origin).await, None, "the session of the lost phone's days, on {origin}");
    }
    assert_eq!(factors(&rig, "alice").await.len(), 3, "one password, one app, one set of codes");
    assert_ne!(browser.codes, lost.codes);

    let mut thief = lost.other();
    rig.clock.advance(Duration::from_secs(31));
    let page = recovery_page(&rig, &mut thief, "alice").await;
    for old in &lost.codes[..4] {
        let refused = thief.post(&page, "/sign-in/recovery", &[("code", old)]).await;
        assert_eq!(refused.status, 422, "the old codes are dead, the used one too");
    }
    let page = thief.visit(&format!("{portal}/sign-in/code")).await;
    let old_app = lost.code();
    assert_eq!(thief.post(&page, "/sign-in/code", &[("code", &old_app)]).await.status, 422, "so is the old app");
    assert_eq!(rig.sign_in(&mut browser.other(), "alice").await.path(), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_ends_with_a_whole_new_set_of_codes_that_is_shown_once() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let lost = rig.signed_in("alice", &["staff"]).await;
    let mut browser = lost.other();
    let page = recovery_page(&rig, &mut browser, "alice").await;
    let page = browser.submit(&page, "/sign-in/recovery", &[("code", &lost.codes[0])]).await;
    let page = browser.enrol_only_app(page).await;
    assert!(page.body.contains("take the place of any codes you had before"), "{}", page.body);
    let page = browser.enrol_codes(&page).await;
    assert_eq!((page.status, browser.codes.len()), (200, 10), "{page:?}");
    let new = browser.codes.clone();
    assert!(new.iter().all(|code| !lost.codes.contains(code)));
    for path in ["/enrol", "/", "/account/app"] {
        let page = browser.visit(&format!("{portal}{path}")).await;
        assert!(new.iter().all(|code| !page.body.contains(code)), "{path}: {}", page.body);
    }
    let page = recovery_page(&rig, &mut lost.other(), "alice").await;
    assert_eq!(page.status, 200, "the new set lets its holder recover again: {page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_recovery_codes_take_the_old_ones_place_only_when_they_are_saved() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    let old = alice.codes.clone();
    let page = alice.visit(&format!("{portal}/account/codes")).await;
    assert!(page.body.contains("take the place of any codes you had before"), "{}", page.body);
    let mut other = alice.other();
    let asked = recovery_page(&rig, &mut other, "alice").await;
    let answer = other.post(&asked, "/sign-in/recovery", &[("code", &old[0])]).await;
    assert_eq!(answer.status, 303, "so far the old ones hold");
    let page = alice.enrol_codes(&page).await;
    assert_eq!(page.path(), "/", "{page:?}");
    rig.clock.advance(Duration::from_secs(31));
    let mut other = alice.other();
    let asked = recovery_page(&rig, &mut other, "alice").await;
    assert_eq!(other.post(&asked, "/sign-in/recovery", &[("code", &old[1])]).await.status, 422);
    let new = alice.codes[0].clone();
    assert_eq!(other.post(&asked, "/sign-in/recovery", &[("code", &new)]).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_recovery_code_is_dead_even_if_nothing_was_enrolled_with_it() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let alice = rig.signed_in("alice", &["staff"]).await;
    let mut browser = alice.other();
    let page = recovery_page(&rig, &mut browser, "alice").await;
    assert_eq!(browser.submit(&page, "/sign-in/recovery", &[("code", &alice.codes[0])]).await.path(), "/enrol");
    let mut again = alice.other();
    let page = recovery_page(&rig, &mut again, "alice").await;
    let refused = again.post(&page, "/sign-in/recovery", &[("code", &alice.codes[0])]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("used before"), "{}", refused.body);
    let typed = alice.codes[1].to_uppercase().replace('-', " ");
    assert_eq!(again.submit(&page, "/sign-in/recovery", &[("code", &typed)]).await.path(), "/enrol");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_parallel_uses_of_one_recovery_code_exactly_one_counts() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let alice = rig.signed_in("alice", &["staff"]).await;
    let mut uses = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let mut browser = alice.other();
        let page = recovery_page(&rig, &mut browser, "alice").await;
        for _ in 0..10 {
            let (mut browser, page) = (browser.stolen(), page.clone());
            uses.spawn(async move {
                let code = browser.codes[0].clone();
                browser.post(&page, "/sign-in/recovery", &[("code", &code)]).await.status
            });
        }
    }
    let answers = uses.join_all().await;
    assert_eq!(answers.iter().filter(|status| **status == 303).count(), 1, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_is_no_first_factor_and_no_step_up() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    alice.visit(&format!("{}/page", rig.origin("app.localhost"))).await;
    let mut stranger = alice.other();
    let page = stranger.visit(&format!("{portal}/sign-in")).await;
    let code = alice.codes[0].clone();
    assert_eq!(stranger.post(&page, "/sign-in", &[("name", "alice"), ("password", &code)]).await.status, 422);
    assert_eq!(stranger.visit(&format!("{portal}/sign-in/recovery")).await.status, 410, "without the password");

    rig.clock.advance(Duration::from_secs(11 * 60));
    let page = alice.visit(&format!("{}/admin/x", rig.origin("app.localhost"))).await;
    alice.submit(&page, "/sign-in/password", &[("password", PASSWORD)]).await;
    let page = alice.visit(&format!("{portal}/sign-in/recovery")).await;
    assert_eq!(page.path(), "/sign-in/code", "sent back to what is asked: {page:?}");
    let mut fields = page.form("/sign-in/code");
    fields.push(("code".to_owned(), code));
    let from = [("origin", &*portal), ("sec-fetch-site", "same-origin")];
    let answer = alice.send_form(&format!("{portal}/sign-in/recovery"), &fields, &from).await;
    assert_eq!(answer.onward(), Some(format!("{portal}/sign-in/code")), "nothing but the app's code helps: {answer:?}");
    assert_eq!(alice.fetch(&format!("{}/admin/x", rig.origin("app.localhost"))).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_link_works_once_and_for_a_day() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let link = rig.invite("alice", &["staff"]).await;
    let mut browser = rig.browser();
    assert_eq!(browser.enrol(&link).await.path(), "/");
    let spent = rig.browser().visit(&link).await;
    assert_eq!(spent.status, 410);
    assert!(spent.body.contains("used before"), "{}", spent.body);

    let late = rig.invite("bob", &["staff"]).await;
    rig.clock.advance(Duration::from_secs(24 * 3600 - 1));
    assert_eq!(rig.browser().visit(&late).await.status, 200);
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(rig.browser().visit(&late).await.status, 410);
    let first = rig.enrolment_link(rig.account("bob").await.id).await;
    let second = rig.enrolment_link(rig.account("bob").await.id).await;
    assert_eq!(rig.browser().visit(&first).await.status, 410, "a new link ends the one before");
    assert_eq!(rig.browser().visit(&second).await.status, 200);
    for strange in ["x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "%20", "confirm2"] {
        let page = rig.browser().visit(&format!("{}/enrol/{strange}", rig.origin("auth.localhost"))).await;
        assert!(matches!(page.status, 400 | 410), "{strange}: {page:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_that_ends_after_its_link_did_keeps_nothing() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let link = rig.invite("alice", &["staff"]).await;
    let mut browser = rig.browser();
    let page = browser.visit(&link).await;
    let page = browser.submit(&page, "/enrol", &NEW_PASSWORD).await;
    let again = rig.enrolment_link(rig.account("alice").await.id).await;
    let ended = browser.enrol_app(page).await;
    assert_eq!(ended.status, 410, "{ended:?}");
    assert!(factors(&rig, "alice").await.is_empty());
    assert_eq!(rig.browser().enrol(&again).await.path(), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_browsers_on_one_link_one_enrols() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let link = rig.invite("alice", &["staff"]).await;
    let mut racers = Vec::new();
    for _ in 0..2 {
        let mut browser = rig.browser();
        let page = browser.visit(&link).await;
        let page = browser.submit(&page, "/enrol", &NEW_PASSWORD).await;
        let page = browser.enrol_only_app(page).await;
        assert_eq!((page.status, page.path()), (200, "/enrol"));
        racers.push((browser, page));
    }
    // Only the last step is raced for: whoever is slower on the way there would find the enrolment over already.
    let mut ends = tokio::task::JoinSet::new();
    for (mut browser, page) in racers {
        ends.spawn(async move {
            let page = browser.enrol_codes(&page).await;
            (page.status, browser)
        });
    }
    let mut ends = ends.join_all().await;
    ends.sort_by_key(|(status, _)| *status);
    assert_eq!((ends[0].0, ends[1].0), (200, 410));
    assert_eq!(factors(&rig, "alice").await.len(), 3);
    let (_, winner) = &ends[0];
    assert_eq!(rig.sign_in(&mut winner.other(), "alice").await.path(), "/", "what the winner enrolled counts");
    let portal = rig.origin("auth.localhost");
    assert_eq!(ends[1].1.who_am_i(&portal).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_for_the_account_it_was_made_for_whoever_opens_it() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let bob = rig.signed_in("bob", &["staff"]).await;
    let link = rig.invite("alice", &["staff"]).await;
    let mut browser = bob.stolen();
    let page = browser.visit(&link).await;
    assert!(page.body.contains("alice") && !page.body.contains("bob"), "{}", page.body);
    assert_eq!(browser.who_am_i(&portal).await.unwrap()["account"], "bob", "so far");
    let before = factors(&rig, "bob").await;
    let page = browser.submit(&page, "/enrol", &NEW_PASSWORD).await;
    browser.enrol_app(page).await;
    assert_eq!(browser.who_am_i(&portal).await.unwrap()["account"], "alice");
    assert_eq!(factors(&rig, "bob").await, before);
    assert_eq!(bob.stolen().who_am_i(&portal).await, None, "one browser, one session");
    assert_eq!(rig.sign_in(&mut bob.other(), "bob").await.path(), "/", "and bob's own ways still work");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_account_cannot_be_enrolled_not_even_half_way_through() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let link = rig.invite("alice", &["staff"]).await;
    let mut browser = rig.browser();
    let page = browser.visit(&link).await;
    let page = browser.submit(&page, "/enrol", &NEW_PASSWORD).await;
    let page = browser.visit(&page.url.replace("/enrol", "/enrol/confirm")).await;
    rig.store.accounts.set_disabled(rig.account("alice").await.id, true).await.unwrap();
    assert_eq!(rig.browser().visit(&link).await.status, 410);
    assert_eq!(browser.post(&page, "/enrol", &[("code", "000000")]).await.status, 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_will_not_do_is_explained_and_may_be_chosen_again() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let link = rig.invite("alice", &["staff"]).await;
    let mut browser = rig.browser();
    let page = browser.visit(&link).await;
    let long = "vexing-quartz ".repeat(20);
    for (first, second, why) in [
        ("violet-otter-bridge-91", "violet-otter-bridge-92", "not the same"),
        ("violet-otter-bridge-91", "", "not the same"),
        ("tiny", "tiny", "Use at least 12 characters"),
        ("", "", "Use at least 12 characters"),
        ("password1234", "password1234", "too easy to guess"),
        (&long, &long, "Use at most 256 characters"),
    ] {
        let typed = [("new_password", first), ("new_password_again", second)];
        let again = browser.submit(&page, "/enrol", &typed).await;
        assert_eq!((again.status, again.path()), (422, "/enrol"), "{first:?}: {again:?}");
        assert!(again.body.contains(why), "{first:?}: {}", again.body);
        assert!(first.len() < 8 || !again.body.contains(first), "no page says a password: {}", again.body);
    }
    let page = browser.submit(&page, "/enrol", &NEW_PASSWORD).await;
    assert_eq!(browser.enrol_app(page).await.path(), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_that_is_broken_off_leaves_nothing_and_the_link_begins_it_again() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let link = rig.invite("alice", &["staff"]).await;
    let mut browser = rig.browser();
    let page = browser.visit(&link).await;
    let page = browser.submit(&page, "/enrol", &NEW_PASSWORD).await;
    assert!(page.body.contains("secret="), "{}", page.body);
    let confirm = browser.visit(&format!("{portal}/enrol/confirm")).await;
    let wrong = browser.submit(&confirm, "/enrol", &[("code", "000000")]).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("does not match this key"), "{}", wrong.body);
    assert!(factors(&rig, "alice").await.is_empty(), "nothing is kept before the end");
    let mut early = rig.browser();
    let asked = early.visit(&format!("{portal}/sign-in")).await;
    assert_eq!(early.post(&asked, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await.status, 422);
    rig.clock.advance(portcullis::login::SET_UP_LIFE);
    assert_eq!(browser.visit(&format!("{portal}/enrol")).await.status, 410, "left lying too long");
    assert_eq!(rig.browser().enrol(&link).await.path(), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_enrolment_link_replaces_everything_and_ends_every_session() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let mut old = rig.signed_in("alice", &["staff"]).await;
    let link = rig.enrolment_link(rig.account("alice").await.id).await;
    assert!(old.who_am_i(&portal).await.is_some(), "a link alone changes nothing");
    let mut fresh = rig.browser();
    fresh.enrol(&link).await;
    assert_eq!(old.who_am_i(&portal).await, None);
    assert_eq!(factors(&rig, "alice").await.len(), 3);
    let mut thief = old.other();
    rig.clock.advance(Duration::from_secs(31));
    let page = thief.visit(&format!("{portal}/sign-in")).await;
    let page = thief.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    let code = thief.code();
    assert_eq!(thief.post(&page, "/sign-in/code", &[("code", &code)]).await.status, 422, "the old app is dead");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_is_exchanged_at_once_and_stays_in_no_address_and_on_no_page() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let link = rig.invite("alice", &["staff"]).await;
    let secret = link.rsplit('/').next().unwrap();
    let mut browser = rig.browser();
    let answer = browser.navigate(&link).await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/enrol")));
    assert!(!format!("{:?}", answer.headers).contains(secret));
    let page = browser.visit(&answer.onward().unwrap()).await;
    assert!(!page.body.contains(secret));
}
