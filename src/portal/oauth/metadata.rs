//! What programs can find out by themselves: the authorization server's metadata (RFC 8414), and for each host what it
//! takes (RFC 9728).

use crate::edition::PortalPlan;
use crate::portal::Ask;
use crate::reply::{Answer, Body};
use http::{Method, StatusCode, header};
use serde_json::json;

/// Where a host says what it takes.
pub const RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// The grant of RFC 8628 §3.4.
pub const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The grant of RFC 6749 §4.4.
pub const CLIENT_GRANT: &str = "client_credentials";

/// The authorization server.
pub fn server(portal: &PortalPlan) -> Answer {
    let at = |path: &str| format!("{}{path}", portal.origin);
    cacheable(&json!({
        "issuer": portal.origin,
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "device_authorization_endpoint": at("/oauth/device_authorization"),
        "revocation_endpoint": at("/oauth/revoke"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", CLIENT_GRANT, DEVICE_GRANT],
        "token_endpoint_auth_methods_supported": ["none", "private_key_jwt", "self_signed_tls_client_auth"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256", "ES384", "EdDSA", "RS256", "PS256"],
        "tls_client_certificate_bound_access_tokens": true,
        "revocation_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": ["ES256"],
        "authorization_response_iss_parameter_supported": true,
        "acr_values_supported": ["one-factor", "mfa", "phishing-resistant"],
    }))
}

/// One host of ours.
pub fn resource(ask: &Ask<'_>) -> Answer {
    if ask.method != Method::GET && ask.method != Method::HEAD {
        let mut answer = Answer::new(StatusCode::METHOD_NOT_ALLOWED, Body::Empty);
        answer.field(header::ALLOW, "GET, HEAD");
        return answer;
    }
    let servers: Vec<&str> = ask.plan.iter().map(|portal| &*portal.origin).collect();
    cacheable(&json!({
        "resource": ask.origin(),
        "authorization_servers": servers,
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": ["ES256"],
    }))
}

/// Programs may keep it for a while.
fn cacheable(document: &serde_json::Value) -> Answer {
    let mut answer = Answer::new(StatusCode::OK, Body::Json("application/json", document.to_string()));
    answer.replace(header::CACHE_CONTROL, "public, max-age=300");
    answer
}
