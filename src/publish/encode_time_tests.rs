//! Dates, times and intervals against what Debezium made of the same ones.

use super::*;

#[test]
fn times_of_day() {
    let (full, short) = (Value::Time(HALF_PAST + 123_456), Value::Time(HALF_PAST + 120_000));
    for (mode, long, three) in [
        (Times::Adaptive, "49890123456", "49890120"),
        (Times::AdaptiveTimeMicroseconds, "49890123456", "49890120000"),
        (Times::Microseconds, "49890123456", "49890120000"),
        (Times::Connect, "49890123", "49890120"),
        (Times::Nanoseconds, "49890123456000", "49890120000000"),
        (Times::IsoString, "\"13:51:30.123456Z\"", "\"13:51:30.12Z\""),
    ] {
        let cases = [(oid::TIME, -1, full.clone(), long), (oid::TIME, 3, short.clone(), three)];
        check(times(mode), cases);
    }
    check(Modes::default(), [(oid::TIME, -1, Value::Time(time::DAY), "86400000000")]);
    let end = Value::Time(time::DAY);
    check(times(Times::IsoString), [(oid::TIME, -1, end, "\"00:00:00Z\"")]);
    check(
        Modes::default(),
        [
            (oid::TIMETZ, -1, Value::TimeTz(HALF_PAST + 123_789, 7200), "\"11:51:30.123789Z\""),
            (oid::TIMETZ, 3, Value::TimeTz(HALF_PAST + 120_000, 7200), "\"11:51:30.12Z\""),
            (oid::TIMETZ, -1, Value::TimeTz(HALF_PAST, 0), "\"13:51:30Z\""),
            (oid::TIMETZ, -1, Value::TimeTz(0, 3600), "\"23:00:00Z\""),
            (oid::TIMETZ, -1, Value::TimeTz(time::DAY, 0), "\"24:00:00Z\""),
        ],
    );
}

#[test]
fn timestamps() {
    let full = Value::Timestamp(DAY_START + HALF_PAST + 123_456);
    let short = Value::Timestamp(DAY_START + HALF_PAST + 120_000);
    for (mode, long, three) in [
        (Times::Adaptive, "1478267490123456", "1478267490120"),
        (Times::AdaptiveTimeMicroseconds, "1478267490123456", "1478267490120"),
        (Times::Microseconds, "1478267490123456", "1478267490120000"),
        (Times::Connect, "1478267490123", "1478267490120"),
        (Times::Nanoseconds, "1478267490123456000", "1478267490120000000"),
        (Times::IsoString, "\"2016-11-04T13:51:30.123456Z\"", "\"2016-11-04T13:51:30.12Z\""),
    ] {
        let cases =
            [(oid::TIMESTAMP, -1, full.clone(), long), (oid::TIMESTAMP, 3, short.clone(), three)];
        check(times(mode), cases);
    }
    let (infinity, minus) = (Value::Timestamp(i64::MAX), Value::Timestamp(i64::MIN));
    for (mode, expected, negative) in [
        (Times::Adaptive, "9223372036825200000", "-9223372036832400000"),
        (Times::Connect, "9223372036825200", "-9223372036832400"),
        (Times::Nanoseconds, "9223372036854775807", "-9223372036854775808"),
        (Times::IsoString, "\"+294247-01-10T04:00:25.2Z\"", "\"-290308-12-21T19:59:27.6Z\""),
    ] {
        let cases = [
            (oid::TIMESTAMP, -1, infinity.clone(), expected),
            (oid::TIMESTAMP, -1, minus.clone(), negative),
        ];
        check(times(mode), cases);
    }
    // Before the epoch, a fraction is cut towards the past; nanoseconds end in the year 2262.
    let cases = [(oid::TIMESTAMP, -1, Value::Timestamp(-1), "-1")];
    check(times(Times::Connect), cases);
    let cases = [(oid::TIMESTAMP, -1, Value::Timestamp(32_503_680_000_000_000), "null")];
    check(times(Times::Nanoseconds), cases);
    // The last years of the server's calendar.
    for (mode, digits, expected) in [
        (Times::Adaptive, 0, "9224318015999000"),
        (Times::Connect, 0, "9224318015999000"),
        (Times::Microseconds, 0, "9223372036854775807"),
        (Times::Nanoseconds, 0, "null"),
        (Times::IsoString, 0, "\"+294276-12-31T23:59:59Z\""),
    ] {
        let value = Value::Other("294276-12-31 23:59:59".into());
        check(times(mode), [(oid::TIMESTAMP, digits, value, expected)]);
    }
}

