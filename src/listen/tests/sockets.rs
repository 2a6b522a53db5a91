//! Sockets that come, stay and go; connections that are counted, refused and drained.

use super::*;

const LIMITS: ConnectionLimits = ConnectionLimits::DEFAULT;

async fn ask_at(address: SocketAddr) -> String {
    ask(&mut TcpStream::connect(address).await.unwrap()).await
}

#[tokio::test]
async fn a_connection_is_served_again_and_again() {
    let (rig, address) = Rig::plain(LIMITS).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    for _ in 0..3 {
        assert_eq!(ask(&mut client).await, "tls=false sni=- redirect=false");
    }
    assert_eq!(rig.listeners.open(), 1);
}

#[tokio::test]
async fn a_reload_adds_keeps_and_removes_sockets() {
    let (rig, kept) = Rig::plain(LIMITS).await;
    let mut through_kept = TcpStream::connect(kept).await.unwrap();
    ask(&mut through_kept).await;

    rig.listeners.apply(&[plan(0), plan(0)]).await.unwrap();
    let addresses: Vec<SocketAddr> = rig.listeners.addresses().into_iter().map(|(_, local)| local).collect();
    let [still, added] = addresses.as_slice() else { panic!("{addresses:?}") };
    assert_eq!(*still, kept);
    let mut through_added = TcpStream::connect(*added).await.unwrap();
    ask(&mut through_added).await;

    rig.listeners.apply(&[plan(0)]).await.unwrap();
    assert_eq!(rig.only_address(), kept);
    assert!(TcpStream::connect(*added).await.is_err());
    ask(&mut through_added).await;
    ask(&mut through_kept).await;
}

#[tokio::test]
async fn a_changed_flag_holds_for_the_connections_that_follow() {
    let (rig, address) = Rig::plain(LIMITS).await;
    let mut before = TcpStream::connect(address).await.unwrap();
    ask(&mut before).await;
    rig.listeners.apply(&[ListenPlan { redirect_to_https: true, ..plan(0) }]).await.unwrap();
    assert_eq!(rig.only_address(), address);
    assert_eq!(ask(&mut before).await, "tls=false sni=- redirect=false");
    assert_eq!(ask_at(address).await, "tls=false sni=- redirect=true");
}

#[tokio::test]
async fn a_bind_failure_names_every_address_and_changes_nothing() {
    let (rig, address) = Rig::plain(LIMITS).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_too = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ports = [&taken, &taken_too].map(|socket| socket.local_addr().unwrap().port());
    let [first, second] = ports;
    let asked = [ListenPlan { redirect_to_https: true, ..plan(0) }, plan(first), plan(0), plan(second)];
    let failures = rig.listeners.apply(&asked).await.unwrap_err();
    assert_eq!(failures.iter().map(|failure| failure.address.port()).collect::<Vec<_>>(), ports);
    assert!(failures.iter().all(|failure| failure.error.kind() == std::io::ErrorKind::AddrInUse));
    assert_eq!(rig.only_address(), address);
    assert_eq!(ask_at(address).await, "tls=false sni=- redirect=false");
}

#[tokio::test]
async fn one_address_may_not_hold_more_connections_than_allowed_and_a_reload_changes_it() {
    let (rig, address) = Rig::plain(ConnectionLimits { per_address: 1, ..LIMITS }).await;
    let mut first = TcpStream::connect(address).await.unwrap();
    ask(&mut first).await;
    let mut refused = TcpStream::connect(address).await.unwrap();
    assert_eq!(rest(&mut refused).await, "");
    rig.listeners.set_limits(ConnectionLimits { per_address: 2, ..LIMITS });
    ask_at(address).await;
    ask(&mut first).await;
}

#[tokio::test]
async fn a_drain_ends_when_the_last_connection_goes() {
    let (rig, address) = Rig::plain(LIMITS).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    ask(&mut client).await;
    let (drained, ()) = tokio::join!(rig.listeners.drain(Duration::from_secs(3600)), async {
        // The drain has begun: this answer is the last on the connection.
        let last = ask(&mut client).await;
        assert_eq!(last, "tls=false sni=- redirect=false");
        assert_eq!(rest(&mut client).await, "");
    });
    assert_eq!(drained, Drained { left: 0 });
    assert!(TcpStream::connect(address).await.is_err());
    assert!(rig.listeners.apply(&[plan(0)]).await.is_err());
}

#[tokio::test]
async fn a_drain_closes_idle_connections_before_its_deadline() {
    let (rig, address) = Rig::plain(LIMITS).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    ask(&mut idle).await;
    let (drained, said) = tokio::join!(rig.listeners.drain(Duration::from_millis(400)), rest(&mut idle));
    assert_eq!(drained, Drained { left: 0 });
    assert_eq!(said, "");
    assert!(rig.site.closing.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_drain_cuts_what_is_left_at_its_deadline() {
    let (rig, address) = Rig::plain(LIMITS).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"POST /hold HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\n\r\n").await.unwrap();
    rig.site.arrived.notified().await;
    let (drained, said) = tokio::join!(rig.listeners.drain(Duration::from_millis(100)), rest(&mut client));
    assert_eq!(drained, Drained { left: 1 });
    assert_eq!(said, "");
    assert_eq!(rig.listeners.open(), 0);
}
