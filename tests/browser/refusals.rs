//! What a person reads when the gateway says no, and the id to quote.

use crate::chrome::Chrome;
use crate::look::look;
use crate::person::Person;
use crate::rig::{Member, RawMember, Rig, TWO_HOSTS, filled};

/// Besides the two hosts: one with nothing at its root, one whose only member is gone, one whose member hangs up, and one
/// whose member says nothing.
const MORE: &str = r#"
[pool.gone]
members = ["{gone}"]
health = { path = "/", every = "200ms" }

[pool.broken]
members = ["{broken}"]

[pool.mute]
members = ["{mute}"]
timeouts = { read = "100ms" }

[[route]]
name = "docs"
host = "docs.localhost"
path = "/docs/**"
pool = "app"
policy = "open"

[[route]]
name = "gone"
host = "gone.localhost"
path = "/**"
pool = "gone"
policy = "open"

[[route]]
name = "broken"
host = "broken.localhost"
path = "/**"
pool = "broken"
policy = "open"

[[route]]
name = "mute"
host = "mute.localhost"
path = "/**"
pool = "mute"
policy = "open"
"#;

async fn rig() -> (Rig, [Member; 3], [RawMember; 2]) {
    let mut gone = Member::echo("gone").await;
    gone.stop().await;
    let members = [Member::echo("app").await, Member::echo("wiki").await, gone];
    let [app, wiki, gone] = &members;
    let broken = RawMember::play(|mut line| async move { drop(line.head().await) }).await;
    let mute = RawMember::play(|mut line| async move {
        line.head().await;
        std::future::pending().await
    });
    let mute = mute.await;
    let configuration = filled(&format!("{TWO_HOSTS}{MORE}"), &[("app", app), ("wiki", wiki), ("gone", gone)])
        .replace("{broken}", &broken.address().to_string())
        .replace("{mute}", &mute.address().to_string());
    (Rig::start(&configuration).await, members, [broken, mute])
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_in_the_group_reads_which_one_is_needed_and_an_id_to_quote() {
    let (rig, members, _raw) = rig().await;
    let alice = Person::signed_in(&rig, "alice").await;
    let before = members[0].seen().len();
    alice.chrome.open(&format!("{}/boss/room", rig.origin("app.localhost"))).await;
    let text = alice.chrome.text().await;
    assert_eq!(alice.chrome.heading().await, "You don’t have access to this page", "{text}");
    for said in
        ["Error 403", "Groups", "the group boss", "staff", "Ask whoever", "quote the decision", "Use another account"]
    {
        assert!(text.contains(said), "{said} is missing:\n{text}");
    }
    let ids = alice.chrome.texts("dl.ids code").await;
    let [decision, request] = ids.as_slice() else { panic!("two ids are expected: {ids:?}") };
    assert!(decision.starts_with("dec_") && request.starts_with("req_"), "{ids:?}");
    assert_eq!(members[0].seen().len(), before, "nothing was forwarded");
    look(&alice.chrome, "refused-403").await;
    alice.chrome.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_places_and_broken_services_are_said_without_a_word_about_pools() {
    let (rig, _members, _raw) = rig().await;
    let chrome = Chrome::start().await;
    let pages = [
        ("refused-400", format!("{}/a%2fb", rig.origin("docs.localhost")), "This request can’t be read"),
        ("refused-404", format!("{}/nowhere", rig.origin("docs.localhost")), "There is nothing here"),
        ("refused-404-portal", format!("{}/nowhere", rig.origin("auth.localhost")), "There is nothing here"),
        ("refused-421", rig.origin("nobody.localhost"), "This site isn’t served here"),
        ("refused-502", rig.origin("broken.localhost"), "The service gave no proper answer"),
        ("refused-504", rig.origin("mute.localhost"), "The service did not answer in time"),
    ];
    for (name, address, heading) in pages {
        chrome.open(&address).await;
        assert_eq!(chrome.heading().await, heading, "{address}");
        refused_well(&chrome).await;
        look(&chrome, name).await;
    }
    let gone = rig.origin("gone.localhost");
    rig.eventually("the member's end is noticed", || async {
        chrome.open(&gone).await;
        chrome.heading().await == "This service is not available now"
    })
    .await;
    refused_well(&chrome).await;
    look(&chrome, "refused-503").await;
    chrome.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_refusal_may_do_as_little_as_a_page_of_the_portal() {
    let (rig, _members, _raw) = rig().await;
    let addresses = [rig.origin("nobody.localhost"), rig.origin("docs.localhost"), rig.origin("auth.localhost")];
    for address in addresses {
        let page = rig.browser().visit(&address).await;
        let policy = page.header("content-security-policy").unwrap_or_default();
        for rule in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(rule), "{rule} is missing: {page:?}");
        }
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"), "{page:?}");
    }
}

async fn refused_well(chrome: &Chrome) {
    let text = chrome.text().await;
    let ids = chrome.texts("dl.ids code").await;
    assert!(ids.iter().any(|id| id.starts_with("req_")), "{text}");
    assert!(text.contains("tell your administrator and quote the"), "{text}");
    assert!(!text.contains('`'), "a mark for programs:\n{text}");
    for secret in ["pool", "member", "127.0.0.1"] {
        assert!(!text.to_lowercase().contains(secret), "{secret} is no stranger's to know:\n{text}");
    }
}
