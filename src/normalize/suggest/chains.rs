//! The rules that one column's values may need for a field of some type.

use serde_json::{Map, Value as Json, json};

use super::known::Knowledge;
use super::meanings::table;
use super::names::fold;
use super::notation;
use super::ranges::factor;
use super::trial::Profile;
use super::words::WORDS;
use crate::normalize::Org;
use crate::normalize::cell::Kind;
use crate::normalize::defaults::chain_json;
use crate::normalize::entity::Field;
use crate::normalize::field_type::FieldType;
use crate::normalize::remedy::two_digits;
use crate::normalize::rules::country::in_any_language;

/// A chain to try; `None` is the field's own.
pub struct Chain {
    pub rules: Option<Json>,
    /// What has to be said of it, where there is something.
    pub note: Option<String>,
    /// Values that a table has no entry for.
    pub unknown: Vec<String>,
    /// How much less likely it is than it looks.
    pub doubt: f64,
}

impl Chain {
    pub fn own() -> Chain {
        Chain { rules: None, note: None, unknown: Vec::new(), doubt: 1.0 }
    }

    pub fn of(rules: Json) -> Chain {
        Chain { rules: Some(rules), ..Chain::own() }
    }
}

/// The chains to try, the simplest first.
pub fn chains(field: &Field, profile: &Profile<'_>, known: &Knowledge, org: &Org) -> Vec<Chain> {
    let mut chains = affirmed(field, profile, known, org);
    if field.kind == FieldType::Boolean && refuses(profile) {
        for chain in &mut chains {
            let own = if profile.kind == Kind::Text { chain_json(&field.rules) } else { json!([]) };
            let Json::Array(mut rules) = chain.rules.take().unwrap_or(own) else { continue };
            rules.push("not".into());
            chain.rules = Some(Json::Array(rules));
            chain.note = Some("the name says that yes is a refusal".into());
        }
    }
    chains
}

/// Whether a text has the look of a date.
fn is_day(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (6..=20).contains(&digits) && text.contains(['/', '-', '.'])
}

/// Whether a column says that something is not wanted.
fn refuses(profile: &Profile<'_>) -> bool {
    let words = &profile.name.words;
    words.contains("refusal") || (words.contains("opted") && words.contains("out"))
}

fn affirmed(field: &Field, profile: &Profile<'_>, known: &Knowledge, org: &Org) -> Vec<Chain> {
    let mut chains = Vec::new();
    if let Some(chain) = table(field, profile, known) {
        return vec![chain];
    }
    chains.push(Chain::own());
    let tells_when = match profile.kind {
        Kind::Timestamp | Kind::Date => true,
        Kind::Text => profile.share(is_day) > 0.6,
        _ => false,
    };
    if field.kind == FieldType::Boolean && tells_when {
        let chain = Chain::of(json!([{"map": {}, "default": true}]));
        return vec![Chain {
            note: Some("a date is there where it was given".into()),
            doubt: 0.8,
            ..chain
        }];
    }
    if profile.kind != Kind::Text {
        if profile.kind == Kind::Number {
            chains.extend(numbered(field));
        }
        return chains;
    }
    chains.extend(countries(field, profile));
    match field.kind {
        FieldType::Integer | FieldType::Bigint | FieldType::Numeric => {
            chains = numbers(field, profile, org);
            chains.extend(grades(field, profile, known));
        }
        FieldType::Date => {
            for format in notation::dates(org) {
                let mut rule = json!({"date": format});
                if let Some(from) = two_digits(&field.name, format) {
                    rule["years_from"] = from.into();
                }
                chains.push(Chain::of(in_place_of(field, "date", rule)));
            }
        }
        FieldType::Timestamptz => {
            // Text without an offset is what people read off their clocks; what Salesforce itself writes is UTC.
            if profile.name.custom && profile.share(has_offset) < 1.0 {
                let rule = json!({"timestamp": {"zone": "org"}});
                chains.insert(0, Chain::of(in_place_of(field, "timestamp", rule)));
            }
            for date in notation::dates(org) {
                for time in notation::times(profile) {
                    let format = format!("{date} {time}");
                    let rule = json!({"timestamp": {"format": format, "zone": "org"}});
                    chains.push(Chain::of(in_place_of(field, "timestamp", rule)));
                }
            }
        }
        FieldType::Boolean => chains.extend(words(profile, known)),
        FieldType::TextArray => {
            chains.extend([json!(["tags"]), json!([{"split": ";"}])].map(Chain::of));
        }
        _ => {}
    }
    chains
}

/// Whether a moment in text says how far from UTC it is.
fn has_offset(text: &str) -> bool {
    // Signs before the first colon are those of a date.
    let (_, time) = text.split_once(':').unwrap_or_default();
    text.trim_end().ends_with(['Z', 'z']) || time.contains(['+', '-'])
}

