//! How dates, moments and numbers are written: what rule would read a text. Pure.

/// The format that a date is written in, by its separators and numbers.
pub fn date_format(value: &str) -> Option<String> {
    let date = value.split([' ', 'T']).next()?;
    let separator = date.chars().find(|c| !c.is_ascii_digit()).filter(|c| "/.-".contains(*c))?;
    let parts: Vec<&str> = date.split(separator).collect();
    let numbers: Vec<u32> = parts.iter().map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let year = |part: &str| if part.len() == 4 { "%Y" } else { "%y" };
    let order = match (parts.as_slice(), numbers.as_slice()) {
        ([first, _, _], [_, middle, _]) if first.len() == 4 => {
            let (second, third) = if *middle > 12 { ("%d", "%m") } else { ("%m", "%d") };
            ["%Y", second, third]
        }
        ([_, _, last], [_, middle, _]) if *middle > 12 => ["%m", "%d", year(last)],
        ([_, _, last], _) => ["%d", "%m", year(last)],
        _ => return None,
    };
    Some(order.join(&separator.to_string()))
}

/// The format that a moment is written in, and the rules for it: text without an offset is local time.
pub fn moment_rules(value: &str) -> Option<(String, String)> {
    let date = date_format(value)?;
    let time = value.trim().split_once([' ', 'T']).map(|(_, time)| time.matches(':').count());
    let time = match time {
        None => {
            let rules =
                format!("[{{\"date\": \"{date}\"}}, {{\"timestamp\": {{\"zone\": \"org\"}}}}]");
            return Some((date, rules));
        }
        Some(1) => "%H:%M",
        Some(2) => "%H:%M:%S",
        Some(_) => return None,
    };
    let between = if value.contains('T') { "T" } else { " " };
    let format = format!("{date}{between}{time}");
    let rules = format!("[{{\"timestamp\": {{\"format\": \"{format}\", \"zone\": \"org\"}}}}]");
    Some((format, rules))
}

/// The signs that a number is written with, where they are not the usual ones, as the rule's argument.
pub fn notation(value: &str) -> Option<String> {
    let number = value.trim().trim_start_matches(['-', '+']);
    let plain = number.chars().all(|c| c.is_ascii_digit() || ".,' \u{a0}\u{202f}’".contains(c));
    if !plain || !number.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let decimal = number.rfind([',', '.']).and_then(|at| {
        let (whole, rest) = number.split_at(at);
        let sign = rest.chars().next()?;
        // Groups have three digits; a sign that comes twice separates groups.
        (rest.len() != 4 || whole.contains(|c: char| !c.is_ascii_digit() && c != sign))
            .then_some(sign)
            .filter(|sign| !whole.contains(*sign))
    });
    let group = number.chars().find(|c| !c.is_ascii_digit() && Some(*c) != decimal);
    let group = group.map(|c| if c.is_whitespace() { ' ' } else { c });
    match (decimal, group) {
        (None, None) | (Some('.'), None) => None,
        (None, Some(group)) => Some(format!("{{\"group\": \"{group}\"}}")),
        (Some(decimal), None) => Some(format!("{{\"decimal\": \"{decimal}\"}}")),
        (Some(decimal), Some(group)) => {
            Some(format!("{{\"decimal\": \"{decimal}\", \"group\": \"{group}\"}}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_numbers_in_other_notations_are_recognized() {
        let format = |value| date_format(value).unwrap_or_default();
        assert_eq!(format("31/12/1980"), "%d/%m/%Y");
        assert_eq!(format("12/31/80"), "%m/%d/%y");
        assert_eq!(format("31.12.1980 10:00"), "%d.%m.%Y");
        assert_eq!(format("1980-31-12"), "%Y-%d-%m");
        assert_eq!(format("soon"), "");
        let found = |value| notation(value).unwrap_or_default();
        assert_eq!(found("1.234,56"), r#"{"decimal": ",", "group": "."}"#);
        assert_eq!(found("1 234 567"), r#"{"group": " "}"#);
        assert_eq!(found("1,234,567"), r#"{"group": ","}"#);
        assert_eq!(found("12,5"), r#"{"decimal": ","}"#);
        assert_eq!(found("1,234.5"), r#"{"decimal": ".", "group": ","}"#);
        assert_eq!(found("12.5"), "");
        assert_eq!(found("a lot"), "");
    }
}
