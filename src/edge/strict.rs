//! The strictness that the engine leaves to us: framing, hosts, field names; each check is linear in the header.

use super::Fault;
use super::survey::Survey;
use crate::route::{CanonicalHost, CanonicalPath};
use crate::session::cookie::Transport;
use http::header::{CONNECTION, HOST, ORIGIN};
use http::{HeaderMap, Method, Version};
use pingora::http::RequestHeader;
use pingora::protocols::http::v1::server::HttpSession as Http1;

/// Fields of one request, its cookies counted as one. Common servers take a hundred (hyper, Apache, Gunicorn), and a
/// request leaves with up to twelve of ours on top of these: four about the caller, seven about where it comes from, and
/// `Host` where HTTP/2 had none. Browsers send about twenty.
const MOST_FIELDS: usize = 100 - 12;

/// Names in `Connection`. The engine refuses more only once a member was picked, when it looks like a broken service.
const MOST_NOMINATIONS: usize = 9;

/// Fields that a client may not have removed by naming them in `Connection` (RFC 9110 §7.6.1 would have us do it): they
/// identify the caller or the message.
const KEPT: [&str; 6] = ["cookie", "authorization", "forwarded", "host", "x-real-ip", "x-request-id"];

/// The host a request is for: `:authority` on HTTP/2, the one `Host` field otherwise.
pub fn host(request: &RequestHeader) -> Result<CanonicalHost<'_>, Fault> {
    let fields = request.headers.get_all(HOST).iter().map(http::HeaderValue::as_bytes);
    match authority(request) {
        Some(authority) => CanonicalHost::sole([authority]),
        None => CanonicalHost::sole(fields),
    }
    .map_err(Fault::Host)
}

/// What names the host, unread; `None` if nothing does, or several fields do.
pub fn named_host<'r>(request: &'r RequestHeader, survey: &Survey<'r>) -> Option<&'r [u8]> {
    authority(request).or_else(|| survey.host.first.filter(|_| survey.host.more == 0))
}

/// `:authority`.
fn authority(request: &RequestHeader) -> Option<&[u8]> {
    match request.version {
        Version::HTTP_2 => request.uri.authority().map(|authority| authority.as_str().as_bytes()),
        _ => None,
    }
}

/// The path and query a request is for, exactly as they will be forwarded.
pub fn target(request: &RequestHeader) -> Result<CanonicalPath<'_>, Fault> {
    CanonicalPath::parse(request.raw_path()).map_err(Fault::Path)
}

/// Whether a request asks about the server as a whole (RFC 9110 §9.3.7), which no service behind it can answer.
pub fn is_about_server(request: &RequestHeader) -> bool {
    request.method == Method::OPTIONS && request.raw_path() == b"*"
}

/// Framing, field names and nominations.
pub fn fields(request: &RequestHeader, survey: &Survey<'_>, http1: Option<&Http1>) -> Result<(), Fault> {
    // HTTP/2 splits cookies into crumbs, which leave as one field again.
    if request.headers.len() - survey.cookie.more > MOST_FIELDS {
        return Err(Fault::TooManyFields);
    }
    if request.method == Method::TRACE || request.method == Method::CONNECT {
        return Err(Fault::Method);
    }
    if is_misspelt(&request.method) {
        return Err(Fault::Framing("the method is written in lower case, which some services take for another one"));
    }
    if survey.underscore {
        return Err(Fault::Fields("a header field's name contains an underscore, which services read as a dash"));
    }
    if survey.authorization.more > 0 {
        return Err(Fault::Fields("Authorization is given more than once"));
    }
    if survey.connection.is_present() {
        nominations(&request.headers)?;
    }
    framing(survey, http1)?;
    upgrade(request, survey)
}

/// Whether a method is a usual one but for its case. Methods are case-sensitive (RFC 9110 §9.1), so no route for `GET`
/// has it, and there are services that take it for `GET` all the same.
fn is_misspelt(method: &Method) -> bool {
    let usual = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::TRACE,
        Method::CONNECT,
    ];
    let written = method.as_str();
    written.bytes().any(|letter| letter.is_ascii_lowercase())
        && usual.iter().any(|usual| usual.as_str().eq_ignore_ascii_case(written))
}

/// Whether a request asks to become a WebSocket, as RFC 6455 §4.1 says it must be asked.
pub fn is_upgrade(request: &RequestHeader, survey: &Survey<'_>) -> bool {
    request.version == Version::HTTP_11 && survey.upgrade.is(b"websocket")
}

/// Whether a request asks for a stream of events (WHATWG HTML §9.2, `EventSource`).
pub fn asks_for_events(request: &RequestHeader, survey: &Survey<'_>) -> bool {
    request.method == Method::GET && survey.accept.first.is_some_and(|accept| accept.starts_with(b"text/event-stream"))
}

fn upgrade(request: &RequestHeader, survey: &Survey<'_>) -> Result<(), Fault> {
    if !is_upgrade(request, survey) {
        return Ok(());
    }
    let nominated = tokens(&request.headers).any(|token| token.eq_ignore_ascii_case(b"upgrade"));
    let body = survey.coding.is_present() || survey.length.first.is_some_and(|length| length != b"0");
    if request.method != Method::GET || !nominated || body {
        return Err(Fault::Framing("an upgrade to WebSocket is a GET without a body that names Upgrade in Connection"));
    }
    Ok(())
}