/// Notations of numbers, the field's own first unless it would take thousands for fractions.
fn numbers(field: &Field, profile: &Profile<'_>, org: &Org) -> Vec<Chain> {
    let of = |number: Json| Chain::of(in_place_of(field, "number", json!({"number": number})));
    let notations = notation::numbers(profile, org);
    let noted = |chain: Chain, group: char| {
        let doubtful = group == notation::usual(org) && notation::separates_groups(profile, group);
        let note = || {
            format!("\"{group}\" has three digits behind it everywhere, so it separates thousands")
        };
        Chain { note: doubtful.then(note), ..chain }
    };
    let all = |units: Option<&Map<String, Json>>, plain: Chain| {
        let number = |&(decimal, group): &(char, char)| {
            let mut number = json!({"decimal": decimal, "group": group});
            if let Some(units) = units {
                number["units"] = units.clone().into();
            }
            noted(of(number), group)
        };
        let mut chains: Vec<Chain> = notations.iter().map(number).collect();
        let last = notation::separates_groups(profile, '.');
        chains.insert(if last { chains.len() } else { 0 }, plain);
        chains
    };
    let mut chains = all(None, Chain::own());
    if let Some(units) = units(profile) {
        chains.extend(all(Some(&units), of(json!({"units": units}))));
    }
    chains
}

/// What stands beside the digits of amounts, as currencies, percent and thousands do, with what it
/// multiplies by.
fn units(profile: &Profile<'_>) -> Option<Map<String, Json>> {
    let mut units = Map::new();
    let marks = |c: char| c.is_whitespace() || c.is_ascii_digit() || ".,'’-+()".contains(c);
    for (value, _) in profile.values.iter().take(200) {
        let value = value.to_lowercase();
        if !value.contains(|c: char| c.is_ascii_digit()) {
            continue;
        }
        for unit in value.split(marks).filter(|unit| !unit.is_empty()) {
            let folded = fold(unit);
            let is_currency =
                || WORDS.currencies.0.iter().any(|(_, names)| names.contains(&folded));
            let times = factor(&folded).or_else(|| (folded == "%" || is_currency()).then_some(1));
            if let Some(times) = times {
                units.insert(unit.into(), times.into());
            }
        }
    }
    (!units.is_empty()).then_some(units)
}

/// Numbers that days and moments are written as.
fn numbered(field: &Field) -> Vec<Chain> {
    let forms: &[Json] = match field.kind {
        FieldType::Date => &[json!({"date": "excel"})],
        FieldType::Timestamptz => &[
            json!({"timestamp": {"format": "unix_ms"}}),
            json!({"timestamp": {"format": "unix"}}),
            json!({"timestamp": {"format": "excel", "zone": "org"}}),
        ],
        _ => &[],
    };
    forms.iter().map(|form| Chain::of(json!([form]))).collect()
}

/// The field's own chain with one rule in another form.
fn in_place_of(field: &Field, name: &str, rule: Json) -> Json {
    let Json::Array(mut rules) = chain_json(&field.rules) else { return json!([rule]) };
    let is_it = |json: &Json| json.as_str() == Some(name) || json.get(name).is_some();
    match rules.iter_mut().find(|rule| is_it(rule)) {
        Some(place) => *place = rule,
        None => rules.insert(0, rule),
    }
    Json::Array(rules)
}

/// Names of countries in other languages than the rule knows, as aliases.
fn countries(field: &Field, profile: &Profile<'_>) -> Option<Chain> {
    field.rules.iter().find(|rule| rule.name == "country" && rule.argument.is_none())?;
    let mut aliases: Map<String, Json> = Map::new();
    for (value, _) in profile.values.iter().take(500) {
        let name = fold(&value.split_whitespace().collect::<Vec<_>>().join(" "));
        let known = WORDS.countries.0.iter().find(|(_, names)| names.contains(&name));
        let code = known.map(|(code, _)| code.as_str()).or_else(|| in_any_language(value));
        if let Some(code) = code
            && !aliases.keys().any(|alias| fold(alias) == name)
        {
            aliases.insert(value.trim().into(), Json::from(code));
        }
    }
    let country = json!({"country": {"aliases": aliases}});
    (!aliases.is_empty()).then(|| Chain::of(in_place_of(field, "country", country)))
}

/// A table for grades such as A to E, or stars in words.
fn grades(field: &Field, profile: &Profile<'_>, known: &Knowledge) -> Option<Chain> {
    let mut letters: Vec<char> = Vec::new();
    for (value, times) in &profile.values {
        let mut characters = value.trim().chars();
        match (characters.next(), characters.next()) {
            (Some(c), None) if c.is_ascii_alphabetic() && *times > 0 => {
                let c = c.to_ascii_uppercase();
                if !letters.contains(&c) {
                    letters.push(c);
                }
            }
            _ => {}
        }
    }
    letters.sort_unstable();
    let single = profile.share(|value| value.trim().len() == 1);
    if single < 0.8 || !(2..=7).contains(&letters.len()) || letters.iter().any(|c| *c > 'G') {
        return None;
    }
    let steps = letters.len() - 1;
    let points = |at: usize| 100 - (100 * at / (steps + 1)) - 100 / (2 * (steps + 1));
    let entry = |(at, letter): (usize, &char)| {
        let letter = letter.to_string();
        let learned = known.value(&field.name, &letter).cloned();
        (letter, learned.unwrap_or_else(|| json!(points(at))))
    };
    let entries: Map<String, Json> = letters.iter().enumerate().map(entry).collect();
    let guessed = letters.iter().any(|c| known.value(&field.name, &c.to_string()).is_none());
    let note = guessed.then(|| "the numbers are evenly spread: put in those that are meant".into());
    Some(Chain { note, ..Chain::of(json!(["squeeze", {"map": entries}])) })
}

