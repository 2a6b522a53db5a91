//! Every page under one strict policy, and no secret on any of them once it was given.

use crate::rig::{Browser, PASSWORD, Page, Rig};
use std::collections::BTreeSet;
use std::time::Duration;

/// What holds for every page the gateway writes itself.
fn assert_strict(page: &Page) {
    let context = format!("{} {}: {:?}", page.status, page.url, page.headers);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{context}");
    let policy = page.header("content-security-policy").unwrap_or_else(|| panic!("no policy: {context}"));
    for part in
        ["default-src 'none'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
    {
        assert!(policy.contains(part), "{part}: {context}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("script-src"), "{context}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"), "{context}");
    assert_eq!(page.header("cache-control"), Some("no-store"), "{context}");
    assert_eq!(page.header("x-frame-options"), Some("DENY"), "{context}");
    assert!(page.header("x-request-id").is_some_and(|id| id.starts_with("req_")), "{context}");
    assert_eq!(page.header("server"), None, "{context}");
    let body = page.body.to_ascii_lowercase();
    for inline in
        ["<script", "<style", " style=", "javascript:", " onclick", " onload", " onerror", "<iframe", "http-equiv"]
    {
        assert!(!body.contains(inline), "{inline}: {context}");
    }
    assert!(body.contains("<!doctype html>") && body.contains("<html lang=\"en\">"), "{context}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_stands_under_the_strict_policy() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (portal, app) = (rig.origin("auth.localhost"), rig.origin("app.localhost"));
    let link = rig.invite("alice", &["staff"]).await;
    let mut alice = rig.browser();
    let mut pages = vec![alice.visit(&format!("{app}/page")).await];
    let first = alice.visit(&link).await;
    pages.push(alice.submit(&first, "/enrol", &[("new_password", "short"), ("new_password_again", "short")]).await);
    let typed = [("new_password", PASSWORD), ("new_password_again", PASSWORD)];
    let scan = alice.submit(&first, "/enrol", &typed).await;
    let confirm = alice.visit(&format!("{portal}/enrol/confirm")).await;
    pages.push(alice.submit(&confirm, "/enrol", &[("code", "000000")]).await);
    pages.extend([first, scan.clone(), confirm]);
    let codes = alice.enrol_only_app(scan).await;
    alice.submit(&codes, "/enrol", &[]).await;
    pages.push(codes);
    for path in [
        "/",
        "/sign-out",
        "/account/sessions/end-others",
        "/account/sessions/end-all",
        "/account/password",
        "/account/app",
        "/account/codes",
        "/signed-out",
        "/nothing/here",
    ] {
        pages.push(alice.visit(&format!("{portal}{path}")).await);
    }
    pages.push(alice.visit(&format!("{app}/boss/x")).await);
    pages.push(alice.visit(&format!("{app}/.portcullis/enter?code=x")).await);
    pages.push(alice.visit(&format!("{app}/.portcullis/nothing")).await);
    pages.push(alice.visit(&format!("{portal}/enrol/spent")).await);
    pages.push(alice.request(reqwest::Method::DELETE, &format!("{portal}/sign-in"), &[]).await);
    pages.push(alice.send_form(&format!("{portal}/sign-out"), &[], &[]).await);
    pages.push(alice.navigate(&rig.origin("nowhere.localhost")).await);
    rig.clock.advance(Duration::from_secs(6 * 60));
    pages.push(alice.visit(&format!("{portal}/account/password")).await);
    let mut again = alice.other();
    let asked = again.visit(&format!("{portal}/sign-in")).await;
    pages.push(again.submit(&asked, "/sign-in", &[("name", "alice"), ("password", "wrong-guess-17")]).await);
    let code = again.submit(&asked, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    pages.push(again.visit(&format!("{portal}/sign-in/recovery")).await);
    pages.push(again.submit(&code, "/sign-in/code", &[("code", "000000")]).await);
    pages.extend([asked, code]);

    let statuses: BTreeSet<u16> = pages.iter().map(|page| page.status).collect();
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), [200, 400, 403, 404, 405, 410, 421, 422]);
    pages.iter().for_each(assert_strict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_may_lead_to_the_host_the_person_is_on_the_way_to_and_to_no_other() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let mut alice = rig.signed_in("alice", &["staff"]).await.other();
    let form_action = |page: &Page| {
        let policy = page.header("content-security-policy").unwrap().to_owned();
        policy.split("; ").find_map(|part| part.strip_prefix("form-action ").map(str::to_owned)).unwrap()
    };
    let bound = format!("'self' {}", rig.origin("wiki.localhost"));
    let page = alice.visit(&format!("{}/page", rig.origin("wiki.localhost"))).await;
    assert_eq!(form_action(&page), bound);
    let wrong = alice.submit(&page, "/sign-in", &[("name", "alice"), ("password", "wrong-guess-17")]).await;
    assert_eq!(form_action(&wrong), bound, "after a mistake, too");
    let page = alice.submit(&wrong, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    assert_eq!(form_action(&page), bound);
    let page = alice.visit(&format!("{portal}/sign-in/recovery")).await;
    assert_eq!(form_action(&page), bound);
    assert_eq!(form_action(&rig.browser().visit(&format!("{portal}/sign-in")).await), "'self'");
}

/// Keeps every answer of a sign-in, one by one.
async fn answers_of_a_sign_in(rig: &Rig, browser: &mut Browser, typed: (&str, &str)) -> Vec<Page> {
    let start = format!("{}/page", rig.origin("app.localhost"));
    let mut all = vec![browser.navigate(&start).await];
    all.push(browser.navigate(&all[0].onward().unwrap()).await);
    let asked = all[1].clone();
    all.push(browser.post(&asked, "/sign-in", &[("name", "alice"), ("password", "wrong-guess-17")]).await);
    let given = browser.post(&asked, "/sign-in", &[("name", "alice"), ("password", typed.0)]).await;
    let code = browser.navigate(&given.onward().unwrap()).await;
    all.push(given);
    all.push(browser.post(&code, "/sign-in/code", &[("code", "000000")]).await);
    let mut last = browser.post(&code, "/sign-in/code", &[("code", typed.1)]).await;
    all.push(code);
    while let Some(onward) = last.onward() {
        all.push(last);
        last = browser.navigate(&onward).await;
    }
    all.push(last);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_code_or_cookie_appears_on_a_page_or_in_an_address() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut alice = rig.signed_in("alice", &["staff"]).await.other();
    rig.clock.advance(Duration::from_secs(31));
    let code = alice.code();
    let answers = answers_of_a_sign_in(&rig, &mut alice, (PASSWORD, &code)).await;
    assert_eq!(answers.last().unwrap().body, "app /page");
    let mut secrets = vec![PASSWORD.to_owned(), "wrong-guess-17".to_owned(), code, alice.app.clone().unwrap()];
    for set in answers.iter().flat_map(|page| page.headers.get_all("set-cookie")) {
        let (name, value) = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
        // The way back is no secret: it is sealed, and in the address by contract.
        if !value.is_empty() && name != "portcullis-to" {
            secrets.push(value.to_owned());
        }
    }
    assert!(secrets.len() >= 8, "binding, form, attempts and two sessions were set: {secrets:?}");
    for page in &answers {
        for secret in &secrets {
            let on_it = page.body.contains(secret.as_str());
            let address = page.header("location").unwrap_or_default();
            assert!(!on_it && !address.contains(secret.as_str()), "{secret} in {} {}", page.url, page.status);
            assert!(!page.url.contains(secret.as_str()), "{secret} in {}", page.url);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_typed_as_a_name_is_text_and_nothing_else() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.browser();
    let page = browser.visit(&format!("{}/sign-in", rig.origin("auth.localhost"))).await;
    for name in
        ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "a\r\nSet-Cookie: x=1", "' onfocus='alert(1)"]
    {
        let answer = browser.post(&page, "/sign-in", &[("name", name), ("password", "wrong-guess-17")]).await;
        assert_eq!(answer.status, 422, "{name}");
        assert!(!answer.body.contains("<script") && !answer.body.contains("<img"), "{}", answer.body);
        let value = answer.body.split("name=\"name\" type=\"text\" value=\"").nth(1).unwrap();
        let value = value.split('"').next().unwrap();
        let read = value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
        assert_eq!(read, name, "the field's value is what was typed, and ends where it ends");
        assert!(answer.headers.get_all("set-cookie").iter().all(|cookie| cookie != "x=1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_asked_for_with_head_has_no_body_and_the_same_fields() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let address = format!("{}/signed-out", rig.origin("auth.localhost"));
    let mut browser = rig.browser();
    let page = browser.navigate(&address).await;
    let head = browser.request(reqwest::Method::HEAD, &address, &[]).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-security-policy"), page.header("content-security-policy"));
    assert_eq!(head.header("content-length"), Some(page.body.len().to_string().as_str()));
}
