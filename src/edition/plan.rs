//! What a configuration comes to after every default was applied and every reference resolved; knows no file.

use crate::courier::{SmtpPlan, WebhookPlan};
use crate::factor::message::Template;
use crate::factor::passkey::Rules;
use crate::identity::{Channel, SessionRules};
use crate::listen::{Certified, ConnectionLimits, ListenPlan};
use crate::oauth::ClientId;
use crate::policy::Policy;
use crate::pool::PoolPlan;
use crate::route::{Headers, HostPattern, Methods, PathPattern};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A whole configuration.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Read once at start.
    pub gateway: GatewayPlan,
    /// What listens where. At least one.
    pub listeners: Vec<ListenPlan>,
    /// Caps and deadlines of connections.
    pub limits: ConnectionLimits,
    /// Certificates, loaded and checked.
    pub certificates: Vec<Arc<Certified>>,
    /// Where people sign in; `None` if every route is open.
    pub portal: Option<PortalPlan>,
    /// How programs come by tokens.
    pub oauth: OauthPlan,
    /// When sessions end.
    pub sessions: SessionRules,
    /// Ways of proving identity.
    pub factors: FactorPlan,
    /// Where news for people go; `None`: only to where their codes go.
    pub notice: Option<WebhookPlan>,
    /// Every policy, the built-in ones among them, by name.
    pub policies: Vec<Arc<Policy>>,
    /// Every pool, by name.
    pub pools: Vec<PoolPlan>,
    /// Every route.
    pub routes: Vec<Arc<RoutePlan>>,
}

impl Plan {
    /// The port that `https://` addresses need, if it is not the usual one.
    pub fn https_port(&self) -> Option<u16> {
        let port = self.listeners.iter().find(|listener| listener.tls)?.address.port();
        (port != 443).then_some(port)
    }

    /// Whether some route of a host needs a session. The portal's own host is never under a route, whatever wildcard has it.
    pub fn protects(&self, host: &str) -> bool {
        self.portal.as_ref().is_some_and(|portal| portal.host != host)
            && self.routes.iter().any(|route| route.policy.needs_session() && route.host.matches(host))
    }

    /// Whether browsers that ask for one of `hosts` over TLS are refused for want of a certificate. Where a trusted proxy
    /// may end TLS in front of a plain listener, that is the proxy's matter.
    pub fn lacks_certificate(&self, hosts: &HostPattern) -> bool {
        let plain = self.listeners.iter().any(|listener| !listener.tls && !listener.redirect_to_https);
        let proxied = plain && !self.gateway.trusted_proxies.0.is_empty();
        let secure = self.listeners.iter().any(|listener| listener.tls);
        // Who connects to an address asks for no name, and gets the first certificate.
        let named = hosts.name().trim_matches(['[', ']']).parse::<IpAddr>().is_err();
        let mut names = self.certificates.iter().flat_map(|certified| certified.names());
        secure && !proxied && named && !names.any(|name| is_certified(hosts, name))
    }
}

/// Whether a certificate's name, which may be a wildcard of one label, is for any of `hosts`.
pub fn is_certified(hosts: &HostPattern, name: &str) -> bool {
    match (hosts.is_wildcard(), name.strip_prefix("*.")) {
        (false, None) => hosts.name() == name,
        (false, Some(parent)) => hosts.name().split_once('.').is_some_and(|(_, rest)| rest == parent),
        (true, None) => hosts.matches(name),
        (true, Some(parent)) => hosts.matches(&format!("any.{parent}")),
    }
}

/// `[gateway]` and `[admin]`: read once at start; a change needs a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayPlan {
    /// Where the embedded store and the keys live.
    pub state: PathBuf,
    /// Threads that connections live on; 0: one for each core.
    pub threads: usize,
    /// How long connections may take to end at a stop.
    pub drain: Duration,
    /// The operator's HTTP listener.
    pub admin: Option<SocketAddr>,
    /// The operator's socket.
    pub admin_socket: Option<PathBuf>,
    /// Whose `Forwarded` and `X-Forwarded-*` are believed. Changes with a reload.
    pub trusted_proxies: TrustedProxies,
    /// Whether requests are logged, one line each. Changes with a reload.
    pub access_log: bool,
    /// The least important lines that are logged.
    pub log_level: tracing::Level,
}

impl GatewayPlan {
    /// Keeps what is read only at start as it was at the start.
    pub fn keep_started(&mut self, started: &GatewayPlan) {
        self.state.clone_from(&started.state);
        self.threads = started.threads;
        self.log_level = started.log_level;
        self.admin = started.admin;
        self.admin_socket.clone_from(&started.admin_socket);
    }
}

/// Networks whose forwarding headers are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(pub Vec<IpNet>);

impl TrustedProxies {
    /// Whether `address` is in one of them.
    pub fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// `[portal]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalPlan {
    /// `https` or, on `localhost` and below it, `http`.
    pub scheme: &'static str,
    /// The portal's host, canonical, without a port.
    pub host: String,
    /// The port, if the origin names one.
    pub port: Option<u16>,
    /// `scheme://host[:port]`.
    pub origin: String,
    /// What the pages call the organisation.
    pub name: String,
}

/// `[oauth]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OauthPlan {
    /// The names that programs may go by; `None`: any.
    pub clients: Option<Vec<ClientId>>,
    /// How long access tokens are good for.
    pub access: Duration,
    /// How long somebody may take to approve a device.
    pub device_code: Duration,
}

/// `[factor.*]`.
#[derive(Clone, Debug, PartialEq)]
pub struct FactorPlan {
    /// `[factor.password]`.
    pub password: Option<PasswordPlan>,
    /// `[factor.totp]`.
    pub totp: Option<TotpPlan>,
    /// `[factor.passkey]`.
    pub passkey: Option<PasskeyPlan>,
    /// `[factor.message]`.
    pub message: Option<MessagePlan>,
    /// `[factor.recovery_code]`.
    pub recovery_code: bool,
}

/// `[factor.message]`. At least one of the two ways is there, and one of them serves each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct MessagePlan {
    /// The operator's service.
    pub webhook: Option<WebhookPlan>,
    /// The mail server.
    pub smtp: Option<SmtpPlan>,
    /// Where codes may be sent.
    pub channels: Vec<Channel>,
    /// Digits of a code.
    pub digits: u32,
    /// How many may be sent within an hour for one source.
    pub per_source: u32,
    /// What is sent.
    pub text: Template,
    /// What mail has above it.
    pub subject: Template,
}

/// `[factor.password]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordPlan {
    /// Fewest characters.
    pub min_length: usize,
}

/// `[factor.totp]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotpPlan {
    /// What authenticator apps show beside the code.
    pub issuer: String,
}

/// `[factor.passkey]`.
#[derive(Clone, Debug, PartialEq)]
pub struct PasskeyPlan {
    /// The domain that passkeys are bound to.
    pub rp_id: String,
    /// Which passkeys count.
    pub rules: Rules,
}

/// One `[[route]]`.
#[derive(Clone, Debug)]
pub struct RoutePlan {
    /// Its position in [`Plan::routes`].
    pub number: usize,
    /// Its name in logs and explanations; unique.
    pub name: Arc<str>,
    /// Which hosts.
    pub host: HostPattern,
    /// Which paths.
    pub path: PathPattern,
    /// Which methods.
    pub methods: Methods,
    /// Which headers.
    pub headers: Headers,
    /// Where requests go.
    pub pool: Arc<str>,
    /// Who may pass.
    pub policy: Arc<Policy>,
    /// Where it is written, as `FILE:LINE`.
    pub place: String,
}
