//! The question whether a request would be admitted, asked by whoever would send it: answered as the request itself would
//! be, but for the service's part. Programs ask it to prove more before they send what cannot be sent twice.

use super::{Edge, Passage, Refusal};
use crate::reply::{Answer, Body};
use crate::telemetry::Outcome;
use http::{Method, StatusCode};
use pingora::http::RequestHeader;

/// Where it is asked, on every host: `?method=POST&path=/orders%3Fdraft=1`.
const REHEARSAL_PATH: &str = "/.portcullis/check";

/// What the query must hold.
const NEEDED: &str =
    "the query must hold path, which begins with / and has no fragment, and may hold method, each once";

/// Whether a request asks it.
pub fn asks_rehearsal(request: &RequestHeader) -> bool {
    let reads = request.method == Method::GET || request.method == Method::HEAD;
    reads && request.uri.path() == REHEARSAL_PATH
}

impl Edge {
    /// 204 if the request would be admitted, else its refusal; forwards nothing.
    ///
    /// # Errors
    /// If the question cannot be read.
    pub async fn rehearse(&self, request: &RequestHeader, passage: &mut Passage) -> Result<Answer, Refusal> {
        passage.outcome = Outcome::Own;
        let Some(rehearsed) = rehearsed(request) else { return Ok(unreadable()) };
        let Some(arrival) = passage.arrival.as_ref() else { return Ok(unreadable()) };
        match self.admit_as(passage, (&rehearsed, request), arrival).await {
            Ok(_) => Ok(Answer::new(StatusCode::NO_CONTENT, Body::Empty)),
            Err(refusal) => Ok(self.refuse(&rehearsed, passage, &refusal)),
        }
    }
}

/// The request that is asked about, with the fields of the question.
fn rehearsed(request: &RequestHeader) -> Option<RequestHeader> {
    let query = request.uri.query().unwrap_or_default();
    let (mut method, mut path) = (None, None);
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let held = match &*name {
            "method" => &mut method,
            "path" => &mut path,
            _ => return None,
        };
        if held.replace(value.into_owned()).is_some() {
            return None;
        }
    }
    let path = path.filter(|path| path.starts_with('/') && !path.starts_with("/.portcullis/"))?;
    let method = Method::from_bytes(method.as_deref().unwrap_or("GET").as_bytes()).ok()?;
    let mut rehearsed = request.clone();
    rehearsed.set_method(method);
    rehearsed.set_raw_path(path.as_bytes()).ok()?;
    // What is judged is what was asked, to the byte: neither is a fragment dropped, nor what is no text replaced.
    let same = rehearsed.raw_path() == path.as_bytes() && !path.contains(char::REPLACEMENT_CHARACTER);
    same.then_some(rehearsed)
}

fn unreadable() -> Answer {
    let document = serde_json::json!({
        "type": "about:blank", "title": "Bad Request", "status": 400, "detail": NEEDED,
    });
    Answer::new(StatusCode::BAD_REQUEST, Body::Json("application/problem+json", document.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(target: &str) -> Option<(String, String)> {
        let question = RequestHeader::build("GET", target.as_bytes(), None).expect("a request");
        let rehearsed = rehearsed(&question)?;
        Some((rehearsed.method.to_string(), String::from_utf8_lossy(rehearsed.raw_path()).into_owned()))
    }

    #[test]
    fn the_request_is_the_one_in_the_query() {
        let is = |method: &str, path: &str| Some((method.to_owned(), path.to_owned()));
        assert_eq!(asked("/.portcullis/check?method=POST&path=/orders%3Fa=b%26c"), is("POST", "/orders?a=b&c"));
        assert_eq!(asked("/.portcullis/check?path=/"), is("GET", "/"));
        for query in [
            "",
            "?path=",
            "?path=orders",
            "?path=/a&path=/b",
            "?path=/a&method=A&method=B",
            "?path=/a&method=A%20B",
            "?path=/.portcullis/session",
            "?path=/a%23b",
            "?path=/a%3Fb%23c",
            "?path=/a%FF",
            "?path=/a&more=1",
        ] {
            assert_eq!(asked(&format!("/.portcullis/check{query}")), None, "{query}");
        }
    }
}
