//! Commands on accounts, over a store in a folder of its own.

use super::*;
use crate::cli::account::person;
use crate::cli::home::Home;
use crate::cli::opened::Absent;
use crate::cli::settings::ConfigFile;
use crate::identity::{Assurance, Device, FactorName, Kind, Kinds, Proof, Proofs, Session, SessionId, TokenHash};
use crate::store::{Instead, Opening};
use tempfile::TempDir;

const CONFIGURATION: &str = r#"
[gateway]
state = "state"
[[listen]]
address = "127.0.0.1:0"
[portal]
origin = "http://auth.localhost:8080"
[factor.password]
[factor.totp]
[policy.staff]
require = "mfa"
groups = ["staff"]
"#;

async fn rig() -> (TempDir, Opened) {
    rig_with(CONFIGURATION).await
}

async fn rig_with(configuration: &str) -> (TempDir, Opened) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("portcullis.toml");
    std::fs::write(&file, configuration).expect("a file");
    let essentials = Home::of(ConfigFile { file }).essentials().expect("a configuration");
    let opened = Opened::open(essentials, Absent::Make).await.expect("a fresh store");
    (folder, opened)
}

fn name(text: &str) -> AccountName {
    AccountName::parse(text).expect("a name")
}

fn group(text: &str) -> Group {
    Group::parse(text).expect("a group")
}

async fn sign_in(opened: &Opened, account: &Account) {
    let kinds = Kinds::of(Kind::Knowledge);
    let factor = FactorName("password");
    let proof = Proof { factor, kinds, phishing_resistant: false, recovery: false, at: opened.now };
    let session = Session {
        id: SessionId::fresh(),
        account: account.id,
        proofs: Proofs::from_iter([proof]),
        created: opened.now,
        used: opened.now,
        device: Device { name: "Firefox on Linux".to_owned(), address: "127.0.0.1".parse().expect("an address") },
    };
    assert_eq!(session.proofs.assurance(), Assurance::OneFactor);
    opened
        .store
        .sessions
        .open(&session, Opening { token: Some((TokenHash([1; 32]), "app.localhost")), ..Opening::default() })
        .await
        .expect("a session");
}

async fn events(opened: &Opened) -> Vec<String> {
    let rows = opened.store.events.after(0, 100).await.expect("the record");
    rows.into_iter().map(|(_, row)| format!("{} {}", row.name, row.body)).collect()
}

