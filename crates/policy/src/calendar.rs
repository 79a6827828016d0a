//! What day and time it is somewhere.
//!
//! The time zones are the crate's own copy of the database, so that the same policy means the same
//! on every machine; the system's zone is never asked.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::time::Timestamp;

/// A time zone by its name in the tz database.
#[derive(Clone, Debug)]
pub(crate) struct Zone(TimeZone);

/// A point in time as a calendar and a clock show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) hour: u32,
    pub(crate) minute: u32,
    /// In lower case, in English.
    pub(crate) weekday: &'static str,
    /// `2026-01-31`
    pub(crate) date: String,
}

pub(crate) const WEEKDAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

impl Zone {
    pub(crate) const UTC: Self = Self(TimeZone::UTC);

    /// The zone of this very name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let zone = TimeZoneDatabase::bundled().get(name).ok()?;
        // The database knows names in any case, a policy spells them as they are.
        let exact = name == "UTC" || zone.iana_name() == Some(name);
        exact.then_some(Self(zone))
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.0.iana_name()
    }

    /// The names that can be meant, for suggestions.
    pub(crate) fn names() -> Vec<String> {
        let database = TimeZoneDatabase::bundled();
        database.available().map(|name| name.to_string()).collect()
    }

    /// Nothing if the time is outside of the calendar.
    pub(crate) fn at(&self, time: Timestamp) -> Option<Moment> {
        let timestamp = jiff::Timestamp::from_millisecond(time.0).ok()?;
        let local = self.0.to_datetime(timestamp);
        let day = usize::try_from(local.weekday().to_monday_zero_offset()).ok()?;
        Some(Moment {
            hour: u32::try_from(local.hour()).ok()?,
            minute: u32::try_from(local.minute()).ok()?,
            weekday: WEEKDAYS.get(day)?,
            date: local.date().to_string(),
        })
    }
}

/// The point in time that `text`, as in `2026-01-31T22:00`, is in UTC.
pub(crate) fn utc(text: &str) -> Option<Timestamp> {
    let time: jiff::civil::DateTime = text.parse().ok()?;
    let time = TimeZone::UTC.to_timestamp(time).ok()?;
    Some(Timestamp(time.as_millisecond()))
}

/// Is it a date, as `time.date` writes them?
pub(crate) fn is_date(text: &str) -> bool {
    let date: Result<jiff::civil::Date, _> = text.parse();
    date.is_ok_and(|date| date.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_the_zones() {
        // 2026-03-29T01:00:00Z, when the clocks go forward in Berlin.
        let change = 1_774_746_000_000;
        for (zone, time, expected) in [
            ("UTC", 0, "00:00 thursday 1970-01-01"),
            ("UTC", -1, "23:59 wednesday 1969-12-31"),
            ("Europe/Berlin", change - 1, "01:59 sunday 2026-03-29"),
            ("Europe/Berlin", change, "03:00 sunday 2026-03-29"),
            ("Asia/Kolkata", 0, "05:30 thursday 1970-01-01"),
            ("America/New_York", 0, "19:00 wednesday 1969-12-31"),
            ("UTC", 1_709_164_800_000, "00:00 thursday 2024-02-29"),
        ] {
            let moment = Zone::named(zone).and_then(|zone| zone.at(Timestamp(time)));
            let told =
                moment.map(|m| format!("{:02}:{:02} {} {}", m.hour, m.minute, m.weekday, m.date));
            assert_eq!(told.as_deref(), Some(expected), "{zone}");
        }
        assert_eq!(Zone::UTC.at(Timestamp(i64::MAX)), None);
    }

    #[test]
    fn zones_have_exact_names() {
        for name in [
            "",
            "Europe/berlin",
            "Mars/Olympus",
            "local",
            "Etc/Unknown",
            "../etc/passwd",
        ] {
            assert!(Zone::named(name).is_none(), "{name}");
        }
        assert!(Zone::names().iter().any(|name| name == "Europe/Berlin"));
    }
}
