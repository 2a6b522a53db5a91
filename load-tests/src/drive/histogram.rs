//! Latencies in buckets that are never wider than two per cent; knows no clock.

use std::time::Duration;

/// Counts durations. Values are nanoseconds; two neighbouring buckets differ by at most 1/64.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

/// Below this, every nanosecond has its own bucket; above, every power of two has half as many.
const EXACT: u64 = 128;
const HALF: usize = 64;
/// What the largest `u64` needs: bits above the seventh, each with [`HALF`] buckets, behind the exact ones.
const BUCKETS: usize = 128 + 57 * HALF;

impl Histogram {
    /// With nothing counted.
    pub fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }

    /// Counts one duration.
    pub fn count(&mut self, value: Duration) {
        let nanos = u64::try_from(value.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.counts.get_mut(bucket(nanos)) {
            *bucket += 1;
            self.total += 1;
        }
    }

    /// Adds what another counted.
    pub fn add(&mut self, other: &Histogram) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
        self.total += other.total;
    }

    /// The duration that `share` (0 to 1) of all are not longer than; `None` if nothing was counted.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let rank = ((share * self.total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        at.map(|bucket| Duration::from_nanos(upper(bucket)))
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < EXACT {
        return nanos as usize;
    }
    let shift = 57 - nanos.leading_zeros() as usize;
    shift * HALF + (nanos >> shift) as usize
}

/// The largest value of a bucket.
fn upper(bucket: usize) -> u64 {
    if bucket < EXACT as usize {
        return bucket as u64;
    }
    let shift = bucket / HALF - 1;
    let mantissa = (bucket - shift * HALF) as u64;
    (((u128::from(mantissa) + 1) << shift) - 1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_close_to_what_it_counts() {
        for nanos in
            (0..64).flat_map(|bit| [1_u64 << bit, (1 << bit) - 1, (1 << bit) + (1 << bit) / 3]).chain([u64::MAX])
        {
            let end = upper(bucket(nanos));
            assert!(end >= nanos && end - nanos <= nanos / HALF as u64, "{nanos} became {end}");
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn quantiles_are_ranks() {
        let mut all = Histogram::new();
        assert_eq!(all.quantile(0.5), None);
        (1..=100).for_each(|nanos| all.count(Duration::from_nanos(nanos)));
        assert_eq!(all.quantile(0.5), Some(Duration::from_nanos(50)));
        assert_eq!(all.quantile(0.99), Some(Duration::from_nanos(99)));
        assert_eq!(all.quantile(1.0), Some(Duration::from_nanos(100)));
    }
}
