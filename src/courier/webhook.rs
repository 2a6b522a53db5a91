//! A signed request to the operator's own service, which passes the message on; knows no provider.
//!
//! The signature is that of the Standard Webhooks specification: HMAC-SHA-256 over `ID.TIMESTAMP.BODY`.

use super::{Courier, Parcel, Undelivered, persist};
use crate::stdx::clock::Time;
use crate::stdx::secret::Secret;
use async_trait::async_trait;
use aws_lc_rs::hmac;
use data_encoding::BASE64;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use std::time::Duration;
use url::{Host, Url};
use zeroize::Zeroizing;

/// From connecting to the answer's header. Whoever waits for a code looks at the page meanwhile.
const LONGEST: Duration = Duration::from_secs(5);

/// What a token begins with whose rest is the key in base 64, as the specification writes them.
const ENCODED: &str = "whsec_";

/// The shortest key, in bytes: 128 bits. The specification makes them of 24 at least.
const LEAST_KEY: usize = 16;

/// Where a webhook is, and what it is signed with.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookPlan {
    /// `https`, or `http` on this machine.
    pub url: Url,
    /// The shared secret.
    pub token: Secret,
}

impl WebhookPlan {
    /// Whether a message, and the code in it, would cross a network in the clear or be sent along with a password.
    pub fn is_safe(url: &Url) -> bool {
        let own = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return false,
        };
        own && (url.scheme() == "https" || (url.scheme() == "http" && here))
    }

    /// What is wrong with a token; `None` if requests can be signed with it.
    pub fn fault(token: &Secret) -> Option<&'static str> {
        let plain = token.expose().trim_ascii();
        let key = match plain.strip_prefix(ENCODED.as_bytes()) {
            Some(rest) => BASE64.decode(rest).map(Zeroizing::new),
            None => Ok(Zeroizing::new(plain.to_vec())),
        };
        match key {
            Err(_) => Some("it begins with whsec_, and what follows is no base 64: was it copied whole?"),
            Ok(key) if key.len() < LEAST_KEY => Some("the key in it is shorter than 16 bytes, and could be guessed"),
            Ok(_) => None,
        }
    }
}

/// The webhook.
pub struct Webhook {
    url: Url,
    key: hmac::Key,
    /// `None` if the system has no certificates to trust: every delivery says so.
    client: Result<Client, String>,
}

impl Webhook {
    /// The word in metrics and logs.
    pub const NAME: &str = "webhook";

    /// The webhook of a plan. Connects to nothing yet.
    pub fn new(plan: &WebhookPlan) -> Self {
        // The client takes its cryptography from the process; the first to say which wins, and nobody says another.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder().redirect(Policy::none()).no_proxy().timeout(LONGEST).connect_timeout(LONGEST);
        let client = client.user_agent("portcullis").build().map_err(|error| error.to_string());
        Webhook { url: plan.url.clone(), key: key(&plan.token), client }
    }

    async fn post(&self, id: &str, body: &Zeroizing<Vec<u8>>, now: Time) -> Result<(), Undelivered> {
        let client = self.client.as_ref().map_err(|error| Undelivered::Lasting(error.clone()))?;
        let stamp = now.secs().to_string();
        let request = client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", &stamp)
            .header("webhook-signature", signature(&self.key, (id, &stamp), body))
            .body(body.to_vec());
        // Without its address, which may hold a provider's key.
        let unreached = |error: reqwest::Error| Undelivered::Passing(causes(&error.without_url()));
        let answer = request.send().await.map_err(unreached)?;
        // The answer's body is not read: whatever is in it, nothing follows from it.
        match answer.status() {
            status if status.is_success() => Ok(()),
            status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
                Err(Undelivered::Passing(format!("it answered {}", status.as_u16())))
            }
            status => Err(Undelivered::Lasting(format!("it answered {}", status.as_u16()))),
        }
    }
}

#[async_trait]
impl Courier for Webhook {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn receiver(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    async fn deliver(&self, parcel: &Parcel, id: &str, now: Time) -> Result<(), Undelivered> {
        let body = body(parcel);
        // The same name at every try, so that the receiver can drop what it has already.
        persist(|| self.post(id, &body, now)).await
    }
}

/// The key that a token stands for. Files mostly end with a line break, which nobody means.
fn key(token: &Secret) -> hmac::Key {
    let plain = token.expose().trim_ascii();
    let encoded = plain.strip_prefix(ENCODED.as_bytes()).and_then(|rest| BASE64.decode(rest).ok()).map(Zeroizing::new);
    hmac::Key::new(hmac::HMAC_SHA256, encoded.as_ref().map_or(plain, |decoded| decoded.as_slice()))
}

fn signature(key: &hmac::Key, (id, stamp): (&str, &str), body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(key);
    for part in [id.as_bytes(), b".", stamp.as_bytes(), b".", body] {
        context.update(part);
    }
    format!("v1,{}", BASE64.encode(context.sign().as_ref()))
}

fn body(parcel: &Parcel) -> Zeroizing<Vec<u8>> {
    let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
    let mut fields = serde_json::Map::new();
    fields.insert("kind".to_owned(), parcel.sort.word().into());
    if let Some(to) = &parcel.to {
        fields.insert("to".to_owned(), to.address().into());
        fields.insert("channel".to_owned(), to.channel().word().into());
    }
    fields.insert("subject".to_owned(), parcel.subject.as_str().into());
    fields.insert("text".to_owned(), text(&parcel.text).into());
    fields.extend(parcel.fields.iter().map(|(name, value)| ((*name).to_owned(), text(value).into())));
    Zeroizing::new(serde_json::Value::Object(fields).to_string().into_bytes())
}

/// An error with all that caused it, on one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_specifications_example() {
        let key = key(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"));
        let body = br#"{"test": 2432232314}"#;
        let signed = signature(&key, ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330"), body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_never_answers_is_given_up_in_time() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", silent.local_addr().expect("bound"));
        let plan = WebhookPlan { url: Url::parse(&url).expect("an address"), token: Secret::new("token") };
        let sort = super::super::Sort::Code;
        let parcel = Parcel {
            sort,
            code: None,
            account: None,
            to: None,
            subject: String::new(),
            text: Secret::new("1"),
            fields: Vec::new(),
        };
        let began = tokio::time::Instant::now();
        let outcome = Webhook::new(&plan).deliver(&parcel, "msg_1", Time::EPOCH).await;
        assert!(matches!(outcome, Err(Undelivered::Passing(_))), "{outcome:?}");
        assert!(began.elapsed() <= Duration::from_secs(18), "{:?}", began.elapsed());
        assert!(began.elapsed() >= super::super::PAUSES.iter().sum::<Duration>(), "{:?}", began.elapsed());
    }

    #[test]
    fn nothing_is_sent_in_the_clear_beyond_this_machine() {
        let safe = |text: &str| WebhookPlan::is_safe(&Url::parse(text).expect("an address"));
        for text in ["https://sms.example.com/x?y=z", "http://localhost:1/", "http://127.0.0.7/", "http://[::1]/a"] {
            assert!(safe(text), "{text}");
        }
        for text in ["http://sms.example.com/", "http://10.0.0.1/", "ftp://localhost/", "https://a:b@example.com/"] {
            assert!(!safe(text), "{text}");
        }
    }
}
