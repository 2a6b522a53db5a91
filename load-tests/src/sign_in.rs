//! A person with a browser and an authenticator app: enrols through a link and signs in through the portal's pages.
//!
//! The load tests hold a session as anybody else does. No key, store or code of the gateway is touched: a [`Person`]
//! follows redirects, keeps cookies by host, reads the forms it is shown, and fills in the fields it knows by their
//! published names (`name`, `password`, `new_password`, `new_password_again`, `code`).

mod browser;
mod page;

pub use browser::{Browser, Page};

use anyhow::{Context, Result, bail, ensure};
use page::Form;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use totp_rs::Totp;

/// Somebody with an account.
pub struct Person {
    name: String,
    password: String,
    browser: Browser,
    app: Option<App>,
}

/// A session on one host, as a client carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// The host it is for, without a port.
    pub host: String,
    /// `name=value`, for the `Cookie` header.
    pub pair: String,
}

/// The names of the session's cookie: over TLS, and without it on `localhost` (product.md §5).
const SESSION_COOKIES: [&str; 2] = ["__Host-portcullis", "portcullis"];

/// More pages than any way through the portal has; a page that comes again and again ends there.
const MOST_PAGES: usize = 16;

/// Seconds that a code of an authenticator app lasts (RFC 6238 §4.1).
const STEP: u64 = 30;

impl Person {
    /// Somebody whose browser reaches every host of the gateway at `gateway`, over plain HTTP.
    pub fn new(gateway: SocketAddr, name: &str) -> Self {
        let password = "four unrelated words, freshly cut turf".to_owned();
        Self { name: name.to_owned(), password, browser: Browser::new(gateway), app: None }
    }

    /// Follows an enrolment link: chooses a password, connects an app, confirms a code, saves the recovery codes.
    ///
    /// # Errors
    /// If a page is not what it should be, with what it says instead.
    pub fn enrol(&mut self, link: &str) -> Result<()> {
        let first = self.browser.open(link)?;
        let last = self.walk(first).context("enrolment through the link")?;
        ensure!(self.app.is_some(), "enrolment ended at {last} before an authenticator app was connected");
        Ok(())
    }

    /// Goes to a page behind the gateway, signing in on the way if the portal asks for it.
    ///
    /// # Errors
    /// If the way does not end at that page's host with a session there.
    pub fn enter(&mut self, address: &str) -> Result<Cookie> {
        let first = self.browser.open(address)?;
        let last = self.walk(first).with_context(|| format!("on the way to {address}"))?;
        let host = browser::host_of(address)?;
        ensure!(last.host() == host, "the way to {address} ended at {last}");
        let found = SESSION_COOKIES.iter().find_map(|name| Some((name, self.browser.cookie(&host, name)?)));
        let (name, value) = found.with_context(|| format!("{host} has set no session cookie"))?;
        Ok(Cookie { pair: format!("{name}={value}"), host })
    }

    /// Lets a program act for this person, by the device flow (RFC 8628), and gives the program's access token.
    ///
    /// # Errors
    /// If the portal does not do its part.
    pub fn approve(&mut self, portal: &str) -> Result<String> {
        let client = || ("client_id".to_owned(), "load-tests".to_owned());
        let begun = self.ask(&format!("{portal}/oauth/device_authorization"), vec![client()])?;
        let first = self.browser.open(text(&begun, "verification_uri_complete")?)?;
        let form = page::forms(&first.body).into_iter().find(|form| form.action == "/device");
        let mut fields = form.with_context(|| format!("{first} asks for no approval"))?.hidden;
        fields.push(("decision".to_owned(), "approve".to_owned()));
        self.browser.send(&first, "/device", &fields)?;
        let grant = "urn:ietf:params:oauth:grant-type:device_code".to_owned();
        let code = text(&begun, "device_code")?.to_owned();
        let fields = vec![client(), ("grant_type".to_owned(), grant), ("device_code".to_owned(), code)];
        let granted = self.ask(&format!("{portal}/oauth/token"), fields)?;
        text(&granted, "access_token").map(str::to_owned)
    }

    fn ask(&mut self, address: &str, fields: Vec<(String, String)>) -> Result<Value> {
        let page = self.browser.post(address, &fields)?;
        serde_json::from_str(&page.body).with_context(|| format!("the answer of {page}"))
    }

    /// The browser, for what else is to be looked at.
    pub fn browser(&mut self) -> &mut Browser {
        &mut self.browser
    }

    fn walk(&mut self, mut page: Page) -> Result<Page> {
        for _ in 0..MOST_PAGES {
            match self.go_on(&page)? {
                Some(next) => page = next,
                None => return Ok(page),
            }
        }
        bail!("after {MOST_PAGES} pages still at {page}")
    }

    /// Does what a page asks for; `None` if it asks for nothing.
    fn go_on(&mut self, page: &Page) -> Result<Option<Page>> {
        if let Some(complaint) = page::complaint(&page.body) {
            bail!("{page} says: {complaint}");
        }
        ensure!(page.status == 200, "{page}: {}", page::title(&page.body));
        if let Some(uri) = page::link(&page.body, |link| link.href.starts_with("otpauth://")) {
            self.app = Some(App { totp: Totp::from_url_unchecked(uri).context("the app's key")?, last: 0 });
            let next = page::link(&page.body, |link| link.class == "button").context("no way on from the QR code")?;
            return self.browser.follow(page, &next).map(Some);
        }
        let saving = page::has_class(&page.body, "codes");
        let Some(form) = page::forms(&page.body).into_iter().find(|form| saving || !form.asked.is_empty()) else {
            return Ok(None);
        };
        let fields = self.fill(&form).with_context(|| format!("the form of {page}"))?;
        self.browser.send(page, &form.action, &fields).map(Some)
    }

    fn fill(&mut self, form: &Form) -> Result<Vec<(String, String)>> {
        let mut fields = form.hidden.clone();
        for name in &form.asked {
            let value = match name.as_str() {
                "name" => self.name.clone(),
                "password" | "new_password" | "new_password_again" => self.password.clone(),
                "code" => self.app.as_mut().context("it asks for a code, but no app is connected")?.code(),
                _ => bail!("it asks for {name:?}, which nobody here knows"),
            };
            fields.push((name.clone(), value));
        }
        Ok(fields)
    }
}

/// A text in an answer of the portal.
fn text<'a>(answer: &'a Value, name: &str) -> Result<&'a str> {
    answer.get(name).and_then(Value::as_str).with_context(|| format!("no {name} in {answer}"))
}

/// An authenticator app with one key.
struct App {
    totp: Totp,
    /// The step of the last code: none works twice.
    last: u64,
}

impl App {
    /// A code that was not used yet. The gateway takes one step around its own, so the next one may be used early, and
    /// only the one after that is waited for.
    #[allow(clippy::disallowed_methods, reason = "nobody can make an app show its next code sooner")]
    fn code(&mut self) -> String {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let step = (now() / STEP).max(self.last + 1);
        let early = ((step - 1) * STEP).saturating_sub(now());
        std::thread::sleep(Duration::from_secs(early));
        self.last = step;
        self.totp.generate(step * STEP).to_string()
    }
}
