//! When a request may be made: days and hours in one time zone; the time itself is handed in.

use super::{Condition, Facts, Tighten};
use crate::stdx::clock::Time;
use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;

pub(super) const WORD: &str = "hours";

/// The days' words, Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// `hours` of a policy: on these days, from `from` until before `to`.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    /// On which days.
    pub days: Days,
    /// From this time of day.
    pub from: civil::Time,
    /// Until before this time of day. Earlier than `from`: the window runs over midnight and counts to the day it
    /// began on.
    pub to: civil::Time,
    /// In this time zone.
    pub zone: TimeZone,
}

/// A set of days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days(u8);

/// Text that is not hours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHours {
    /// Not days.
    #[error("days are a list such as \"mon-fri\" or \"mon,wed,sat-sun\"")]
    Days,
    /// Not a time of day.
    #[error("a time of day is written \"07:00\"")]
    TimeOfDay,
    /// Not a time zone.
    #[error("a time zone is a name of the IANA database such as \"Europe/Berlin\" or \"UTC\"")]
    Zone,
    /// From and to are the same.
    #[error("from and to must differ")]
    Empty,
}

impl Days {
    /// Reads `mon-fri`, `sat,sun`, `fri-mon`.
    ///
    /// # Errors
    /// [`InvalidHours::Days`].
    pub fn parse(text: &str) -> Result<Self, InvalidHours> {
        let mut days = 0;
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (Self::index(first)?, Self::index(last)?);
            let length = (last + 7 - first) % 7;
            (0..=length).for_each(|step| days |= 1 << ((first + step) % 7));
        }
        Ok(Days(days))
    }

    fn index(word: &str) -> Result<usize, InvalidHours> {
        let word = word.trim().to_ascii_lowercase();
        DAYS.iter().position(|day| *day == word).ok_or(InvalidHours::Days)
    }

    fn has(self, day: civil::Weekday) -> bool {
        self.0 & 1 << day.to_monday_zero_offset() != 0
    }
}

impl std::fmt::Display for Days {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> =
            DAYS.iter().enumerate().filter(|(at, _)| self.0 & 1 << at != 0).map(|(_, day)| *day).collect();
        f.write_str(&names.join(","))
    }
}

impl Hours {
    /// Reads the four words of the configuration.
    ///
    /// # Errors
    /// Which of them cannot be read, and what it must look like.
    pub fn parse(days: &str, from: &str, to: &str, zone: &str) -> Result<Self, InvalidHours> {
        let time = |text: &str| text.parse::<civil::Time>().map_err(|_| InvalidHours::TimeOfDay);
        let zone = TimeZone::get(zone).map_err(|_| InvalidHours::Zone)?;
        let hours = Hours { days: Days::parse(days)?, from: time(from)?, to: time(to)?, zone };
        if hours.from == hours.to { Err(InvalidHours::Empty) } else { Ok(hours) }
    }

    fn local(&self, now: Time) -> Option<civil::DateTime> {
        let millis = i64::try_from(now.millis()).ok()?;
        Some(self.zone.to_datetime(Timestamp::from_millisecond(millis).ok()?))
    }
}

impl Condition for Hours {
    fn word(&self) -> &'static str {
        WORD
    }

    fn holds(&self, facts: &Facts<'_>) -> bool {
        let Some(local) = self.local(facts.now) else { return false };
        let (today, time) = (local.weekday(), local.time());
        if self.from < self.to {
            return self.days.has(today) && self.from <= time && time < self.to;
        }
        (self.days.has(today) && self.from <= time) || (self.days.has(today.previous()) && time < self.to)
    }

    fn has(&self, facts: &Facts<'_>) -> String {
        match self.local(facts.now) {
            Some(local) => local.strftime("%a %H:%M").to_string().to_lowercase(),
            None => "no time".to_owned(),
        }
    }

    fn needs(&self) -> String {
        let zone = self.zone.iana_name().unwrap_or("a fixed offset");
        format!("{}, {} to {} ({zone})", self.days, self.from.strftime("%H:%M"), self.to.strftime("%H:%M"))
    }

    fn remedy(&self, _: &Facts<'_>) -> String {
        "come back within the hours".to_owned()
    }
}

impl Tighten for Hours {
    /// The same zone, days among the wider ones, and times within; windows over midnight only by being the same.
    fn within(&self, wider: &Self) -> bool {
        let days = self.days.0 & !wider.days.0 == 0;
        let plain = |hours: &Hours| hours.from < hours.to;
        let inside = match (plain(self), plain(wider)) {
            (true, true) => wider.from <= self.from && self.to <= wider.to,
            (false, false) => self.from == wider.from && self.to == wider.to,
            (true, false) | (false, true) => false,
        };
        days && inside && self.zone == wider.zone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(at: &str, method: &'static http::Method) -> Facts<'static> {
        let at: Timestamp = at.parse().expect("a timestamp");
        let now = Time::from_millis(u64::try_from(at.as_millisecond()).expect("after the epoch"));
        Facts { now, caller: None, client: std::net::Ipv4Addr::LOCALHOST.into(), method }
    }

    #[test]
    fn office_hours_follow_the_zone_through_summer_time() {
        let hours = Hours::parse("mon-fri", "07:00", "19:00", "Europe/Berlin").expect("hours");
        let holds = |at| hours.holds(&facts(at, &http::Method::GET));
        assert!(holds("2026-01-05T06:00:00Z"));
        assert!(!holds("2026-01-05T05:59:00Z"));
        assert!(holds("2026-07-06T05:00:00Z"));
        assert!(!holds("2026-07-06T17:00:00Z"));
        assert!(!holds("2026-01-04T12:00:00Z"));
    }

    #[test]
    fn a_window_over_midnight_counts_to_the_day_it_began_on() {
        let hours = Hours::parse("fri", "22:00", "06:00", "UTC").expect("hours");
        let holds = |at| hours.holds(&facts(at, &http::Method::GET));
        assert!(holds("2026-01-09T23:00:00Z"));
        assert!(holds("2026-01-10T05:59:00Z"));
        assert!(!holds("2026-01-09T05:00:00Z"));
        assert!(!holds("2026-01-10T23:00:00Z"));
    }

    #[test]
    fn days_may_wrap_around_the_week() {
        assert_eq!(Days::parse("sat-mon").expect("days").to_string(), "mon,sat,sun");
        assert_eq!(Days::parse("monday"), Err(InvalidHours::Days));
    }
}
