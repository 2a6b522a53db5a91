//! Instructions that processes execute, counted by `perf stat` where the machine can; knows no load.
#![allow(clippy::disallowed_methods, reason = "perf does not tell when it has begun to count")]

use serde::Serialize;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// How many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Instructions {
    /// In their own code.
    pub user: u64,
    /// In the kernel for them.
    pub kernel: u64,
}

/// What `perf` needs to begin, with much to spare: a load that begins earlier would be counted in part.
const BEGIN: Duration = Duration::from_millis(300);

/// A count under way.
pub struct Counter(Child);

impl Counter {
    /// Begins to count what processes execute. `None` without `perf`, which is a loss but no error.
    pub fn attach(pids: &[u32]) -> Option<Self> {
        let pids = pids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let mut perf = Command::new("setpriv");
        perf.args(["--pdeathsig", "TERM", "perf", "stat", "--field-separator", ",", "--event"]);
        perf.args(["instructions:u,instructions:k", "--pid", &pids]).env("LC_ALL", "C");
        let child = perf.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let counter = child.ok().map(Self)?;
        sleep(BEGIN);
        Some(counter)
    }

    /// Ends the count. `None` if the machine does not count: virtual ones often do not.
    pub fn finish(mut self) -> Option<Instructions> {
        let mut interrupt = Command::new("kill");
        interrupt.args(["-INT", &self.0.id().to_string()]).stderr(Stdio::null());
        interrupt.status().ok()?;
        let mut text = String::new();
        self.0.stderr.take()?.read_to_string(&mut text).ok()?;
        parse(&text)
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn parse(text: &str) -> Option<Instructions> {
    let count = |event: &str| {
        let line = text.lines().find(|line| line.split(',').nth(2) == Some(event))?;
        line.split(',').next()?.parse().ok()
    };
    Some(Instructions { user: count("instructions:u")?, kernel: count("instructions:k")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_does_not_count_gives_no_numbers() {
        let counted = "1234,,instructions:u,1000,100.00,,\n99,,instructions:k,1000,100.00,,\n";
        assert_eq!(parse(counted), Some(Instructions { user: 1234, kernel: 99 }));
        assert_eq!(parse("<not supported>,,instructions:u,0,100.00,,\n<not supported>,,instructions:k,0,,,\n"), None);
        assert_eq!(parse(""), None);
    }
}
