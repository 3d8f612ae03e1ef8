//! Fields that are made of several columns, or of a part of one.

use serde_json::{Map, Value as Json, json};

use super::known::column;
use super::meanings::is_in;
use super::names::{Name, fit, fold, is_filler};
use super::notation;
use super::ranges::ends;
use super::trial::{Bench, Profile};
use super::words::WORDS;
use crate::normalize::Org;
use crate::normalize::cell::Kind;
use crate::normalize::entity::{Entity, Field};
use crate::normalize::field_type::FieldType;
use crate::normalize::rules;

/// A way to make a field.
pub struct Made {
    pub columns: Vec<String>,
    pub fragment: Json,
    /// How well the names fit.
    pub fit: f64,
    pub why: String,
    /// The columns may feed other fields as well.
    pub shared: bool,
}

/// What several columns together may come to.
pub fn made(field: &Field, profiles: &[Profile<'_>], bench: &Bench<'_>) -> Vec<Made> {
    match field.kind {
        FieldType::TextArray => {
            numbered_list(field, profiles).into_iter().chain(checkboxes(field, profiles)).collect()
        }
        FieldType::Jsonb => object(field, profiles).into_iter().collect(),
        FieldType::Timestamptz => moments(field, profiles, bench),
        FieldType::Numeric | FieldType::Integer | FieldType::Bigint => {
            profiles.iter().filter_map(|profile| range(field, profile)).collect()
        }
        FieldType::Char3 => currency(field, profiles, bench),
        FieldType::Text => names(field, profiles),
        _ => Vec::new(),
    }
}

/// Columns that differ in the number at their end, in its order.
fn groups<'a, 'b>(profiles: &'a [Profile<'b>]) -> Vec<Vec<&'a Profile<'b>>> {
    let mut groups: Vec<Vec<&Profile<'_>>> = Vec::new();
    for profile in profiles.iter().filter(|profile| profile.name.number.is_some()) {
        match groups.iter_mut().find(|group| group[0].name.compact == profile.name.compact) {
            Some(group) => group.push(profile),
            None => groups.push(vec![profile]),
        }
    }
    groups.retain(|group| group.len() > 1);
    for group in &mut groups {
        group.sort_by_key(|profile| profile.name.number);
    }
    groups
}