/// Words for yes and no, as the values have them.
fn words(profile: &Profile<'_>, known: &Knowledge) -> Option<Chain> {
    if profile.values.len() > 40 {
        return None;
    }
    let (mut yes, mut no, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for (value, _) in &profile.values {
        let word = fold(&value.split_whitespace().collect::<Vec<_>>().join(" "));
        let general = match (
            WORDS.yes.iter().any(|w| fold(w) == word),
            WORDS.no.iter().any(|w| fold(w) == word),
        ) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        };
        match known.truth(value).or(general) {
            Some(true) if !yes.contains(&word) => yes.push(word),
            Some(false) if !no.contains(&word) => no.push(word),
            Some(_) => {}
            None => unknown.push(value.clone()),
        }
    }
    // As they are written, since accents count.
    let written = |words: Vec<String>| -> Vec<String> {
        let mut seen = Vec::new();
        for (value, _) in &profile.values {
            let value = value.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
            if words.contains(&fold(&value)) && !seen.contains(&value) {
                seen.push(value);
            }
        }
        seen
    };
    let lists = [("true", written(yes)), ("false", written(no))];
    let lists: Map<String, Json> = lists
        .into_iter()
        .filter(|(_, words)| !words.is_empty())
        .map(|(name, words)| (name.into(), words.into()))
        .collect();
    // Of one word alone the other may be meant by none: all values have to be known then.
    let note = match lists.len() {
        0 => return None,
        1 if !unknown.is_empty() => return None,
        1 => Some("where there is none, it stays open: \"default\" says what that means".into()),
        _ => None,
    };
    Some(Chain { unknown, note, ..Chain::of(json!(["squeeze", {"boolean": lists}])) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::Org;
    use crate::normalize::compile_test::layout;
    use crate::normalize::entity::Entity;
    use crate::normalize::preview::Sample;
    use crate::normalize::suggest::suggest;
    use crate::normalize::suggest::trial::Bench;
    use crate::row::value::Value;

    /// A table with one text column beside its key.
    fn sample(column: &str, values: &[&str]) -> Sample {
        let row =
            |text: &&str| vec![Value::Text("00Q".into()), Value::Text(text.to_string().into())];
        Sample {
            layout: layout(&[("sfid", 1043), (column, 1043)]),
            rows: values.iter().map(row).collect(),
            slots: Vec::new(),
        }
    }

    #[test]
    fn every_chain_compiles() {
        let entity = Entity::built_in("lead").unwrap().unwrap();
        let org = Org::default();
        for values in [
            &["31/12/2024 10:00", "01/02/2024 09:30"][..],
            &["1.234,5", "7"],
            &["ja", "nein"],
            &["A", "B", "C"],
            &["Deutschland", "Frankreich"],
            &["Open", "Qualified", "Web"],
        ] {
            let sample = sample("x__c", values);
            let bench = Bench::new(&entity, &sample, &org);
            let (at, column) = sample.layout.column("x__c").unwrap();
            let profile = Profile::of(at, column, &sample);
            for field in &entity.fields {
                for chain in chains(field, &profile, &Knowledge::default(), &org) {
                    let fragment = crate::normalize::suggest::known::column("x__c", chain.rules);
                    let tried = bench.run(&field.name, &fragment, &["x__c"]);
                    assert!(tried.is_some(), "{}: {fragment}", field.name);
                }
            }
        }
    }

    #[test]
    fn moments_in_text_are_local() {
        let entity = Entity::built_in("lead").unwrap().unwrap();
        let org = Org { time_zone: "Europe/Paris".into(), ..Org::default() };
        for (values, format) in [
            (["31/12/2024 10:00", "01/02/2024 09:30"], "%d/%m/%Y %H:%M"),
            (["12/31/2024 10:00:59", "01/02/2024 09:30:00"], "%m/%d/%Y %H:%M:%S"),
        ] {
            let sample = sample("callback_at__c", &values);
            let found = suggest(&entity, &sample, &org, &Knowledge::default());
            let found = found.iter().find(|one| one.field == "callback_at").unwrap();
            let rule = json!({"timestamp": {"format": format, "zone": "org"}});
            assert_eq!(
                found.mapping,
                json!({"column": "callback_at__c", "rules": [rule]}),
                "{values:?}"
            );
            let bench = Bench::new(&entity, &sample, &org);
            let trial = bench.run("callback_at", &found.mapping, &["callback_at__c"]).unwrap();
            assert_eq!((trial.filled, trial.problems), (2, 0));
        }
    }
}
