//! As much of a browser as a sign-in needs: redirects, cookies by host, forms; no script, no cache, no TLS.

use crate::wire::{Decoder, MAX_FIELDS};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A browser that takes every host for the same server.
pub struct Browser {
    server: SocketAddr,
    /// By host, then by name. No host sees another's.
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

/// What a browser shows at the end of all redirects.
#[derive(Clone, Debug)]
pub struct Page {
    /// Where it is.
    address: Address,
    /// Its status.
    pub status: u16,
    /// Its content.
    pub body: String,
    /// Its `Location`.
    location: Option<String>,
    /// Its `Set-Cookie`s.
    set: Vec<String>,
}

/// `http://host:port/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    /// With the port.
    authority: String,
    /// With the query.
    path: String,
}

/// Browsers give up at twenty.
const MOST_REDIRECTS: usize = 20;

/// Longer than a password's hash takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// More than any page of the portal.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

impl Browser {
    /// A browser without cookies.
    pub fn new(server: SocketAddr) -> Self {
        Self { server, cookies: BTreeMap::new() }
    }

    /// Goes to an address, as if it had been typed.
    ///
    /// # Errors
    /// If the server does not answer, or redirects come to no end.
    pub fn open(&mut self, address: &str) -> Result<Page> {
        self.go(Address::parse(address)?, None)
    }

    /// Follows a link of a page.
    ///
    /// # Errors
    /// As [`Browser::open`].
    pub fn follow(&mut self, page: &Page, href: &str) -> Result<Page> {
        self.go(page.address.resolve(href)?, None)
    }

    /// Sends a form of a page by POST.
    ///
    /// # Errors
    /// As [`Browser::open`].
    pub fn send(&mut self, page: &Page, action: &str, fields: &[(String, String)]) -> Result<Page> {
        self.go(page.address.resolve(action)?, Some(encoded(fields)))
    }

    /// Sends fields to an address by POST, as a program does.
    ///
    /// # Errors
    /// As [`Browser::open`].
    pub fn post(&mut self, address: &str, fields: &[(String, String)]) -> Result<Page> {
        self.go(Address::parse(address)?, Some(encoded(fields)))
    }

    /// The value of a cookie that a host has set.
    pub fn cookie(&self, host: &str, name: &str) -> Option<&str> {
        self.cookies.get(host)?.get(name).map(String::as_str)
    }

    /// Forgets every cookie.
    pub fn forget(&mut self) {
        self.cookies.clear();
    }

    fn go(&mut self, mut address: Address, mut form: Option<String>) -> Result<Page> {
        for _ in 0..MOST_REDIRECTS {
            let page = self.ask(&address, form.as_deref()).with_context(|| format!("asking for {address}"))?;
            self.keep(&page);
            match (&page.location, page.status) {
                // Any redirect after a form is followed by GET: the portal's are 303, where that is the rule.
                (Some(to), 301..=303) => address = address.resolve(to)?,
                _ => return Ok(page),
            }
            form = None;
        }
        bail!("redirected {MOST_REDIRECTS} times, at last to {address}")
    }

    fn ask(&self, address: &Address, form: Option<&str>) -> Result<Page> {
        let mut stream = TcpStream::connect(self.server)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(self.request(address, form).as_bytes())?;
        let mut answer = Vec::new();
        stream.take(MOST_BYTES).read_to_end(&mut answer)?;
        Page::read(address, &answer)
    }