#[tokio::test]
async fn adding_an_account_prints_a_link_and_leaves_two_events() {
    let (_folder, opened) = rig().await;
    let added = add(&opened, name("Alice"), vec![group("staff"), group("stff")]).await.expect("a new name");
    let text = added.text(Ink::Plain);
    assert!(text.starts_with("alice (staff, stff) is added\nnote: no policy names the group stff; "), "{text}");
    assert!(text.contains("\n  http://auth.localhost:8080/enrol/"), "{text}");
    assert!(text.contains("(24h)"), "{text}");
    let events = events(&opened).await;
    assert!(events[0].starts_with("account.added ") && events[0].contains(r#""groups":"staff,stff""#), "{events:?}");
    assert!(events[1].starts_with("account.enrolment-offered "), "{events:?}");
    let again = add(&opened, name("alice"), Vec::new()).await.expect_err("the name is taken");
    assert!(matches!(again.downcast_ref(), Some(Stopped::No(_))), "{again}");
}

#[tokio::test]
async fn disabling_ends_sessions_and_enabling_lets_sign_in_again() {
    let (_folder, opened) = rig().await;
    let alice = add(&opened, name("alice"), Vec::new()).await.expect("a new name").account;
    sign_in(&opened, &alice).await;
    let shown = person::show(&opened, &alice.name).await.expect("an account").text(Ink::Plain);
    assert!(shown.contains("Firefox on Linux"), "{shown}");
    let done = disable(&opened, &alice.name).await.expect("an account");
    assert_eq!(done.text(Ink::Plain), "alice is disabled; 1 session ended; its enrolment link has ended");
    assert_eq!((&done.json()["sessions_ended"], &done.json()["links_ended"]), (&json!(1), &json!(1)));
    let listed = person::list(&opened).await.expect("accounts").text(Ink::Plain);
    assert!(listed.lines().nth(1).is_some_and(|line| line.contains("disabled")), "{listed}");
    let enabled = enable(&opened, &alice.name).await.expect("an account").text(Ink::Plain);
    assert_eq!(enabled, "alice is enabled, but not enrolled: `portcullis account enrol alice` makes a link");
    assert!(!opened.account(&alice.name).await.expect("an account").disabled);
}

#[tokio::test]
async fn a_reset_ends_everything_offers_a_link_and_records_the_reason() {
    let (_folder, opened) = rig().await;
    let alice = add(&opened, name("alice"), Vec::new()).await.expect("a new name").account;
    sign_in(&opened, &alice).await;
    let done = reset(&opened, &alice.name, "lost phone").await.expect("an account");
    let text = done.text(Ink::Plain);
    assert!(
        text.starts_with("alice is reset; 0 factors forgotten, 1 session ended; links made before are void\n\n  http")
    );
    assert_eq!((&done.json()["factors_removed"], &done.json()["sessions_ended"]), (&json!(0), &json!(1)));
    assert!(opened.sessions(&alice).await.expect("the store").is_empty());
    let events = events(&opened).await;
    assert!(events.iter().any(|event| event.contains(r#""reason":"lost phone""#)), "{events:?}");
}

#[tokio::test]
async fn somebody_who_is_not_enrolled_is_shown_with_the_link_or_without_one() {
    let (_folder, opened) = rig().await;
    let alice = add(&opened, name("alice"), Vec::new()).await.expect("a new name").account;
    let show = async || person::show(&opened, &alice.name).await.expect("an account").text(Ink::Plain);
    let list = async || person::list(&opened).await.expect("accounts").text(Ink::Plain);
    for text in [show().await, list().await] {
        assert!(text.contains("not enrolled, link until 2"), "{text}");
    }
    let again = enable(&opened, &alice.name).await.expect("an account").text(Ink::Plain);
    assert!(again.starts_with("alice is enabled, but not enrolled: the link it has is good until 2"), "{again}");
    opened.store.credentials.reset(alice.id, Instead::Nothing).await.expect("the store");
    for text in [show().await, list().await] {
        assert!(text.contains("not enrolled, no link"), "{text}");
    }
}

#[tokio::test]
async fn a_link_for_a_disabled_account_comes_with_a_note_from_reset_as_from_enrol() {
    let (_folder, opened) = rig().await;
    let alice = add(&opened, name("alice"), Vec::new()).await.expect("a new name").account;
    disable(&opened, &alice.name).await.expect("an account");
    let enrolled = enrol(&opened, &alice.name).await.expect("a link").json();
    let reset = reset(&opened, &alice.name, "lost phone").await.expect("a link").json();
    assert!(enrolled["notes"][0].as_str().is_some_and(|note| note.starts_with("alice is disabled, and")), "{enrolled}");
    assert_eq!(reset["notes"], enrolled["notes"]);
}

#[tokio::test]
async fn an_account_in_no_group_that_is_let_in_nowhere_is_noted() {
    const ROUTES: &str = "[pool.app]\nmembers = [\"127.0.0.1:1\"]\n[[route]]\nname = \"app\"\nhost = \"app.localhost\"\n\
                          pool = \"app\"\npolicy = \"staff\"\n[[route]]\nname = \"public\"\nhost = \"app.localhost\"\n\
                          path = \"/public/**\"\npool = \"app\"\npolicy = \"open\"\n";
    const FOR_ALL: &str = "[[route]]\nname = \"all\"\nhost = \"all.localhost\"\npool = \"app\"\npolicy = \"mfa\"\n";
    let (_folder, opened) = rig_with(&format!("{CONFIGURATION}{ROUTES}")).await;
    let carol = add(&opened, name("carol"), Vec::new()).await.expect("a new name");
    assert_eq!(carol.notes, ["carol is in no group; the policy staff asks for one of: staff"]);
    let dave = add(&opened, name("dave"), vec![group("staff")]).await.expect("a new name");
    assert!(dave.notes.is_empty(), "{dave:?}");
    let (_folder, opened) = rig_with(&format!("{CONFIGURATION}{ROUTES}{FOR_ALL}")).await;
    let carol = add(&opened, name("carol"), Vec::new()).await.expect("a new name");
    assert!(carol.notes.is_empty(), "one route lets in whoever signs in: {carol:?}");
}

#[tokio::test]
async fn groups_are_set_whole_and_removal_leaves_only_the_record() {
    let (_folder, opened) = rig().await;
    add(&opened, name("alice"), vec![group("staff")]).await.expect("a new name");
    let done = groups(&opened, &name("alice"), vec![group("b"), group("a"), group("a")]).await.expect("an account");
    assert!(done.text(Ink::Plain).starts_with("alice is in a, b\n"), "{}", done.text(Ink::Plain));
    assert_eq!(done.json()["groups"], json!(["a", "b"]));
    remove(&opened, &name("alice")).await.expect("an account");
    let gone = opened.account(&name("alice")).await.expect_err("it was removed");
    assert!(matches!(gone.downcast_ref(), Some(Stopped::No(_))), "{gone}");
    let events = events(&opened).await;
    assert!(events.last().is_some_and(|event| event.contains(r#""change":"removed""#)), "{events:?}");
}

#[tokio::test]
async fn a_reset_voids_the_link_that_was_open_even_where_no_new_one_can_be_made() {
    let (folder, opened) = rig().await;
    let alice = add(&opened, name("alice"), Vec::new()).await.expect("a new name").account;
    let file = folder.path().join("portcullis.toml");
    std::fs::write(&file, "[gateway]\nstate = \"state\"\n[portal]\norigin = \"auth\"\n").expect("a file");
    let essentials = Home::of(ConfigFile { file }).essentials().expect("the state can be told");
    let opened = Opened::open(essentials, Absent::Say).await.expect("the store");
    let done = reset(&opened, &alice.name, "lost phone").await.expect("an account").text(Ink::Plain);
    assert!(done.contains("links made before are void") && done.contains("no link was made"), "{done}");
    assert_eq!(opened.link_until(&alice).await.expect("the store"), None);
}
