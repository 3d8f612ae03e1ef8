//! How dates, moments and numbers are written: what rule would read a text. Pure.

/// The first of the years that two digits stand for in a date of birth: the usual ones are for what is to
/// come.
const BORN_FROM: i64 = 1925;

/// The first of the years that two digits stand for in a field, where the format has such and the usual
/// ones will not do.
pub fn two_digits(field: &str, format: &str) -> Option<i64> {
    let is_birth = ["birth", "born", "dob"].iter().any(|word| field.contains(word));
    (is_birth && format.contains("%y")).then_some(BORN_FROM)
}

/// The formats that a date may be written in, by its separators and numbers.
pub fn day_formats(value: &str) -> Vec<String> {
    orders(value).unwrap_or_default()
}

fn orders(value: &str) -> Option<Vec<String>> {
    let date = value.trim().split([' ', 'T']).next()?;
    let separator = date.chars().find(|c| !c.is_ascii_digit()).filter(|c| "/.-".contains(*c))?;
    let parts: Vec<&str> = date.split(separator).collect();
    let numbers: Vec<u32> = parts.iter().map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let ([first, _, last], [one, two, _]) = (parts.as_slice(), numbers.as_slice()) else {
        return None;
    };
    let year = if last.len() == 4 { "%Y" } else { "%y" };
    let orders = match (first.len(), *one > 12, *two > 12) {
        (4, _, true) => vec![["%Y", "%d", "%m"]],
        (4, _, false) => vec![["%Y", "%m", "%d"]],
        (_, false, true) => vec![["%m", "%d", year]],
        (_, false, false) if separator == '/' => vec![["%d", "%m", year], ["%m", "%d", year]],
        _ => vec![["%d", "%m", year]],
    };
    Some(orders.iter().map(|order| order.join(&separator.to_string())).collect())
}

/// The formats that a moment may be written in.
pub fn moment_formats(value: &str) -> Vec<String> {
    let days = day_formats(value);
    let Some((_, time)) = value.trim().split_once([' ', 'T']) else { return days };
    let half = time.to_lowercase().ends_with('m');
    let time = match (time.matches(':').count(), half) {
        (1, false) => "%H:%M",
        (1, true) => "%I:%M %p",
        (2, false) => "%H:%M:%S",
        (2, true) => "%I:%M:%S %p",
        _ => return Vec::new(),
    };
    let between = if value.contains('T') { "T" } else { " " };
    days.iter().map(|day| format!("{day}{between}{time}")).collect()
}

/// The signs that a number is written with, where they are not the usual ones, as members of the rule's
/// argument.
pub fn notation(value: &str) -> Option<Vec<(&'static str, &'static str)>> {
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
    let known = |c: char| SIGNS.iter().find(|sign| sign.starts_with(c)).copied().unwrap_or(" ");
    match (decimal, group) {
        (None, None) | (Some('.'), None) => None,
        (decimal, group) => {
            let decimal = decimal.map(|sign| ("decimal", known(sign)));
            Some(decimal.into_iter().chain(group.map(|sign| ("group", known(sign)))).collect())
        }
    }
}

/// What separates fractions and groups; a space stands for all kinds of it.
const SIGNS: [&str; 5] = [",", ".", "'", "’", " "];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_numbers_in_other_notations_are_recognized() {
        let format = |value| day_formats(value).join(" ");
        assert_eq!(format("31/12/1980"), "%d/%m/%Y");
        assert_eq!(format("12/31/80"), "%m/%d/%y");
        assert_eq!(format("03/04/1980"), "%d/%m/%Y %m/%d/%Y");
        assert_eq!(format("31.12.1980 10:00"), "%d.%m.%Y");
        assert_eq!(format("1980-31-12"), "%Y-%d-%m");
        assert_eq!(format("soon"), "");
        let moment = |value| moment_formats(value).join(" or ");
        assert_eq!(moment("31.12.1980 10:00"), "%d.%m.%Y %H:%M");
        assert_eq!(moment("7/17/2024 9:30 AM"), "%m/%d/%Y %I:%M %p");
        let found = |value| notation(value).unwrap_or_default();
        assert_eq!(found("1.234,56"), [("decimal", ","), ("group", ".")]);
        assert_eq!(found("1\u{202f}234 567"), [("group", " ")]);
        assert_eq!(found("1,234,567"), [("group", ",")]);
        assert_eq!(found("12,5"), [("decimal", ",")]);
        assert_eq!(found("1,234.5"), [("decimal", "."), ("group", ",")]);
        assert_eq!(found("12.5"), []);
        assert_eq!(found("a lot"), []);
    }
}
