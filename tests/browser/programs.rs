//! Letting a program act for oneself: the code it shows, the question, and the way back to a program on this machine.

use crate::look::look;
use crate::person::Person;
use crate::rig::{Member, Rig};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_types_the_code_of_a_program_and_approves_it() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let alice = Person::signed_in(&rig, "alice").await;
    let portal = rig.origin("auth.localhost");
    let asks = [("client_id".to_owned(), "tool".to_owned()), ("resource".to_owned(), rig.origin("app.localhost"))];
    let begun = rig.browser().send_form(&format!("{portal}/oauth/device_authorization"), &asks, &[]).await;
    let begun: Value = serde_json::from_str(&begun.body).expect("JSON");

    alice.chrome.open(&format!("{portal}/device")).await;
    assert_eq!(alice.chrome.heading().await, "Connect a program");
    look(&alice.chrome, "program-code").await;
    alice.chrome.fill("Code", "BCDF-GHJK").await;
    alice.chrome.press("Continue").await;
    let said = alice.chrome.alert().await;
    assert!(said.is_some_and(|said| said.starts_with("There is no such code")));
    alice.chrome.fill("Code", &begun["user_code"].as_str().expect("a code").to_lowercase()).await;
    alice.chrome.press("Continue").await;
    assert_eq!(alice.chrome.heading().await, "Connect this program?");
    let text = alice.chrome.text().await;
    assert!(text.contains("tool") && text.contains("app.localhost") && text.contains("alice"), "{text}");
    look(&alice.chrome, "program-device").await;
    alice.chrome.press("Approve").await;
    assert_eq!(alice.chrome.heading().await, "The program is connected");
    alice.open_account().await;
    assert!(alice.chrome.text().await.contains("tool on the command line"));
    alice.chrome.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_leads_back_to_the_program_on_this_machine() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let alice = Person::signed_in(&rig, "alice").await;
    let program = Member::echo("tool").await;
    let back = format!("http%3A%2F%2F127.0.0.1%3A{}%2Fback", program.address().port());
    let address = format!(
        "{}/oauth/authorize?response_type=code&client_id=tool&state=x&redirect_uri={back}&code_challenge_method=S256\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        rig.origin("auth.localhost")
    );
    for (button, answer) in [("Deny", "tool /back?error=access%5Fdenied&"), ("Approve", "tool /back?code=")] {
        alice.chrome.open(&address).await;
        assert_eq!(alice.chrome.heading().await, "Connect this program?");
        alice.chrome.press(button).await;
        let text = alice.chrome.text().await;
        assert!(text.starts_with(answer), "the page's policy lets the browser go there: {text}");
    }
    alice.chrome.finish().await;
}
