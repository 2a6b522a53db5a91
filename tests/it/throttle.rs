//! Guessing: how often an answer is looked at, how long the next must wait, and what a guesser learns.

use crate::rig::{Browser, Member, PASSWORD, Page, Rig, Scene, TWO_HOSTS, filled};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// A gateway behind a proxy that tells where each browser is.
async fn behind_a_proxy() -> (Rig, Member, Member, String) {
    let (app, wiki) = (Member::echo("app").await, Member::echo("wiki").await);
    let trusting = TWO_HOSTS.replace("drain = \"2s\"", "drain = \"2s\"\ntrusted_proxies = [\"127.0.0.1/32\"]");
    let configuration = filled(&trusting, &[("app", &app), ("wiki", &wiki)]);
    (Rig::start(&configuration).await, app, wiki, configuration)
}

fn at(address: &str, mut browser: Browser) -> Browser {
    browser.fields = vec![("x-forwarded-for".to_owned(), address.to_owned())];
    browser
}

async fn sign_in_page(rig: &Rig, browser: &mut Browser) -> Page {
    browser.visit(&format!("{}/sign-in", rig.origin("auth.localhost"))).await
}

async fn try_password(rig: &Rig, browser: &mut Browser, (name, password): (&str, &str)) -> Page {
    let page = sign_in_page(rig, browser).await;
    browser.post(&page, "/sign-in", &[("name", name), ("password", password)]).await
}

/// The page that asks for a code, after a right password.
async fn code_page(rig: &Rig, browser: &mut Browser, name: &str) -> Page {
    let page = sign_in_page(rig, browser).await;
    let page = browser.submit(&page, "/sign-in", &[("name", name), ("password", PASSWORD)]).await;
    assert_eq!((page.status, page.path()), (200, "/sign-in/code"), "{page:?}");
    page
}

fn wrong_code(browser: &Browser) -> String {
    let right: u32 = browser.code().parse().unwrap();
    format!("{:06}", (right + 500_000) % 1_000_000)
}