fn names_of(group: &[&Profile<'_>]) -> Vec<String> {
    group.iter().map(|profile| profile.column.name.clone()).collect()
}

/// The rules of a field's list, where its own chain is empty.
fn tags(field: &Field) -> Option<Json> {
    (field.rules.is_empty() && rules::find("tags").is_some()).then(|| json!(["tags"]))
}

fn with_rules(mut members: Map<String, Json>, rules: Option<Json>) -> Json {
    if let Some(rules) = rules {
        members.insert("rules".into(), rules);
    }
    Json::Object(members)
}

fn numbered_list(field: &Field, profiles: &[Profile<'_>]) -> Option<Made> {
    let texts = |group: &Vec<&Profile<'_>>| group.iter().all(|profile| profile.kind == Kind::Text);
    let groups = groups(profiles).into_iter().filter(texts);
    let best = groups.map(|group| (fit(&group[0].name, &field.name), group));
    let (fit, group) = best.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(fit, _)| *fit >= 0.5)?;
    let columns = names_of(&group);
    let members = Map::from_iter([("list".to_string(), json!(columns))]);
    Some(Made {
        fragment: with_rules(members, tags(field)),
        why: format!("{} columns that differ in their number", columns.len()),
        columns,
        fit: (fit + 0.05).min(1.0),
        shared: false,
    })
}

fn checkboxes(field: &Field, profiles: &[Profile<'_>]) -> Option<Made> {
    let own = super::names::Name::of(&field.name);
    let (mut columns, mut boxes) = (Vec::new(), Vec::new());
    for profile in profiles.iter().filter(|p| p.kind == Kind::Boolean && p.name.custom) {
        let name = &profile.column.name;
        if !profile.name.words.is_disjoint(&own.words)
            && let Some(label) = label(name, &field.name)
        {
            columns.push(name.clone());
            boxes.push(Json::Object(Map::from_iter([(name.clone(), label.into())])));
        }
    }
    if boxes.is_empty() {
        return None;
    }
    let members = Map::from_iter([("checkboxes".to_string(), Json::Array(boxes))]);
    Some(Made {
        why: format!("{} checkboxes with a name each", columns.len()),
        fragment: with_rules(members, tags(field)),
        columns,
        fit: 0.9,
        shared: false,
    })
}

/// What a checkbox stands for: its name without what says which field it is about.
fn label(column: &str, field: &str) -> Option<String> {
    let own = super::names::Name::of(field).words;
    let base = fold(column);
    let base = base.trim_end_matches("__c");
    let base = base.rsplit("__").next().unwrap_or(base);
    let says = |token: &&str| {
        let meaning = WORDS.variants.get(*token);
        !is_filler(token) && !meaning.is_some_and(|meaning| own.contains(meaning))
    };
    let words: Vec<&str> = base.split('_').filter(|token| !token.is_empty()).filter(says).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

fn object(field: &Field, profiles: &[Profile<'_>]) -> Option<Made> {
    let questions = |group: &Vec<&Profile<'_>>| {
        let name = &group[0].name;
        let asks = name.words.contains("question") || name.words.contains("answers");
        group.len() >= 2 && (asks || fit(name, &field.name) >= 0.6)
    };
    let group = groups(profiles).into_iter().filter(questions).max_by_key(Vec::len)?;
    let members: Map<String, Json> = group
        .iter()
        .map(|profile| {
            let name = format!("{}{}", profile.name.compact, profile.name.number.unwrap_or(0));
            (name, Json::String(profile.column.name.clone()))
        })
        .collect();
    Some(Made {
        columns: names_of(&group),
        why: format!("{} columns, one a question", group.len()),
        fragment: json!({"object": members}),
        fit: 0.9,
        shared: false,
    })
}

/// A date and a time of day that belong together.
fn moments(field: &Field, profiles: &[Profile<'_>], bench: &Bench<'_>) -> Vec<Made> {
    let mut found = Vec::new();
    for date in profiles.iter().filter(|p| matches!(p.kind, Kind::Date | Kind::Text)) {
        for time in profiles.iter().filter(|p| matches!(p.kind, Kind::Time | Kind::Text)) {
            let named = date.name.words.contains("date") || date.kind == Kind::Date;
            let timed = time.name.words.contains("time") || time.kind == Kind::Time;
            let fit = fit(&date.name, &field.name).min(fit(&time.name, &field.name));
            if fit < 0.5 || !named || !timed || date.column.name == time.column.name {
                continue;
            }
            let day = notation::part(date, notation::days(bench.org));
            let hour = notation::part(time, notation::hours());
            let (Some(day), Some(hour)) = (day, hour) else { continue };
            found.push(Made {
                columns: vec![date.column.name.clone(), time.column.name.clone()],
                fragment: json!({"moment": {"date": day, "time": hour}}),
                fit: (fit + 0.05).min(1.0),
                why: "a date and a time of day, in the org's time zone".into(),
                shared: false,
            });
        }
    }
    found
}

/// Whether the values of a picklist are mostly ranges.
pub fn is_ranges(profile: &Profile<'_>) -> bool {
    profile.kind == Kind::Text
        && profile.is_picklist()
        && profile.values.iter().filter(|(value, _)| ends(value).is_some()).count() >= 2
        && profile.share(|value| ends(value).is_some()) > 0.5
}

/// One end of the ranges that a picklist names.
fn range(field: &Field, profile: &Profile<'_>) -> Option<Made> {
    let words = super::names::Name::of(&field.name).words;
    let (low, high) = (words.contains("minimum"), words.contains("maximum"));
    let fit = fit(&profile.name, &field.name);
    if low == high || fit < 0.4 || !is_ranges(profile) {
        return None;
    }
    let mut entries = Map::new();
    for (value, _) in &profile.values {
        if let Some((from, to)) = ends(value) {
            let end = if low { from } else { to };
            entries.insert(value.clone(), end.map_or(Json::Null, Json::from));
        }
    }
    Some(Made {
        columns: vec![profile.column.name.clone()],
        fragment: column(&profile.column.name, Some(json!([{"map": entries}]))),
        fit: (fit + 0.05).min(1.0),
        why: "a picklist of ranges".into(),
        shared: true,
    })
}

/// The currency that a column's name or values tell.
fn told(profile: &Profile<'_>) -> Option<&'static str> {
    let by_name = WORDS
        .currencies
        .0
        .iter()
        .find(|(_, written)| written.iter().any(|word| profile.name.words.contains(word)));
    let by_values = WORDS.currencies.0.iter().find(|(_, written)| {
        profile.kind == Kind::Text
            && profile.share(|value| {
                let value = fold(value);
                written.iter().any(|word| match word.chars().all(char::is_alphabetic) {
                    true => is_in(word, &value),
                    false => value.contains(word.as_str()),
                })
            }) > 0.5
    });
    by_name.or(by_values).map(|(code, _)| code.as_str())
}

/// The fields with the amounts that a currency is that of.
pub fn amounts_of<'e>(field: &Field, entity: &'e Entity) -> Vec<&'e str> {
    if field.kind != FieldType::Char3 {
        return Vec::new();
    }
    let numbers = [FieldType::Numeric, FieldType::Integer, FieldType::Bigint];
    let amounts = entity.fields.iter().filter(|other| numbers.contains(&other.kind));
    let about = Name::of(&field.name);
    let amounts = amounts.filter(|other| is_about(&Name::of(&other.name), &about));
    amounts.map(|other| other.name.as_str()).collect()
}

/// Whether an amount, by its name, is what a currency belongs to.
fn is_about(amount: &Name, currency: &Name) -> bool {
    amount.words.intersection(&currency.words).any(|word| word != "currency")
}

/// The currency of the org's region: a code begins with that of its country, but for the euro.
fn currency_of(org: &Org) -> &'static str {
    let region = org.phone_region.as_deref().unwrap_or_default().to_ascii_uppercase();
    let mut codes = WORDS.currencies.0.iter().map(|(code, _)| code.as_str());
    codes.find(|code| region.len() == 2 && code.starts_with(&region)).unwrap_or("EUR")
}

/// A currency that goes with an amount: of a column beside it, or the one that the amount tells of. It is
/// there where an amount is.
fn currency(field: &Field, profiles: &[Profile<'_>], bench: &Bench<'_>) -> Vec<Made> {
    let about = Name::of(&field.name);
    let made = amounts_of(field, &bench.entity);
    let present = |amount: &str| {
        let test = |field: &&str| json!({"field": field, "present": true});
        match made.as_slice() {
            [] => json!({"column": amount, "present": true}),
            [one] => test(one),
            several => json!({"or": several.iter().map(test).collect::<Vec<_>>()}),
        }
    };
    let amounts: Vec<&Profile<'_>> = profiles
        .iter()
        .filter(|profile| is_about(&profile.name, &about))
        .filter(|profile| matches!(profile.kind, Kind::Number | Kind::Text))
        .collect();
    let constant = |amount: &Profile<'_>, code: &str, fit: f64, why: String| {
        let name = &amount.column.name;
        let fragment = json!({"constant": code, "when": present(name)});
        Made { columns: vec![name.clone()], fragment, fit, why, shared: true }
    };
    let mut found = Vec::new();
    for amount in &amounts {
        let name = &amount.column.name;
        if let Some(code) = told(amount) {
            found.push(constant(amount, code, 0.9, format!("{name} is in {code}")));
        }
        for profile in
            profiles.iter().filter(|p| p.kind == Kind::Text && fit(&p.name, &field.name) >= 0.7)
        {
            let code = &profile.column.name;
            if code == name {
                continue;
            }
            found.push(Made {
                columns: vec![code.clone()],
                fragment: json!({"column": code, "when": present(name)}),
                fit: (fit(&profile.name, &field.name) + 0.02).min(1.0),
                why: format!("the currency of {name}, where there is one"),
                shared: true,
            });
        }
    }
    if found.is_empty() {
        // Nothing tells: the org's own currency has to be put in.
        let ranges = amounts.iter().find(|amount| is_ranges(amount));
        let code = currency_of(bench.org);
        let why = format!("nothing says which currency: {code} is a guess");
        found.extend(ranges.map(|amount| constant(amount, code, 0.6, why)));
    }
    found
}

/// Names: the whole from its parts, the parts from the whole.
fn names(field: &Field, profiles: &[Profile<'_>]) -> Vec<Made> {
    let best = |field: &str, least: f64| {
        profiles
            .iter()
            .filter(|profile| profile.kind == Kind::Text)
            .map(|profile| (fit(&profile.name, field), profile))
            .filter(|(fit, _)| *fit >= least)
            .max_by(|a, b| a.0.total_cmp(&b.0))
    };
    let (first, last) = (best("first_name", 0.7), best("last_name", 0.7));
    let mut found = Vec::new();
    match (field.name.as_str(), first, last) {
        ("full_name", Some((fit, first)), Some((other, last)))
            if first.column.name != last.column.name =>
        {
            let (first, last) = (&first.column.name, &last.column.name);
            let mut fragment = json!({"template": format!("{{{first}}} {{{last}}}")});
            fragment["rules"] = json!(["squeeze"]);
            found.push(Made {
                columns: vec![first.clone(), last.clone()],
                fragment,
                fit: fit.min(other),
                why: "first and last name".into(),
                shared: true,
            });
        }
        ("first_name" | "last_name", first, last) => {
            let own = if field.name == "first_name" { first } else { last };
            let other = if field.name == "first_name" { last } else { first };
            let whole = best("full_name", 0.55);
            if own.is_none()
                && other.is_none()
                && let Some((fit, whole)) = whole
            {
                let name = &whole.column.name;
                found.push(Made {
                    columns: vec![name.clone()],
                    fragment: column(name, Some(part_of_name(&field.name))),
                    fit: fit * 0.9,
                    why: "a part of the whole name".into(),
                    shared: true,
                });
            }
        }
        _ => {}
    }
    found
}

/// The rule that takes a part of a full name.
fn part_of_name(field: &str) -> Json {
    let part = if field == "first_name" { "first" } else { "last" };
    json!([{ "name_part": part }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_checkboxes() {
        assert_eq!(label("interested_in_solar__c", "interests").as_deref(), Some("solar"));
        assert_eq!(
            label("fm__interesse_waermepumpe__c", "interests").as_deref(),
            Some("waermepumpe")
        );
        assert_eq!(label("interests__c", "interests"), None);
    }
}
