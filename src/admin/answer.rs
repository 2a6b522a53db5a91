//! From an operator's request to its answer: which addresses there are, on which surface, by which method; knows what
//! is asked, not how it is found out.

use super::{Operate, Problem, Reloaded};
use crate::identity::{AccountId, AccountName, SessionId};
use crate::session::Barred;
use crate::stdx::task::Tasks;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Bytes of a request's body. No order has one; a little is forgiven.
const MOST_BODY_BYTES: usize = 1024;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// By which way a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    /// By the network: reading only.
    Network,
    /// By the socket, from this user.
    Socket {
        /// The user's number.
        user: u32,
    },
}

/// What there is to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Page<'a> {
    Metrics,
    Health,
    Ready,
    Status,
    Decision(&'a str),
    Account(AccountName),
    Reload,
    Bar(Barred),
}

type Answer = Response<Full<Bytes>>;

/// The answer to one request. There always is one.
pub(super) async fn answer(
    request: Request<Incoming>,
    surface: Surface,
    (operate, tasks): (Arc<dyn Operate>, Tasks),
) -> Result<Answer, Infallible> {
    if surface == Surface::Network && !is_direct(&request) {
        let why = "this listener answers only under its IP address or localhost";
        return Ok(refusal(StatusCode::MISDIRECTED_REQUEST, why, surface));
    }
    let path = request.uri().path().to_owned();
    let Some(page) = Page::find(&path, surface) else {
        return Ok(refusal(StatusCode::NOT_FOUND, "there is nothing at this address", surface));
    };
    if !page.methods().contains(request.method()) {
        return Ok(page.not_allowed(surface));
    }
    if request.method() == Method::POST && Limited::new(request.into_body(), MOST_BODY_BYTES).collect().await.is_err() {
        return Ok(refusal(StatusCode::PAYLOAD_TOO_LARGE, "no body is needed here", surface));
    }
    Ok(match page {
        Page::Metrics => said(StatusCode::OK, OPENMETRICS, operate.metrics()),
        Page::Health => plain(StatusCode::OK, "ok\n".to_owned()),
        Page::Ready => match operate.ready() {
            Ok(()) => plain(StatusCode::OK, "ready\n".to_owned()),
            Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
        Page::Status => in_json(StatusCode::OK, &operate.status().await),
        Page::Decision(id) => match operate.decision(id) {
            Some(decision) => in_json(StatusCode::OK, &decision),
            None => refusal(StatusCode::NOT_FOUND, "no refusal of this id is remembered", surface),
        },
        Page::Account(name) => match operate.account(&name).await {
            Ok(Some(account)) => in_json(StatusCode::OK, &json!({ "id": account.to_string() })),
            Ok(None) => refusal(StatusCode::NOT_FOUND, "there is no such account", surface),
            Err(why) => refusal(StatusCode::SERVICE_UNAVAILABLE, &why, surface),
        },
        Page::Reload => reload(operate, &tasks, surface).await,
        Page::Bar(barred) => bar(operate.as_ref(), barred, surface),
    })
}

impl<'a> Page<'a> {
    fn find(path: &'a str, surface: Surface) -> Option<Self> {
        let by_socket = matches!(surface, Surface::Socket { .. });
        match path {
            "/metrics" => Some(Page::Metrics),
            "/healthz" => Some(Page::Health),
            "/readyz" => Some(Page::Ready),
            "/status" if by_socket => Some(Page::Status),
            "/reload" if by_socket => Some(Page::Reload),
            _ if by_socket => Page::about(path),
            _ => None,
        }
    }

    /// What is asked about one thing, named in the address.
    fn about(path: &'a str) -> Option<Self> {
        let (page, id) = path.strip_prefix('/')?.split_once('/')?;
        match page {
            "decisions" if !id.is_empty() => Some(Page::Decision(id)),
            "accounts" => AccountName::parse(id).ok().map(Page::Account),
            "bar" => {
                let session = SessionId::parse(id).map(Barred::Session);
                session.or_else(|_| AccountId::parse(id).map(Barred::Account)).ok().map(Page::Bar)
            }
            _ => None,
        }
    }

    fn methods(&self) -> &'static [Method] {
        match self {
            Page::Metrics | Page::Health | Page::Ready | Page::Status | Page::Decision(_) | Page::Account(_) => {
                &[Method::GET, Method::HEAD]
            }
            Page::Reload | Page::Bar(_) => &[Method::POST],
        }
    }

    fn not_allowed(&self, surface: Surface) -> Answer {
        let allowed = self.methods().iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let mut answer = refusal(StatusCode::METHOD_NOT_ALLOWED, &format!("allowed here: {allowed}"), surface);
        let allowed = HeaderValue::try_from(allowed).expect("names of methods can stand in a header");
        answer.headers_mut().insert(ALLOW, allowed);
        answer
    }
}

