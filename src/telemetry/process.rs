//! What the system says of this process, under the names that Prometheus' own libraries use; knows nothing of what the
//! process is for.

use crate::stdx::clock::Time;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;
use std::fs;

/// Where the kernel tells of the process that asks.
const SELF: &str = "/proc/self";

/// The entry of the auxiliary vector that holds the clock ticks of a second (`AT_CLKTCK`, getauxval(3)).
const CLOCK_TICKS: usize = 17;

/// What every Linux has counted in for programs, should the vector not say.
const USUAL_TICKS: f64 = 100.0;

/// Asks the kernel at each scrape. What it does not tell is left out: a zero would be a lie.
#[derive(Debug)]
pub(super) struct Process {
    /// When it was started. The kernel counts that from its own start, which a service may not be allowed to see.
    started: Time,
    /// Clock ticks of a second.
    ticks: f64,
}

impl Process {
    /// This process, which was started then.
    pub fn new(started: Time) -> Self {
        let vector = fs::read(format!("{SELF}/auxv")).unwrap_or_default();
        Process { started, ticks: ticks(&vector).unwrap_or(USUAL_TICKS) }
    }

    /// Processor time of all its threads, in and out of the kernel, in seconds.
    fn cpu_seconds(&self) -> Option<f64> {
        Some(cpu_ticks(&said("stat")?)? / self.ticks)
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let started = Some(seconds(self.started));
        gauge(&mut encoder, ("process_start_time_seconds", "When the process was started, Unix time"), started)?;
        if let Some(seconds) = self.cpu_seconds() {
            let counter = ConstCounter::new(seconds);
            let help = "Processor time spent, in seconds";
            let metric = encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
            counter.encode(metric)?;
        }
        let resident = said("status").as_deref().and_then(resident_bytes);
        gauge(&mut encoder, ("process_resident_memory_bytes", "Memory in use, in bytes"), resident)?;
        gauge(&mut encoder, ("process_open_fds", "Open file descriptors"), open_descriptors())?;
        let most = said("limits").as_deref().and_then(most_descriptors);
        gauge(&mut encoder, ("process_max_fds", "File descriptors that may be open"), most)
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, (name, help): (&str, &str), value: Option<f64>) -> fmt::Result {
    let Some(value) = value else { return Ok(()) };
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

/// A time as metrics have it.
#[expect(clippy::cast_precision_loss, reason = "milliseconds are exact in a float for 285 000 years")]
pub(super) fn seconds(time: Time) -> f64 {
    time.millis() as f64 / 1000.0
}

/// One of the kernel's files about this process; `None` where it may not be read.
fn said(file: &str) -> Option<String> {
    fs::read_to_string(format!("{SELF}/{file}")).ok()
}

/// The clock ticks of a second in an auxiliary vector: pairs of numbers of the machine's size.
fn ticks(vector: &[u8]) -> Option<f64> {
    let (words, _) = vector.as_chunks::<{ size_of::<usize>() }>();
    let mut pairs = words.chunks_exact(2).filter_map(|pair| match pair {
        [key, value] => Some((usize::from_ne_bytes(*key), usize::from_ne_bytes(*value))),
        _ => None,
    });
    let (_, ticks) = pairs.find(|(key, _)| *key == CLOCK_TICKS)?;
    u32::try_from(ticks).ok().filter(|ticks| *ticks > 0).map(f64::from)
}

/// `utime` and `stime` of proc_pid_stat(5), the 14th and 15th field. The name before them may hold anything, blanks and
/// brackets too.
fn cpu_ticks(stat: &str) -> Option<f64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some(next()? + next()?)
}

/// `VmRSS: N kB` of proc_pid_status(5).
fn resident_bytes(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

/// The soft limit of proc_pid_limits(5); `None` if there is none.
fn most_descriptors(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// How many descriptors are open, without the one that counts them.
fn open_descriptors() -> Option<f64> {
    let counted = fs::read_dir(format!("{SELF}/fd")).ok()?.count().saturating_sub(1);
    u32::try_from(counted).ok().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_a_name_that_holds_anything() {
        let stat = "42 (a) b ) 1 2) S 1 42 42 0 -1 4194304 9000 0 3 0 250 150 7 8 20 0 5 0 12345 1 2";
        assert_eq!(cpu_ticks(stat), Some(400.0));
        assert_eq!(cpu_ticks("42 (cut"), None);
        assert_eq!(cpu_ticks("42 (cut) S 1"), None);
    }

    #[test]
    fn memory_is_told_in_bytes_and_no_limit_is_not_a_number() {
        assert_eq!(resident_bytes("VmPeak:\t 9 kB\nVmRSS:\t    20 kB\n"), Some(20_480.0));
        assert_eq!(resident_bytes("VmPeak:\t 9 kB\n"), None);
        let limits = |soft: &str| format!("Limit  Soft  Hard\nMax open files            {soft}    4096    files\n");
        assert_eq!(most_descriptors(&limits("1024")), Some(1024.0));
        assert_eq!(most_descriptors(&limits("unlimited")), None);
    }

    #[test]
    fn ticks_are_found_in_the_vector_and_cut_vectors_never_panic() {
        let vector: Vec<u8> = [6, 4096, CLOCK_TICKS, 250, 0, 0].into_iter().flat_map(usize::to_ne_bytes).collect();
        assert_eq!(ticks(&vector), Some(250.0));
        for end in 0..vector.len() {
            let _ = ticks(&vector[..end]);
        }
        assert_eq!(ticks(&[]), None);
    }
}
