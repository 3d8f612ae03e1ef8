//! Dates with Japanese years: those of an era.

use jiff::civil::Date;

/// Eras by name and letter, with their first day.
const ERAS: [(&str, char, (i16, i8, i8)); 5] = [
    ("令和", 'R', (2019, 5, 1)),
    ("平成", 'H', (1989, 1, 8)),
    ("昭和", 'S', (1926, 12, 25)),
    ("大正", 'T', (1912, 7, 30)),
    ("明治", 'M', (1868, 10, 23)),
];

/// Reads `昭和55年12月31日`, `令和元年5月1日`, `S55.12.31` or `H1/1/8`. `None` for anything else, and for a
/// day before its era.
pub fn date(text: &str) -> Option<Date> {
    let (rest, (year, month, day)) = ERAS.iter().find_map(|(name, letter, first)| {
        let rest = text.strip_prefix(name).or_else(|| {
            text.strip_prefix(*letter).or_else(|| text.strip_prefix(letter.to_ascii_lowercase()))
        });
        Some((rest?, *first))
    })?;
    let first = jiff::civil::date(year, month, day);
    let rest = rest.trim().trim_end_matches('日');
    let mut parts = rest.split(['年', '月', '.', '/', '-']).map(str::trim);
    let of_era = match parts.next()? {
        "元" => 1,
        number => number.parse::<i16>().ok().filter(|number| (1..=99).contains(number))?,
    };
    let (month, day) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let date = Date::new(year + of_era - 1, month, day).ok()?;
    (parts.next().is_none() && date >= first).then_some(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eras() {
        let read = |text| date(text).map(|date| date.to_string());
        for (text, expected) in [
            ("昭和55年12月31日", Some("1980-12-31")),
            ("令和元年5月1日", Some("2019-05-01")),
            ("S55.12.31", Some("1980-12-31")),
            ("h1/1/8", Some("1989-01-08")),
            ("平成 31年 4月 30日", Some("2019-04-30")),
            // The day before its era.
            ("令和1年4月30日", None),
            ("昭和55年2月30日", None),
            ("1980年12月31日", None),
            ("S55.12", None),
            ("Schmidt", None),
            ("", None),
        ] {
            assert_eq!(read(text).as_deref(), expected, "{text}");
        }
    }
}
