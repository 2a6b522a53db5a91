//! Headers that never became requests: answered, noted, counted and logged like refused requests; knows only the
//! connection they came on.

use super::decisions::Under;
use super::refuse::{document, sentence, status_of};
use super::{Decided, Edge, Fault, Refusal, RequestId};
use crate::edition::Edition;
use crate::listen::{Connection, Unreadable};
use crate::reply::{Answer, Body, Then};
use crate::telemetry::Line;

impl Edge {
    /// The answer to a header that never became a request, and the name it goes by in logs.
    pub fn turn_away(&self, edition: &Edition, connection: &Connection, why: Unreadable) -> (Answer, RequestId) {
        let fault = Fault::Header(why);
        let status = status_of(fault.status());
        let refusal = Refusal::Malformed(fault);
        let (now, client) = (self.clock.now(), connection.peer.ip().to_canonical());
        let (id, sentence) = (RequestId::new(fastrand::u128(..).to_be_bytes()), sentence(&refusal));
        let decided = Decided {
            at: now,
            request: id,
            edition: edition.number,
            what: "a header that is no request".to_owned(),
            client,
            outcome: refusal.word(),
            sentence: sentence.clone().unwrap_or_default(),
            found: Under::default(),
            lines: Vec::new(),
        };
        let decision = self.decisions.keep(&refusal, decided);
        self.metrics.request(refusal.outcome());
        self.metrics.headers_refused(why.word()).inc();
        if let Some(access) = self.access.as_ref().filter(|_| edition.plan.gateway.access_log) {
            let line = Line::new().show("time", &now).show("client", &client).show("request", &id);
            let line = line.number("status", status.as_u16().into()).number("edition", edition.number);
            let line = line.text("outcome", refusal.outcome().word()).text("refused", refusal.word());
            access.write(line.show("decision", &decision));
        }
        let problem = document(status, sentence, (Some(decision), id));
        let problem = serde_json::Value::Object(problem).to_string();
        let mut answer = Answer::new(status, Body::Json("application/problem+json", problem));
        answer.then = Then::Close;
        (answer, id)
    }
}