fn seconds_to_wait(page: &Page) -> u64 {
    page.header("retry-after").unwrap_or_else(|| panic!("no Retry-After: {page:?}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_parallel_uses_of_one_code_exactly_one_signs_in() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let alice = rig.signed_in("alice", &["staff"]).await;
    rig.clock.advance(Duration::from_secs(31));
    let code = alice.code();
    let mut uses = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let mut browser = alice.other();
        let page = code_page(&rig, &mut browser, "alice").await;
        for _ in 0..10 {
            let (mut browser, page, code) = (browser.stolen(), page.clone(), code.clone());
            uses.spawn(async move { browser.post(&page, "/sign-in/code", &[("code", &code)]).await });
        }
    }
    let answers = uses.join_all().await;
    assert_eq!(answers.len(), 100);
    let opened = answers.iter().filter(|answer| answer.status == 303).count();
    assert_eq!(opened, 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    let sessions = rig.store.sessions.of(rig.account("alice").await.id).await.unwrap();
    assert_eq!(sessions.len(), 2, "the one that enrolled and the one that won");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_that_ended_the_enrolment_does_not_sign_in_and_the_next_one_does() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await.other();
    let page = code_page(&rig, &mut browser, "alice").await;
    let code = browser.code();
    let refused = browser.submit(&page, "/sign-in/code", &[("code", &code)]).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(refused.body.contains("used before"), "{}", refused.body);
    rig.clock.advance(Duration::from_secs(31));
    let code = browser.code();
    let page = browser.submit(&page, "/sign-in/code", &[("code", &code)]).await;
    assert_eq!((page.status, page.path()), (200, "/"), "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_wrong_codes_lock_the_app_and_a_recovery_code_is_the_way_back() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await.other();
    rig.clock.advance(Duration::from_secs(31));
    let page = code_page(&rig, &mut browser, "alice").await;
    for guess in 1..=10 {
        let wrong = wrong_code(&browser);
        let refused = browser.post(&page, "/sign-in/code", &[("code", &wrong)]).await;
        assert_eq!(refused.status, 422, "guess {guess}: {refused:?}");
        if let Some(doublings) = (5..10).contains(&guess).then(|| guess - 5) {
            let right = browser.code();
            let early = browser.post(&page, "/sign-in/code", &[("code", &right)]).await;
            assert_eq!((early.status, seconds_to_wait(&early)), (429, 1 << doublings), "after guess {guess}");
            rig.clock.advance(Duration::from_secs(1 << doublings));
        }
    }
    let right = browser.code();
    let locked = browser.post(&page, "/sign-in/code", &[("code", &right)]).await;
    assert_eq!(locked.status, 429);
    assert!(locked.body.contains("locked"), "{}", locked.body);
    rig.clock.advance(Duration::from_secs(3 * 24 * 3600));
    let page = code_page(&rig, &mut browser, "alice").await;
    let right = browser.code();
    assert_eq!(browser.post(&page, "/sign-in/code", &[("code", &right)]).await.status, 429, "time unlocks nothing");

    let page = browser.visit(&format!("{}/sign-in/recovery", rig.origin("auth.localhost"))).await;
    let code = browser.codes[0].clone();
    let page = browser.submit(&page, "/sign-in/recovery", &[("code", &code)]).await;
    let page = browser.enrol_app(page).await;
    assert_eq!((page.status, page.path()), (200, "/"), "{page:?}");
    let mut again = browser.other();
    assert_eq!(rig.sign_in(&mut again, "alice").await.path(), "/", "the new app is not locked");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_guesses_share_no_free_tries() {
    let (rig, _app, _wiki, _) = behind_a_proxy().await;
    let alice = rig.signed_in("alice", &["staff"]).await;
    rig.clock.advance(Duration::from_secs(31));
    let mut browser = alice.other();
    let page = code_page(&rig, &mut browser, "alice").await;
    let wrong = wrong_code(&browser);
    let mut guesses = tokio::task::JoinSet::new();
    for guess in 0..60 {
        let (mut browser, page, wrong) =
            (at(&format!("192.0.2.{guess}"), browser.stolen()), page.clone(), wrong.clone());
        guesses.spawn(async move { browser.post(&page, "/sign-in/code", &[("code", &wrong)]).await.status });
    }
    let answers = guesses.join_all().await;
    let looked_at = answers.iter().filter(|status| **status == 422).count();
    assert_eq!(looked_at, 5, "{answers:?}");
    assert!(answers.iter().all(|status| [422, 429].contains(status)), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_make_the_account_wait_in_every_spelling_and_leave_its_sessions_alone() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    rig.signed_in("bob", &["staff"]).await;
    let mut guesser = rig.browser();
    for name in ["alice", "ALICE", " alice", "Alice ", "aLICE"] {
        assert_eq!(try_password(&rig, &mut guesser, (name, "wrong-guess-17")).await.status, 422, "{name:?}");
    }
    let early = try_password(&rig, &mut guesser, ("Alice", PASSWORD)).await;
    assert_eq!((early.status, seconds_to_wait(&early)), (429, 1), "{early:?}");
    assert!(early.body.contains("try again in 1 second"), "{}", early.body);
    assert_eq!(try_password(&rig, &mut guesser, ("bob", PASSWORD)).await.status, 303, "another account is free");
    assert_eq!(alice.visit(&format!("{}/page", rig.origin("app.localhost"))).await.status, 200);
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(try_password(&rig, &mut guesser, ("alice", PASSWORD)).await.status, 303);
    for _ in 0..5 {
        let wrong = try_password(&rig, &mut guesser, ("alice", "wrong-guess-17")).await;
        assert_eq!(wrong.status, 422, "a right password begins the count anew");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_wrong_passwords_lock_the_password_until_it_is_enrolled_anew() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    rig.signed_in("alice", &["staff"]).await;
    let mut guesser = rig.browser();
    for guess in 1..=100 {
        let wrong = try_password(&rig, &mut guesser, ("alice", "wrong-guess-17")).await;
        assert_eq!(wrong.status, 422, "guess {guess}");
        rig.clock.advance(15 * MINUTE);
    }
    let locked = try_password(&rig, &mut guesser, ("alice", PASSWORD)).await;
    assert_eq!(locked.status, 429);
    assert!(locked.body.contains("locked"), "{}", locked.body);
    let link = rig.enrolment_link(rig.account("alice").await.id).await;
    let mut alice = rig.browser();
    alice.enrol(&link).await;
    assert_eq!(rig.sign_in(&mut alice.other(), "alice").await.path(), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_who_lock_an_account_keep_no_browser_out_that_it_was_signed_in_with() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let alice = rig.signed_in("alice", &["staff"]).await;
    rig.signed_in("bob", &[]).await;
    let known = |browser: &Browser| {
        let mark = browser.jar["auth.localhost"]["portcullis-device"].clone();
        let mut other = browser.other();
        other.jar.entry("auth.localhost".to_owned()).or_default().insert("portcullis-device".to_owned(), mark);
        other
    };
    let mut guesser = rig.browser();
    for _ in 0..100 {
        assert_eq!(try_password(&rig, &mut guesser, ("alice", "wrong-guess-17")).await.status, 422);
        rig.clock.advance(15 * MINUTE);
    }
    assert_eq!(try_password(&rig, &mut guesser, ("alice", PASSWORD)).await.status, 429);
    let mut own = known(&alice);
    assert_eq!(try_password(&rig, &mut own, ("bob", "wrong-guess-17")).await.status, 422, "a mark is of one account");
    // In a browser of her own, wrong answers count as anybody's do.
    for _ in 0..5 {
        assert_eq!(try_password(&rig, &mut own, ("alice", "wrong-guess-17")).await.status, 422);
    }
    assert_eq!(try_password(&rig, &mut own, ("alice", "wrong-guess-17")).await.status, 429);
    rig.clock.advance(15 * MINUTE);
    assert_eq!(rig.sign_in(&mut own, "alice").await.path(), "/");
    assert_eq!(try_password(&rig, &mut guesser, ("alice", PASSWORD)).await.status, 303, "a right answer unlocks it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_alone_makes_no_browser_known_and_a_new_password_makes_those_before_it_strange() {
    let app = Member::echo("app").await;
    let tables = "[policy.one]\nrequire = \"one-factor\"\n[[route]]\nname = \"one\"\nhost = \"app.localhost\"\n\
                  path = \"/one/**\"\npool = \"app\"\npolicy = \"one\"";
    let rig = Rig::start(&Scene { members: &[app.address()], tables, ..Scene::default() }.text()).await;
    let portal = rig.origin("auth.localhost");
    let mut alice = rig.signed_in("alice", &["staff"]).await;
    let mut thief = alice.other();
    let page = thief.visit(&format!("{}/one/x", rig.origin("app.localhost"))).await;
    let page = thief.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    assert_eq!(page.body, "app /one/x", "one factor is enough there");
    assert!(!thief.jar["auth.localhost"].contains_key("portcullis-device"), "{:?}", thief.jar);
    // With two it is known; what the thief types meanwhile counts for the thief alone.
    let mut own = alice.other();
    assert_eq!(rig.sign_in(&mut own, "alice").await.path(), "/");
    let mark = own.jar["auth.localhost"]["portcullis-device"].clone();

    rig.clock.advance(Duration::from_secs(2));
    let page = alice.visit(&format!("{portal}/account/password")).await;
    let chosen = [("new_password", "another-otter-bridge-92"), ("new_password_again", "another-otter-bridge-92")];
    assert_eq!(alice.submit(&page, "/enrol", &chosen).await.path(), "/");
    let mut guesser = rig.browser();
    guesser.jar.entry("auth.localhost".to_owned()).or_default().insert("portcullis-device".to_owned(), mark);
    for _ in 0..5 {
        assert_eq!(try_password(&rig, &mut guesser, ("alice", PASSWORD)).await.status, 422);
    }
    let mut stranger = rig.browser();
    assert_eq!(try_password(&rig, &mut stranger, ("alice", PASSWORD)).await.status, 429, "both count as one");
    let mark = alice.jar["auth.localhost"]["portcullis-device"].clone();
    let mut changed = alice.other();
    changed.jar.entry("auth.localhost".to_owned()).or_default().insert("portcullis-device".to_owned(), mark);
    assert_eq!(try_password(&rig, &mut changed, ("alice", "another-otter-bridge-92")).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_failures_from_one_source_stop_that_source_for_ten_minutes_and_no_other() {
    let (rig, _app, _wiki, _) = behind_a_proxy().await;
    rig.signed_in("alice", &["staff"]).await;
    let mut guesser = at("192.0.2.7", rig.browser());
    for guess in 0..30 {
        let name = format!("person-{guess}");
        assert_eq!(try_password(&rig, &mut guesser, (&name, "wrong-guess-17")).await.status, 422, "{name}");
    }
    let stopped = try_password(&rig, &mut guesser, ("alice", PASSWORD)).await;
    assert_eq!((stopped.status, seconds_to_wait(&stopped)), (429, 600), "{stopped:?}");
    let mut elsewhere = at("192.0.2.8", rig.browser());
    assert_eq!(try_password(&rig, &mut elsewhere, ("alice", PASSWORD)).await.status, 303);
    rig.clock.advance(10 * MINUTE);
    assert_eq!(try_password(&rig, &mut guesser, ("alice", PASSWORD)).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn right_passwords_never_stop_a_source() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    rig.signed_in("alice", &["staff"]).await;
    let mut office = rig.browser();
    for morning in 0..35 {
        assert_eq!(try_password(&rig, &mut office, ("alice", PASSWORD)).await.status, 303, "{morning}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_no_failure() {
    let (rig, _app, _wiki, configuration) = behind_a_proxy().await;
    // Ahead of the real time, so that the restart takes up the clock where it was.
    rig.clock.advance(60 * MINUTE);
    rig.signed_in("alice", &["staff"]).await;
    let mut guesser = at("192.0.2.7", rig.browser());
    for _ in 0..5 {
        try_password(&rig, &mut guesser, ("alice", "wrong-guess-17")).await;
    }
    for guess in 0..25 {
        try_password(&rig, &mut guesser, (&format!("person-{guess}"), "wrong-guess-17")).await;
    }
    let rig = rig.restart(&configuration).await;
    let mut elsewhere = at("192.0.2.8", rig.browser());
    assert_eq!(try_password(&rig, &mut elsewhere, ("alice", PASSWORD)).await.status, 429, "the account waits");
    rig.clock.advance(Duration::from_secs(1));
    let mut guesser = at("192.0.2.7", rig.browser());
    assert_eq!(try_password(&rig, &mut guesser, ("alice", PASSWORD)).await.status, 429, "the source waits");
    assert_eq!(try_password(&rig, &mut elsewhere, ("alice", PASSWORD)).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_from_a_wrong_password_whether_an_account_exists() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    rig.signed_in("alice", &["staff"]).await;
    rig.signed_in("carol", &["staff"]).await;
    rig.store.accounts.set_disabled(rig.account("carol").await.id, true).await.unwrap();
    let mut browser = rig.browser();
    let mut told = Vec::new();
    for _ in 0..6 {
        for name in ["alice", "carol", "nobod"] {
            let page = try_password(&rig, &mut browser, (name, "wrong-guess-17")).await;
            assert!(page.body.contains(name), "the typed name stays: {}", page.body);
            let mut fields: Vec<String> =
                page.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
            fields.retain(|field| !field.starts_with("date:") && !field.starts_with("x-request-id:"));
            told.push((page.status, fields, page.body.replace(name, "NAME")));
        }
    }
    for (round, answers) in told.chunks(3).enumerate() {
        assert_eq!(answers[0], answers[1], "disabled, round {round}");
        assert_eq!(answers[0], answers[2], "unknown, round {round}");
    }
    assert_eq!((told[0].0, told[17].0), (422, 429), "the waits are the same, too");
    let mut carol = rig.browser();
    assert_eq!(try_password(&rig, &mut carol, ("carol", PASSWORD)).await.status, 429);
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(try_password(&rig, &mut carol, ("carol", PASSWORD)).await.status, 422, "disabled is as good as wrong");
}

#[tokio::test(flavor = "multi_thread")]
async fn pausing_for_days_leads_to_the_lock_all_the_same() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    rig.signed_in("alice", &["staff"]).await;
    let mut guesser = rig.browser();
    for guess in 1..=100 {
        let wrong = try_password(&rig, &mut guesser, ("alice", "wrong-guess-17")).await;
        assert_eq!(wrong.status, 422, "guess {guess}");
        rig.clock.advance(25 * 60 * MINUTE);
    }
    let locked = try_password(&rig, &mut guesser, ("alice", PASSWORD)).await;
    assert_eq!(locked.status, 429);
    assert!(locked.body.contains("locked"), "{}", locked.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_refused_tries_is_one_event_and_is_counted_in_full() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    rig.signed_in("alice", &["staff"]).await;
    let mut guesser = rig.browser();
    for _ in 0..5 {
        try_password(&rig, &mut guesser, ("alice", "wrong-guess-17")).await;
    }
    for _ in 0..20 {
        assert_eq!(try_password(&rig, &mut guesser, ("alice", "wrong-guess-17")).await.status, 429);
    }
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(try_password(&rig, &mut guesser, ("alice", "wrong-guess-17")).await.status, 422);
    for _ in 0..20 {
        assert_eq!(try_password(&rig, &mut guesser, ("alice", "wrong-guess-17")).await.status, 429);
    }
    let failed = async || {
        let rows = rig.store.events.after(0, 1_000).await.unwrap();
        let failed = rows.into_iter().filter(|(_, row)| row.name == "sign-in.failed");
        failed.map(|(_, row)| row.body.contains("throttled")).collect::<Vec<_>>()
    };
    let wrong = false;
    let expected = [wrong, wrong, wrong, wrong, wrong, true, wrong, true];
    rig.eventually("each window is on record once", async || failed().await == expected).await;
    let text = rig.admin("/metrics").await.1;
    assert!(text.contains("portcullis_sign_ins_total{factor=\"password\",result=\"throttled\"} 40"), "{text}");
}
