//! The only place that reads time.
//!
//! Wall time decides (windows, expiry, the ledger's `at`); monotonic time measures (latency,
//! deadlines inside one process). A test holds a [`Clock::manual`] and moves it, and whoever waits
//! by that clock wakes.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use portreeve_policy::time::Timestamp;
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep_until};

/// Where the time comes from. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<Manual>),
}

#[derive(Debug)]
struct Manual {
    at: AtomicI64,
    moved: Notify,
}

impl Manual {
    fn now(&self) -> Timestamp {
        Timestamp(self.at.load(Ordering::SeqCst))
    }

    async fn until(&self, end: Timestamp) {
        loop {
            // Taken before looking, so that no move between looking and waiting is missed.
            let moved = self.moved.notified();
            if self.now() >= end {
                return;
            }
            moved.await;
        }
    }
}

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until [`Clock::advance`] moves it.
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(Manual {
            at: AtomicI64::new(start.0),
            moved: Notify::new(),
        })))
    }

    /// The wall time, in milliseconds.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => system_now(),
            Source::Manual(manual) => manual.now(),
        }
    }

    /// Moves a manual clock; the machine's clock stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(manual) = &self.0 {
            manual.at.fetch_add(millis(by), Ordering::SeqCst);
            manual.moved.notify_waiters();
        }
    }

    /// Waits, by this clock.
    pub async fn sleep(&self, span: Duration) {
        match &self.0 {
            Source::System => tokio::time::sleep(span).await,
            Source::Manual(manual) => manual.until(manual.now().plus(millis(span))).await,
        }
    }

    /// Waits for `work`, by this clock at most so long; then `None`.
    pub async fn timeout<T>(&self, span: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.sleep(span) => None,
        }
    }
}

/// Waits for `work`, at most so long; then `None`. What is there already is given without a timer.
pub(crate) async fn within<T>(span: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let already = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await;
    match already {
        Poll::Ready(done) => Some(done),
        Poll::Pending => tokio::time::timeout(span, work).await.ok(),
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the clock is where time is read")]
fn system_now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A point of monotonic time, for measuring.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "the clock is where time is read")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    pub fn elapsed_micros(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// A point of monotonic time at which something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due(tokio::time::Instant);

impl Due {
    #[expect(clippy::disallowed_methods, reason = "the clock is where time is read")]
    pub(crate) fn after(span: Duration) -> Self {
        // Beyond all reckoning is the same as never, which is far off enough.
        const NEVER: Duration = Duration::from_hours(24 * 365 * 30);
        Self((Instant::now() + span.min(NEVER)).into())
    }

    #[expect(clippy::disallowed_methods, reason = "the clock is where time is read")]
    fn is_past(self) -> bool {
        Instant::now() >= self.0.into_std()
    }

    /// What comes of `work`, if it comes before this.
    pub(crate) async fn of<T>(self, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout_at(self.0, work).await.ok()
    }
}

/// Wakes whoever waits for one deadline after another. It is set for the first and again when it has
/// rung: most deadlines are met long before, and to set and clear a timer for each costs more than a
/// ring too many.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready once `due` is past.
    pub(crate) fn poll(&mut self, due: Due, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // Set for later than this it would not wake in time.
            if let Some(sleep) = self.0.as_mut().filter(|sleep| sleep.deadline() <= due.0) {
                ready!(sleep.as_mut().poll(cx));
                if due.is_past() {
                    return Poll::Ready(());
                }
            }
            self.0 = Some(Box::pin(sleep_until(due.0)));
        }
    }
}

/// RFC 3339 in UTC with milliseconds: `2026-11-20T07:43:15.123Z`.
pub fn rfc3339(at: Timestamp) -> String {
    let days = at.0.div_euclid(86_400_000);
    let in_day = at.0.rem_euclid(86_400_000);
    let (year, month, day) = civil_from_days(days);
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1_000 % 60, in_day % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Reads what [`rfc3339`] writes; fractions of any length and a numeric offset are accepted.
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let mut parts = date.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let (clock, offset_minutes) = split_offset(rest)?;
    let mut parts = clock.splitn(3, ':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
    let (hour, minute) = (digits(hour, 23)?, digits(minute, 59)?);
    let (second, milli) = (digits(second, 60)?, milliseconds(fraction)?);
    let days = days_from_civil(digits(year, 9999)?, digits(month, 12)?, digits(day, 31)?)?;
    let minutes = days * 1_440 + hour * 60 + minute - offset_minutes;
    Some(Timestamp(minutes * 60_000 + second * 1_000 + milli))
}

/// When something ends: a time, or a date, which ends as it begins in UTC.
pub fn parse_end(text: &str) -> Option<Timestamp> {
    parse_rfc3339(text).or_else(|| {
        let is_date = text.len() == 10;
        is_date
            .then(|| parse_rfc3339(&format!("{text}T00:00:00Z")))
            .flatten()
    })
}

fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let at = text.rfind(['+', '-'])?;
    let (clock, offset) = text.split_at_checked(at)?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let total = digits(hours, 23)? * 60 + digits(minutes, 59)?;
    Some((
        clock,
        if offset.starts_with('-') {
            -total
        } else {
            total
        },
    ))
}

fn digits(text: &str, max: i64) -> Option<i64> {
    let all_digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let value = if all_digits {
        text.parse().ok()?
    } else {
        return None;
    };
    (value <= max).then_some(value)
}

fn milliseconds(fraction: &str) -> Option<i64> {
    let all_digits = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
    let padded: String = fraction.chars().chain("000".chars()).take(3).collect();
    if all_digits {
        padded.parse().ok()
    } else {
        None
    }
}

/// Days since 1970-01-01 to year, month, day in the proleptic Gregorian calendar.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    if month < 1 || day < 1 {
        return None;
    }
    let shifted_year = year - i64::from(month <= 2);
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_reads_what_it_writes() {
        for millis in [0, 1_795_160_595_123, 951_782_400_000, -1, 4_102_444_799_999] {
            let text = rfc3339(Timestamp(millis));
            assert_eq!(parse_rfc3339(&text), Some(Timestamp(millis)), "{text}");
        }
        assert_eq!(
            rfc3339(Timestamp(951_782_400_000)),
            "2000-02-29T00:00:00.000Z"
        );
    }

    #[test]
    fn offsets_and_fractions_are_read_and_nonsense_is_not() {
        let zulu = parse_rfc3339("2026-11-20T07:43:15.5Z");
        assert_eq!(zulu, parse_rfc3339("2026-11-20T09:13:15.500000+01:30"));
        for bad in [
            "",
            "2026-11-20",
            "2026-02-30T00:00:00Z",
            "2026-11-20T25:00:00Z",
            "x",
        ] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn who_waits_by_a_manual_clock_wakes_when_it_is_moved_far_enough() {
        let clock = Clock::manual(Timestamp(0));
        let second = Duration::from_secs(1);
        let mut waiting = std::pin::pin!(clock.sleep(3 * second));
        let mut wakes = async |by: Duration| {
            clock.advance(by);
            let done = clock.timeout(Duration::ZERO, waiting.as_mut());
            done.await.is_some()
        };
        assert!(!wakes(Duration::ZERO).await);
        assert!(!wakes(2 * second).await);
        assert!(wakes(second).await);
        assert_eq!(clock.timeout(second, async { 7 }).await, Some(7));
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(Timestamp(5));
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.now(), Timestamp(2_005));
    }
}
