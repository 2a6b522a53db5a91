//! Whether browsers get to what is configured: a route at all, a certificate for each host, a listener where the portal
//! says it is. Says nothing that refuses a file.

use crate::config::raw::{At, Reading};
use crate::config::words::{Main, Shared};
use crate::edition::{Plan, PortalPlan};
use crate::route::HostPattern;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Warns of what no browser gets to.
pub fn check((main, shared): (&Main, &Shared), plan: &Plan, reading: &Reading<'_>) {
    let routes = &shared.route;
    if routes.value.is_empty() && !reading.report.blames(routes.place.file(), routes.place.key()) {
        reading.report.warn(routes.place.of_file("no route: nothing is served"));
    }
    let mut told = BTreeSet::new();
    for At { place, value: host } in routes.value.iter().filter_map(|route| route.value.host.as_ref()) {
        if plan.lacks_certificate(host) && told.insert(host.to_string()) {
            reading.warn(place, uncertified(host));
        }
    }
    let origin = main.portal.as_ref().and_then(|portal| portal.value.origin.as_ref());
    if let (Some(At { place, .. }), Some(portal)) = (origin, &plan.portal) {
        let host = HostPattern::parse(&portal.host).ok();
        if let Some(host) = host.filter(|host| portal.scheme == "https" && plan.lacks_certificate(host)) {
            reading.warn(place, uncertified(&host));
        }
        if let Some(why) = unheard(portal, plan) {
            reading.warn(place, why);
        }
    }
}

/// A host that no certificate is for, in words.
pub fn uncertified(host: &HostPattern) -> String {
    format!("no certificate is for {host}; browsers cannot connect")
}

/// Why nobody gets to the portal's port, where nothing but this gateway can be behind it.
fn unheard(portal: &PortalPlan, plan: &Plan) -> Option<String> {
    let secure = portal.scheme == "https";
    let port = portal.port.unwrap_or(if secure { 443 } else { 80 });
    let behind_proxy = !plan.gateway.trusted_proxies.0.is_empty() && !is_local(&portal.host);
    // Port 0 becomes one that is not known before the start.
    let heard = plan.listeners.iter().any(|listener| {
        let fits = [0, port].contains(&listener.address.port());
        fits && listener.tls == secure && !listener.redirect_to_https
    });
    let kind = if secure { "with TLS" } else { "without TLS" };
    let why = || format!("no listener {kind} has port {port}; browsers do not get to {}", portal.origin);
    (!behind_proxy && !heard).then(why)
}

/// Whether a host can only be this machine.
fn is_local(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
}
