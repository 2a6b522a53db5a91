//! A browser without a screen: keeps cookies by host, follows redirects, fills in forms, and sends what a browser sends.

use portcullis::stdx::clock::{Clock, ManualClock, Time};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

/// The password of everybody in these stories.
pub const PASSWORD: &str = "violet-otter-bridge-91";

/// One browser profile.
pub struct Browser {
    client: Client,
    clock: Arc<ManualClock>,
    /// Cookies by host and name.
    pub jar: HashMap<String, BTreeMap<String, String>>,
    /// The key of the authenticator app, base 32, once enrolled.
    pub app: Option<String>,
    /// Recovery codes, once shown.
    pub codes: Vec<String>,
    /// Header fields that go with every request, for example what a proxy in between adds.
    pub fields: Vec<(String, String)>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Page {
    pub url: String,
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: String,
}

impl Page {
    /// A header's value as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Path and query of where it came from.
    pub fn path(&self) -> &str {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        rest.find('/').map_or("/", |at| &rest[at..])
    }

    /// The whole address a redirect leads to.
    pub fn onward(&self) -> Option<String> {
        let to = self.header("location").filter(|_| (300..400).contains(&self.status))?;
        Some(if to.starts_with('/') { format!("{}{to}", self.origin()) } else { to.to_owned() })
    }

    fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        rest.split(['/', ':']).next().unwrap_or_default()
    }

    fn origin(&self) -> String {
        let (scheme, rest) = self.url.split_once("://").unwrap_or_default();
        format!("{scheme}://{}", rest.split('/').next().unwrap_or_default())
    }

    /// The form with this address, as its hidden fields.
    pub fn form(&self, action: &str) -> Vec<(String, String)> {
        let start = self
            .body
            .find(&format!("action=\"{action}\""))
            .unwrap_or_else(|| panic!("no form for {action} on {}: {} {}", self.url, self.status, self.body));
        let end = self.body[start..].find("</form>").map_or(self.body.len(), |at| start + at);
        let inputs = self.body[start..end].split("<input ").skip(1);
        inputs
            .filter(|input| input.contains("type=\"hidden\""))
            .filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value")?)))
            .collect()
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!("{name}=\""))? + name.len() + 2;
    let end = tag[start..].find('"')? + start;
    Some(tag[start..end].replace("&amp;", "&").replace("&quot;", "\"").replace("&lt;", "<"))
}

/// Every name leads to the gateway.
struct Everywhere(SocketAddr);

impl reqwest::dns::Resolve for Everywhere {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let address = self.0;
        Box::pin(async move {
            let all: reqwest::dns::Addrs = Box::new(std::iter::once(address));
            Ok(all)
        })
    }
}

impl Browser {
    pub fn new(gateway: SocketAddr, clock: Arc<ManualClock>) -> Self {
        Self::trusting(gateway, clock, &[])
    }

    /// A browser that trusts these certificates, PEM, and nobody else.
    pub fn trusting(gateway: SocketAddr, clock: Arc<ManualClock>, certificates: &[&str]) -> Self {
        // The client insists on a cryptography provider even where nothing is encrypted.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let trusted = certificates.iter().map(|pem| reqwest::Certificate::from_pem(pem.as_bytes()).expect("PEM"));
        let client = Client::builder().redirect(Policy::none()).dns_resolver(Arc::new(Everywhere(gateway)));
        let client = client.tls_certs_only(trusted).build().expect("a client");
        let (jar, codes, fields) = (HashMap::new(), Vec::new(), Vec::new());
        Browser { client, clock, jar, app: None, codes, fields }
    }

    /// Another browser that has everything this one has: what a thief of cookies has.
    pub fn stolen(&self) -> Self {
        Browser {
            client: self.client.clone(),
            clock: self.clock.clone(),
            jar: self.jar.clone(),
            app: self.app.clone(),
            codes: self.codes.clone(),
            fields: self.fields.clone(),
        }
    }

    /// Another browser of the same person: the same app and codes, no cookies.
    pub fn other(&self) -> Self {
        Browser { jar: HashMap::new(), ..self.stolen() }
    }

    /// Goes to an address as a person does, and follows redirects to the end.
    pub async fn visit(&mut self, url: &str) -> Page {
        let mut page = self.navigate(url).await;
        for _ in 0..12 {
            let Some(to) = page.onward() else { break };
            page = self.navigate(&to).await;
        }
        page
    }

    /// Goes to an address and stops at the first answer.
    pub async fn navigate(&mut self, url: &str) -> Page {
        let request = self.client.get(url);
        self.send(going(request, "none"), url).await
    }

    /// Goes to an address that a page of another site leads to.
    pub async fn follow_from_elsewhere(&mut self, url: &str) -> Page {
        let request = self.client.get(url);
        self.send(going(request, "cross-site"), url).await
    }

    /// Fetches an address as a script on the page, or a program, does.
    pub async fn fetch(&mut self, url: &str) -> Page {
        let request = self.client.get(url);
        self.send(request.header("accept", "application/json"), url).await
    }

    /// Any request with this profile's cookies.
    pub async fn request(&mut self, method: Method, url: &str, fields: &[(&str, &str)]) -> Page {
        let request = fields
            .iter()
            .fold(self.client.request(method, url), |request, (name, value)| request.header(*name, *value));
        self.send(request, url).await
    }

    /// The same with a body.
    pub async fn request_with(
        &mut self,
        (method, url): (Method, &str),
        fields: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Page {
        let request = self.client.request(method, url).body(body);
        let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request, url).await
    }

