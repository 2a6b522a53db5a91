//! What may be used and should give somebody pause: certificates, members that are ourselves, the state directory. Says
//! nothing that refuses a file.

use crate::config::raw::{At, Entry, Place, Reading};
use crate::config::words::Main;
use crate::config::words::pool::Pool;
use crate::edition::{PortalPlan, RoutePlan};
use crate::listen::Certified;
use crate::route::HostPattern;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long before its end a certificate is warned of: time enough for whoever has to ask somebody else for a new one.
const ENDS_SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// `rwxrwxrwx` without the owner's part, except that the group may read: who else could read or place what is in it.
const OPEN_TO_OTHERS: u32 = 0o027;

/// A certificate and where it is written.
pub type Placed<'a> = (&'a Place, Arc<Certified>);

/// Warns of certificates that clients will not accept, now or soon, or that no client will ask for, and of names that
/// clients will ask for in vain.
pub fn certificates(
    certificates: &[Placed<'_>],
    (routes, portal): (&[Arc<RoutePlan>], Option<&PortalPlan>),
    main: &Main,
    reading: &Reading<'_>,
) {
    for (place, certified) in certificates {
        if let Some(why) = out_of_time(certified, reading) {
            reading.warn(place, why);
        }
        let hosts =
            || routes.iter().map(|route| Host::of(&route.host)).chain(portal.map(|portal| Host::Exact(&portal.host)));
        let names: Vec<&str> = certified.names().collect();
        let asked_for = names.iter().any(|name| hosts().any(|host| host.is_covered_by(name)));
        // One that is for addresses only answers clients that ask for no name.
        if !names.is_empty() && !asked_for {
            let names = names.join(", ");
            reading.warn(place, format!("it is for {names}, and that is neither the portal nor the host of any route"));
        }
    }
    let encrypted_only =
        main.listen.value.iter().all(|At { value: listen, .. }| listen.tls.value || listen.redirect_to_https.value);
    if let (Some(At { place, value: words }), Some(plan)) = (&main.portal, portal)
        && encrypted_only
        && !certificates.is_empty()
        && !certificates
            .iter()
            .any(|(_, certified)| certified.names().any(|name| Host::Exact(&plan.host).is_covered_by(name)))
    {
        let place = words.origin.as_ref().map_or(place, |origin| &origin.place);
        reading.warn(place, format!("no certificate is for {}, so nobody gets to the sign-in page", plan.host));
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

/// What a client asks for.
enum Host<'a> {
    Exact(&'a str),
    Any(&'a HostPattern),
}

impl<'a> Host<'a> {
    fn of(pattern: &'a HostPattern) -> Self {
        if pattern.is_wildcard() { Host::Any(pattern) } else { Host::Exact(pattern.name()) }
    }

    /// Whether a certificate's name, which may be a wildcard of one label, is for such a host.
    fn is_covered_by(&self, name: &str) -> bool {
        match (self, name.strip_prefix("*.")) {
            (Host::Exact(host), None) => *host == name,
            (Host::Exact(host), Some(parent)) => host.split_once('.').is_some_and(|(_, rest)| rest == parent),
            (Host::Any(hosts), None) => hosts.matches(name),
            (Host::Any(hosts), Some(parent)) => hosts.matches(&format!("any.{parent}")),
        }
    }
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

/// Warns of a state directory that is probably another one, or that others may look into.
pub fn state(main: &Main, reading: &Reading<'_>) {
    let At { place, value: directory } = &main.gateway.value.state;
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match std::fs::metadata(directory) {
        Ok(found) => {
            let mode = found.permissions().mode() & 0o777;
            if mode & OPEN_TO_OTHERS != 0 {
                let what = format!("{} holds keys, and others may look into it", directory.display());
                reading.warn(place, format!("{what} (mode {mode:03o}); make it 700"));
            }
        }
        Err(_) if !parent.exists() => {
            let (directory, parent) = (directory.display(), parent.display());
            reading.warn(place, format!("there is neither {directory} nor {parent}; the gateway would make both"));
        }
        Err(_) => {}
    }
}
