//! Pingora's callbacks in the order of its phases; each hands over to the edge or the portal and keeps nothing.

use crate::edge::{self, Edge, Failure, Kept, Passage, Refusal, RefusedView, Waiting};
use crate::edition::Live;
use crate::listen::Connection;
use crate::portal::{self, Ask, Form, OnPortal, Portal};
use crate::reply::{Answer, Body, Then};
use crate::session::{KEPT_FORM_SIZE, KeptForm};
use crate::telemetry::Outcome;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http::{Method, StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// How long a form may take to arrive.
const FORM_TIME: Duration = Duration::from_secs(10);

/// The phases of one gateway.
#[derive(Clone)]
pub struct Front {
    /// The current edition.
    pub live: Arc<Live>,
    /// The hot path.
    pub edge: Arc<Edge>,
    /// Pages.
    pub portal: Arc<Portal>,
}

/// The page of a refusal, for the edge.
pub fn render(view: &RefusedView<'_>) -> String {
    let named = (view.decision.as_deref(), &*view.request);
    portal::refusal((view.portal, view.status), view.sentence, view.lines, named)
}

#[async_trait]
impl ProxyHttp for Front {
    type CTX = Passage;

    fn new_ctx(&self) -> Passage {
        Passage::new(self.live.hold())
    }

    /// None of the engine's own modules runs.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn early_request_filter(&self, http: &mut Session, passage: &mut Passage) -> Result<()> {
        passage.underway = http.digest().and_then(Connection::of).map(Connection::request_began);
        let arrived = std::panic::catch_unwind(AssertUnwindSafe(|| edge::arrive::arrive(&self.edge, http, passage)));
        match arrived.unwrap_or_else(|_| Err(self.panicked())) {
            Ok(arrival) => passage.arrival = Some(arrival),
            Err(refusal) => passage.turned_away = Some(refusal),
        }
        Ok(())
    }

    async fn request_filter(&self, http: &mut Session, passage: &mut Passage) -> Result<bool> {
        let judged = AssertUnwindSafe(self.judge(http, passage)).catch_unwind().await;
        match judged.unwrap_or_else(|_| Err(self.panicked())) {
            Ok(None) => Ok(false),
            Ok(Some(answer)) => send(http, answer, passage).await.map(|()| true),
            Err(refusal) => {
                let kept = self.keep_form(http, passage, &refusal).await;
                let answer = self.edge.refuse_keeping(http.req_header(), passage, (&refusal, kept));
                send(http, answer, passage).await.map(|()| true)
            }
        }
    }

    async fn request_body_filter(
        &self,
        http: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        passage: &mut Passage,
    ) -> Result<()> {
        if passage.arrival.as_ref().is_some_and(|arrival| arrival.upgrade) {
            if !http.was_upgraded() {
                return self.guarded(|| passage.hold_early(body));
            }
            let session = passage.admission.as_ref().and_then(|admission| admission.session.as_ref());
            return self.guarded(|| {
                session.iter().for_each(|session| self.edge.reader.note_use(session, self.edge.clock.now()));
                Ok(())
            });
        }
        if let Some(connection) = passage.connection().filter(|_| end) {
            connection.request_is_whole();
        }
        let Some(came) = body.as_ref().map(Bytes::len) else { return Ok(()) };
        self.guarded(|| passage.body_came(came, http.req_header(), self.edge.clock.now()))
    }

    async fn upstream_peer(&self, _: &mut Session, passage: &mut Passage) -> Result<Box<HttpPeer>> {
        self.guarded(|| {
            // The first pick follows the judgement at once; another one may come seconds later.
            let first = passage.arrival.as_ref().filter(|_| passage.forwarding.is_none());
            passage.pick(first.map_or_else(|| self.edge.clock.now(), |arrival| arrival.now))
        })
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        passage: &mut Passage,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let again = self.guarded(|| Ok(passage.connect_failed(&error, self.edge.clock.now())));
        error.set_retry(again.unwrap_or(false));
        error
    }

    async fn connected_to_upstream(
        &self,
        _: &mut Session,
        _: bool,
        _: &HttpPeer,
        #[cfg(unix)] _: std::os::unix::io::RawFd,
        _: Option<&Digest>,
        passage: &mut Passage,
    ) -> Result<()> {
        passage.connected();
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        http: &mut Session,
        request: &mut RequestHeader,
        passage: &mut Passage,
    ) -> Result<()> {
        self.guarded(|| {
            self.edge.tie_waiting(http.req_header(), passage);
            self.edge.stamp(request, passage)
        })
    }

    async fn response_filter(
        &self,
        http: &mut Session,
        response: &mut ResponseHeader,
        passage: &mut Passage,
    ) -> Result<()> {
        if passage.is_last() {
            http.set_keepalive(None);
        }
        self.guarded(|| self.edge.deliver(http.req_header(), response, passage))
    }

    /// A member is free once it has said everything: whoever asks next, perhaps because of this answer, counts on it.
    fn response_body_filter(
        &self,
        http: &mut Session,
        _: &mut Option<Bytes>,
        end: bool,
        passage: &mut Passage,
    ) -> Result<Option<Duration>> {
        if !end {
            self.edge.tie_long(http.req_header(), passage);
            return Ok(None);
        }
        if let Some(pick) = passage.forwarding.as_mut().and_then(|forwarding| forwarding.pick.as_mut()) {
            pick.answered();
        }
        Ok(None)
    }

    /// Sent twice only if the connection ended before an answer began, the method may be repeated, and all of the body is
    /// still at hand.
    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        http: &mut Session,
        mut error: Box<Error>,
        passage: &mut Passage,
        reused: bool,
    ) -> Box<Error> {
        let upgrade = passage.arrival.as_ref().is_some_and(|arrival| arrival.upgrade);
        let exchange = edge::forward::Exchange {
            kept: reused,
            // The body that is announced for an upgrade never comes.
            whole: upgrade || http.as_mut().is_body_done(),
            repeatable: http.req_header().method.is_idempotent()
                && !http.as_ref().retry_buffer_truncated()
                && http.response_written().is_none(),
        };
        let again = self.guarded(|| Ok(passage.answer_failed(&error, exchange, self.edge.clock.now())));
        error.set_retry(again.unwrap_or(false));
        error
    }

    async fn fail_to_proxy(&self, http: &mut Session, error: &Error, passage: &mut Passage) -> FailToProxy {
        let gone = FailToProxy { error_code: 0, can_reuse_downstream: false };
        let theirs = *error.esource() == ErrorSource::Downstream;
        let fault = edge::body_fault(error).filter(|_| theirs && http.response_written().is_none());
        if theirs && fault.is_none() {
            passage.outcome = Outcome::Gone;
            passage.refused = Some((passage.broken_off(), None));
            return gone;
        }
        passage.outcome = Outcome::Failed;
        if http.response_written().is_some() {
            // Half an answer went out: all that is left is to say so.
            self.edge.complaints.broken(passage, error);
            passage.refused = Some(("broken-off", None));
            return gone;
        }
        let failure = passage.failure.clone().unwrap_or(Failure::Internal);
        tracing::debug!(%error, "a request failed");
        let refusal = fault.map_or(Refusal::Broken(failure), Refusal::Malformed);
        let answer = self.edge.refuse(http.req_header(), passage, &refusal);
        let code = answer.status.as_u16();
        match send(http, answer, passage).await {
            Ok(()) => FailToProxy { error_code: code, can_reuse_downstream: false },
            Err(_) => gone,
        }
    }

    async fn logging(&self, http: &mut Session, _: Option<&Error>, passage: &mut Passage) {
        self.edge.record(http, passage);
        // The connection may outlive this by seconds while the rest of a body is read; the member is not busy with it.
        passage.forwarding = None;
    }

    /// Everything worth a line has one in the access log.
    fn suppress_error_log(&self, _: &Session, _: &Passage, _: &Error) -> bool {
        true
    }
}

