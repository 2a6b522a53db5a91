//! Pages and forms for people: signing in, stepping up, enrolling, looking after sessions, and the few addresses that
//! are ours on every host. Cold: nothing here is on a forwarded request's way.

pub mod page;

mod account;
mod ask;
mod because;
mod device;
mod enrol;
mod hand_off;
mod kept_form;
mod known;
mod lost;
mod message;
mod news;
mod oauth;
mod own;
mod passkey;
mod recovered;
mod respond;
mod send;
mod sign_in;
mod sign_out;
mod steps;

pub use ask::{Ask, Form, form_limit};
pub use kept_form::KEPT_FORM_PATH;
pub use message::refusal;

use crate::audit::Recorder;
use crate::edition::PortalPlan;
use crate::factor::Rejection;
use crate::identity::SessionRules;
use crate::login::{Login, Stop};
use crate::oauth::Grants;
use crate::reply::{Answer, Remark};
use crate::session::cookie::Name;
use crate::session::{HandOffs, Keeper, KeptForms, LiveSession, Reader, Reading, SessionToken};
use crate::stdx::digest::Mac;
use crate::stdx::sparing::Sparing;
use crate::token::{Keyring, Proofs, Tickets};
use http::{Method, StatusCode};
use page::Ended;
use std::sync::Arc;

/// What the portal works with.
pub struct Portal {
    /// The rules of signing in.
    pub login: Arc<Login>,
    /// Live sessions.
    pub reader: Arc<Reader>,
    /// The writer of sessions.
    pub keeper: Keeper,
    /// What programs are granted.
    pub grants: Grants,
    /// Proofs that go with tokens.
    pub proofs: Arc<Proofs>,
    /// Codes that carry sessions to other hosts.
    pub hand_offs: HandOffs,
    /// Forms that wait for a proof.
    pub kept_forms: Arc<KeptForms>,
    /// Return addresses.
    pub tickets: Arc<Tickets>,
    /// Published keys.
    pub keys: Arc<Keyring>,
    /// Ties forms to the browsers they were sent to.
    pub forms: Mac,
    /// Security events.
    pub recorder: Recorder,
    /// When it is told again that the store cannot be asked.
    pub store_down: Sparing,
}

/// What every page's logic gives: an answer, or why there is none; [`message`] has a page for each reason.
type Outcome = Result<Answer, Trouble>;

/// Why a page's logic gave up.
enum Trouble {
    /// A step of a sign-in or enrolment did not lead further.
    Stop(Stop),
    /// The form did not come from us, or from another browser.
    Foreign,
    /// The browser was given cookies and sends none.
    NoCookies,
    /// There is no set-up under way, for whoever has nothing but a link.
    SetUpEnded,
    /// The same, or the browser keeps no cookies.
    SetUpLost,
    /// There is none under way, for somebody who is signed in.
    ChangeEnded,
    /// There is no such page.
    NoPage,
    /// The page exists, the method does not.
    NoMethod(&'static str),
}

/// The word in the log for a limit of tries or messages that is reached.
const THROTTLED: &str = "throttled";

impl Trouble {
    /// The word in the log; `None` for an address that nothing is at.
    fn word(&self) -> Option<&'static str> {
        match self {
            Trouble::Stop(Stop::Gone) => Some("attempt-over"),
            Trouble::Stop(Stop::Rejected(Rejection::Wait(_))) => Some(THROTTLED),
            Trouble::Stop(Stop::Rejected(_)) => Some("rejected"),
            Trouble::Stop(Stop::Down(_)) => Some("store-unavailable"),
            Trouble::Foreign => Some("foreign-form"),
            Trouble::NoCookies => Some("no-cookies"),
            Trouble::SetUpEnded | Trouble::SetUpLost | Trouble::ChangeEnded => Some("set-up-over"),
            Trouble::NoPage | Trouble::NoMethod(_) => None,
        }
    }
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Trouble::Stop(stop)
    }
}

impl From<crate::login::Unavailable> for Trouble {
    fn from(error: crate::login::Unavailable) -> Self {
        Trouble::Stop(Stop::Down(error))
    }
}

impl Portal {
    /// Whether the portal answers this request: everything on its own host, and a few addresses on every host.
    pub fn answers(ask_path: &str, on_portal: OnPortal) -> bool {
        on_portal == OnPortal::Yes || ask_path.starts_with("/.portcullis/")
    }