    fn request(&self, address: &Address, form: Option<&str>) -> String {
        let Address { authority, path } = address;
        let method = if form.is_some() { "POST" } else { "GET" };
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nAccept: text/html,application/xhtml+xml,*/*;q=0.8\r\n\
             User-Agent: Mozilla/5.0 (X11; Linux x86_64) load-tests\r\nConnection: close\r\n\
             Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
        );
        let held = self.cookies.get(&address.host()).into_iter().flatten();
        let cookies = held.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        if !cookies.is_empty() {
            let _ = write!(request, "Cookie: {cookies}\r\n");
        }
        match form {
            Some(body) => {
                let length = body.len();
                let _ = write!(
                    request,
                    "Sec-Fetch-Site: same-origin\r\nOrigin: http://{authority}\r\n\
                     Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
                );
            }
            None => request.push_str("Sec-Fetch-Site: none\r\n\r\n"),
        }
        request
    }

    fn keep(&mut self, page: &Page) {
        let jar = self.cookies.entry(page.host()).or_default();
        for cookie in &page.set {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let Some((name, value)) = pair.split_once('=') else { continue };
            if attributes.to_ascii_lowercase().split(';').any(|attribute| attribute.trim() == "max-age=0") {
                jar.remove(name.trim());
            } else {
                jar.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
    }
}

impl Page {
    /// The host it is on, without a port.
    pub fn host(&self) -> String {
        self.address.host()
    }

    fn read(address: &Address, bytes: &[u8]) -> Result<Self> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut head = httparse::Response::new(&mut fields);
        head.parse(bytes).context("the answer's header")?;
        let text = |name: &'static str| {
            let found = head.headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
            found.map(|field| String::from_utf8_lossy(field.value).into_owned())
        };
        let (mut decoder, mut body) = (Decoder::default(), Vec::new());
        let fed = decoder.feed(bytes, |part| body.extend_from_slice(part))?;
        let answer = fed.answer.or_else(|| decoder.close());
        let answer = answer.context("the connection closed before the answer's end")?;
        let body = String::from_utf8(body).context("the page is no UTF-8")?;
        let (location, set) = (text("location").next(), text("set-cookie").collect());
        Ok(Self { address: address.clone(), status: answer.status, body, location, set })
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (status {})", self.address, self.status)
    }
}

/// The host of an address, without its port.
pub(super) fn host_of(address: &str) -> Result<String> {
    Address::parse(address).map(|address| address.host())
}

impl Address {
    fn parse(text: &str) -> Result<Self> {
        let rest = text.strip_prefix("http://").with_context(|| format!("{text:?} is no http address"))?;
        let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { authority: authority.to_owned(), path })
    }

    /// Where a link on the page at this address leads. The portal's links are absolute in path, as this asks for.
    fn resolve(&self, href: &str) -> Result<Self> {
        match href.starts_with('/') && !href.starts_with("//") {
            true => Address::parse(&format!("http://{}{href}", self.authority)),
            false => Address::parse(href),
        }
    }

    fn host(&self) -> String {
        self.authority.split(':').next().unwrap_or_default().to_ascii_lowercase()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Queries carry codes and tickets, and enrolment links end in a secret.
        let path = self.path.split('?').next().unwrap_or_default();
        let path = if path.starts_with("/enrol/") { "/enrol/…" } else { path };
        write!(f, "http://{}{path}", self.authority)
    }
}

fn encoded(fields: &[(String, String)]) -> String {
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => out += &format!("%{byte:02X}"),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_where_the_page_is_or_where_they_say() {
        let page = Address::parse("http://auth.localhost:81/enrol?x=1#top").expect("it is an address");
        assert_eq!((page.path.as_str(), page.host().as_str()), ("/enrol?x=1", "auth.localhost"));
        let led = |href: &str| page.resolve(href).expect("it is a link");
        assert_eq!(led("/a?b"), Address { authority: "auth.localhost:81".into(), path: "/a?b".into() });
        assert_eq!(led("http://app.localhost:81"), Address { authority: "app.localhost:81".into(), path: "/".into() });
        assert!(page.resolve("https://elsewhere/").is_err());
    }

    #[test]
    fn cookies_are_kept_by_host_and_dropped_when_told() {
        let mut browser = Browser::new(SocketAddr::from(([127, 0, 0, 1], 81)));
        let mut seen = |host: &str, cookie: &str| {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: {cookie}\r\n\r\n");
            let address = Address::parse(&format!("http://{host}/")).expect("it is an address");
            browser.keep(&Page::read(&address, head.as_bytes()).expect("it is a page"));
            (browser.cookie("a", "k").map(str::to_owned), browser.cookie("b", "k").map(str::to_owned))
        };
        assert_eq!(seen("a:81", "k=1; Path=/"), (Some("1".to_owned()), None));
        assert_eq!(seen("b:81", "k=2"), (Some("1".to_owned()), Some("2".to_owned())));
        assert_eq!(seen("a:81", "k=; Max-Age=0"), (None, Some("2".to_owned())));
    }

    #[test]
    fn forms_are_encoded() {
        assert_eq!(encode("a b&c=ü"), "a+b%26c%3D%C3%BC");
    }
}
