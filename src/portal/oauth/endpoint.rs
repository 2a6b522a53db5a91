//! The addresses that programs send to: device authorization, token, revocation. They read no cookie, and no browser's
//! script may read what they say.

use super::metadata::{CLIENT_GRANT, DEVICE_GRANT};
use super::{client, need, remark, setting, target};
use crate::edition::PortalPlan;
use crate::oauth::{Asked, Fault, Granted, INTERVAL, Identification, ProvedBy, Redeeming, Setting, Void};
use crate::portal::{Ask, Form, Portal};
use crate::reply::{Answer, Body};
use crate::session::Thumbprint;
use crate::token::{ProofFault, Proved};
use http::{HeaderName, StatusCode, header};
use serde_json::{Value, json};

/// RFC 7523 §2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The grants of RFC 6749 §4.1 and §6.
const CODE_GRANT: &str = "authorization_code";
const REFRESH_GRANT: &str = "refresh_token";

const FORM_TYPE: &str = "application/x-www-form-urlencoded";

const DPOP: HeaderName = HeaderName::from_static("dpop");
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

impl Portal {
    /// A device asks to be approved (RFC 8628 §3.1).
    pub(in crate::portal) async fn device_authorization(&self, ask: &Ask<'_>, portal: &PortalPlan) -> Answer {
        let setting = setting(ask, portal);
        let begun = async {
            let form = form(ask)?;
            self.grants.check_source(&setting)?;
            let asked = Asked {
                client: client(ask, form.text("client_id"))?,
                resource: target(ask, form.text("resource"))?,
                need: need(form.text("acr_values"), form.text("max_age"))?,
                from: ask.client,
                at: ask.now,
            };
            self.grants.begin(&asked, &setting).await
        };
        self.said(
            ask,
            &setting,
            begun.await.map(|begun| {
                let page = format!("{}/device", portal.origin);
                json!({
                    "device_code": begun.device_code.text().as_str(),
                    "user_code": begun.user_code.to_string(),
                    "verification_uri": page,
                    "verification_uri_complete": format!("{page}?user_code={}", begun.user_code),
                    "expires_in": setting.device_code.as_secs(),
                    "interval": INTERVAL.as_secs(),
                })
            }),
        )
    }

    /// A program exchanges what it has for tokens (RFC 6749 §3.2).
    pub(in crate::portal) async fn token(&self, ask: &Ask<'_>, portal: &PortalPlan) -> Answer {
        let setting = setting(ask, portal);
        let granted = async {
            let form = form(ask)?;
            self.grants.check_source(&setting)?;
            let bound = self.proved(ask, portal)?;
            self.granted(ask, (form, bound), &setting).await
        };
        let granted = granted.await;
        let account = granted.as_ref().ok().map(|granted| granted.account.clone());
        let counted = counted(ask.form.text("grant_type"), granted.as_ref().err());
        let mut answer = self.said(ask, &setting, granted.map(|granted| tokens(&granted)));
        let remark = answer.remark.get_or_insert_default();
        (remark.account, remark.counted) = (account, counted);
        answer
    }

    /// A program gives a token back (RFC 7009 §2).
    pub(in crate::portal) async fn revoke(&self, ask: &Ask<'_>, portal: &PortalPlan) -> Answer {
        let setting = setting(ask, portal);
        let revoked = async {
            let form = form(ask)?;
            let client = client(ask, form.text("client_id"))?;
            if form.text("token").is_empty() {
                return Err(Fault::Request("token is missing"));
            }
            self.grants.revoke(form.text("token"), &client, &setting).await
        };
        self.said(ask, &setting, revoked.await.map(|()| json!({})))
    }

