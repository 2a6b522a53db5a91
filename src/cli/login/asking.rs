//! Asks a gateway over HTTP: times out, follows nothing, reads no more than fits, sends proofs and learns their nonces;
//! knows not what the answers mean.

use super::aim::{Origin, is_local_name};
use super::challenge::{self, Challenge};
use super::proof::{ProofKey, Proving};
use crate::cli::ending::Stopped;
use crate::cli::output::harmless;
use crate::stdx::clock::{Clock, SystemClock};
use crate::stdx::secret::Secret;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, Method};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use url::Url;
use zeroize::Zeroizing;

/// How long a connection may take: beyond it, nobody is there.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a whole answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// The longest answer, in bytes: metadata and tokens have some thousand.
const LONGEST: usize = 64 * 1024;

/// The longest file with roots to trust, in bytes: a whole system's store has a quarter of it.
const LONGEST_ROOTS: u64 = 1024 * 1024;

const DPOP: HeaderName = HeaderName::from_static("dpop");
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Asks gateways.
pub struct Http {
    client: Client,
    /// The last nonce that each origin gave (RFC 9449 §8). Written with each answer, read for each proof.
    nonces: HashMap<String, String>,
}

/// What is asked.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// For what, as it stands in a sentence: `tokens`.
    pub what: &'a str,
    /// Where.
    pub url: &'a Url,
    /// What is posted; nothing is fetched by `GET`.
    pub form: Option<&'a [(&'a str, &'a str)]>,
    /// The key that is proved.
    pub key: Option<&'a ProofKey>,
    /// The access token that goes with it.
    pub token: Option<&'a Secret>,
}

impl<'a> Asking<'a> {
    /// Fetches something.
    pub fn get(what: &'a str, url: &'a Url) -> Self {
        Asking { what, url, form: None, key: None, token: None }
    }

    /// Posts a form.
    pub fn post(what: &'a str, url: &'a Url, form: &'a [(&'a str, &'a str)]) -> Self {
        Asking { form: Some(form), ..Self::get(what, url) }
    }

    fn method(&self) -> Method {
        if self.form.is_some() { Method::POST } else { Method::GET }
    }

    /// Who is asked for what.
    fn sentence(&self) -> String {
        format!("asking {} for {}", self.url.origin().ascii_serialization(), self.what)
    }
}

/// What came back.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What it asks for.
    pub challenges: Vec<Challenge>,
    body: Zeroizing<Vec<u8>>,
    asked: String,
}

/// An error as authorization servers write it (RFC 6749 §5.2).
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Refused {
    /// Its word.
    pub error: String,
    /// What may help.
    #[serde(default)]
    pub error_description: String,
}

/// A refusal as gateways explain it (RFC 9457).
#[derive(Default, Deserialize)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
}

impl Answer {
    /// The document in it.
    ///
    /// # Errors
    /// If it is none, or lacks something.
    pub fn json<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        let unread = |error: serde_json::Error| {
            anyhow::anyhow!(
                "{}: the answer ({}) cannot be read: {}",
                self.asked,
                self.status,
                harmless(&error.to_string())
            )
        };
        serde_json::from_slice(&self.body).map_err(unread)
    }

    /// The error in it; empty if there is none.
    pub fn refused(&self) -> Refused {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The sentence of the problem in it; `None` if there is none.
    pub fn sentence(&self) -> Option<String> {
        let Problem { title, detail } = serde_json::from_slice(&self.body).unwrap_or_default();
        detail.or(title).as_deref().map(harmless)
    }

    /// That it is not the answer that was hoped for.
    pub fn unexpected(&self) -> anyhow::Error {
        let Refused { error, error_description } = self.refused();
        let said = match (error.as_str(), error_description.as_str()) {
            ("", _) => self.sentence().unwrap_or_else(|| "and does not say why".to_owned()),
            (error, "") => harmless(error),
            (error, description) => format!("{}: {}", harmless(error), harmless(description)),
        };
        anyhow::anyhow!("{}: it answered {}, {said}", self.asked, self.status)
    }

    fn wants_nonce(&self) -> bool {
        let word = "use_dpop_nonce";
        self.challenges.iter().any(|challenge| challenge.get("error") == Some(word)) || self.refused().error == word
    }
}

