//! What a code is sent with: a text of the operator's with places to fill in; knows no language.

/// What stands in a text's places.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// The code.
    pub code: &'a str,
    /// What the portal calls the organisation.
    pub portal: &'a str,
    /// The portal's host.
    pub host: &'a str,
    /// For how many minutes the code is good.
    pub minutes: u64,
}

/// The places that a text may have.
const PLACES: [&str; 4] = ["code", "portal", "host", "minutes"];

/// A text with places in braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(String);

impl Template {
    /// What is sent if nothing else is configured. The last line lets a phone offer the code on that host alone, and
    /// nowhere else (the format of origin-bound one-time codes); mail goes without it, see [`Template::for_mail`].
    pub fn text() -> Self {
        Template("{code} is your code for {portal}, good for {minutes} minutes. Tell nobody.\n\n@{host} #{code}".into())
    }

    /// What mail has above it if nothing else is configured: without the code, which a locked screen would show.
    pub fn subject() -> Self {
        Template("Your code for {portal}".into())
    }

    /// The same text without a last line that is for phones alone, which nothing reads in mail.
    #[must_use]
    pub fn for_mail(&self) -> Self {
        match self.0.trim_end().rsplit_once('\n') {
            Some((rest, last)) if last.starts_with('@') && last.contains("#{code}") && rest.contains("{code}") => {
                Template(rest.trim_end().to_owned())
            }
            Some(_) | None => self.clone(),
        }
    }

    /// Reads a text; every place in it must be known.
    ///
    /// # Errors
    /// What is allowed, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let allowed = PLACES.map(|place| format!("{{{place}}}")).join(", ");
        for (at, part) in text.split('{').enumerate() {
            let (place, rest) = match (at, part.split_once('}')) {
                (0, _) => ("code", part),
                (_, Some((place, rest))) => (place, rest),
                (_, None) => return Err(format!("a brace is not closed; places are {allowed}")),
            };
            if !PLACES.contains(&place) {
                return Err(format!("there is no place {{{place}}}; places are {allowed}"));
            }
            if rest.contains('}') {
                return Err(format!("a brace closes nothing; places are {allowed}"));
            }
        }
        if text.trim().is_empty() || text.chars().any(|c| c.is_control() && c != '\n') {
            return Err("allowed is a text that is not empty and has no control characters but line breaks".to_owned());
        }
        Ok(Template(text.to_owned()))
    }

    /// Whether a place is in it.
    pub fn has(&self, place: &str) -> bool {
        self.0.contains(&format!("{{{place}}}"))
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text with its places filled in. What is filled in is not looked at again.
    pub fn fill(&self, words: &Words<'_>) -> String {
        let minutes = words.minutes.to_string();
        let mut out = String::new();
        for (at, part) in self.0.split('{').enumerate() {
            let (place, rest) = if at == 0 { ("", part) } else { part.split_once('}').unwrap_or(("", part)) };
            out.push_str(match place {
                "code" => words.code,
                "portal" => words.portal,
                "host" => words.host,
                "minutes" => &minutes,
                _ => "",
            });
            out.push_str(rest);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Words<'_> = Words { code: "123456", portal: "{host}", host: "auth.example.com", minutes: 10 };

    #[test]
    fn places_are_filled_in_once() {
        let template = Template::parse("{code}: {portal} ({minutes})\n@{host} #{code}").expect("places that are known");
        assert_eq!(template.fill(&WORDS), "123456: {host} (10)\n@auth.example.com #123456");
    }

    #[test]
    fn mail_goes_without_the_line_for_phones() {
        let sent = Template::text().for_mail().fill(&WORDS);
        assert_eq!(sent, "123456 is your code for {host}, good for 10 minutes. Tell nobody.");
        for text in ["{code}", "Hello\n{code}", "Hello\n@{host} #{code}", "{code}\n@home"] {
            let template = Template::parse(text).expect("places that are known");
            assert_eq!(template.for_mail(), template, "nothing else goes, and never the code");
        }
    }

    #[test]
    fn a_place_that_is_not_known_is_refused() {
        for text in ["{cod}", "{code", "code}", "{{code}}", "{ code }", "", " ", "{code}\t", "{}"] {
            assert!(Template::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_stands_in_for_a_text_is_one() {
        for template in [Template::text(), Template::subject()] {
            assert_eq!(Template::parse(template.as_str()), Ok(template));
        }
        let sent = Template::text().fill(&Words { portal: "Example Corp", ..WORDS });
        assert!(sent.len() <= 160, "it fits one text message: {sent}");
        assert!(sent.ends_with("@auth.example.com #123456"), "{sent}");
    }
}