    /// One kind of grant after the other; what proves a program's own identity comes beside them.
    async fn granted(
        &self,
        ask: &Ask<'_>,
        (form, bound): (&Form, Option<Thumbprint>),
        setting: &Setting<'_>,
    ) -> Result<Granted, Fault> {
        let given = |name: &'static str, missing| match form.text(name) {
            "" => Err(Fault::Request(missing)),
            value => Ok(value),
        };
        let kind = given("grant_type", "grant_type is missing")?;
        if kind == CLIENT_GRANT {
            return self.identified(ask, (form, bound), setting).await;
        }
        let client = client(ask, form.text("client_id"))?;
        match kind {
            DEVICE_GRANT => {
                let code = given("device_code", "device_code is missing")?;
                self.grants.poll(code, (&client, bound), setting).await
            }
            CODE_GRANT => {
                let redeeming = Redeeming {
                    code: given("code", "code is missing")?,
                    client: &client,
                    redirect: given("redirect_uri", "redirect_uri is missing")?,
                    verifier: given("code_verifier", "code_verifier is missing")?,
                    bound,
                };
                self.grants.redeem(&redeeming, setting).await
            }
            REFRESH_GRANT => {
                let token = given("refresh_token", "refresh_token is missing")?;
                self.grants.refresh(token, (&client, bound), setting).await
            }
            _ => Err(Fault::GrantType),
        }
    }

    /// A program with an account of its own.
    async fn identified(
        &self,
        ask: &Ask<'_>,
        (form, bound): (&Form, Option<Thumbprint>),
        setting: &Setting<'_>,
    ) -> Result<Granted, Fault> {
        let assertion = form.text("client_assertion");
        let by = match (assertion, ask.certificate) {
            ("", None) => return Err(Fault::Request("client_assertion is missing, and so is a client certificate")),
            ("", Some(hash)) => ProvedBy::Certificate(hash),
            _ if form.text("client_assertion_type") != ASSERTION_TYPE => {
                return Err(Fault::Request("client_assertion_type is not the one of a JWT"));
            }
            (assertion, _) => ProvedBy::Assertion(assertion),
        };
        if form.text("client_id").is_empty() {
            return Err(Fault::Request("client_id is missing"));
        }
        let resource = target(ask, form.text("resource"))?;
        let endpoint = format!("{}{}", setting.issuer, ask.path);
        let (client, resource) = (form.text("client_id"), resource.as_ref());
        let said = Identification { client, by, resource, bound, endpoint: &endpoint };
        self.grants.identify(&said, setting).await
    }

    /// The key that the tokens shall be bound to, if the request comes with a proof of one (RFC 9449 §5).
    fn proved(&self, ask: &Ask<'_>, portal: &PortalPlan) -> Result<Option<Thumbprint>, Fault> {
        let mut proofs = ask.headers.get_all(DPOP).iter();
        let proof = match (proofs.next(), proofs.next()) {
            (None, _) => return Ok(None),
            (Some(proof), None) => proof,
            (Some(_), Some(_)) => return Err(Fault::Proof),
        };
        let proved = Proved {
            method: ask.method.as_str(),
            scheme: portal.scheme,
            host: &portal.host,
            port: portal.port,
            path: ask.path,
            token: None,
            now: ask.now,
        };
        match self.proofs.check(proof.as_bytes(), &proved, None) {
            Ok(key) => Ok(Some(key)),
            Err(ProofFault::Invalid) => Err(Fault::Proof),
            Err(ProofFault::Nonce) => Err(Fault::Nonce),
            Err(ProofFault::Full) => Err(Fault::Later(ask.now.plus(INTERVAL))),
        }
    }

    /// The answer, and for whoever proves a key the nonce of the next proof.
    fn said(&self, ask: &Ask<'_>, setting: &Setting<'_>, outcome: Result<Value, Fault>) -> Answer {
        let remark = remark(ask.form.text("client_id"), outcome.as_ref().err());
        let answer = match outcome {
            Ok(document) => Answer::new(StatusCode::OK, Body::Json("application/json", document.to_string())),
            Err(fault) => {
                self.grants.note_fault(&fault, setting);
                self.complain_of(ask, &fault);
                refused(&fault, setting)
            }
        };
        let mut answer = answer.with_remark(remark);
        answer.field(header::PRAGMA, "no-cache");
        if ask.headers.contains_key(DPOP) {
            answer.field(DPOP_NONCE, &self.proofs.nonce(ask.now));
        }
        answer
    }

    fn complain_of(&self, ask: &Ask<'_>, fault: &Fault) {
        if let Fault::Down(error) = fault
            && self.store_down.due()
        {
            let (request, client) = (&*ask.request, ask.client);
            tracing::warn!(request, %client, %error, "a program could not be answered without the store");
        }
    }
}

/// The form of a program's request, in which nothing is there twice (RFC 6749 §3.2).
fn form<'a>(ask: &'a Ask<'_>) -> Result<&'a Form, Fault> {
    let kind = ask.field(header::CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case(FORM_TYPE) {
        return Err(Fault::Request("the body is not a form"));
    }
    if ask.form.repeats() {
        return Err(Fault::Request("a parameter is there twice"));
    }
    Ok(&ask.form)
}

fn tokens(granted: &Granted) -> Value {
    let mut tokens = json!({
        "access_token": granted.access.as_str(),
        "token_type": if granted.bound.is_some() { "DPoP" } else { "Bearer" },
        "expires_in": granted.life.as_secs(),
    });
    if let Some(refresh) = &granted.refresh {
        tokens["refresh_token"] = refresh.as_str().into();
    }
    tokens
}

/// An error as programs read it (RFC 6749 §5.2).
fn refused(fault: &Fault, setting: &Setting<'_>) -> Answer {
    let (status, (error, description)) = (status(fault), fault.said());
    let document = json!({ "error": error, "error_description": description });
    let mut answer = Answer::new(status, Body::Json("application/json", document.to_string()));
    let wait = match (fault, status) {
        (Fault::Later(until), _) => Some(until.since(setting.now).as_secs().max(1)),
        (_, StatusCode::SERVICE_UNAVAILABLE) => Some(INTERVAL.as_secs()),
        (_, _) => None,
    };
    if let Some(wait) = wait {
        answer.field(header::RETRY_AFTER, &wait.to_string());
    }
    answer
}

fn status(fault: &Fault) -> StatusCode {
    match fault {
        Fault::Client(_) => StatusCode::UNAUTHORIZED,
        Fault::Later(_) => StatusCode::TOO_MANY_REQUESTS,
        Fault::Down(_) => StatusCode::SERVICE_UNAVAILABLE,
        Fault::Request(_)
        | Fault::Grant(_)
        | Fault::Target
        | Fault::GrantType
        | Fault::Pending
        | Fault::SlowDown
        | Fault::Expired
        | Fault::Denied
        | Fault::Proof
        | Fault::Nonce => StatusCode::BAD_REQUEST,
    }
}

/// What was asked for, and what came of it, as it is counted; nothing for a grant that there is not.
fn counted(kind: &str, fault: Option<&Fault>) -> Option<(&'static str, &'static str)> {
    let grants =
        [(DEVICE_GRANT, "device"), (CODE_GRANT, "code"), (REFRESH_GRANT, "refresh"), (CLIENT_GRANT, "service")];
    let (_, grant) = grants.into_iter().find(|(name, _)| *name == kind)?;
    let result = match fault {
        None => "granted",
        Some(Fault::Grant(Void::Reused)) => "reused",
        Some(fault) if fault.is_step() => "pending",
        Some(_) => "refused",
    };
    Some((grant, result))
}
