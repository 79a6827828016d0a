//! What a calendar and a clock show, counted by hand.

/// A part of the time, from the minutes since 1970.
pub fn clock(part: &str, minutes: i64) -> String {
    let days = minutes.div_euclid(1_440);
    match part {
        "time.hour" => (minutes.rem_euclid(1_440) / 60).to_string(),
        "time.minute" => minutes.rem_euclid(60).to_string(),
        "time.weekday" => {
            const DAYS: [&str; 7] = [
                "thursday",
                "friday",
                "saturday",
                "sunday",
                "monday",
                "tuesday",
                "wednesday",
            ];
            DAYS[usize::try_from(days.rem_euclid(7)).expect("below 7")].to_owned()
        }
        _ => date(days),
    }
}

/// Counted year by year and month by month.
fn date(mut days: i64) -> String {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while days >= 365 + i64::from(leap(year)) {
        days -= 365 + i64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    let lengths = [
        31,
        28 + i64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", days + 1)
}
