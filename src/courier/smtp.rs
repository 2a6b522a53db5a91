//! Mail over SMTP, encrypted unless the server is on this machine; knows no mailbox but the sender's.

use super::{Courier, Parcel, Undelivered, persist};
use crate::identity::Channel;
use crate::stdx::clock::Time;
use crate::stdx::secret::Secret;
use async_trait::async_trait;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use std::time::Duration;

/// The whole conversation. A server that greets slowly to keep robots away takes some seconds.
const LONGEST: Duration = Duration::from_secs(10);

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// TLS from the first byte (RFC 8314).
    Implicit,
    /// TLS after a word in the clear, or nothing.
    StartTls,
    /// None; for a server on this machine.
    None,
}

impl SmtpTls {
    /// Each with its word.
    pub const ALL: [(&'static str, SmtpTls); 3] =
        [("implicit", SmtpTls::Implicit), ("starttls", SmtpTls::StartTls), ("none", SmtpTls::None)];
}

/// Which server mail goes to.
#[derive(Clone, Debug, PartialEq)]
pub struct SmtpPlan {
    /// Its name, by which its certificate is judged, or its address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// From whom mail is.
    pub from: Mailbox,
    /// User and password, if it asks for them.
    pub login: Option<(String, Secret)>,
}

/// The server.
pub struct Smtp {
    from: Mailbox,
    receiver: String,
    /// An error if the system has no certificates to trust: every delivery says so.
    transport: Result<AsyncSmtpTransport<Tokio1Executor>, String>,
}

impl Smtp {
    /// The word in metrics and logs.
    pub const NAME: &str = "smtp";

    /// The server of a plan. Connects to nothing yet.
    pub fn new(plan: &SmtpPlan) -> Self {
        let from = plan.from.clone();
        let receiver = format!("smtp://{}:{}", plan.host, plan.port);
        Smtp { from, receiver, transport: transport(plan).map_err(|error| error.to_string()) }
    }

    fn message(&self, parcel: &Parcel, id: &str) -> Result<Message, Undelivered> {
        let lasting = |what: &dyn std::fmt::Display| Undelivered::Lasting(what.to_string());
        let to = parcel.to.as_ref().filter(|to| to.channel() == Channel::Mail);
        let to = to.ok_or_else(|| lasting(&"there is no mail address to send it to"))?;
        // The parser's words would repeat the address.
        let to: Address = to.address().parse().map_err(|_| lasting(&"it is no mail address"))?;
        let text = String::from_utf8_lossy(parcel.text.expose()).into_owned();
        let id = format!("<{id}@{}>", self.from.email.domain());
        let message = Message::builder().from(self.from.clone()).to(Mailbox::new(None, to)).message_id(Some(id));
        let message = message.subject(parcel.subject.clone()).header(ContentType::TEXT_PLAIN).body(text);
        message.map_err(|error| lasting(&error))
    }

    async fn send(&self, message: &Message) -> Result<(), Undelivered> {
        let transport = self.transport.as_ref().map_err(|error| Undelivered::Lasting(error.clone()))?;
        match tokio::time::timeout(LONGEST, transport.send(message.clone())).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if is_about_login(&error) => {
                Err(Undelivered::Lasting(coded(&error, "it refused the user or the password")))
            }
            // A server's words may repeat the recipient's address; its code says enough.
            Ok(Err(error)) if error.is_permanent() => Err(Undelivered::Lasting(coded(&error, "it refused the mail"))),
            Ok(Err(error)) if error.is_transient() => Err(Undelivered::Passing(coded(&error, "it put the mail off"))),
            Ok(Err(error)) if error.is_tls() => Err(Undelivered::Lasting(error.to_string())),
            Ok(Err(error)) => Err(Undelivered::Passing(error.to_string())),
            Err(_) => Err(Undelivered::Passing("it took too long".to_owned())),
        }
    }
}

#[async_trait]
impl Courier for Smtp {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn receiver(&self) -> String {
        self.receiver.clone()
    }

    async fn deliver(&self, parcel: &Parcel, id: &str, _now: Time) -> Result<(), Undelivered> {
        let message = self.message(parcel, id)?;
        persist(|| self.send(&message)).await
    }
}

/// Whether a server refused whoever logs in, and not the mail (RFC 4954 §6).
fn is_about_login(error: &lettre::transport::smtp::Error) -> bool {
    let code = error.status().map(|code| code.to_string());
    code.is_some_and(|code| ["530", "534", "535", "538"].contains(&code.as_str()))
}

fn coded(error: &lettre::transport::smtp::Error, what: &str) -> String {
    error.status().map_or_else(|| what.to_owned(), |code| format!("{what}: {code}"))
}

fn transport(plan: &SmtpPlan) -> Result<AsyncSmtpTransport<Tokio1Executor>, lettre::transport::smtp::Error> {
    let tls = match plan.tls {
        SmtpTls::Implicit => Tls::Wrapper(TlsParameters::new_rustls(plan.host.clone())?),
        SmtpTls::StartTls => Tls::Required(TlsParameters::new_rustls(plan.host.clone())?),
        SmtpTls::None => Tls::None,
    };
    let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(plan.host.clone());
    let builder = builder.port(plan.port).tls(tls).timeout(Some(LONGEST));
    let builder = match &plan.login {
        Some((user, password)) => {
            let password = String::from_utf8_lossy(password.expose().trim_ascii_end()).into_owned();
            builder.credentials(Credentials::new(user.clone(), password))
        }
        None => builder,
    };
    Ok(builder.build())
}