#[test]
fn timestamps_with_zone() {
    let at = |at| Value::TimestampTz(at);
    let days = |year: i64| (year - 2016) / 400 * 146_097 + 17_109;
    for mode in [Times::Adaptive, Times::Connect, Times::IsoString, Times::Nanoseconds] {
        check(
            times(mode),
            [
                (
                    oid::TIMESTAMPTZ,
                    -1,
                    at(1_585_741_862_000_000),
                    "\"2020-04-01T11:51:02.000000Z\"",
                ),
                (oid::TIMESTAMPTZ, -1, at(i64::MAX), "\"infinity\""),
                (oid::TIMESTAMPTZ, 0, at(i64::MIN), "\"-infinity\""),
                (
                    oid::TIMESTAMPTZ,
                    3,
                    at(DAY_START + HALF_PAST + 120_000),
                    "\"2016-11-04T13:51:30.120Z\"",
                ),
                (oid::TIMESTAMPTZ, 0, at(DAY_START + HALF_PAST), "\"2016-11-04T13:51:30Z\""),
                (
                    oid::TIMESTAMPTZ,
                    -1,
                    at(days(12_016) * time::DAY),
                    "\"+12016-11-04T00:00:00.000000Z\"",
                ),
                (
                    oid::TIMESTAMPTZ,
                    -1,
                    at(days(-384) * time::DAY),
                    "\"-0384-11-04T00:00:00.000000Z\"",
                ),
                (
                    oid::TIMESTAMPTZ,
                    -1,
                    Value::Other("294276-12-31 23:59:59.999999+00".into()),
                    "\"+294276-12-31T23:59:59.999999Z\"",
                ),
                (
                    oid::TIMESTAMPTZ,
                    3,
                    Value::Other("294276-12-31 23:59:59.9+00".into()),
                    "\"+294276-12-31T23:59:59.900Z\"",
                ),
            ],
        );
    }
}

#[test]
fn dates() {
    let (infinity, minus) = (Value::Date(i32::MAX), Value::Date(i32::MIN));
    for mode in [Times::Adaptive, Times::Connect, Times::Nanoseconds] {
        check(
            times(mode),
            [
                (oid::DATE, -1, Value::Date(17_109), "17109"),
                (oid::DATE, -1, infinity.clone(), "-2147472692"),
                (oid::DATE, -1, minus.clone(), "-2147472691"),
            ],
        );
    }
    check(
        times(Times::IsoString),
        [
            (oid::DATE, -1, Value::Date(17_109), "\"2016-11-04Z\""),
            (oid::DATE, -1, Value::Date(2_145_042_905), "\"+5874897-12-31Z\""),
            (oid::DATE, -1, infinity, "\"-5877611-06-21Z\""),
            (oid::DATE, -1, minus, "\"-5877611-06-22Z\""),
        ],
    );
}

#[test]
fn intervals() {
    let interval = |months, days, microseconds| Value::Interval { months, days, microseconds };
    let infinity = interval(i32::MAX, i32::MAX, i64::MAX);
    let minus = interval(i32::MIN, i32::MIN, i64::MIN);
    check(
        Modes::default(),
        [
            (oid::INTERVAL, -1, interval(14, 3, 14_706_780_000), "37091106780000"),
            (oid::INTERVAL, -1, interval(-1, 2, -1_000_000), "-2457001000000"),
            (oid::INTERVAL, -1, interval(i32::MAX, 0, 0), "9223372036854775807"),
            (oid::INTERVAL, -1, infinity.clone(), "9223372036854775807"),
            (oid::INTERVAL, -1, minus.clone(), "-9223372036854775808"),
        ],
    );
    check(
        Modes { interval: Intervals::String, ..Modes::default() },
        [
            (oid::INTERVAL, -1, interval(14, 3, 14_706_780_000), "\"P1Y2M3DT4H5M6.78S\""),
            (oid::INTERVAL, -1, interval(-1, 2, -1_000_000), "\"P0Y-1M2DT0H0M-1S\""),
            (oid::INTERVAL, -1, interval(-178_000_000 * 12, 0, 0), "\"P-178000000Y0M0DT0H0M0S\""),
            (oid::INTERVAL, -1, interval(0, 0, -500_000), "\"P0Y0M0DT0H0M-0.5S\""),
            (oid::INTERVAL, -1, infinity, "\"infinity\""),
            (oid::INTERVAL, -1, minus, "\"-infinity\""),
        ],
    );
}

/// The driver keeps infinite dates at the ends of its calendar.
#[test]
fn infinite_dates_are_javas() {
    assert_eq!(time::civil(DATE_INFINITY.into()), (-5_877_611, 6, 21));
    assert_eq!(time::civil(DATE_MINUS_INFINITY.into()), (-5_877_611, 6, 22));
}
