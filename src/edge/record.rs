//! The end of a request: one line, a few counters; everything it held is released when its context is dropped.

use super::{Edge, Finding, Passage, strict};
use crate::telemetry::Line;
use pingora::proxy::Session;
use std::time::Duration;

impl Edge {
    /// Counts a request and writes its line.
    pub fn record(&self, http: &Session, passage: &Passage) {
        self.metrics.request(passage.outcome);
        let took = passage.began.elapsed();
        self.metrics.duration.observe(took.as_secs_f64());
        let denied = passage.denied.as_ref().and_then(|denied| passage.edition.ready(&denied.route));
        if let Some(ready) = passage.ready().or(denied) {
            ready.counters.of(passage.outcome).inc();
        }
        self.report(passage);
        if let Some(access) = self.access.as_ref().filter(|_| passage.edition.plan.gateway.access_log) {
            access.write(self.line(http, passage));
        }
    }

    /// A session that asks for what its account may not have is worth keeping.
    fn report(&self, passage: &Passage) {
        let Some(("forbidden", Some(id))) = passage.refused else { return };
        let Some(decided) = self.decisions.find(id) else { return };
        if let Some(event) = self.denials.event(id, &decided) {
            self.recorder.report(decided.at, event);
        }
    }

    fn line(&self, http: &Session, passage: &Passage) -> Line {
        let request = http.req_header();
        let status = http.response_written().map_or(0, |response| u64::from(response.status.as_u16()));
        let line = self
            .beginning(http, passage)
            .show("request", &passage.id)
            .text("method", request.method.as_str())
            .text("path", loggable(request.uri.path()))
            .text("protocol", if http.is_http2() { "HTTP/2" } else { "HTTP/1.1" })
            .number("status", status)
            .number("sent", http.body_bytes_sent() as u64)
            .number("received", http.body_bytes_read() as u64)
            .number("edition", passage.edition.number)
            .text("outcome", passage.outcome.word())
            .number("micros", micros(passage.began.elapsed()));
        let line = remarked(forwarded(judged(line, passage), passage), passage);
        match passage.refused {
            Some((word, Some(id))) => line.text("refused", word).show("decision", &id),
            Some((word, None)) => line.text("refused", word),
            None => line,
        }
    }

    /// When and from where, which is known even of a request that could not be read; and for which host, if that could.
    fn beginning(&self, http: &Session, passage: &Passage) -> Line {
        if let Some(arrival) = &passage.arrival {
            return Line::new().show("time", &arrival.now).show("client", &arrival.client).text("host", &arrival.host);
        }
        let mut line = Line::new().show("time", &self.clock.now());
        if let Some(connection) = passage.connection() {
            line = line.show("client", &connection.peer.ip().to_canonical());
        }
        match strict::host(http.req_header()) {
            Ok(host) => line.text("host", host.name()),
            Err(_) => line,
        }
    }
}

/// What it fell under and whose it was, whether it was permitted or refused.
fn judged(line: Line, passage: &Passage) -> Line {
    let admitted = passage.admission.as_ref().map(|admission| (&admission.route, &admission.session));
    let denied = passage.denied.as_ref().map(|denied| (&denied.route, &denied.session));
    let Some((route, session)) = admitted.or(denied) else { return line };
    let line = line.text("route", &route.name).text("policy", &route.policy.name);
    match session {
        Some(session) => line.text("account", session.account.name.as_str()).show("session", &session.id),
        None => line,
    }
}

/// What the portal says of its answer. A program's name is what it gives itself.
fn remarked(line: Line, passage: &Passage) -> Line {
    let Some(remark) = &passage.remark else { return line };
    let line = line.maybe("account", remark.account.as_ref().map(|(_, name)| name.as_str()));
    let line = line.maybe("program", remark.program.as_deref());
    line.maybe("why", Some(remark.why).filter(|why| !why.is_empty()))
}

/// A path as it may be written down: what follows `/enrol/` may be a link that is still good, whichever host it came to.
pub(super) fn loggable(path: &str) -> &str {
    if path.starts_with("/enrol/") { "/enrol/…" } else { path }
}

/// Where it went.
fn forwarded(mut line: Line, passage: &Passage) -> Line {
    let Some(forwarding) = &passage.forwarding else { return line };
    line = line.maybe("pool", passage.ready().map(|ready| &**ready.pool.name()));
    if let Some(pick) = &forwarding.pick {
        line = line.show("member", &pick.address());
    }
    if !forwarding.findings.is_empty() {
        let mut asked = forwarding.findings.iter().filter(|finding| finding.took.is_some());
        line = line.number("tries", forwarding.tries.into());
        line = line.maybe("cause", asked.next_back().map(|finding| finding.found));
        line = line.list("members", forwarding.findings.iter().map(found));
    }
    if let Some(answered) = forwarding.answered {
        line = line.number("first_byte_micros", micros(answered.duration_since(passage.began)));
    }
    line
}

fn found(finding: &Finding) -> Line {
    let line = Line::new().show("member", &finding.member).text("found", finding.found);
    match finding.took {
        Some(took) => line.number("micros", micros(took)),
        None => line,
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
