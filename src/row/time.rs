//! Dates and times as text: ISO 8601 in the server's dress (`DateStyle` ISO, time zone UTC).
//!
//! Days and microseconds count from 1970-01-01, the calendar is the proleptic Gregorian one, years
//! before 1 are written with `BC` as the server does.

use super::text::Out;

const SECOND: u64 = 1_000_000;
/// Microseconds of a day.
pub const DAY: i64 = 86_400_000_000;

/// Year (astronomical: 0 is 1 BC), month and day of a day number. After Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
pub fn civil(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u32, day)
}

/// The day number of a date, the other way round.
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let year = year - i64::from(month <= 2);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year.div_euclid(400) * 146_097 + day_of_era - 719_468
}

/// Days and microseconds of a timestamp in the dress of [`day_and_time`], in UTC and after Christ.
pub fn parse(text: &str) -> Option<(i64, i64)> {
    let number = |text: &str| text.parse::<i64>().ok();
    let (date, clock) = text.split_once(' ')?;
    let mut date = date.splitn(3, '-').map(number);
    let days = days(date.next()??, date.next()??, date.next()??);
    let clock = clock.split('+').next()?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut seconds = 0;
    for part in clock.split(':') {
        seconds = seconds * 60 + number(part)?;
    }
    let microseconds = number(&format!("{fraction:0<6}"))?;
    Some((days, seconds * SECOND as i64 + microseconds))
}

/// `2024-12-17`, `infinity`, `0044-03-15 BC`.
pub fn date(out: &mut impl Out, days: i32) {
    match days {
        i32::MAX => out.put("infinity"),
        i32::MIN => out.put("-infinity"),
        days => {
            let before_christ = day(out, days.into());
            out.put(if before_christ { " BC" } else { "" });
        }
    }
}

/// Date and time, with `separator` between and `zone` behind.
pub fn timestamp(out: &mut impl Out, microseconds: i64, separator: &str, zone: &str) {
    match microseconds {
        i64::MAX => out.put("infinity"),
        i64::MIN => out.put("-infinity"),
        at => day_and_time(out, at.div_euclid(DAY), at.rem_euclid(DAY), separator, zone),
    }
}

/// As [`timestamp`], for days since 1970-01-01 and microseconds since midnight.
pub fn day_and_time(out: &mut impl Out, days: i64, microseconds: i64, separator: &str, zone: &str) {
    let before_christ = day(out, days);
    out.put(separator);
    time(out, microseconds);
    out.put(zone);
    out.put(if before_christ { " BC" } else { "" });
}

/// `08:57:57.5`, for microseconds since midnight.
pub fn time(out: &mut impl Out, microseconds: i64) {
    clock(out, microseconds.unsigned_abs(), None);
}

/// Hours (two digits at least), minutes, seconds, and a [`fraction`].
pub fn clock(out: &mut impl Out, microseconds: u64, width: Option<usize>) {
    let seconds = microseconds / SECOND;
    let hours = seconds / 3600;
    if hours < 100 {
        two(out, hours);
    } else {
        out.put(itoa::Buffer::new().format(hours));
    }
    out.put(":");
    two(out, seconds / 60 % 60);
    out.put(":");
    two(out, seconds % 60);
    fraction(out, microseconds % SECOND, width);
}

/// `.5`, `.000001`, nothing for 0; or exactly as many digits as `width` says.
pub fn fraction(out: &mut impl Out, microseconds: u64, width: Option<usize>) {
    let digits =
        [100_000, 10_000, 1000, 100, 10, 1].map(|unit| b'0' + (microseconds / unit % 10) as u8);
    let shown = width.unwrap_or_else(|| {
        digits.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1)
    });
    if shown > 0 {
        out.put(".");
        out.put(std::str::from_utf8(&digits[..shown.min(6)]).unwrap_or_default());
    }
}

