//! A form that takes so long to fill in that its sender has to confirm who it is: nothing typed is lost.

use crate::look::look;
use crate::person::Person;
use crate::rig::Rig;
use std::time::Duration;

/// What a page of the service would send: two lines of text and a field that occurs twice.
const SEND: &str = "
    const form = document.createElement('form');
    form.method = 'post';
    form.action = '/admin/save?draft=1';
    form.acceptCharset = 'utf-8';
    for (const [name, value] of [['note', 'one\\ntwo & ü'], ['tag', 'a'], ['tag', '']]) {
        const field = document.createElement('textarea');
        field.name = name;
        field.value = value;
        form.append(field);
    }
    document.body.append(form);
    form.submit();
";

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_sent_after_a_step_up_just_as_it_was_typed() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let alice = Person::signed_in(&rig, "alice").await;
    alice.chrome.open(&format!("{}/admin/new", rig.origin("app.localhost"))).await;
    rig.clock.advance(Duration::from_secs(11 * 60));
    alice.chrome.ask(SEND).await;
    rig.eventually("the portal asks", async || alice.chrome.address().await.contains("/sign-in/password")).await;
    alice.prove_again().await;
    assert_eq!(alice.chrome.heading().await, "Send your form now?");
    look(&alice.chrome, "send-form").await;
    alice.chrome.press("Send it").await;
    assert!(alice.chrome.address().await.ends_with("/admin/save?draft=1"), "the service's own address");
    let posts: Vec<_> = app.seen().into_iter().filter(|seen| seen.method == "POST").collect();
    let [sent] = posts.as_slice() else { panic!("once: {posts:?}") };
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(&sent.body).into_owned().collect();
    let expected = [("note", "one\r\ntwo & ü"), ("tag", "a"), ("tag", "")];
    assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let origin = rig.origin("app.localhost");
    assert_eq!(sent.one("origin").as_deref(), Some(&*origin), "as from a page of its own");
    assert_eq!(sent.one("referer").as_deref(), Some(&*format!("{origin}/")), "the form's name is not told");
    alice.chrome.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_not_to_be_sent_leads_back_to_its_page() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let alice = Person::signed_in(&rig, "alice").await;
    let page = format!("{}/admin/new?of=3", rig.origin("app.localhost"));
    alice.chrome.open(&page).await;
    rig.clock.advance(Duration::from_secs(11 * 60));
    alice.chrome.ask(SEND).await;
    rig.eventually("the portal asks", async || alice.chrome.address().await.contains("/sign-in/password")).await;
    assert!(alice.chrome.text().await.contains("Your form is kept and can be sent afterwards."));
    look(&alice.chrome, "step-up-with-form").await;
    alice.prove_again().await;
    alice.chrome.press("Do not send it").await;
    assert_eq!(alice.chrome.address().await, page);
    assert!(app.seen().iter().all(|seen| seen.method != "POST"));
    alice.chrome.finish().await;
}
