//! Reads what a `WWW-Authenticate` field asks for (RFC 9110 §11.6.1); decides nothing.

/// One challenge: a scheme and its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// `Bearer`, `DPoP`, …, as it was sent.
    pub scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Whether it is of this scheme; case does not matter.
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// A parameter; the case of its name does not matter.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// All challenges of one field's value. What cannot be read ends the list.
pub fn parse(field: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = field.trim_start_matches([' ', '\t', ',']);
    while let Some((word, after)) = token(rest) {
        let after_space = after.trim_start_matches([' ', '\t']);
        match (after_space.strip_prefix('='), found.last_mut()) {
            (Some(value), Some(challenge)) => {
                let Some((value, after)) = value_of(value.trim_start_matches([' ', '\t'])) else { break };
                challenge.parameters.push((word.to_owned(), value));
                rest = after;
            }
            (Some(_), None) => break,
            (None, _) => {
                found.push(Challenge { scheme: word.to_owned(), parameters: Vec::new() });
                rest = after;
            }
        }
        rest = rest.trim_start_matches([' ', '\t', ',']);
    }
    found
}

/// RFC 9110 §5.6.2.
fn token(text: &str) -> Option<(&str, &str)> {
    let in_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = text.find(|c| !in_token(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// A token, or a quoted string (RFC 9110 §5.6.4).
fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return token(text).map(|(value, rest)| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return Some((value, &quoted[at + 1..])),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_challenges_in_one_field_are_told_apart() {
        let field = r#"DPoP algs="ES256", error="insufficient_user_authentication", acr_values="mfa",max_age=60 , Bearer, Basic realm="a \"b\", c""#;
        let found = parse(field);
        let schemes: Vec<_> = found.iter().map(|challenge| challenge.scheme.as_str()).collect();
        assert_eq!(schemes, ["DPoP", "Bearer", "Basic"]);
        assert_eq!(found[0].get("acr_values"), Some("mfa"));
        assert_eq!(found[0].get("Max_Age"), Some("60"));
        assert_eq!(found[1].get("error"), None);
        assert_eq!(found[2].get("realm"), Some(r#"a "b", c"#));
        assert!(found[0].is("dpop"));
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        for odd in ["", " , ", "=a", "é", "\"x\""] {
            assert_eq!(parse(odd), [], "{odd}");
        }
        assert_eq!(parse(r#"Bearer error="open"#), [Challenge { scheme: "Bearer".to_owned(), ..Default::default() }]);
    }
}
