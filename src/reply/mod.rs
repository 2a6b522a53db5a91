//! An answer of the gateway's own, before anybody sends it: status, fields, body; knows no engine and no page.

use crate::identity::{AccountId, AccountName};
use http::{HeaderName, HeaderValue, StatusCode, header};

/// An answer of the gateway's own.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Header fields; `Content-Length` and `X-Request-Id` are added when it is sent.
    pub fields: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Body,
    /// Whether the connection is closed afterwards.
    pub then: Then,
    /// What the log says of it. Boxed: most answers have none.
    pub remark: Option<Box<Remark>>,
}

/// What the log says of an answer, and whoever gets the answer is not told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remark {
    /// The word for the refusal, if it is one.
    pub refused: Option<&'static str>,
    /// Why exactly; empty if there is nothing to say.
    pub why: &'static str,
    /// The program that asks, by the name that it gives itself.
    pub program: Option<String>,
    /// The account that it is about.
    pub account: Option<(AccountId, AccountName)>,
    /// What a program wanted, and what came of it, as it is counted.
    pub counted: Option<(&'static str, &'static str)>,
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is kept.
    Keep,
    /// It is closed: what follows on it cannot be trusted.
    Close,
}

/// A body.
#[derive(Debug)]
pub enum Body {
    /// None.
    Empty,
    /// A page.
    Html(String),
    /// A problem document (RFC 9457) or another JSON text, with its media type.
    Json(&'static str, String),
    /// Another text, with its media type.
    Text(&'static str, String),
}

impl Answer {
    /// An answer that nobody may keep.
    pub fn new(status: StatusCode, body: Body) -> Self {
        let kept = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Answer { status, fields: vec![kept], body, then: Then::Keep, remark: None }
    }

    /// A page: it may run no script, load nothing from elsewhere and stand in nobody's frame. `onward` names the one
    /// other origin that its form may lead to: browsers hold redirects after a form to the page's `form-action`.
    pub fn page(status: StatusCode, html: String, onward: Option<&str>) -> Self {
        let mut answer = Self::new(status, Body::Html(html));
        let onward = onward.map_or(String::new(), |origin| format!(" {origin}"));
        answer.field(
            header::CONTENT_SECURITY_POLICY,
            &format!(
                "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'{onward}; \
                 frame-ancestors 'none'; base-uri 'none'"
            ),
        );
        answer.field(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        // Not `no-referrer`: with it browsers send `Origin: null` with our own forms.
        answer.field(header::REFERRER_POLICY, "same-origin");
        answer.field(header::X_FRAME_OPTIONS, "DENY");
        answer.field(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
        answer.field(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
        answer
    }

    /// The same page, which may run scripts of its own host and ask its own host something.
    #[must_use]
    pub fn with_own_scripts(mut self) -> Self {
        for (name, value) in &mut self.fields {
            if *name == header::CONTENT_SECURITY_POLICY {
                let strict = value.to_str().unwrap_or_default();
                let wider = HeaderValue::from_str(&format!("{strict}; script-src 'self'; connect-src 'self'"));
                *value = wider.unwrap_or_else(|_| value.clone());
            }
        }
        self
    }

    /// The same answer, with what the log says of it.
    #[must_use]
    pub fn with_remark(mut self, remark: Remark) -> Self {
        self.remark = Some(Box::new(remark));
        self
    }

    /// Adds a field. A value that no field can carry is left out: all values here are made by us.
    pub fn field(&mut self, name: HeaderName, value: &str) {
        match HeaderValue::from_str(value) {
            Ok(value) => self.fields.push((name, value)),
            Err(_) => tracing::error!(field = %name, "a header field of our own could not be written"),
        }
    }

    /// Puts a value in place of all that the field had.
    pub fn replace(&mut self, name: HeaderName, value: &str) {
        self.fields.retain(|(own, _)| *own != name);
        self.field(name, value);
    }
}

impl Body {
    /// The media type and the bytes.
    pub fn parts(self) -> (Option<&'static str>, Vec<u8>) {
        match self {
            Body::Empty => (None, Vec::new()),
            Body::Html(text) => (Some("text/html; charset=utf-8"), text.into_bytes()),
            Body::Json(kind, text) | Body::Text(kind, text) => (Some(kind), text.into_bytes()),
        }
    }
}