impl Front {
    /// `None`: the request is admitted. `Some`: it is answered by ourselves.
    async fn judge(&self, http: &mut Session, passage: &mut Passage) -> std::result::Result<Option<Answer>, Refusal> {
        if let Some(refusal) = passage.turned_away.take() {
            return Err(refusal);
        }
        let arrival = passage.arrival.as_ref().ok_or(Refusal::Broken(Failure::Internal))?;
        let on_portal = if passage.edition.is_portal(&arrival.host) { OnPortal::Yes } else { OnPortal::No };
        if on_portal == OnPortal::No && edge::asks_rehearsal(http.req_header()) {
            return Box::pin(self.edge.rehearse(http.req_header(), passage)).await.map(Some);
        }
        let path = http.req_header().uri.path();
        let metadata = path == edge::METADATA_PATH && passage.edition.plan.protects(&arrival.host);
        if metadata || Portal::answers(path, on_portal) {
            // Boxed, because it is large: a request for a service must not carry room for every page.
            let mut answer = Box::pin(self.ask_portal(http, passage, on_portal)).await?;
            passage.outcome = Outcome::Own;
            if let Some(remark) = answer.remark.take() {
                self.edge.remark(http.req_header(), passage, remark);
            }
            return Ok(Some(answer));
        }
        let admission = self.edge.admit(passage, http.req_header(), arrival).await?;
        if arrival.upgrade {
            edge::upgrade::leave_open(http.req_header_mut())?;
        }
        passage.admission = Some(admission);
        passage.outcome = Outcome::Permitted;
        Ok(None)
    }

