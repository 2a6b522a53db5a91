//! What must hold for every page; knows the pages by their samples alone.

use super::sample::{EVERYDAY, HOSTILE, all, signing_in};
use super::*;
use crate::portal::KEPT_FORM_PATH;
use std::collections::BTreeSet;

/// The opening tags named `name`.
fn tags<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let pieces =
        html.split('<').filter(|piece| piece.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '>'])));
    pieces.filter_map(|piece| piece.split('>').next()).collect()
}

/// The value of an attribute in an opening tag.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))?.1.split('"').next()
}

#[test]
fn every_page_has_one_heading_one_main_and_a_title() {
    for (name, page) in all(EVERYDAY) {
        let html = page.into_string();
        for tag in ["h1", "main", "title", "header", "footer"] {
            assert_eq!(tags(&html, tag).len(), 1, "{name}: {tag}");
        }
        assert!(html.contains(r#"<html lang="en">"#), "{name}");
    }
}

#[test]
fn every_input_has_a_label() {
    for (name, page) in all(EVERYDAY) {
        let html = page.into_string();
        let labelled: BTreeSet<&str> = tags(&html, "label").iter().filter_map(|tag| attribute(tag, "for")).collect();
        for tag in tags(&html, "input") {
            let hidden = attribute(tag, "type") == Some("hidden");
            let named = attribute(tag, "id").is_some_and(|id| labelled.contains(id));
            assert!(hidden || named || attribute(tag, "aria-label").is_some(), "{name}: {tag}");
        }
    }
}

#[test]
fn every_id_is_used_once_and_every_reference_leads_to_one() {
    for (name, page) in all(EVERYDAY) {
        let html = page.into_string();
        let ids: Vec<&str> = html.split('<').filter_map(|tag| attribute(tag, "id")).collect();
        let known: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), known.len(), "{name}: {ids:?}");
        for reference in ["aria-describedby", "aria-labelledby", "for"] {
            let listed = html.split('<').filter_map(|tag| attribute(tag, reference)).flat_map(str::split_whitespace);
            listed.for_each(|id| assert!(known.contains(id), "{name}: {reference} {id}"));
        }
    }
}

