//! A request as the portal sees it: what came, from whom, when, and the form in its body; knows no engine.

use super::{KEPT_FORM_PATH, Trouble, device};
use crate::edition::{Edition, PortalPlan};
use crate::identity::SessionRules;
use crate::login::{Marks, Moment};
use crate::session::cookie::{self, Name, Transport};
use crate::session::{KEPT_FORM_SIZE, SecretToken};
use crate::stdx::clock::Time;
use crate::stdx::digest::{Mac, same};
use crate::stdx::secret::Secret;
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderValue, Method, header};
use percent_encoding::percent_decode_str;
use std::net::IpAddr;

/// Bytes of a form: no form of ours has more than a sealed return address and a password.
const FORM_LIMIT: usize = 64 * 1024;

/// Bytes of a form that may be sent to an address of ours. One that was kept may have been written more tersely when it
/// first came.
pub fn form_limit(path: &str) -> usize {
    if path.starts_with(KEPT_FORM_PATH) { 2 * KEPT_FORM_SIZE } else { FORM_LIMIT }
}

/// Fields of a form.
const MOST_FIELDS: usize = 32;

/// A request to the portal.
pub struct Ask<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its canonical path.
    pub path: &'a str,
    /// Its query.
    pub query: Option<&'a str>,
    /// Its header fields.
    pub headers: &'a HeaderMap,
    /// Its form, if it is a POST.
    pub form: Form,
    /// The canonical host it came to.
    pub host: &'a str,
    /// The port it named, if it named one.
    pub port: Option<u16>,
    /// How the browser reaches us.
    pub transport: Transport,
    /// The client's address.
    pub client: IpAddr,
    /// SHA-256 of the certificate that the client showed, and whose key it has.
    pub certificate: Option<[u8; 32]>,
    /// When it came.
    pub now: Time,
    /// Its name, printed.
    pub request: String,
    /// The portal of its edition, if the request came to the portal's host.
    pub portal: Option<&'a PortalPlan>,
    /// The portal of its edition, whichever host the request came to.
    pub plan: Option<&'a PortalPlan>,
    /// The edition that the request sees.
    pub edition: &'a Edition,
    /// When sessions end.
    pub rules: SessionRules,
    /// Fewest characters of a new password.
    pub least_password: usize,
}

/// The fields of a form. What a person typed may be a secret, so nothing prints it.
#[derive(Clone, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `application/x-www-form-urlencoded` (WHATWG URL §5.1). A field that is not UTF-8 is left out.
    pub fn parse(body: &[u8]) -> Self {
        let text = std::str::from_utf8(body).unwrap_or_default();
        Form(text.split('&').filter(|pair| !pair.is_empty()).take(MOST_FIELDS).filter_map(pair).collect())
    }

    /// A field's value; empty if the form does not have it, or has it twice.
    pub fn text(&self, name: &str) -> &str {
        let mut values = self.0.iter().filter(|(own, _)| own == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => value,
            (None, _) | (Some(_), Some(_)) => "",
        }
    }

    /// Whether some field is there twice: then nobody can say which of the two was meant.
    pub fn repeats(&self) -> bool {
        self.0.iter().enumerate().any(|(at, (name, _))| self.0[..at].iter().any(|(other, _)| other == name))
    }

    /// A field's value, in custody.
    pub fn secret(&self, name: &str) -> Secret {
        Secret::new(self.text(name))
    }
}

fn pair(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8().ok().map(String::from);
    Some((decode(name)?, decode(value)?))
}

impl Ask<'_> {
    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let form = Form::parse(self.query?.as_bytes());
        let value = form.text(name);
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The value of one of our cookies.
    pub fn cookie(&self, name: Name) -> Option<&[u8]> {
        let fields = self.headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
        cookie::find(fields, name.on(self.transport))
    }

    /// A secret token in one of our cookies.
    pub fn token(&self, name: Name) -> Option<SecretToken> {
        self.cookie(name).and_then(SecretToken::parse)
    }

    /// When and from where, for the rules of signing in.
    pub fn moment(&self) -> Moment {
        let marks = Marks::parse(self.cookie(Name::Device).unwrap_or_default());
        Moment { now: self.now, address: self.client, marks }
    }

    /// The browser and system, in words.
    pub fn device(&self) -> String {
        device::name(self.field(header::USER_AGENT))
    }

    /// The text of a field.
    pub fn field(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether the request was sent by a page of this very host, as far as the browser tells. Fetch Metadata first;
    /// where a browser does not send it, `Origin` has to name this host; where it sends neither, the form's own token
    /// decides alone.
    pub fn is_same_origin(&self) -> bool {
        if let Some(site) = self.headers.get("sec-fetch-site") {
            return site == "same-origin" || site == "none";
        }
        match self.field(header::ORIGIN) {
            Some(origin) => origin == self.origin(),
            None => !self.headers.contains_key(header::ORIGIN),
        }
    }

    /// The origin that this request came to, as browsers write it.
    pub(super) fn origin(&self) -> String {
        self.transport.origin(self.host, self.port)
    }

    /// Whether the browser sent any cookie of ours: one that sends none after it was given one keeps none.
    pub(super) fn has_cookies(&self) -> bool {
        self.headers.get_all(header::COOKIE).iter().any(|field| !cookie::is_foreign(field.as_bytes()))
    }

    /// Refuses a form that another site sent, or that was not made for the holder of `tie` and about `whom`.
    pub(super) fn check_form(&self, forms: &Mac, tie: &SecretToken, whom: &str) -> Result<(), Trouble> {
        let given = BASE64URL_NOPAD.decode(self.form.text(super::page::field::CSRF).as_bytes()).unwrap_or_default();
        let ours = same(&given, &tag(forms, tie, whom));
        if self.is_same_origin() && ours { Ok(()) } else { Err(Trouble::Foreign) }
    }
}

/// The token that a form carries, tied to what its browser holds, and to whom the form is about where that does not
/// say it: an account's id, or nothing.
pub fn form_token(forms: &Mac, tie: &SecretToken, whom: &str) -> String {
    BASE64URL_NOPAD.encode(&tag(forms, tie, whom))
}

fn tag(forms: &Mac, tie: &SecretToken, whom: &str) -> [u8; 32] {
    forms.tag(&[b"form", &tie.hash().0, whom.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_decoded_and_a_field_that_occurs_twice_counts_as_absent() {
        let form = Form::parse(b"name=alice%40example.com&password=a+b%2B&x=1&x=2&bad=%ff&empty");
        assert_eq!(form.text("name"), "alice@example.com");
        assert_eq!(form.text("password"), "a b+");
        assert_eq!((form.text("x"), form.text("bad"), form.text("empty"), form.text("none")), ("", "", "", ""));
    }
}