    /// Answers a request.
    pub async fn answer(&self, ask: &Ask<'_>) -> Answer {
        let outcome = match (own::is_own(ask.path), ask.portal) {
            (true, _) => self.own(ask).await,
            (false, Some(portal)) => self.page(ask, portal).await,
            (false, None) if ask.path == oauth::RESOURCE => Ok(oauth::resource(ask)),
            (false, None) => Err(Trouble::NoPage),
        };
        let word = outcome.as_ref().err().and_then(Trouble::word);
        let answer = outcome.unwrap_or_else(|trouble| {
            self.complain(ask, &trouble);
            message::trouble(ask, trouble)
        });
        let word = word.or_else(|| (answer.status == StatusCode::TOO_MANY_REQUESTS).then_some(THROTTLED));
        match word.filter(|_| answer.remark.is_none()) {
            Some(word) => answer.with_remark(Remark { refused: Some(word), ..Remark::default() }),
            None => answer,
        }
    }

    /// Anybody who asks can cause it, so it is told sparingly, with the names that the access log uses.
    fn complain(&self, ask: &Ask<'_>, trouble: &Trouble) {
        if let Trouble::Stop(Stop::Down(error)) = trouble
            && self.store_down.due()
        {
            let (request, client, host) = (&*ask.request, ask.client, ask.host);
            tracing::warn!(request, %client, host, %error, "the portal could not ask the store");
        }
    }

    async fn page(&self, ask: &Ask<'_>, portal: &PortalPlan) -> Outcome {
        let path: Vec<&str> = ask.path.trim_start_matches('/').split('/').collect();
        let (get, post) = (ask.method == Method::GET || ask.method == Method::HEAD, ask.method == Method::POST);
        match path.as_slice() {
            [""] if get => self.my_account(ask, portal).await,
            ["sign-in"] if get => self.start(ask, portal).await,
            ["sign-in"] if post => self.first_factor(ask, portal).await,
            ["sign-in", "another"] if get => self.another_way(ask, portal).await,
            ["sign-in", step] if get => self.next_factor(ask, portal, step).await,
            ["sign-in", step] if post => self.answer_factor(ask, portal, step).await,
            ["sign-in", step, "send"] if post => self.send_code(ask, portal, step).await,
            ["passkey", "options"] if post => self.passkey_options(ask).await,
            ["passkey", "options"] => Err(Trouble::NoMethod("POST")),
            ["enrol", "choose"] if get => self.enrolment(ask, portal).await,
            ["enrol"] | ["enrol", "confirm"] if get => self.enrolment(ask, portal).await,
            ["enrol"] | ["enrol", "confirm"] if post => self.enrol_step(ask, portal).await,
            ["enrol", token] if get => self.follow_link(ask, token).await,
            ["account", rest @ ..] if get => self.account_page(ask, portal, rest).await,
            ["account", rest @ ..] if post => self.account_action(ask, portal, rest).await,
            ["sign-out"] if get => self.ask_sign_out(ask, portal).await,
            ["sign-out"] if post => self.sign_out(ask, portal).await,
            ["signed-out"] if get => self.signed_out(ask, portal, Ended::Here).await,
            ["signed-out", "everywhere"] if get => self.signed_out(ask, portal, Ended::Everywhere).await,
            [".well-known", "jwks.json"] if get => Ok(self.jwks()),
            [".well-known", "oauth-authorization-server"] if get => Ok(oauth::server(portal)),
            ["device"] if get => self.device(ask, portal).await,
            ["device"] if post => self.answer_device(ask, portal).await,
            ["oauth", "authorize"] if get => self.authorize(ask, portal).await,
            ["oauth", "authorize"] if post => self.answer_authorize(ask, portal).await,
            ["oauth", "device_authorization"] if post => Ok(self.device_authorization(ask, portal).await),
            ["oauth", "token"] if post => Ok(self.token(ask, portal).await),
            ["oauth", "revoke"] if post => Ok(self.revoke(ask, portal).await),
            ["oauth", "device_authorization" | "token" | "revoke"] => Err(Trouble::NoMethod("POST")),
            ["device" | "oauth", ..] if !get && !post => Err(Trouble::NoMethod("GET, HEAD, POST")),
            ["" | "sign-in" | "enrol" | "account" | "sign-out" | "signed-out", ..] => {
                Err(Trouble::NoMethod("GET, HEAD, POST"))
            }
            _ => Err(Trouble::NoPage),
        }
    }

    /// The live session that a request carries for its host.
    async fn session(&self, ask: &Ask<'_>) -> Result<Option<Arc<LiveSession>>, Trouble> {
        let Some(token) = ask.cookie(Name::Session).and_then(SessionToken::parse) else { return Ok(None) };
        let (token, host, now) = (token.hash(), ask.host, ask.now);
        let rules: SessionRules = ask.rules;
        Ok(self.reader.read(Reading { token: &token, host, now, rules }).await?)
    }
}

/// Whether a request came to the portal's own host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnPortal {
    /// It did.
    Yes,
    /// It came to another.
    No,
}
