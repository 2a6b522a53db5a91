//! What this room's tests stand on: a fleet with a clock turned by hand, plans in a line, members that obey.

use super::plan::{Balance, Ejection, HealthPlan, MemberPlan, PoolPlan, Probe, Timeouts};
use super::{Fleet, Health, Lapse, Pick, Pool, Pools, Tried};
use crate::stdx::clock::{ManualClock, Time};
use crate::stdx::task::Tasks;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How long a test waits for what must happen. Generous: only a failing test ever waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A fleet and one edition of its pools.
pub struct Scene {
    pub fleet: Arc<Fleet>,
    pub tasks: Tasks,
    pub pools: Pools,
    pub now: Time,
}

impl Scene {
    /// A fleet that compiled `plans` and probes nothing.
    pub fn of(plans: &[PoolPlan]) -> Self {
        let (now, tasks) = (Time::from_secs(1_000_000), Tasks::new());
        let fleet = Fleet::new(Arc::new(ManualClock::new(now)), tasks.clone());
        let pools = fleet.compile(plans, None);
        Scene { fleet, tasks, pools, now }
    }

    /// Compiles the next edition; the one before is gone.
    pub fn reload(&mut self, plans: &[PoolPlan]) {
        self.pools = self.fleet.compile(plans, Some(&self.pools));
    }

    /// The same, and probes what it wants.
    pub fn publish(&mut self, plans: &[PoolPlan]) {
        self.reload(plans);
        self.fleet.watch(&self.pools);
    }

    pub fn pool(&self, name: &str) -> &Arc<Pool> {
        self.pools.get(name).expect("the test plans this pool")
    }

    /// A pick of `pool` on which nothing was tried.
    pub fn pick(&self, pool: &str) -> Pick {
        self.pool(pool).pick(self.now, &Tried::new()).expect("somebody can be picked")
    }

    /// Makes `pool`'s member `index` unreachable for its picks, `times` times.
    pub fn refuse(&self, pool: &str, index: usize, times: usize) {
        let member = self.pool(pool).members().get(index).expect("the test plans this member");
        (0..times).for_each(|_| self.pool(pool).blame(member, Lapse::Unreachable, self.now));
    }

    pub fn healths(&self, pool: &str) -> Vec<Health> {
        self.pool(pool).status(self.now).members.iter().map(|member| member.health).collect()
    }

    /// Settles an answer for member `index` of `pool`, as the prober would.
    pub fn probe(&self, pool: &str, index: usize, answer: Result<(), &str>) {
        let check = self.pool(pool).members().get(index).and_then(|member| member.check());
        check.expect("the member is checked").settle(&answer.map_err(String::from), self.now);
    }
}

/// A loopback address.
pub fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A pool on loopback ports, all of weight 1, not probed.
pub fn plan(name: &str, ports: &[u16]) -> PoolPlan {
    PoolPlan {
        name: name.into(),
        members: ports.iter().map(|port| MemberPlan { address: address(*port), weight: 1 }).collect(),
        balance: Balance::RoundRobin,
        health: None,
        timeouts: Timeouts::DEFAULT,
        ejection: Ejection { failures: 2, time: Duration::from_secs(10) },
        retries: 1,
    }
}

/// The same pool, probed.
pub fn checked(plan: PoolPlan, health: HealthPlan) -> PoolPlan {
    PoolPlan { health: Some(health), ..plan }
}

/// `GET /healthz` every 10 ms; three bad answers, two good ones.
pub fn http() -> HealthPlan {
    let probe = Probe::Http { path: "/healthz".into(), host: Some("orders.example.com".into()) };
    let (every, timeout) = (Duration::from_millis(10), Duration::from_secs(5));
    HealthPlan { probe, every, timeout, rise: 2, fall: 3 }
}

/// The same by connecting only.
pub fn tcp() -> HealthPlan {
    HealthPlan { probe: Probe::Tcp, ..http() }
}

/// Waits until `condition` holds; fails the test where it never does.
pub async fn until(condition: impl Fn() -> bool) {
    let mut look = tokio::time::interval(Duration::from_millis(1));
    let wait = async {
        while !condition() {
            look.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the condition comes true in time");
}

/// A member on loopback that answers every request with the status it was last told.
pub struct Origin {
    pub address: SocketAddr,
    script: Arc<Script>,
    _served: JoinSet<()>,
}

#[derive(Default)]
struct Script {
    status: AtomicU16,
    requests: Mutex<Vec<String>>,
}

/// A status that is never sent: the member takes the request and says nothing.
pub const SILENCE: u16 = 0;

impl Origin {
    pub async fn start(status: u16) -> Self {
        Self::start_at(address(0), status).await
    }

    pub async fn start_at(address: SocketAddr, status: u16) -> Self {
        let listener = TcpListener::bind(address).await.expect("loopback has a port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let script = Arc::new(Script { status: AtomicU16::new(status), ..Script::default() });
        let mut served = JoinSet::new();
        served.spawn(accept(listener, Arc::clone(&script)));
        Origin { address, script, _served: served }
    }

    pub fn answer(&self, status: u16) {
        self.script.status.store(status, Ordering::SeqCst);
    }

    pub fn requests(&self) -> Vec<String> {
        self.script.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn accept(listener: TcpListener, script: Arc<Script>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&script)));
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Script>) {
    let (mut request, mut part) = (String::new(), [0; 1024]);
    while !request.ends_with("\r\n\r\n") {
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(read) => request.push_str(&String::from_utf8_lossy(&part[..read])),
        }
    }
    script.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    match script.status.load(Ordering::SeqCst) {
        SILENCE => std::future::pending().await,
        status => {
            // The body never comes: a probe that waited for it would find nobody healthy.
            let answer = format!("HTTP/1.1 {status} Status\r\ncontent-length: 1000\r\n\r\n");
            let _gone = stream.write_all(answer.as_bytes()).await;
            let _closed = stream.read(&mut part).await;
        }
    }
}
