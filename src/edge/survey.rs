//! One walk over a request's fields, for everything that is asked of them before it is judged; judges nothing.

use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue};

/// What of a request's fields matters for how it is read.
#[derive(Default)]
pub struct Survey<'r> {
    pub accept: Sole<'r>,
    pub authorization: Sole<'r>,
    pub coding: Sole<'r>,
    pub connection: Sole<'r>,
    pub cookie: Sole<'r>,
    pub host: Sole<'r>,
    pub length: Sole<'r>,
    pub upgrade: Sole<'r>,
    /// Whether some name has an underscore.
    pub underscore: bool,
}

/// A field that should be there at most once.
#[derive(Clone, Copy, Default)]
pub struct Sole<'r> {
    /// Its first value.
    pub first: Option<&'r [u8]>,
    /// How many more there are.
    pub more: usize,
}

impl<'r> Survey<'r> {
    /// Walks over all fields once.
    pub fn of(headers: &'r HeaderMap) -> Self {
        let mut survey = Survey::default();
        for (name, value) in headers {
            let of = match name {
                name if *name == HOST => &mut survey.host,
                name if *name == COOKIE => &mut survey.cookie,
                name if *name == ACCEPT => &mut survey.accept,
                name if *name == AUTHORIZATION => &mut survey.authorization,
                name if *name == CONNECTION => &mut survey.connection,
                name if *name == CONTENT_LENGTH => &mut survey.length,
                name if *name == TRANSFER_ENCODING => &mut survey.coding,
                name if *name == UPGRADE => &mut survey.upgrade,
                name => {
                    survey.underscore |= name.as_str().as_bytes().contains(&b'_');
                    continue;
                }
            };
            of.add(value);
        }
        survey
    }
}

impl<'r> Sole<'r> {
    fn add(&mut self, value: &'r HeaderValue) {
        match self.first {
            None => self.first = Some(value.as_bytes()),
            Some(_) => self.more += 1,
        }
    }

    /// Whether it is there.
    pub fn is_present(&self) -> bool {
        self.first.is_some()
    }

    /// Whether its first value is this word, in any case.
    pub fn is(&self, word: &[u8]) -> bool {
        self.first.is_some_and(|first| first.eq_ignore_ascii_case(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn every_value_of_a_field_is_counted_and_the_first_is_kept() {
        let headers = headers(&[("host", "a"), ("cookie", "x=1"), ("cookie", "y=2"), ("cookie", "z=3"), ("x-a", "b")]);
        let survey = Survey::of(&headers);
        assert_eq!((survey.host.first, survey.host.more), (Some(&b"a"[..]), 0));
        assert_eq!((survey.cookie.first, survey.cookie.more), (Some(&b"x=1"[..]), 2));
        assert!(!survey.upgrade.is_present() && !survey.underscore);
    }

    #[test]
    fn an_underscore_is_seen_in_any_name() {
        assert!(Survey::of(&headers(&[("host", "a"), ("x_forwarded_for", "b"), ("accept", "c")])).underscore);
        assert!(!Survey::of(&headers(&[("x-a", "a_b")])).underscore, "values are free");
    }
}
