//! A pick as Pingora's upstream peer: the one place of this room where the engine's types appear on a request's way.

use super::pick::Pick;
use pingora::protocols::l4::ext::TcpKeepalive;
use pingora::protocols::tls::ALPN;
use pingora::upstreams::peer::HttpPeer;
use std::time::Duration;

/// What a request makes of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// An answer follows, and reading it is bounded by the pool's read timeout.
    Http,
    /// It becomes a WebSocket or a stream of events, which may be silent for hours: no read timeout, its permit ends
    /// it.
    Stream,
}

/// A member that vanished without a word is noticed after a minute (30 s of silence, three probes 10 s apart): long
/// before the operating system's two hours, seldom enough to cost nothing. It is what watches a silent stream.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_COUNT: usize = 3;

/// The peer for `pick`: its address (never a name, which the engine would resolve while the thread waits), plain
/// HTTP/1.1, every timeout from the pool's plan. Connections are reused within a pool, never between two.
pub fn peer(pick: &Pick, protocol: Protocol) -> Box<HttpPeer> {
    let timeouts = pick.pool().plan().timeouts;
    let mut peer = HttpPeer::new(pick.address(), false, String::new());
    peer.group_key = pick.pool().group();
    peer.options.alpn = ALPN::H1;
    peer.options.connection_timeout = Some(timeouts.connect);
    peer.options.total_connection_timeout = Some(timeouts.connect);
    peer.options.write_timeout = Some(timeouts.write);
    peer.options.idle_timeout = Some(timeouts.idle);
    peer.options.read_timeout = match protocol {
        Protocol::Http => Some(timeouts.read),
        Protocol::Stream => None,
    };
    peer.options.tcp_keepalive = Some(TcpKeepalive {
        idle: KEEPALIVE_IDLE,
        interval: KEEPALIVE_INTERVAL,
        count: KEEPALIVE_COUNT,
        #[cfg(target_os = "linux")]
        user_timeout: Duration::ZERO,
    });
    Box::new(peer)
}

#[cfg(test)]
mod tests {
    use super::super::plan::Timeouts;
    use super::super::scene::{Scene, address, plan};
    use super::*;
    use pingora::upstreams::peer::Peer;

    fn peers(scene: &Scene, protocol: Protocol) -> [Box<HttpPeer>; 2] {
        ["one", "other"].map(|pool| peer(&scene.pick(pool), protocol))
    }

    #[test]
    fn a_peer_has_the_members_address_and_every_timeout() {
        let scene = Scene::of(&[plan("one", &[7]), plan("other", &[7])]);
        let peers = peers(&scene, Protocol::Http);
        let (options, timeouts) = (&peers[0].options, Timeouts::DEFAULT);
        assert_eq!(peers[0].address().as_inet(), Some(&address(7)));
        assert_eq!(options.total_connection_timeout, Some(timeouts.connect));
        assert_eq!(options.connection_timeout, Some(timeouts.connect));
        assert_eq!(options.read_timeout, Some(timeouts.read));
        assert_eq!(options.write_timeout, Some(timeouts.write));
        assert_eq!(options.idle_timeout, Some(timeouts.idle));
    }

    #[test]
    fn a_stream_may_be_silent() {
        let scene = Scene::of(&[plan("one", &[7]), plan("other", &[7])]);
        assert_eq!(peers(&scene, Protocol::Stream)[0].options.read_timeout, None);
    }

    #[test]
    fn two_pools_never_share_a_connection_and_one_pool_always_does() {
        let scene = Scene::of(&[plan("one", &[7]), plan("other", &[7])]);
        let (first, again) = (peers(&scene, Protocol::Http), peers(&scene, Protocol::Http));
        assert_ne!(first[0].reuse_hash(), first[1].reuse_hash());
        assert_eq!(first[0].reuse_hash(), again[0].reuse_hash());
    }
}