    /// Keeps a refused form for its sender, if it is worth it and can be kept.
    async fn keep_form(&self, http: &mut Session, passage: &Passage, refusal: &Refusal) -> Option<Kept> {
        let waiting = self.edge.worth_keeping(http.req_header(), passage, refusal)?;
        let body = read_body(http, KEPT_FORM_SIZE).await.ok()?;
        let Waiting { host, path, page, binding, sender } = waiting;
        let hash = crate::stdx::digest::sha256(binding.text().as_bytes());
        let form = KeptForm { host, path, page, binding: hash, sender, body: body.to_vec() };
        let from = passage.arrival.as_ref()?.client;
        let path = self.portal.keep_form(form, (from, self.edge.clock.now())).await?;
        let path = path.inspect_err(|error| tracing::warn!(%error, "a form could not be kept for its sender")).ok()?;
        Some(Kept { path, binding })
    }

    async fn ask_portal(
        &self,
        http: &mut Session,
        passage: &Passage,
        on_portal: OnPortal,
    ) -> std::result::Result<Answer, Refusal> {
        let arrival = passage.arrival.as_ref().ok_or(Refusal::Broken(Failure::Internal))?;
        let form = match http.req_header().method == Method::POST {
            true => match read_body(http, portal::form_limit(http.req_header().uri.path())).await {
                Ok(body) => Form::parse(&body),
                Err(status) => return Ok(too_much(status)),
            },
            false => Form::default(),
        };
        let plan = passage.edition.plan.portal.as_ref();
        let request = http.req_header();
        let ask = Ask {
            method: &request.method,
            path: request.uri.path(),
            query: request.uri.query(),
            headers: &request.headers,
            form,
            host: &arrival.host,
            port: arrival.port,
            transport: arrival.transport,
            client: arrival.client,
            certificate: arrival.connection.tls.as_ref().and_then(|encryption| encryption.client),
            now: arrival.now,
            request: passage.id.to_string(),
            portal: plan.filter(|_| on_portal == OnPortal::Yes),
            plan,
            edition: &passage.edition,
            rules: passage.edition.sessions(),
            least_password: passage.edition.plan.factors.password.as_ref().map_or(0, |plan| plan.min_length),
        };
        Ok(self.portal.answer(&ask).await)
    }

    /// Runs a phase on the way to a member and back: a panic in it fails its request and no more.
    fn guarded<T>(&self, phase: impl FnOnce() -> Result<T>) -> Result<T> {
        std::panic::catch_unwind(AssertUnwindSafe(phase)).unwrap_or_else(|_| {
            self.panicked();
            Error::e_explain(ErrorType::InternalError, "a filter panicked")
        })
    }

    fn panicked(&self) -> Refusal {
        self.edge.metrics.panics.inc();
        tracing::error!("a filter panicked; its request is refused");
        Refusal::Broken(Failure::Internal)
    }
}

/// Reads a body of at most `most` bytes, or says with which status it is refused.
async fn read_body(http: &mut Session, most: usize) -> std::result::Result<BytesMut, StatusCode> {
    let read = async {
        if http.get_header(header::EXPECT).is_some() {
            http.write_continue_response().await.map_err(|_| StatusCode::BAD_REQUEST)?;
        }
        let mut body = BytesMut::new();
        while let Some(part) = http.read_request_body().await.map_err(|_| StatusCode::BAD_REQUEST)? {
            if body.len() + part.len() > most {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            body.extend_from_slice(&part);
        }
        Ok(body)
    };
    tokio::time::timeout(FORM_TIME, read).await.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
}

fn too_much(status: StatusCode) -> Answer {
    let mut answer = Answer::new(status, Body::Empty);
    answer.then = Then::Close;
    answer
}

/// Sends an answer of our own.
async fn send(http: &mut Session, answer: Answer, passage: &Passage) -> Result<()> {
    let head = http.req_header().method == Method::HEAD;
    let (kind, body) = answer.body.parts();
    let mut response = ResponseHeader::build(answer.status, Some(answer.fields.len() + 3))?;
    for (name, value) in answer.fields {
        response.append_header(name, value)?;
    }
    if let Some(kind) = kind {
        response.insert_header(header::CONTENT_TYPE, kind)?;
    }
    // RFC 9110 §8.6 forbids it there.
    if answer.status != StatusCode::NO_CONTENT {
        response.insert_header(header::CONTENT_LENGTH, body.len())?;
    }
    response.insert_header(edge::stamp::REQUEST_ID, passage.name.clone())?;
    if answer.then == Then::Close || passage.is_last() {
        http.set_keepalive(None);
    }
    let empty = head || body.is_empty();
    http.write_response_header(Box::new(response), empty).await?;
    match empty {
        true => Ok(()),
        false => http.write_response_body(Some(Bytes::from(body)), true).await,
    }
}
