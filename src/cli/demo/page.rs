//! What a demo server was sent, as a page and as JSON; believes nothing of it and escapes all of it.

use super::member::Seen;
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value, json};

/// The page, with names in braces for what is filled in.
const TEMPLATE: &str = include_str!("page.html");

/// The page of one request.
pub fn html(seen: &Seen<'_>) -> String {
    let said = |name: &str| values(seen.headers, name).join(", ");
    let account = said("x-portcullis-account");
    let who = if account.is_empty() {
        "Nobody is named: this route is open.".to_owned()
    } else {
        let groups = said("x-portcullis-groups");
        let groups = if groups.is_empty() { "no group that the policy names".to_owned() } else { groups };
        format!("Signed in as {account}, in {groups}, proved by {}.", said("x-portcullis-assurance"))
    };
    let claims = claims(seen.headers).map_or(String::new(), |claims| {
        format!("<h2>What the assertion says</h2>\n<pre>{}</pre>", escaped(&format!("{claims:#}")))
    });
    let filled = [
        ("{service}", escaped(seen.member.service)),
        ("{member}", escaped(&seen.member.name)),
        ("{port}", seen.member.port.to_string()),
        ("{method}", escaped(seen.method.as_str())),
        ("{target}", escaped(seen.target)),
        ("{who}", escaped(&who)),
        ("{rows}", rows(seen.headers)),
        ("{claims}", claims),
        ("{body}", seen.body_bytes.to_string()),
    ];
    fill(TEMPLATE, &filled)
}

/// The same for programs.
pub fn json(seen: &Seen<'_>) -> String {
    let names = names(seen.headers);
    let headers: Map<String, Value> = names
        .iter()
        .map(|name| {
            let values = values(seen.headers, name.as_str());
            let value = match values.as_slice() {
                [only] => Value::from(only.as_str()),
                several => several.iter().map(String::as_str).collect(),
            };
            (name.to_string(), value)
        })
        .collect();
    let value = json!({
        "service": seen.member.service,
        "member": seen.member.name,
        "port": seen.member.port,
        "method": seen.method.as_str(),
        "target": seen.target,
        "headers": headers,
        "body_bytes": seen.body_bytes,
    });
    format!("{value:#}\n")
}

/// Puts values in place of names in one pass, so that no value is taken for a name.
fn fill(template: &str, filled: &[(&str, String)]) -> String {
    let mut out = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        rest = match filled.iter().find(|(name, _)| from.starts_with(name)) {
            Some((name, value)) => {
                out.push_str(value);
                from.strip_prefix(name).unwrap_or_default()
            }
            None => {
                out.push('{');
                from.strip_prefix('{').unwrap_or_default()
            }
        };
    }
    out + rest
}

fn rows(headers: &HeaderMap) -> String {
    let row = |(name, value): (&HeaderName, String)| {
        let class = if name.as_str().starts_with("x-portcullis") { " class=\"ours\"" } else { "" };
        format!("<tr{class}><th>{}</th><td>{}</td></tr>\n", escaped(name.as_str()), escaped(&value))
    };
    let names = names(headers);
    let fields =
        names.iter().flat_map(|name| values(headers, name.as_str()).into_iter().map(move |value| (*name, value)));
    fields.map(row).collect()
}

/// Every name once: the gateway's own first, then by the alphabet.
fn names(headers: &HeaderMap) -> Vec<&HeaderName> {
    let mut names: Vec<&HeaderName> = headers.keys().collect();
    names.sort_by_key(|name| (!name.as_str().starts_with("x-portcullis"), name.as_str()));
    names
}

fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

/// The middle part of the assertion. A real service checks its signature before it believes a word of it.
fn claims(headers: &HeaderMap) -> Option<Value> {
    let token = headers.get("x-portcullis-assertion")?.to_str().ok()?;
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?).ok()
}

fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        plain => plain.to_string(),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_looks_like_a_name_is_not_filled_in() {
        let filled = [("{a}", "{b}".to_owned()), ("{b}", "2".to_owned())];
        assert_eq!(fill("{a} {b} {c} {", &filled), "{b} 2 {c} {");
    }

    #[test]
    fn an_assertion_is_opened_for_reading() {
        let payload = BASE64URL_NOPAD.encode(br#"{"sub":"acc_1"}"#);
        let mut headers = HeaderMap::new();
        headers.insert("x-portcullis-assertion", format!("h.{payload}.s").parse().expect("a header value"));
        assert_eq!(claims(&headers), Some(json!({ "sub": "acc_1" })));
        headers.insert("x-portcullis-assertion", "nonsense".parse().expect("a header value"));
        assert_eq!(claims(&headers), None);
    }
}