#[test]
fn every_form_posts_and_carries_its_token() {
    for (name, page) in all(EVERYDAY) {
        let html = page.into_string();
        let forms = tags(&html, "form");
        assert!(forms.iter().all(|tag| attribute(tag, "method") == Some("post")), "{name}");
        // A service's own form is sent on as it is; what names it is the secret in its address.
        let ours =
            forms.iter().filter(|tag| !attribute(tag, "action").is_some_and(|to| to.starts_with(KEPT_FORM_PATH)));
        assert_eq!(html.matches(r#"name="csrf" value="c5rf""#).count(), ours.count(), "{name}");
    }
}

#[test]
fn no_page_has_an_inline_script_or_style_or_anything_of_another_origin() {
    for (name, page) in all(EVERYDAY) {
        let html = page.into_string();
        let script = format!("<script src=\"/.portcullis/passkey.js?v={}\" defer></script>", script_hash());
        let asks_passkeys = html.contains("data-passkey=") || html.contains("data-gone=");
        assert_eq!(html.matches(&script).count(), usize::from(asks_passkeys), "{name}");
        let html = html.replace(&script, "");
        for banned in ["style=", "<style", "<script", "javascript:", "onclick", "src=", "href=\"http", "href=\"//"] {
            assert!(!html.contains(banned), "{name}: {banned}");
        }
    }
}

#[test]
fn no_page_shows_the_marks_that_programs_are_given_for_code() {
    for (name, page) in all(EVERYDAY) {
        assert!(!page.into_string().contains('`'), "{name}");
    }
}

#[test]
fn every_refusal_says_which_id_to_quote_and_has_a_way_on_if_there_is_one() {
    let refusals = all(EVERYDAY).into_iter().filter(|(name, _)| name.starts_with("refused-"));
    for (name, page) in refusals {
        let html = page.into_string();
        assert!(html.contains("tell your administrator and quote the") && html.contains("req_"), "{name}");
        let leads_on =
            tags(&html, "a").iter().any(|tag| attribute(tag, "class").is_some_and(|class| class.starts_with("button")));
        assert_eq!(leads_on, name != "refused-421", "{name}: {html}");
    }
}

#[test]
fn a_hostile_name_stays_text() {
    for (name, page) in all(HOSTILE) {
        let html = page.into_string();
        assert!(!html.contains("<script>") && !html.contains("<b "), "{name}");
        assert!(html.contains("&lt;script&gt;"), "{name}");
    }
}

#[test]
fn a_key_address_of_another_scheme_is_no_link() {
    let steps = &[Step::Scan];
    let journey = Journey { occasion: Occasion::FirstTime, because: None, instead: None, steps, leave: None };
    let view = ScanKey { portal: "p", journey, uri: "javascript:alert(1)", key: "AAAA", next: "/next" };
    assert!(!scan_key(&view).into_string().contains("javascript:"));
}

#[test]
fn a_wrong_answer_is_an_alert_that_the_field_refers_to() {
    let html =
        signing_in(EVERYDAY).into_iter().find(|(name, _)| *name == "code-wrong").map(|(_, page)| page.into_string());
    let html = html.unwrap_or_default();
    assert!(html.contains(r#"id="notice" role="alert" tabindex="-1""#), "{html}");
    let field =
        tags(&html, "input").into_iter().find(|tag| attribute(tag, "id") == Some(field::CODE)).unwrap_or_default();
    assert_eq!(attribute(field, "aria-invalid"), Some("true"));
    assert_eq!(attribute(field, "aria-describedby"), Some("notice code-hint"));
}

#[test]
fn the_stylesheet_is_linked_by_its_hash() {
    let html = signed_out(&SignedOut { portal: "p", ended: Ended::Here, sign_in: "/" }).into_string();
    assert!(html.contains(&format!("href=\"/.portcullis/style.css?v={}\"", style_hash())));
    assert_eq!(style_hash().len(), 16);
    assert!(STYLE.lines().count() < 550 && !STYLE.contains("@import") && !STYLE.contains("url("));
}

/// WCAG 2.2: contrast of two `#rrggbb` colours.
fn contrast(one: &str, other: &str) -> f64 {
    let luminance = |hex: &str| {
        let value =
            u32::from_str_radix(hex.trim_start_matches('#'), 16).expect("a colour in the stylesheet is #rrggbb");
        let [_, rgb @ ..] = value.to_be_bytes();
        let linear = rgb.map(|byte| {
            let part = f64::from(byte) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        linear.iter().zip([0.2126, 0.7152, 0.0722]).map(|(part, weight)| part * weight).sum::<f64>() + 0.05
    };
    let (one, other) = (luminance(one), luminance(other));
    one.max(other) / one.min(other)
}

/// The value of a custom property the `nth` time it is set: 0 in the light scheme, 1 in the dark one.
fn colour(name: &str, nth: usize) -> &'static str {
    let set = STYLE.split(&format!("--{name}: ")).nth(nth + 1).expect("each colour is set in both schemes");
    set.split(';').next().expect("a split has a first part")
}

#[test]
fn text_has_contrast_in_light_and_dark() {
    let text = [
        ("text", "page"),
        ("text", "card"),
        ("soft", "page"),
        ("soft", "card"),
        ("accent", "page"),
        ("accent", "card"),
        ("accent", "tint"),
        ("on-accent", "accent"),
        ("on-accent", "accent-over"),
        ("bad", "bad-tint"),
        ("bad", "card"),
        ("on-bad", "bad"),
        ("on-bad", "bad-over"),
        ("text", "line"),
    ];
    for scheme in [0, 1] {
        for (front, back) in text {
            let ratio = contrast(colour(front, scheme), colour(back, scheme));
            assert!(ratio >= 4.5, "{front} on {back}, scheme {scheme}: {ratio:.2}");
        }
        let edge = contrast(colour("edge", scheme), colour("card", scheme));
        assert!(edge >= 3.0, "an input's edge, scheme {scheme}: {edge:.2}");
    }
}

/// To look at: writes every sample into the folder that `PORTCULLIS_PAGES_DIR` names, with the stylesheet inside.
#[test]
fn the_samples_can_be_written_out() {
    let Some(folder) = std::env::var_os("PORTCULLIS_PAGES_DIR") else { return };
    let link = format!("<link rel=\"stylesheet\" href=\"{STYLE_PATH}?v={}\">", style_hash());
    for (name, page) in all(EVERYDAY) {
        let html = page
            .into_string()
            .replace(&link, &format!("<style>{STYLE}</style>"))
            .replace("buttons\" hidden", "buttons\"");
        let path = std::path::Path::new(&folder).join(format!("{name}.html"));
        std::fs::write(&path, html).expect("the folder to look at exists and may be written");
    }
}
