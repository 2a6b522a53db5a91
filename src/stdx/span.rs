//! Lengths of time as they are written in configuration and in sentences; asks no clock.

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// From two days on, days are counted; until then hours are, so that what was configured as `24h` reads as it was
/// written.
const DAYS_FROM: u64 = 2 * DAY;

/// A length of time as the configuration would write it: `90s` is `1m 30s`, a day is `24h`, two are `2d`. Less than a
/// millisecond is left out.
pub fn written(length: Duration) -> String {
    let secs = length.as_secs();
    let (days, rest) = if secs < DAYS_FROM { (0, secs) } else { (secs / DAY, secs % DAY) };
    let units = [
        (days, "d"),
        (rest / HOUR, "h"),
        (rest % HOUR / MINUTE, "m"),
        (rest % MINUTE, "s"),
        (u64::from(length.subsec_millis()), "ms"),
    ];
    let parts = units.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}"));
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_24h_and_two_are_days() {
        let spans = [0, 9, 90, 3_600, 45_000, 86_400, 90_000, 172_799, 172_800, 356_400];
        let shown = spans.map(|secs| written(Duration::from_secs(secs)));
        let expected = ["0s", "9s", "1m 30s", "1h", "12h 30m", "24h", "25h", "47h 59m 59s", "2d", "4d 3h"];
        assert_eq!(shown, expected);
        assert_eq!(written(Duration::from_millis(1_250)), "1s 250ms");
    }

    #[test]
    fn what_is_written_can_be_configured() {
        for millis in [1, 999, 1_000, 61_001, 86_400_000, 200_000_000, 31_536_000_000] {
            let length = Duration::from_millis(millis);
            assert_eq!(humantime::parse_duration(&written(length)), Ok(length));
        }
    }
}
