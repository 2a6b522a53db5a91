//! What may be used and should give somebody pause: certificates, members that are ourselves. Says nothing that refuses
//! a file.

use crate::config::raw::{At, Entry, Place, Reading};
use crate::config::words::Main;
use crate::config::words::pool::Pool;
use crate::edition::{Plan, is_certified};
use crate::listen::Certified;
use crate::route::HostPattern;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How long before its end a certificate is warned of: time enough for whoever has to ask somebody else for a new one.
const ENDS_SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// A certificate and where it is written.
pub type Placed<'a> = (&'a Place, Arc<Certified>);

/// Warns of certificates that clients will not accept, now or soon, or that no client will ask for.
pub fn certificates(certificates: &[Placed<'_>], plan: &Plan, reading: &Reading<'_>) {
    for (place, certified) in certificates {
        if let Some(why) = out_of_time(certified, reading) {
            reading.warn(place, why);
        }
        let portal = plan.portal.as_ref().and_then(|portal| HostPattern::parse(&portal.host).ok());
        let hosts = || plan.routes.iter().map(|route| &route.host).chain(&portal);
        let names: Vec<&str> = certified.names().collect();
        let asked_for = names.iter().any(|name| hosts().any(|hosts| is_certified(hosts, name)));
        // One that is for addresses only answers clients that ask for no name.
        if !names.is_empty() && !asked_for {
            let names = names.join(", ");
            reading.warn(place, format!("it is for {names}, and that is neither the portal nor the host of any route"));
        }
    }
}

fn out_of_time(certified: &Certified, reading: &Reading<'_>) -> Option<String> {
    let (validity, now) = (certified.validity()?, reading.now);
    let days = |span: Duration| match span.as_secs() / (24 * 3600) {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    };
    if now < validity.from {
        return Some(format!("it may not be used before {}", validity.from));
    }
    if now > validity.until {
        return Some(format!("it expired {} ago, at {}", days(now.since(validity.until)), validity.until));
    }
    let left = validity.until.since(now);
    (left <= ENDS_SOON).then(|| format!("it expires in {}, at {}", days(left), validity.until))
}

/// Warns of members that are the gateway itself.
pub fn members_of_our_own(pools: &[Entry<Pool>], main: &Main, reading: &Reading<'_>) {
    let listeners: Vec<&At<SocketAddr>> =
        main.listen.value.iter().filter_map(|listen| listen.value.address.as_ref()).collect();
    let members = pools.iter().filter_map(|pool| pool.body.members.as_ref()).flat_map(|members| &members.value);
    for At { place, value: (address, _) } in members {
        if let Some(own) = listeners.iter().find(|own| leads_to(*address, own.value)) {
            let at = &own.place;
            reading
                .warn(place, format!("this is the gateway's own listener at {at}: a request would go round for ever"));
        }
        if main.admin.value.address.as_ref().is_some_and(|admin| leads_to(*address, admin.value)) {
            reading
                .warn(place, "this is the gateway's own listener for operators, which is not to be reached by routes");
        }
    }
}

/// Whether a connection to `address` arrives at what listens on `listener` on this machine.
fn leads_to(address: SocketAddr, listener: SocketAddr) -> bool {
    let here = address.ip().is_loopback() || address.ip().is_unspecified();
    let everywhere = match listener.ip() {
        IpAddr::V4(any) => any.is_unspecified() && address.is_ipv4(),
        IpAddr::V6(any) => any.is_unspecified(),
    };
    address == listener || address.port() == listener.port() && here && everywhere
}
