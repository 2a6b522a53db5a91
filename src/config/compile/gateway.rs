//! `[gateway]`, `[admin]`, `[log]`: the process.

use crate::config::raw::{At, Reading};
use crate::config::words::Main;
use crate::edition::{GatewayPlan, TrustedProxies};

/// The process, checked against the listeners.
pub fn compile(main: &Main, reading: &Reading<'_>) -> GatewayPlan {
    let (gateway, admin, log) = (&main.gateway.value, &main.admin.value, &main.log.value);
    if let Some(At { place, value }) = &admin.address {
        let public = main.listen.value.iter().filter_map(|listen| listen.value.address.as_ref());
        if let Some(same) = public.into_iter().find(|public| public.value == *value) {
            let what =
                format!("{value} is the public listener at {}; the operator's has an address of its own", same.place);
            reading.problem(place, what);
        } else if !value.ip().is_loopback() {
            reading.warn(
                place,
                format!("whoever reaches {value} reads the metrics; keep it to loopback or a closed network"),
            );
        }
    }
    warn_of_unreached(main, reading);
    GatewayPlan {
        state: gateway.state.value.clone(),
        threads: gateway.threads.value as usize,
        drain: gateway.drain.value,
        admin: admin.address.as_ref().map(|address| address.value),
        admin_socket: admin.socket.as_ref().map(|socket| socket.value.clone()),
        trusted_proxies: TrustedProxies(gateway.trusted_proxies.value.iter().map(|network| network.value).collect()),
        access_log: log.access.value,
        log_level: log.level.value,
    }
}

/// Warns of a gateway in earnest that its operator does not reach.
fn warn_of_unreached(main: &Main, reading: &Reading<'_>) {
    let listeners = main.listen.value.iter().filter_map(|listen| listen.value.address.as_ref());
    let others_come = listeners.into_iter().any(|address| !address.value.ip().is_loopback());
    let At { place, value: admin } = &main.admin;
    if others_come && admin.socket.is_none() {
        let what = "there is none, so `portcullis reload` and `status`, and systemd's reload, do not reach the gateway; \
                    set it, for example to \"/run/portcullis/admin.sock\"";
        reading.warn(&place.below("socket", place.at()), what);
    }
}
