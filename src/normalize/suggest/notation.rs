//! How a column writes numbers, days and times: what to try, the likeliest first.

use serde_json::{Value as Json, json};

use super::trial::Profile;
use crate::normalize::Org;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::chain::Steps;
use crate::normalize::mapping;
use crate::normalize::remedy::is_of_half_day;
use crate::normalize::rules::Scope;
use crate::normalize::source::Row;

/// Formats of dates in text, the likeliest first.
const DATES: &[&str] = &[
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%Y/%m/%d",
    "%Y%m%d",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d %m %Y",
    "%d %b %Y",
    "%d %B %Y",
    "%d. %B %Y",
    "%b %d %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%m-%d-%Y",
    "%Y.%m.%d",
    "%d%m%Y",
];

/// Times of day of 24 and of 12 hours.
const HOURS: &[&str] = &["%H:%M:%S", "%H:%M"];
const HALF_DAYS: &[&str] = &["%I:%M:%S %p", "%I:%M %p"];
/// Such as stand by themselves.
const ALONE: &[&str] = &["%Hh%M", "%H.%M", "%I %p", "%H"];

/// Marks of numbers in text: decimal, group.
const NUMBERS: &[(char, char)] =
    &[(',', '.'), (',', ' '), ('.', ','), (',', '\''), ('.', '\''), ('.', ' ')];

/// Where the month comes first.
const MONTH_FIRST: &[&str] = &["US", "AS", "FM", "GU", "MH", "MP", "PH", "PR", "PW", "VI"];

/// Where numbers have a decimal point.
const POINT: &[&str] = &[
    "US", "AS", "AU", "BD", "BN", "BS", "BW", "BZ", "CA", "CH", "CN", "DO", "GB", "GH", "GT", "GU",
    "HK", "HN", "IE", "IL", "IN", "JM", "JP", "KE", "KH", "KR", "LI", "LK", "MM", "MO", "MT", "MX",
    "MY", "NG", "NI", "NP", "NZ", "PA", "PH", "PK", "PR", "SG", "SV", "TH", "TT", "TW", "TZ", "UG",
    "VI", "ZM", "ZW",
];

fn is_in(org: &Org, regions: &[&str]) -> bool {
    let region = org.phone_region.as_deref();
    region.is_some_and(|region| regions.contains(&region.to_ascii_uppercase().as_str()))
}

/// Formats of dates.
pub fn dates(org: &Org) -> Vec<&'static str> {
    let mut dates = DATES.to_vec();
    if is_in(org, MONTH_FIRST) {
        dates.sort_by_key(|date| !date.starts_with("%m"));
    }
    dates
}

/// Formats of times of day behind a date.
pub fn times(profile: &Profile<'_>) -> &'static [&'static str] {
    if profile.share(is_of_half_day) > 0.0 { HALF_DAYS } else { HOURS }
}

/// Notations of numbers: decimal, group.
pub fn numbers(profile: &Profile<'_>, org: &Org) -> Vec<(char, char)> {
    let mut numbers = NUMBERS.to_vec();
    numbers
        .sort_by_key(|(decimal, _)| (separates_groups(profile, *decimal), *decimal != usual(org)));
    numbers
}

/// The decimal sign of the org's region.
pub fn usual(org: &Org) -> char {
    if org.phone_region.is_none() || is_in(org, POINT) { '.' } else { ',' }
}

/// Whether a sign has three digits behind it wherever it stands: then it hardly begins a fraction.
pub fn separates_groups(profile: &Profile<'_>, sign: char) -> bool {
    let mut found = false;
    for (value, _) in &profile.values {
        for (at, _) in value.match_indices(sign) {
            let digit = |c: &char| c.is_ascii_digit();
            let before: String = value[..at].chars().rev().take_while(digit).collect();
            let behind = value[at + sign.len_utf8()..].chars().take_while(digit).count();
            match (before.as_str(), behind) {
                ("", 0) => {}
                (before, 3) if (1..=3).contains(&before.len()) && before != "0" => found = true,
                _ => return false,
            }
        }
    }
    found
}

/// A part of a moment that text says: the column, with the first rule that takes most of its values.
pub fn part(profile: &Profile<'_>, rules: impl IntoIterator<Item = Json>) -> Option<Json> {
    let column = &profile.column.name;
    if profile.kind != Kind::Text || profile.filled == 0 {
        return Some(json!(column));
    }
    let taken = |rule: Json| (share(profile, &json!([rule])), rule);
    let best =
        rules.into_iter().map(taken).reduce(|best, next| if next.0 > best.0 { next } else { best });
    let (_, rule) = best.filter(|(share, _)| *share > 0.7)?;
    match rule.is_string() {
        true => Some(json!(column)),
        false => Some(json!({"column": column, "rules": [rule]})),
    }
}

/// Rules for a day in text.
pub fn days(org: &Org) -> impl Iterator<Item = Json> {
    let formats = dates(org).into_iter().map(|format| json!({ "date": format }));
    std::iter::once(json!("date")).chain(formats)
}

/// Rules for a time of day in text.
pub fn hours() -> impl Iterator<Item = Json> {
    let formats = [HALF_DAYS, ALONE].concat().into_iter().map(|format| json!({ "time": format }));
    std::iter::once(json!("time")).chain(formats)
}

/// The share of a column's values that rules take.
fn share(profile: &Profile<'_>, rules: &Json) -> f64 {
    let (org, mut errors) = (Org::default(), Vec::new());
    let Some(specs) = mapping::read_rules(rules, "", &mut errors) else { return 0.0 };
    let scope = Scope::new(&org, &[]);
    let (steps, _) = Steps::compile(&specs, Some(Kind::Text), "", &scope, &mut errors);
    profile.share(|value| steps.run(Cell::Text(value.into()), &Row::of(&[]), || None).is_ok())
}
