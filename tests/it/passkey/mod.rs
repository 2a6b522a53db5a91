//! Passkeys before a whole gateway, answered by an authenticator in software.

mod attacks;
mod enrolment;
mod rules;
mod signing_in;

use crate::rig::authenticator::{Authenticator, Lies};
use crate::rig::{Browser, Member, PASSWORD, Page, Rig, TWO_HOSTS, filled};
use serde_json::Value;

/// A route that only a passkey opens.
pub const STRONG: &str = r#"
[policy.strong]
extends = "staff"
require = "phishing-resistant"

[[route]]
name = "app-strong"
host = "app.localhost"
path = "/strong/**"
pool = "app"
policy = "strong"
"#;

/// Two hosts and every factor, passkeys with these keys.
pub fn configuration(keys: &str) -> String {
    format!("{TWO_HOSTS}{STRONG}\n[factor.passkey]\n{keys}\n")
}

pub async fn rig() -> (Rig, Member) {
    rig_of(&configuration("")).await
}

pub async fn rig_of(configuration: &str) -> (Rig, Member) {
    let app = Member::echo("app").await;
    (Rig::start(&filled(configuration, &[("app", &app), ("wiki", &app)])).await, app)
}

/// Loads another configuration for the same member.
pub async fn reload(rig: &Rig, app: &Member, configuration: &str) {
    rig.reload(&filled(configuration, &[("app", app), ("wiki", app)])).await;
}

pub fn portal(rig: &Rig) -> String {
    rig.origin("auth.localhost")
}

/// What a passkey was asked, and the seal of it.
pub struct Asked {
    pub options: Value,
    pub ceremony: String,
}

/// Where a form with a passkey's answer goes, and what for.
#[derive(Clone, Copy)]
pub struct To(pub &'static str, pub &'static str);

pub const SIGN_IN: To = To("/sign-in", "sign-in");
pub const PROOF: To = To("/sign-in/passkey", "proof");
pub const ENROL: To = To("/enrol", "enrolment");

fn fields(page: &Page, to: To) -> Vec<(String, String)> {
    let mut fields = page.form(to.0);
    fields.retain(|(name, _)| name != "occasion");
    fields.push(("occasion".to_owned(), to.1.to_owned()));
    fields
}

/// The question as the script gets it.
pub async fn question(browser: &mut Browser, page: &Page, to: To) -> Page {
    let origin = origin(page);
    let from = [("sec-fetch-site", "same-origin"), ("origin", &*origin)];
    browser.send_form(&format!("{origin}/passkey/options"), &fields(page, to), &from).await
}

pub async fn ask(browser: &mut Browser, page: &Page, to: To) -> Asked {
    let answer = question(browser, page, to).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut answer: Value = serde_json::from_str(&answer.body).expect("JSON");
    Asked { options: answer["options"].take(), ceremony: answer["ceremony"].as_str().expect("a text").to_owned() }
}

/// Sends an answer, and stops at the first page.
pub async fn answer(browser: &mut Browser, page: &Page, to: To, (credential, ceremony): (&str, &str)) -> Page {
    let origin = origin(page);
    let from = [("sec-fetch-site", "same-origin"), ("origin", &*origin)];
    let mut fields = fields(page, to);
    fields.push(("credential".to_owned(), credential.to_owned()));
    fields.push(("ceremony".to_owned(), ceremony.to_owned()));
    browser.send_form(&format!("{origin}{}", to.0), &fields, &from).await
}

/// Asks, has the device answer, and stops at the first page.
pub async fn touch(browser: &mut Browser, page: &Page, to: To, (device, lies): (&mut Authenticator, &Lies)) -> Page {
    let asked = ask(browser, page, to).await;
    let credential = match to.1 {
        "enrolment" => device.create(&asked.options, lies),
        _ => device.get(&asked.options, lies),
    };
    answer(browser, page, to, (&credential, &asked.ceremony)).await
}

/// The same, truthfully, to the end of all redirects.
pub async fn use_passkey(browser: &mut Browser, page: &Page, to: To, device: &mut Authenticator) -> Page {
    let answer = touch(browser, page, to, (device, &Lies::default())).await;
    match answer.onward() {
        Some(onward) => browser.visit(&onward).await,
        None => answer,
    }
}

fn origin(page: &Page) -> String {
    page.url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

/// The sign-in page of the portal.
pub async fn sign_in_page(rig: &Rig, browser: &mut Browser) -> Page {
    browser.visit(&format!("{}/sign-in", portal(rig))).await
}

/// From an enrolment link to the page that asks for a passkey.
pub async fn towards_passkey(browser: &mut Browser, link: &str) -> Page {
    let page = browser.visit(link).await;
    let typed = [("new_password", PASSWORD), ("new_password_again", PASSWORD)];
    let page = browser.submit(&page, "/enrol", &typed).await;
    assert!(page.body.contains("Choose how to confirm"), "{}", page.body);
    browser.submit(&page, "/enrol", &[("factor", "passkey")]).await
}

/// Somebody who is signed in, with a password, a passkey and recovery codes.
pub async fn enrolled(rig: &Rig, name: &str) -> (Browser, Authenticator) {
    let mut device = Authenticator::new(&portal(rig));
    let browser = enrolled_with(rig, name, &mut device).await;
    (browser, device)
}

pub async fn enrolled_with(rig: &Rig, name: &str, device: &mut Authenticator) -> Browser {
    let link = rig.invite(name, &["staff"]).await;
    let mut browser = rig.browser();
    let page = towards_passkey(&mut browser, &link).await;
    let page = use_passkey(&mut browser, &page, ENROL, device).await;
    let page = browser.enrol_codes(&page).await;
    assert_eq!((page.status, page.path()), (200, "/"), "{page:?}");
    browser
}

/// What a browser is signed in as, and how strongly.
pub async fn assurance(rig: &Rig, browser: &mut Browser) -> Option<String> {
    let session = browser.who_am_i(&portal(rig)).await?;
    session["assurance"].as_str().map(str::to_owned)
}

/// The words for why sign-ins of anybody failed, oldest first.
pub async fn failures(rig: &Rig, at_least: usize) -> Vec<String> {
    let read = async || {
        let rows = rig.store.events.after(0, 1000).await.expect("the store");
        let failed = rows.into_iter().map(|(_, row)| row).filter(|row| row.name == "sign-in.failed");
        let why = failed.map(|row| serde_json::from_str::<Value>(&row.body).expect("JSON")["why"].clone());
        why.map(|why| why.as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    rig.eventually("the failures are on record", async || read().await.len() >= at_least).await;
    read().await
}
