//! The addresses under `/.portcullis/` that are ours on every host, and the published keys.

use super::{Ask, KEPT_FORM_PATH, Outcome, Portal, Trouble, page};
use crate::reply::{Answer, Body};
use http::{Method, StatusCode, header};

/// Whether a path is ours on every host.
pub(super) fn is_own(path: &str) -> bool {
    path.starts_with("/.portcullis/")
}

impl Portal {
    pub(super) async fn own(&self, ask: &Ask<'_>) -> Outcome {
        let get = ask.method == Method::GET || ask.method == Method::HEAD;
        match ask.path {
            page::STYLE_PATH if get => Ok(asset("text/css; charset=utf-8", page::STYLE)),
            page::SCRIPT_PATH if get => Ok(asset("text/javascript; charset=utf-8", page::SCRIPT)),
            "/.portcullis/enter" if get => self.enter(ask).await,
            "/.portcullis/session" if get => self.who_am_i(ask).await,
            "/.portcullis/sign-out" if get => self.ask_sign_out_here(ask).await,
            "/.portcullis/sign-out" if ask.method == Method::POST => self.sign_out_here(ask).await,
            KEPT_FORM_PATH if get => self.show_form(ask).await,
            page::STYLE_PATH | page::SCRIPT_PATH | KEPT_FORM_PATH | "/.portcullis/enter" | "/.portcullis/session" => {
                Err(Trouble::NoMethod("GET, HEAD"))
            }
            "/.portcullis/sign-out" => Err(Trouble::NoMethod("GET, HEAD, POST")),
            path => match path.strip_prefix(KEPT_FORM_PATH).and_then(|rest| rest.strip_prefix('/')) {
                Some(rest) if ask.method == Method::POST => self.answer_form(ask, rest).await,
                Some(_) => Err(Trouble::NoMethod("POST")),
                None => Err(Trouble::NoPage),
            },
        }
    }

    /// Who am I, as JSON; 401 for nobody.
    async fn who_am_i(&self, ask: &Ask<'_>) -> Outcome {
        let Some(session) = self.session(ask).await? else {
            let body = serde_json::json!({ "signed_in": false }).to_string();
            let mut answer = Answer::new(StatusCode::UNAUTHORIZED, Body::Json("application/json", body));
            answer.field(header::WWW_AUTHENTICATE, "Bearer");
            return Ok(answer);
        };
        let proofs = session.proofs.iter();
        let body = serde_json::json!({
            "signed_in": true,
            "account": session.account.name.as_str(),
            "groups": session.account.groups.iter().map(crate::identity::Group::as_str).collect::<Vec<_>>(),
            "assurance": session.proofs.assurance().as_str(),
            "proofs": proofs.map(|proof| {
                serde_json::json!({ "factor": proof.factor.0, "at": proof.at.to_string() })
            }).collect::<Vec<_>>(),
            "session": session.id.to_string(),
            "ends": session.ends(ask.rules).to_string(),
        });
        Ok(Answer::new(StatusCode::OK, Body::Json("application/json", body.to_string())))
    }

    /// The public keys that verify assertions (RFC 7517 §5).
    pub(super) fn jwks(&self) -> Answer {
        let body = serde_json::to_string(&self.keys.published()).unwrap_or_else(|_| r#"{"keys":[]}"#.to_owned());
        let mut answer = Answer::new(StatusCode::OK, Body::Json("application/jwk-set+json", body));
        // A service that meets an unknown key asks again; this bounds how long a proxy in between may stand in the way.
        answer.replace(header::CACHE_CONTROL, "public, max-age=300");
        answer
    }
}

/// A file that pages link to.
fn asset(kind: &'static str, text: &str) -> Answer {
    let mut answer = Answer::new(StatusCode::OK, Body::Text(kind, text.to_owned()));
    // Pages link to it with the hash of its content.
    answer.replace(header::CACHE_CONTROL, "public, max-age=31536000, immutable");
    answer.field(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    answer
}