/// The page that opens a WebSocket must be of the very origin it opens it to (RFC 6454 §4): scheme, host and port.
pub fn origin(request: &RequestHeader, host: (&str, Option<u16>), transport: Transport) -> Result<(), Fault> {
    let mut origins = request.headers.get_all(ORIGIN).iter().map(http::HeaderValue::as_bytes);
    match (origins.next(), origins.next()) {
        // Only browsers send it, and only they hold cookies for somebody else's page to use.
        (None, _) => Ok(()),
        (Some(only), None) if is_own_origin(only, host, transport) => Ok(()),
        (Some(_), _) => Err(Fault::Origin),
    }
}

fn is_own_origin(origin: &[u8], (name, port): (&str, Option<u16>), transport: Transport) -> bool {
    let (scheme, usual): (&[u8], u16) = match transport {
        Transport::Secure => (b"https://", 443),
        Transport::Plain => (b"http://", 80),
    };
    let own = origin.strip_prefix(scheme).and_then(|authority| CanonicalHost::parse(authority).ok());
    own.is_some_and(|own| own.name() == name && own.port().unwrap_or(usual) == port.unwrap_or(usual))
}

/// The target of a request in absolute form (RFC 9112 §3.2.2), in origin form; `None` if it is in another form. Its
/// scheme and its host must be those of the request: nobody here is a proxy for anywhere else.
pub fn origin_form(
    request: &RequestHeader,
    host: &CanonicalHost<'_>,
    transport: Transport,
) -> Result<Option<Vec<u8>>, Fault> {
    let target = request.raw_path();
    if target.starts_with(b"/") || target == b"*" || request.version == Version::HTTP_2 {
        return Ok(None);
    }
    let scheme: &[u8] = match transport {
        Transport::Secure => b"https://",
        Transport::Plain => b"http://",
    };
    let elsewhere = Fault::Framing("the target names another scheme or host than the request came by");
    let (start, rest) = target.split_at_checked(scheme.len()).ok_or(elsewhere.clone())?;
    if !start.eq_ignore_ascii_case(scheme) {
        return Err(elsewhere);
    }
    let (authority, rest) = rest.split_at(rest.iter().position(|byte| b"/?".contains(byte)).unwrap_or(rest.len()));
    if CanonicalHost::parse(authority).ok().as_ref() != Some(host) {
        return Err(elsewhere);
    }
    Ok(Some(match rest {
        [] if request.method == Method::OPTIONS => b"*".to_vec(),
        [] => b"/".to_vec(),
        [b'?', ..] => [b"/", rest].concat(),
        path => path.to_vec(),
    }))
}

fn nominations(headers: &HeaderMap) -> Result<(), Fault> {
    let reserved = |token: &[u8]| {
        let kept = KEPT.iter().any(|name| token.eq_ignore_ascii_case(name.as_bytes()));
        let begins = |prefix: &[u8]| token.len() >= prefix.len() && token[..prefix.len()].eq_ignore_ascii_case(prefix);
        kept || begins(b"x-portcullis") || begins(b"x-forwarded")
    };
    if tokens(headers).any(reserved) {
        return Err(Fault::Fields("Connection names a header field that may not be removed"));
    }
    if tokens(headers).count() > MOST_NOMINATIONS || !tokens(headers).all(is_name) {
        return Err(Fault::Fields("Connection is not a short list of names"));
    }
    Ok(())
}

fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(CONNECTION).iter();
    let tokens = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    tokens.filter(|token| !token.is_empty())
}

/// Whether every byte may stand in a field's name (RFC 9110 §5.6.2).
fn is_name(token: &[u8]) -> bool {
    token.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

fn framing(survey: &Survey<'_>, http1: Option<&Http1>) -> Result<(), Fault> {
    let Survey { length, coding, .. } = survey;
    if length.more > 0 || length.first.is_some_and(|length| length.contains(&b',')) {
        return Err(Fault::Framing("Content-Length is given more than once"));
    }
    if coding.more > 0 || (coding.is_present() && !coding.is(b"chunked")) {
        return Err(Fault::Framing("Transfer-Encoding is something else than chunked"));
    }
    let Some(http1) = http1 else { return Ok(()) };
    let raw = http1.get_headers_raw_bytes();
    if has_bare_line_feed(&raw) {
        return Err(Fault::Framing("a line ends without a carriage return"));
    }
    // The engine drops Content-Length where Transfer-Encoding is present; only the raw bytes still show it.
    if coding.is_present() && has_content_length(&raw) {
        return Err(Fault::Framing("Content-Length and Transfer-Encoding are both given"));
    }
    Ok(())
}

fn has_bare_line_feed(raw: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', raw).any(|end| end.checked_sub(1).and_then(|before| raw.get(before)) != Some(&b'\r'))
}

fn has_content_length(raw: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length";
    raw.split(|byte| *byte == b'\n')
        .any(|line| line.len() >= NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME))
}
