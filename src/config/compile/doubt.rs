//! What may be used and should give somebody pause: certificates, members that are ourselves. Says nothing that refuses
//! a file.

use crate::config::raw::{At, Entry, Place, Reading};
use crate::config::words::Main;
use crate::config::words::pool::Pool;
use crate::edition::{Plan, is_certified};
use crate::listen::{Certified, OutOfTime};
use crate::route::HostPattern;
use crate::stdx::clock::Time;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// A certificate and where it is written.
pub type Placed<'a> = (&'a Place, Arc<Certified>);

/// Warns of certificates that clients will not accept, now or soon, or that no client will ask for.
pub fn certificates(certificates: &[Placed<'_>], plan: &Plan, reading: &Reading<'_>) {
    for (place, certified) in certificates {
        if let Some(why) = out_of_time(certified, reading.now) {
            reading.warn(place, why);
        }
        if !certified.has_alternative_names() {
            reading.warn(place, "it has no subjectAltName, so it is for no host: the CN is not used");
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

fn out_of_time(certified: &Certified, now: Time) -> Option<String> {
    let validity = certified.validity()?;
    let why = validity.out_of_time(now)?;
    Some(match why {
        OutOfTime::NotYet(_) => format!("it {why}"),
        OutOfTime::Soon(_) | OutOfTime::Expired(_) => format!("it {why}, at {}", validity.until),
    })
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
