//! A form that had to wait for a proof: kept for its sender, shown once more, and sent on once.

use crate::rig::{Browser, Member, PASSWORD, Page, Rig};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// What somebody typed, with everything that a form may hold twice, oddly or emptily.
const TYPED: &[(&str, &str)] =
    &[("note", "a & b = ü\r\nsecond line"), ("tag", "one"), ("tag", "two"), ("empty", ""), ("csrf", "the service's")];

fn fields(typed: &[(&str, &str)]) -> Vec<(String, String)> {
    typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What a browser says that sends a form from a page of the same origin.
const OWN_PAGE: &[(&str, &str)] =
    &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];

/// A form sent to `/admin/save?draft=1`, which asks for proofs of ten minutes.
async fn send(rig: &Rig, browser: &mut Browser, typed: &[(&str, &str)], from: &[(&str, &str)]) -> Page {
    let to = format!("{}/admin/save?draft=1", rig.origin("app.localhost"));
    browser.send_form(&to, &fields(typed), from).await
}

/// Somebody whose proofs are too old for it.
async fn stale(rig: &Rig) -> Browser {
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    browser.visit(&format!("{}/page", rig.origin("app.localhost"))).await;
    rig.clock.advance(11 * MINUTE);
    browser
}

/// From the refusal to the page that asks whether the form is still to be sent.
async fn prove(browser: &mut Browser, refused: &Page) -> Page {
    assert_eq!(refused.status, 303, "{refused:?}");
    let page = browser.visit(&refused.onward().expect("the portal")).await;
    assert_eq!(page.path(), "/sign-in/password", "{page:?}");
    let page = browser.submit(&page, "/sign-in/password", &[("password", PASSWORD)]).await;
    let code = browser.code();
    browser.submit(&page, "/sign-in/code", &[("code", &code)]).await
}

/// Presses "Send it" and follows as a browser does, body and all.
async fn send_on(rig: &Rig, browser: &mut Browser, page: &Page) -> Page {
    let (answer, held) = pressed(browser, page).await;
    let to = format!("{}/admin/save?draft=1", rig.origin("app.localhost"));
    assert_eq!((answer.status, answer.header("location")), (307, Some(&*to)), "{answer:?}");
    browser.send_form(&to, &held, OWN_PAGE).await
}

async fn pressed(browser: &mut Browser, page: &Page) -> (Page, Vec<(String, String)>) {
    let start = page.body.find("action=\"/.portcullis/form/").unwrap_or_else(|| panic!("no form: {page:?}"));
    let action = page.body[start + 8..].split('"').next().expect("an address").to_owned();
    let held = page.form(&action);
    (browser.post(page, &action, &[]).await, held)
}