    /// Sends the form `action` of a page with what was typed, and follows redirects.
    pub async fn submit(&mut self, page: &Page, action: &str, typed: &[(&str, &str)]) -> Page {
        let answer = self.post(page, action, typed).await;
        match answer.onward() {
            Some(to) => self.visit(&to).await,
            None => answer,
        }
    }

    /// Sends the form and stops at the first answer.
    pub async fn post(&mut self, page: &Page, action: &str, typed: &[(&str, &str)]) -> Page {
        let origin = page.origin();
        let from = [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate"), ("origin", &*origin)];
        self.post_from(page, (action, typed), &from).await
    }

    /// Sends the form with these header fields instead of those of its own page.
    pub async fn post_from(
        &mut self,
        page: &Page,
        (action, typed): (&str, &[(&str, &str)]),
        from: &[(&str, &str)],
    ) -> Page {
        let mut fields = page.form(action);
        fields.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.send_form(&format!("{}{action}", page.origin()), &fields, from).await
    }

    /// Sends any form anywhere.
    pub async fn send_form(&mut self, url: &str, fields: &[(String, String)], from: &[(&str, &str)]) -> Page {
        let encode =
            |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let request = self.client.post(url);
        let typed = from.iter().any(|(name, _)| *name == "content-type");
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let request = if typed { request } else { request.header(kind.0, kind.1) };
        let request = from.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(body.join("&")), url).await
    }

    async fn send(&mut self, request: RequestBuilder, url: &str) -> Page {
        let mut page =
            Page { url: url.to_owned(), status: 0, headers: reqwest::header::HeaderMap::new(), body: String::new() };
        let cookies = self.jar.get(page.host()).map(|cookies| {
            cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
        });
        let request = match cookies.filter(|cookies| !cookies.is_empty()) {
            Some(cookies) => request.header("cookie", cookies),
            None => request,
        };
        let request = self.fields.iter().fold(request, |request, (name, value)| request.header(name, value));
        let request = request.header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0");
        let answer = request.send().await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
        page.status = answer.status().as_u16();
        page.headers = answer.headers().clone();
        page.body = answer.text().await.expect("a body");
        self.keep_cookies(&page);
        page
    }

    fn keep_cookies(&mut self, page: &Page) {
        let jar = self.jar.entry(page.host().to_owned()).or_default();
        for set in page.headers.get_all("set-cookie") {
            let text = set.to_str().expect("text");
            let (pair, attributes) = text.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a name and a value");
            if attributes.contains("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Opens an enrolment link and goes through every step; gives the page it ends on.
    pub async fn enrol(&mut self, link: &str) -> Page {
        let page = self.visit(link).await;
        let password = [("new_password", PASSWORD), ("new_password_again", PASSWORD)];
        let page = self.submit(&page, "/enrol", &password).await;
        self.enrol_app(page).await
    }

    /// From the page with the QR code to the end.
    pub async fn enrol_app(&mut self, page: Page) -> Page {
        let page = self.enrol_only_app(page).await;
        self.enrol_codes(&page).await
    }

    /// From the page with recovery codes to the end.
    pub async fn enrol_codes(&mut self, page: &Page) -> Page {
        self.codes = codes_on(page);
        self.submit(page, "/enrol", &[]).await
    }

    /// From the page with the QR code to the page after its first code.
    pub async fn enrol_only_app(&mut self, page: Page) -> Page {
        // Where something else would do too, it is chosen first.
        let page = match page.body.contains("name=\"factor\"") {
            true => self.submit(&page, "/enrol", &[("factor", "totp")]).await,
            false => page,
        };
        self.app = Some(secret_on(&page));
        let page = self.visit(&format!("{}/enrol/confirm", page.origin())).await;
        let code = self.code();
        self.submit(&page, "/enrol", &[("code", &code)]).await
    }

    /// What the authenticator app shows now.
    pub fn code(&self) -> String {
        let key = self.app.as_deref().expect("an authenticator app was enrolled");
        authenticator_code(key, self.clock.now())
    }

    /// The session that the gateway at `origin` knows this browser by, as its own JSON; `None` if it knows nobody.
    pub async fn who_am_i(&mut self, origin: &str) -> Option<serde_json::Value> {
        let answer = self.fetch(&format!("{origin}/.portcullis/session")).await;
        assert!(matches!(answer.status, 200 | 401), "{answer:?}");
        (answer.status == 200).then(|| serde_json::from_str(&answer.body).expect("JSON"))
    }

    /// Signs in with password and code from the sign-in page.
    pub async fn sign_in(&mut self, page: &Page, name: &str) -> Page {
        let page = self.submit(page, "/sign-in", &[("name", name), ("password", PASSWORD)]).await;
        let code = self.code();
        self.submit(&page, "/sign-in/code", &[("code", &code)]).await
    }
}

/// What a browser says that goes somewhere.
fn going(request: RequestBuilder, site: &str) -> RequestBuilder {
    let request = request.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
    request.header("sec-fetch-site", site)
}

/// What an authenticator app with this key, base 32, shows at that time.
pub fn authenticator_code(key: &str, now: Time) -> String {
    let secret = data_encoding::BASE32_NOPAD.decode(key.as_bytes()).expect("base 32");
    let totp = totp_rs::Builder::new().with_secret(secret).build().expect("a TOTP");
    totp.generate(now.secs()).to_string()
}

fn secret_on(page: &Page) -> String {
    let start = page.body.find("secret=").unwrap_or_else(|| panic!("no key on {}: {}", page.url, page.body)) + 7;
    page.body[start..].chars().take_while(char::is_ascii_alphanumeric).collect()
}

fn codes_on(page: &Page) -> Vec<String> {
    let mut codes = Vec::new();
    for part in page.body.split("<code>").skip(1) {
        codes.push(part.split('<').next().unwrap_or_default().to_owned());
    }
    codes
}