/// Reloads in a task of its own: a caller that goes away must not stop it half-way.
async fn reload(operate: Arc<dyn Operate>, tasks: &Tasks, surface: Surface) -> Answer {
    if let Surface::Socket { user } = surface {
        tracing::info!(user, "a reload was asked for");
    }
    let (tell, told) = oneshot::channel();
    tasks.spawn("admin-reload", async move {
        // Nobody listens any more if the caller went away.
        drop(tell.send(operate.reload().await));
    });
    match told.await {
        Ok(reloaded) => in_json(reloaded.status(), &reloaded.to_json()),
        Err(_) => in_json(
            StatusCode::INTERNAL_SERVER_ERROR,
            &json!({ "error": "the reload broke off: the gateway is stopping, or its log says more" }),
        ),
    }
}

/// Refuses sessions until the process ends.
fn bar(operate: &dyn Operate, barred: Barred, surface: Surface) -> Answer {
    let id = match barred {
        Barred::Session(session) => session.to_string(),
        Barred::Account(account) => account.to_string(),
    };
    if let Surface::Socket { user } = surface {
        tracing::warn!(user, id, "sessions are refused from now on until the gateway is started again");
    }
    operate.bar(barred);
    in_json(StatusCode::OK, &json!({ "barred": id }))
}

impl Reloaded {
    fn status(&self) -> StatusCode {
        match self {
            Reloaded::Applied { .. } | Reloaded::Unchanged { .. } => StatusCode::OK,
            Reloaded::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    /// As it travels to the command that asked.
    pub fn to_json(&self) -> Value {
        match self {
            Reloaded::Applied { edition, notes } => {
                json!({ "outcome": "applied", "edition": edition, "notes": notes })
            }
            Reloaded::Unchanged { edition } => json!({ "outcome": "unchanged", "edition": edition }),
            Reloaded::Refused { edition, problems, tried_again } => {
                let problems: Vec<Value> = problems.iter().map(Problem::to_json).collect();
                json!({ "outcome": "refused", "edition": edition, "problems": problems, "tried_again": tried_again })
            }
        }
    }

    /// What [`Reloaded::to_json`] wrote, read back; `None` if it is not that.
    pub fn from_json(value: &Value) -> Option<Self> {
        let list = |key: &str| value.get(key).and_then(Value::as_array).into_iter().flatten();
        let edition = value.get("edition")?.as_u64()?;
        match value.get("outcome")?.as_str()? {
            "applied" => {
                let notes = list("notes").filter_map(Value::as_str).map(str::to_owned).collect();
                Some(Reloaded::Applied { edition, notes })
            }
            "unchanged" => Some(Reloaded::Unchanged { edition }),
            "refused" => {
                let problems = list("problems").filter_map(Problem::from_json).collect();
                // An older gateway does not say.
                let tried_again = value.get("tried_again").and_then(Value::as_bool).unwrap_or(false);
                Some(Reloaded::Refused { edition, problems, tried_again })
            }
            _ => None,
        }
    }
}

/// Whether every name that a request gives for its host is an IP address or `localhost`. A web page whose name was made
/// to point here has its own name there (DNS rebinding).
fn is_direct<B>(request: &Request<B>) -> bool {
    let mut fields = request.headers().get_all(HOST).iter();
    let field = fields.next().and_then(|field| Authority::try_from(field.as_bytes()).ok());
    let (Some(field), None) = (field, fields.next()) else { return false };
    is_local_name(&field) && request.uri().authority().is_none_or(is_local_name)
}

fn is_local_name(authority: &Authority) -> bool {
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

/// A line for people on the network, JSON for the commands.
fn refusal(status: StatusCode, why: &str, surface: Surface) -> Answer {
    match surface {
        Surface::Network => plain(status, format!("{why}\n")),
        Surface::Socket { .. } => in_json(status, &json!({ "error": why })),
    }
}

fn in_json(status: StatusCode, value: &Value) -> Answer {
    said(status, JSON, format!("{value}\n"))
}

fn plain(status: StatusCode, text: String) -> Answer {
    said(status, TEXT, text)
}

fn said(status: StatusCode, media_type: &'static str, text: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
