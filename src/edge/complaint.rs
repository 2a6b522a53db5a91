//! Warnings that anybody can cause by asking: each at most every ten seconds, with the names that the access log uses too.

use super::{Arrival, Passage};
use crate::edition::RoutePlan;
use crate::stdx::sparing::Sparing;
use std::fmt::Display;

/// When each may be repeated.
#[derive(Debug, Default)]
pub struct Complaints {
    /// Of sessions that could not be looked up.
    unread: Sparing,
    /// Of cookies that services tried to set.
    claimed: Sparing,
    /// Of answers that members did not end.
    broken: Sparing,
}

impl Complaints {
    /// A session could not be looked up.
    pub(super) fn unread(&self, passage: &Passage, (arrival, route): (&Arrival, &RoutePlan), error: &impl Display) {
        if self.unread.due() {
            let (request, client, host, route) = (passage.id, arrival.client, &*arrival.host, &*route.name);
            tracing::warn!(%request, %client, host, route, %error, "a session could not be read");
        }
    }

    /// A service tried to set a cookie that we would take for ours.
    pub(super) fn claimed(&self, passage: &Passage) {
        let (Some(arrival), Some(admission), true) = (&passage.arrival, &passage.admission, self.claimed.due()) else {
            return;
        };
        let pick = passage.forwarding.as_ref().and_then(|forwarding| forwarding.pick.as_ref());
        let member = pick.map(|pick| tracing::field::display(pick.address()));
        let pool = pick.map(|pick| &**pick.pool().name());
        let (request, client) = (passage.id, arrival.client);
        let (host, route) = (&*arrival.host, &*admission.route.name);
        let what = "a service tried to set a cookie of the gateway; it was removed";
        tracing::warn!(%request, %client, host, route, pool, member, "{what}");
    }

    /// A member broke an answer off that had gone out in part. It is not left out for that: it did answer.
    pub fn broken(&self, passage: &Passage, error: &impl Display) {
        let pick = passage.forwarding.as_ref().and_then(|forwarding| forwarding.pick.as_ref());
        let (Some(pick), Some(admission)) = (pick, &passage.admission) else { return };
        if self.broken.due() {
            let (request, route) = (passage.id, &*admission.route.name);
            let (pool, member) = (&**pick.pool().name(), pick.address());
            tracing::warn!(%request, route, pool, %member, %error, "a member broke an answer off");
        }
    }
}