impl Http {
    /// A client that trusts the system's roots and those in a file. Where nothing is encrypted there are no roots and no
    /// proxy: what is said on this machine stays on it.
    ///
    /// # Errors
    /// If the file has no certificates, or there is no client to be had.
    pub fn open(origin: &Origin, roots: Option<&Path>) -> anyhow::Result<Self> {
        // That there is one already is as good.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let roots = roots.map_or_else(|| Ok(Vec::new()), read_roots)?;
        let client = Client::builder()
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            // A secret that is good once must not be sent on a connection that may have been closed meanwhile.
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(Names));
        let client = match origin.is_plain() {
            true => client.no_proxy().tls_certs_only([]),
            false => client.https_only(true).tls_certs_merge(roots),
        };
        let client = client.build().map_err(|error| anyhow::Error::new(error).context("TLS cannot be set up"))?;
        Ok(Http { client, nonces: HashMap::new() })
    }

    /// Asks, and a second time if the server wants a nonce to be proved that it has just given.
    ///
    /// # Errors
    /// If no answer comes, or one that is too long.
    pub async fn ask(&mut self, asking: &Asking<'_>) -> anyhow::Result<Answer> {
        let answer = self.ask_once(asking).await?;
        let proves = asking.key.is_some();
        if proves && answer.wants_nonce() { self.ask_once(asking).await } else { Ok(answer) }
    }

    /// The nonce that an address's origin wants to see in a proof.
    pub fn nonce(&self, url: &Url) -> Option<&str> {
        self.nonces.get(&url.origin().ascii_serialization()).map(String::as_str)
    }

    async fn ask_once(&mut self, asking: &Asking<'_>) -> anyhow::Result<Answer> {
        let mut request = self.client.request(asking.method(), asking.url.clone());
        if let Some(form) = asking.form {
            request = request.form(form);
        }
        let request = request.headers(self.proofs(asking)?);
        let failed = |error| failure(error).context(asking.sentence());
        let mut response = request.send().await.map_err(failed)?;
        self.learn(asking.url, response.headers());
        let fields = response.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenges = fields.filter_map(|field| field.to_str().ok()).flat_map(challenge::parse).collect();
        let mut body = Zeroizing::new(Vec::with_capacity(LONGEST));
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > LONGEST {
                anyhow::bail!("{}: the answer is longer than {} KiB", asking.sentence(), LONGEST / 1024);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status: response.status().as_u16(), challenges, body, asked: asking.sentence() })
    }

    fn proofs(&self, asking: &Asking<'_>) -> anyhow::Result<HeaderMap> {
        let mut fields = HeaderMap::new();
        if let Some(token) = asking.token {
            fields.insert(AUTHORIZATION, sensitive(&authorization(asking.key, token)?)?);
        }
        if let Some(key) = asking.key {
            let (method, nonce, now) = (&asking.method(), self.nonce(asking.url), SystemClock.now());
            let proof = key.prove(&Proving { method, url: asking.url, token: asking.token, nonce, now })?;
            fields.insert(DPOP, sensitive(&proof)?);
        }
        Ok(fields)
    }

    fn learn(&mut self, url: &Url, fields: &HeaderMap) {
        if let Some(nonce) = fields.get(DPOP_NONCE).and_then(|nonce| nonce.to_str().ok()) {
            self.nonces.insert(url.origin().ascii_serialization(), nonce.to_owned());
        }
    }
}

/// What goes into the `Authorization` field: bound tokens have a scheme of their own (RFC 9449 §7.1).
///
/// # Errors
/// If the token is no text.
pub fn authorization(key: Option<&ProofKey>, token: &Secret) -> anyhow::Result<Zeroizing<String>> {
    let scheme = if key.is_some() { "DPoP" } else { "Bearer" };
    Ok(Zeroizing::new(format!("{scheme} {}", token.expose_text()?)))
}

fn sensitive(value: &str) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::from_str(value)?;
    value.set_sensitive(true);
    Ok(value)
}

fn read_roots(file: &Path) -> anyhow::Result<Vec<Certificate>> {
    let refused = |why: String| Stopped::misuse(format!("--ca {}: {why}", file.display()));
    let found = std::fs::metadata(file).map_err(|error| refused(error.to_string()))?;
    if !found.is_file() || found.len() > LONGEST_ROOTS {
        return Err(refused("it is no file with certificates".to_owned()));
    }
    let text = std::fs::read(file).map_err(|error| refused(error.to_string()))?;
    let roots = Certificate::from_pem_bundle(&text).map_err(|error| refused(error.to_string()))?;
    if roots.is_empty() { Err(refused("there is no certificate in it (PEM)".to_owned())) } else { Ok(roots) }
}

/// Why no answer came, in a sentence.
fn failure(error: reqwest::Error) -> anyhow::Error {
    if error.is_timeout() {
        return match error.is_connect() {
            true => anyhow::anyhow!("no connection within {} seconds", CONNECT.as_secs()),
            false => anyhow::anyhow!("no answer within {} seconds", ANSWER.as_secs()),
        };
    }
    let error = anyhow::Error::new(error.without_url());
    let deepest = error.root_cause().to_string();
    match deepest.contains("certificate") {
        true => anyhow::anyhow!("{deepest}; if its root is your own, give it with --ca FILE"),
        false => anyhow::anyhow!("{deepest}"),
    }
}

/// Names as the system knows them, but `localhost` and what is below it, which is this machine whatever the system says.
struct Names;

impl reqwest::dns::Resolve for Names {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async move {
            let name = name.as_str();
            let found: Vec<SocketAddr> = match is_local_name(name) {
                true => vec![(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()],
                false => tokio::net::lookup_host((name, 0)).await?.collect(),
            };
            let all: reqwest::dns::Addrs = Box::new(found.into_iter());
            Ok(all)
        })
    }
}
