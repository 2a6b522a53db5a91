//! The machine that measures: its cores, what its processes have used, and what a result says about it; names no host.

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The core that contenders have to themselves.
pub const CONTENDER_CORE: u8 = 0;
/// The core of driver, origin, authorizer and runner.
pub const LOAD_CORE: u8 = 1;

/// Linux counts CPU time for user space in hundredths of a second on every architecture we run on (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// Pages are 4 KiB on the architectures we run on (x86-64, and Debian's arm64).
const PAGE: u64 = 4096;

/// What is worth knowing about the machine behind a result.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// How many cores it has.
    pub cores: usize,
    /// What the first of them calls itself.
    pub processor: String,
    /// The kernel's release.
    pub kernel: String,
    /// The compiler.
    pub rustc: String,
    /// The Cargo profile of Portcullis and bare Pingora.
    pub profile: String,
    /// What was measured, and in which version.
    pub versions: BTreeMap<String, String>,
}

/// CPU time that processes have used since they began.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Cpu {
    /// In their own code, in seconds.
    pub user: f64,
    /// In the kernel for them, in seconds.
    pub system: f64,
}

/// The CPU time of the whole machine since it started, in ticks.
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    stolen: u64,
    total: u64,
}

/// Pins this process to [`LOAD_CORE`]. What it starts without saying otherwise runs there too.
///
/// # Errors
/// If there is but one core, or no `taskset` (Debian: util-linux).
pub fn keep_to_load_core() -> Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    ensure!(cores > usize::from(LOAD_CORE), "two cores are needed, one of them for the contender; here is {cores}");
    let own = std::process::id().to_string();
    let mut taskset = Command::new("taskset");
    taskset.args(["--all-tasks", "--cpu-list", "--pid", &LOAD_CORE.to_string(), &own]).stdout(Stdio::null());
    ensure!(taskset.status().context("taskset (package util-linux)")?.success(), "taskset cannot pin this process");
    Ok(())
}

impl Facts {
    /// Asks the machine.
    pub fn read(versions: BTreeMap<String, String>) -> Self {
        let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            cores: cores(),
            processor: processor.map_or("unknown", |(_, name)| name).to_owned(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            rustc: env!("RUSTC_VERSION").to_owned(),
            profile: profile(),
            versions,
        }
    }
}

/// The folder that Cargo put this program in, which is the profile's: Portcullis is taken from the same.
fn profile() -> String {
    let program = std::env::current_exe().ok();
    let folder = program.as_deref().and_then(|path| path.parent()?.file_name()?.to_str());
    match folder {
        Some("debug") | None => "dev".to_owned(),
        Some(profile) => profile.to_owned(),
    }
}

/// All of them, although this process keeps to one.
fn cores() -> usize {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    text.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count()
}

/// A process and all its descendants, the eldest first.
///
/// # Errors
/// If the process has ended.
pub fn family(eldest: u32) -> Result<Vec<u32>> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let pid = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        // One that ends while it is looked at is no longer of interest.
        if let Some((pid, stat)) = pid.and_then(|pid| Some((pid, Stat::read(pid).ok()?))) {
            parents.insert(pid, stat.parent);
        }
    }
    if !parents.contains_key(&eldest) {
        bail!("process {eldest} has ended");
    }
    let mut family = vec![eldest];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(parents.iter().filter(|(_, of)| **of == parent).map(|(child, _)| *child));
        next += 1;
    }
    Ok(family)
}

impl Cpu {
    /// What a process and its living descendants have used.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn of_family(eldest: u32) -> Result<Self> {
        let mut sum = Cpu::default();
        for pid in family(eldest)? {
            let stat = Stat::read(pid)?;
            sum.user += TICK.as_secs_f64() * stat.user as f64;
            sum.system += TICK.as_secs_f64() * stat.system as f64;
        }
        Ok(sum)
    }

    /// What was used since.
    pub fn since(self, earlier: Cpu) -> Cpu {
        Cpu { user: self.user - earlier.user, system: self.system - earlier.system }
    }

    /// In seconds.
    pub fn total(self) -> f64 {
        self.user + self.system
    }
}

/// Memory that a process and its descendants hold, in bytes.
///
/// # Errors
/// If the process has ended.
pub fn resident(eldest: u32) -> Result<u64> {
    family(eldest)?.into_iter().map(|pid| Ok(Stat::read(pid)?.resident_pages * PAGE)).sum()
}

impl Ticks {
    /// Now.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn read() -> Result<Self> {
        let text = fs::read_to_string("/proc/stat")?;
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line.split_whitespace().skip(1).map(str::parse).collect::<Result<_, _>>()?;
        // user nice system idle iowait irq softirq steal; guests are counted in user.
        let stolen = ticks.get(7).copied().unwrap_or_default();
        Ok(Self { stolen, total: ticks.iter().take(8).sum() })
    }

    /// The share of the machine's time since then that other machines on the same host took, 0 to 1.
    pub fn stolen_since(self, earlier: Ticks) -> f64 {
        (self.stolen - earlier.stolen) as f64 / (self.total - earlier.total).max(1) as f64
    }
}

/// What we read of `/proc/PID/stat`.
struct Stat {
    parent: u32,
    user: u64,
    system: u64,
    resident_pages: u64,
}

impl Stat {
    fn read(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"));
        Self::parse(&text.with_context(|| format!("process {pid} has ended"))?)
    }

    fn parse(text: &str) -> Result<Self> {
        // The second field is the name in brackets, which may hold anything; so count from behind it.
        let (_, rest) = text.rsplit_once(") ").context("no process name")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |number: usize| -> Result<u64> {
            let text = fields.get(number - 3).with_context(|| format!("no field {number}"))?;
            text.parse().with_context(|| format!("field {number}"))
        };
        Ok(Self { parent: u32::try_from(field(4)?)?, user: field(14)?, system: field(15)?, resident_pages: field(24)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_be_called_anything() {
        let text = "7 (a) S 9 (b) R 5 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 4 0 100 8192 33 18446744073709551615";
        let stat = Stat::parse(text).expect("it is a line of the kernel's");
        assert_eq!((stat.parent, stat.user, stat.system, stat.resident_pages), (5, 150, 50, 33));
    }

    #[test]
    fn this_process_uses_time_and_memory() {
        let own = std::process::id();
        assert!(resident(own).expect("it lives") > 100_000);
        assert!(Cpu::of_family(own).expect("it lives").total() >= 0.0);
        assert_eq!(family(own).expect("it lives").first(), Some(&own));
    }
}