/// The bodies that a member was sent by POST.
fn posted(member: &Member) -> Vec<(String, Vec<(String, String)>)> {
    let posts = member.seen().into_iter().filter(|seen| seen.method == "POST");
    posts.map(|seen| (seen.target, url::form_urlencoded::parse(&seen.body).into_owned().collect())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_survives_a_step_up_and_is_sent_once_when_its_sender_says_so() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let mut browser = stale(&rig).await;
    let refused = send(&rig, &mut browser, TYPED, OWN_PAGE).await;
    let page = prove(&mut browser, &refused).await;
    assert_eq!((page.status, page.path().starts_with("/.portcullis/form?name=")), (200, true), "{page:?}");
    assert!(page.body.contains("Send your form now?") && page.body.contains("app.localhost"), "{}", page.body);
    assert!(posted(&app).is_empty(), "nothing is sent before that");
    assert_eq!(browser.visit(&page.url).await.status, 200, "a look at it again does no harm");

    let answer = send_on(&rig, &mut browser, &page).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "app /admin/save?draft=1"));
    assert_eq!(posted(&app), [("/admin/save?draft=1".to_owned(), fields(TYPED))]);

    let (again, _) = pressed(&mut browser, &page).await;
    assert!(again.status == 410 && again.body.contains("Nothing is sent twice"), "{again:?}");
    assert_eq!(browser.visit(&page.url).await.status, 410);
    assert_eq!(posted(&app).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_survives_a_sign_in_too() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    browser.jar.clear();
    let refused = send(&rig, &mut browser, TYPED, OWN_PAGE).await;
    let page = browser.visit(&refused.onward().expect("the portal")).await;
    rig.clock.advance(MINUTE);
    let page = browser.sign_in(&page, "alice").await;
    assert!(page.path().starts_with("/.portcullis/form?name="), "{page:?}");
    assert_eq!(send_on(&rig, &mut browser, &page).await.status, 200);
    assert_eq!(posted(&app), [("/admin/save?draft=1".to_owned(), fields(TYPED))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_another_site_sent_is_not_kept() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let mut browser = stale(&rig).await;
    let strangers: [&[(&str, &str)]; 4] = [
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
        &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
        &[("accept", "text/html"), ("origin", "https://evil.test")],
        &[("accept", "text/html")],
    ];
    for from in strangers {
        let refused = send(&rig, &mut browser, TYPED, from).await;
        let page = prove(&mut browser, &refused).await;
        assert_eq!((page.status, page.body.as_str()), (200, "app /"), "{from:?}: to the host's front page: {page:?}");
        rig.clock.advance(11 * MINUTE);
    }
    assert!(posted(&app).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_shown_to_and_sent_on_by_nobody_else() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let mut browser = stale(&rig).await;
    let refused = send(&rig, &mut browser, TYPED, OWN_PAGE).await;
    let page = prove(&mut browser, &refused).await;
    let mut other = rig.signed_in("bob", &["staff"]).await;
    other.visit(&format!("{}/page", rig.origin("app.localhost"))).await;
    assert_eq!(other.visit(&page.url).await.status, 410);
    assert_eq!(pressed(&mut other, &page).await.0.status, 410);
    assert_eq!(rig.browser().visit(&page.url).await.status, 410);
    let mut unbound = browser.stolen();
    unbound.jar.get_mut("app.localhost").expect("cookies").remove("portcullis-binding");
    assert_eq!(unbound.visit(&page.url).await.status, 410, "a session without the browser's binding");
    let action = page.body.split("action=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an address");
    let cross = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    let forged = browser.send_form(&format!("{}{action}", rig.origin("app.localhost")), &[], &cross).await;
    assert_eq!(forged.status, 410, "another site's page presses the button");
    assert!(posted(&app).is_empty());
    assert_eq!(send_on(&rig, &mut browser, &page).await.status, 200, "for its sender it is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_up_to_64_kib_are_kept_and_longer_ones_not() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let mut browser = stale(&rig).await;
    let just = "x".repeat(64 * 1024 - "note=".len());
    let refused = send(&rig, &mut browser, &[("note", &just)], OWN_PAGE).await;
    let page = prove(&mut browser, &refused).await;
    assert_eq!(send_on(&rig, &mut browser, &page).await.status, 200);
    assert_eq!(posted(&app)[0].1, fields(&[("note", &just)]));
    rig.clock.advance(11 * MINUTE);
    let refused = send(&rig, &mut browser, &[("note", &format!("{just}x"))], OWN_PAGE).await;
    let page = prove(&mut browser, &refused).await;
    assert_eq!(page.body, "app /", "{page:?}");
    assert_eq!(posted(&app).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_presses_at_once_one_sends_the_form() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = stale(&rig).await;
    let refused = send(&rig, &mut browser, TYPED, OWN_PAGE).await;
    let page = prove(&mut browser, &refused).await;
    let mut presses = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (mut browser, page) = (browser.stolen(), page.clone());
        presses.spawn(async move { pressed(&mut browser, &page).await.0.status });
    }
    let mut statuses = presses.join_all().await;
    statuses.sort_unstable();
    assert_eq!((statuses[0], statuses[1], statuses[99]), (307, 410, 410));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_form_lies_nowhere_in_the_clear_and_ends_with_its_session() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = stale(&rig).await;
    let refused = send(&rig, &mut browser, &[("note", "canary-of-a-form")], OWN_PAGE).await;
    let page = prove(&mut browser, &refused).await;
    for entry in std::fs::read_dir(rig.directory().join("state")).expect("it is there") {
        let bytes = std::fs::read(entry.expect("an entry").path()).unwrap_or_default();
        assert!(!bytes.windows(16).any(|window| window == b"canary-of-a-form"));
    }
    rig.store.sessions.end_all(rig.account("alice").await.id, None).await.expect("the store");
    rig.eventually("the session is over", async || browser.stolen().visit(&page.url).await.status == 410).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_want_it_sent_is_back_on_the_page_it_was_on_and_it_is_gone() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let mut browser = stale(&rig).await;
    let origin = rig.origin("app.localhost");
    let (form, long) = (format!("{origin}/new?of=3"), format!("{origin}/{}", "x".repeat(5000)));
    for (page, back) in [
        (Some(form.as_str()), form.clone()),
        (Some(&*format!("{origin}//evil.test/x")), format!("{origin}//evil.test/x")),
        (Some("http://evil.test/new"), format!("{origin}/")),
        (Some(&*long), format!("{origin}/")),
        (None, format!("{origin}/")),
    ] {
        let from: Vec<(&str, &str)> =
            OWN_PAGE.iter().copied().chain(page.map(|page| ("referer", page)).into_iter()).collect();
        let refused = send(&rig, &mut browser, TYPED, &from).await;
        let asked = prove(&mut browser, &refused).await;
        let start = asked.body.rfind("action=\"").expect("a form") + 8;
        let discard = asked.body[start..].split('"').next().expect("an address").to_owned();
        assert!(discard.ends_with("/discard"), "{discard}");
        let answer = browser.post(&asked, &discard, &[]).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some(&*back)), "{page:?}");
        assert_eq!(browser.visit(&asked.url).await.status, 410, "it is not kept any more");
        assert_eq!(browser.post(&asked, &discard, &[]).await.status, 410);
        rig.clock.advance(11 * MINUTE);
    }
    assert!(posted(&app).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_form_waits_the_pages_say_so_and_its_name_goes_to_nobody() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let kept = "Your form is kept and can be sent afterwards.";
    let mut browser = stale(&rig).await;
    let refused = send(&rig, &mut browser, TYPED, OWN_PAGE).await;
    let page = browser.visit(&refused.onward().expect("the portal")).await;
    assert!(page.path() == "/sign-in/password" && page.body.contains(kept), "{page:?}");
    let page = prove(&mut browser, &refused).await;
    assert_eq!(page.header("referrer-policy"), Some("origin"), "its own address is not told");

    let mut stranger = rig.browser();
    let refused = send(&rig, &mut stranger, TYPED, OWN_PAGE).await;
    let page = stranger.visit(&refused.onward().expect("the portal")).await;
    assert!(page.body.contains("Sign in") && page.body.contains(kept), "{}", page.body);
    let page = stranger.visit(&format!("{}/page", rig.origin("app.localhost"))).await;
    assert!(!page.body.contains(kept), "nothing waits: {}", page.body);
}