/// `+02`, `-03:30`, `+00:00:01`: seconds east of UTC.
pub fn zone(out: &mut impl Out, east: i32) {
    out.put(if east < 0 { "-" } else { "+" });
    let seconds = u64::from(east.unsigned_abs());
    two(out, seconds / 3600);
    if seconds % 3600 != 0 {
        out.put(":");
        two(out, seconds / 60 % 60);
    }
    if seconds % 60 != 0 {
        out.put(":");
        two(out, seconds % 60);
    }
}

/// The word for an interval without end (PostgreSQL 17).
pub fn infinity(months: i32, days: i32, microseconds: i64) -> Option<&'static str> {
    match (months, days, microseconds) {
        (i32::MAX, i32::MAX, i64::MAX) => Some("infinity"),
        (i32::MIN, i32::MIN, i64::MIN) => Some("-infinity"),
        _ => None,
    }
}

/// `1 year 2 mons 3 days 04:05:06.78` (`IntervalStyle` postgres, `EncodeInterval`).
pub fn interval(out: &mut impl Out, months: i32, days: i32, microseconds: i64) {
    if let Some(word) = infinity(months, days, microseconds) {
        return out.put(word);
    }
    let (mut empty, mut negative) = (true, false);
    for (number, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if number == 0 {
            continue;
        }
        out.put(if empty { "" } else { " " });
        // After a negative part, a positive one says so.
        out.put(if negative && number > 0 { "+" } else { "" });
        out.put(itoa::Buffer::new().format(number));
        out.put(" ");
        out.put(unit);
        out.put(if number == 1 { "" } else { "s" });
        (empty, negative) = (false, number < 0);
    }
    if empty || microseconds != 0 {
        out.put(if empty { "" } else { " " });
        out.put(match (microseconds < 0, negative) {
            (true, _) => "-",
            (false, true) => "+",
            (false, false) => "",
        });
        clock(out, microseconds.unsigned_abs(), None);
    }
}

/// Writes year (four digits at least), month and day; returns whether the year is before Christ.
fn day(out: &mut impl Out, days: i64) -> bool {
    let (year, month, day) = civil(days);
    let before_christ = year < 1;
    four(out, if before_christ { 1 - year } else { year }.unsigned_abs());
    out.put("-");
    two(out, month.into());
    out.put("-");
    two(out, day.into());
    before_christ
}

/// At least four digits.
pub fn four(out: &mut impl Out, number: u64) {
    if number < 10_000 {
        two(out, number / 100);
        two(out, number % 100);
    } else {
        out.put(itoa::Buffer::new().format(number));
    }
}

/// Two digits of a number below 100.
pub fn two(out: &mut impl Out, number: u64) {
    const PAIRS: &str = "00010203040506070809101112131415161718192021222324\
                         25262728293031323334353637383940414243444546474849\
                         50515253545556575859606162636465666768697071727374\
                         75767778798081828384858687888990919293949596979899";
    let at = (number % 100) as usize * 2;
    out.put(&PAIRS[at..at + 2]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_days() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(10_957), (2000, 1, 1));
        assert_eq!(civil(-719_163), (0, 12, 31));
    }

    proptest! {
        #[test]
        fn timestamps_read_back(days in -719_162i64..200_000_000, of_day in 0..DAY) {
            let mut text = String::new();
            day_and_time(&mut text, days, of_day, " ", "+00");
            prop_assert_eq!(parse(&text), Some((days, of_day)));
        }

        #[test]
        fn days_follow_each_other(days in -2_000_000_000i64..2_000_000_000) {
            let (year, month, day) = civil(days);
            prop_assert_eq!(super::days(year, month.into(), day.into()), days);
            let next = civil(days + 1);
            prop_assert!(
                next == (year, month, day + 1)
                    || next == (year, month + 1, 1)
                    || (next == (year + 1, 1, 1) && (month, day) == (12, 31))
            );
        }
    }
}
