//! The demo's ports: six in a row, and whether somebody has one of them already; keeps none.

use std::io;
use std::net::TcpListener;

/// The gateway's highest port: five more come behind it.
pub const HIGHEST: u16 = 65_530;

/// From the ports of one demo to those of the next: more than it has, and easily kept apart.
const STEP: usize = 10;

/// The ports of one demo, one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Of the gateway.
    pub gateway: u16,
    /// Of the two servers of the first service.
    pub app: [u16; 2],
    /// Of the two servers of the second service.
    pub wiki: [u16; 2],
    /// Of the metrics.
    pub admin: u16,
}

impl Ports {
    /// Six ports, beginning with the gateway's, which leaves room for the others.
    pub fn from(gateway: u16) -> Self {
        let behind = |step: u16| gateway.saturating_add(step);
        Ports { gateway, app: [behind(1), behind(2)], wiki: [behind(3), behind(4)], admin: behind(5) }
    }

    /// Holds each for a moment, so that one that is taken is named before anything else is done.
    ///
    /// # Errors
    /// The first that cannot be had, and what the system says.
    pub fn try_all(self) -> Result<(), (u16, io::Error)> {
        let Ports { gateway, app: [app_1, app_2], wiki: [wiki_1, wiki_2], admin } = self;
        for port in [gateway, app_1, app_2, wiki_1, wiki_2, admin] {
            drop(TcpListener::bind(("127.0.0.1", port)).map_err(|error| (port, error))?);
        }
        Ok(())
    }

    /// These if nobody has one of them, or else the next further up of which that is true; these if there are none.
    pub fn or_next_free(self) -> Self {
        let further = (self.gateway..=HIGHEST).step_by(STEP).map(Ports::from);
        further.into_iter().find(|ports| ports.try_all().is_ok()).unwrap_or(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_one_is_taken_the_next_free_ports_are_others() {
        let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = held.local_addr().expect("an address").port();
        let ports = Ports::from(port.min(HIGHEST) - 3);
        assert_eq!(ports.try_all().map_err(|(taken, _)| taken >= ports.gateway), Err(true));
        let next = ports.or_next_free();
        assert!(next.gateway > port || next == ports, "{ports:?}, {next:?}");
    }
}
