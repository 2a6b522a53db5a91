//! Reads from the portal's pages what a person sees: forms, links, complaints; no general reader of HTML.

/// A form and what belongs into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    /// Where it is sent.
    pub(super) action: String,
    /// What it carries by itself.
    pub(super) hidden: Vec<(String, String)>,
    /// The names of the fields that a person fills in.
    pub(super) asked: Vec<String>,
}

/// A link.
pub(super) struct Link<'a> {
    /// Its `class`.
    pub(super) class: &'a str,
    /// Where it leads.
    pub(super) href: &'a str,
}

/// Every form on a page.
pub(super) fn forms(html: &str) -> Vec<Form> {
    let mut forms: Vec<Form> = Vec::new();
    let mut inside = false;
    for tag in tags(html) {
        match (tag.name, forms.last_mut()) {
            ("form", _) => {
                inside = true;
                forms.push(Form { action: tag.value("action"), ..Form::default() });
            }
            ("/form", _) => inside = false,
            ("input", Some(form)) if inside && !tag.value("name").is_empty() => {
                if tag.value("type") == "hidden" {
                    form.hidden.push((tag.value("name"), tag.value("value")));
                } else {
                    form.asked.push(tag.value("name"));
                }
            }
            _ => {}
        }
    }
    forms
}

/// Where the first such link leads.
pub(super) fn link(html: &str, which: impl Fn(&Link<'_>) -> bool) -> Option<String> {
    tags(html).filter(|tag| tag.name == "a").find_map(|tag| {
        let (class, href) = (tag.value("class"), tag.value("href"));
        which(&Link { class: &class, href: &href }).then_some(href)
    })
}

/// Whether anything on the page has a class.
pub(super) fn has_class(html: &str, class: &str) -> bool {
    tags(html).any(|tag| tag.value("class").split(' ').any(|own| own == class))
}

/// What the page says went wrong.
pub(super) fn complaint(html: &str) -> Option<String> {
    let tag = tags(html).find(|tag| tag.value("role") == "alert")?;
    Some(text(tag.behind.split("</p>").next().unwrap_or_default()))
}

/// The page's title, or its first line if it has none.
pub(super) fn title(html: &str) -> String {
    match tags(html).find(|tag| tag.name == "title") {
        Some(tag) => text(tag.behind.split("</").next().unwrap_or_default()),
        None => html.lines().next().unwrap_or_default().chars().take(200).collect(),
    }
}

struct Tag<'a> {
    name: &'a str,
    attributes: &'a str,
    /// All that follows it.
    behind: &'a str,
}

fn tags(html: &str) -> impl Iterator<Item = Tag<'_>> {
    html.match_indices('<').filter_map(|(at, _)| {
        let (inside, behind) = html.get(at + 1..)?.split_once('>')?;
        let (name, attributes) = inside.split_once(' ').unwrap_or((inside, ""));
        Some(Tag { name, attributes, behind })
    })
}

impl Tag<'_> {
    /// The value of an attribute; empty if there is none.
    fn value(&self, name: &str) -> String {
        let mut rest = self.attributes;
        while let Some((own, behind)) = rest.split_once("=\"") {
            let Some((value, next)) = behind.split_once('"') else { break };
            if own.rsplit(' ').next() == Some(name) {
                return decode(value);
            }
            rest = next;
        }
        String::new()
    }
}

fn text(html: &str) -> String {
    let without = html.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
    let joined = without.collect::<Vec<_>>().join(" ");
    decode(&joined).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn decode(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, meant)| text.replace(entity, meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<!DOCTYPE html><html><head><title>Sign in · A &amp; B</title></head><body>
        <form method="post" action="/sign-in?a=1&amp;b=2"><input type="hidden" name="csrf" value="x&quot;y">
        <input type="text" autocomplete="username" value="ann" readonly hidden>
        <input id="name" name="name" type="text" required><button type="submit">Go</button></form>
        <a href="otpauth://totp/A?secret=B&amp;issuer=C">app</a> <a class="button" href="/next">on</a>
        <div class="notice bad" role="alert"><svg></svg><p>That was <b>not</b> it.</p></div><ul class="codes wide"></ul>"#;

    #[test]
    fn a_form_tells_what_it_carries_and_what_it_asks() {
        let hidden = vec![("csrf".to_owned(), "x\"y".to_owned())];
        let form = Form { action: "/sign-in?a=1&b=2".to_owned(), hidden, asked: vec!["name".to_owned()] };
        assert_eq!(forms(PAGE), [form]);
    }

    #[test]
    fn links_titles_and_complaints_are_found() {
        let on = link(PAGE, |link| link.class == "button");
        assert_eq!(on.as_deref(), Some("/next"));
        let app = link(PAGE, |link| link.href.starts_with("otpauth://"));
        assert_eq!(app.as_deref(), Some("otpauth://totp/A?secret=B&issuer=C"));
        assert_eq!(title(PAGE), "Sign in · A & B");
        assert_eq!(complaint(PAGE).as_deref(), Some("That was not it."));
        assert!(has_class(PAGE, "codes") && !has_class(PAGE, "code"));
    }
}
