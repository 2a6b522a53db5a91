//! From an origin to the authorization server before it (RFC 9728, RFC 8414); believes only what fits where it was found.

use super::aim::Origin;
use super::asking::{Asking, Http};
use super::proof::ALGORITHM;
use crate::cli::ending::Stopped;
use crate::cli::output::harmless;
use serde::Deserialize;
use url::Url;

/// Where a host says who issues tokens for it (RFC 9728 §3).
const RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// Where an authorization server says what it can (RFC 8414 §3).
const SERVER: &str = "/.well-known/oauth-authorization-server";

/// An authorization server, as far as it is needed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its identifier, and the origin that all of it is on.
    pub issuer: Origin,
    /// Where tokens come from.
    pub token: Url,
    /// Where a device begins; `None` if it serves none.
    pub device: Option<Url>,
    /// Where tokens are given back; `None` if nowhere.
    pub revocation: Option<Url>,
    /// Whether its tokens can be bound to a key of ours.
    pub binding: Binding,
}

/// How tokens are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// With a proof of a key (RFC 9449).
    Key,
    /// By whoever bears them (RFC 6750).
    Bearer,
}

#[derive(Deserialize)]
struct ResourceMetadata {
    resource: String,
    #[serde(default)]
    authorization_servers: Vec<String>,
}

#[derive(Deserialize)]
struct ServerMetadata {
    issuer: String,
    token_endpoint: String,
    device_authorization_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    #[serde(default)]
    dpop_signing_alg_values_supported: Vec<String>,
}

/// The authorization server for an origin.
///
/// # Errors
/// If it does not say, or says what it may not.
pub async fn discover(http: &mut Http, origin: &Origin) -> anyhow::Result<Server> {
    let found = http.ask(&Asking::get("its metadata", &origin.at(RESOURCE))).await?;
    let said = match found.status {
        200 => found.json().map_err(|_| no_gateway(origin, "what it has is none"))?,
        404 => return Err(no_gateway(origin, "it has none")),
        // RFC 9110 §15.5.20: whoever answers serves other hosts.
        421 => return Err(Stopped::no(format!("{origin}: this host is not served here; is its name right?"))),
        _ => return Err(found.unexpected()),
    };
    let issuer = issuer(origin, &said)?;
    let found = http.ask(&Asking::get("the metadata of its authorization server", &issuer.at(SERVER))).await?;
    if found.status != 200 {
        return Err(found.unexpected());
    }
    let said =
        found.json().map_err(|_| anyhow::anyhow!("{issuer} does not say what it can: {SERVER} is no metadata"))?;
    server(issuer, &said)
}

fn no_gateway(origin: &Origin, why: &str) -> anyhow::Error {
    Stopped::no(format!(
        "{origin} is not behind a gateway that gives tokens to programs: {RESOURCE} should say who does, and {why}"
    ))
}

/// The first authorization server of a resource. What is said of another resource is not believed (RFC 9728 §3.3).
fn issuer(origin: &Origin, said: &ResourceMetadata) -> anyhow::Result<Origin> {
    if said.resource != origin.as_str() {
        anyhow::bail!("{origin} says what holds for {} and not for itself (RFC 9728)", harmless(&said.resource));
    }
    let Some(first) = said.authorization_servers.first() else {
        anyhow::bail!("{origin} names no authorization server");
    };
    let issuer = Origin::parse(first)
        .map_err(|why| anyhow::anyhow!("{origin} names an authorization server that is none: {}", harmless(&why)))?;
    if issuer.is_plain() != origin.is_plain() {
        anyhow::bail!("{origin} names {issuer}, and only one of the two is encrypted");
    }
    Ok(issuer)
}

/// What a server says of itself. One that calls itself otherwise is another (RFC 8414 §3.3).
fn server(issuer: Origin, said: &ServerMetadata) -> anyhow::Result<Server> {
    if said.issuer != issuer.as_str() {
        anyhow::bail!("{issuer} calls itself {} (RFC 8414)", harmless(&said.issuer));
    }
    let own = |name: &str, text: &str| {
        let url = Url::parse(text).ok().filter(|url| issuer.has(url) && url.fragment().is_none());
        url.ok_or_else(|| anyhow::anyhow!("the {name} of {issuer} is not on it: {}", harmless(text)))
    };
    let own_or_none = |name, text: &Option<String>| text.as_deref().map(|text| own(name, text)).transpose();
    let binds = said.dpop_signing_alg_values_supported.iter().any(|algorithm| algorithm == ALGORITHM);
    Ok(Server {
        token: own("token endpoint", &said.token_endpoint)?,
        device: own_or_none("device authorization endpoint", &said.device_authorization_endpoint)?,
        revocation: own_or_none("revocation endpoint", &said.revocation_endpoint)?,
        binding: if binds { Binding::Key } else { Binding::Bearer },
        issuer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn origin(text: &str) -> Origin {
        Origin::parse(text).expect("an origin")
    }

    fn named(resource: &str, servers: &[&str]) -> Result<String, String> {
        let said = json!({ "resource": resource, "authorization_servers": servers });
        let said = serde_json::from_value(said).expect("metadata");
        issuer(&origin("https://app.example.com"), &said)
            .map(|issuer| issuer.to_string())
            .map_err(|error| error.to_string())
    }

    fn read(more: Value) -> Result<Server, String> {
        let mut said = json!({
            "issuer": "https://auth.example.com",
            "token_endpoint": "https://auth.example.com/oauth/token",
        });
        let members = said.as_object_mut().expect("an object");
        members.extend(more.as_object().expect("an object").clone());
        let said = serde_json::from_value(said).expect("metadata");
        server(origin("https://auth.example.com"), &said).map_err(|error| error.to_string())
    }

    #[test]
    fn a_resource_speaks_for_itself_alone() {
        let auth = "https://auth.example.com";
        assert_eq!(named("https://app.example.com", &[auth, "https://other.example.com"]).as_deref(), Ok(auth));
        for (resource, servers) in [
            ("https://wiki.example.com", [auth].as_slice()),
            ("https://app.example.com/", &[auth]),
            ("https://app.example.com", &[]),
            ("https://app.example.com", &["https://auth.example.com/tenant"]),
            ("https://app.example.com", &["http://auth.example.com"]),
            ("https://app.example.com", &["http://auth.localhost"]),
        ] {
            assert!(named(resource, servers).is_err(), "{resource} {servers:?}");
        }
    }

    #[test]
    fn a_server_s_endpoints_are_its_own() {
        let fine = read(json!({
            "device_authorization_endpoint": "https://auth.example.com/device",
            "dpop_signing_alg_values_supported": ["EdDSA", "ES256"],
        }));
        assert_eq!(fine.map(|server| (server.binding, server.device.is_some())), Ok((Binding::Key, true)));
        assert_eq!(read(json!({})).map(|server| server.binding), Ok(Binding::Bearer));
        for odd in [
            json!({ "issuer": "https://other.example.com" }),
            json!({ "issuer": "https://auth.example.com/" }),
            json!({ "token_endpoint": "https://other.example.com/token" }),
            json!({ "token_endpoint": "http://auth.example.com/token" }),
            json!({ "token_endpoint": "https://auth.example.com:444/token" }),
            json!({ "token_endpoint": "https://a@auth.example.com/token" }),
            json!({ "device_authorization_endpoint": "/device" }),
            json!({ "revocation_endpoint": "https://auth.example.com.evil.test/" }),
        ] {
            assert!(read(odd.clone()).is_err(), "{odd}");
        }
    }
}
