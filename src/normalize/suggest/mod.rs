//! Suggesting a mapping: for every field of an entity the likeliest columns and rules. Pure.
//!
//! A column speaks by its name (what it means in several languages, what Salesforce calls so, what other
//! orgs' mappings make of it), by its type, and by a sample of its values: each candidate is compiled
//! and run over the sample, and what share of the values its rules take counts as much as the name. How
//! much it says that a rule takes a value is measured as well: a rule that takes the values of every
//! column says nothing.

mod chains;
mod known;
mod meanings;
mod names;
mod notation;
mod ranges;
mod several;
#[cfg(test)]
mod test;
mod trial;
mod words;

use serde_json::{Map, Value as Json};

use self::known::column;
pub use self::known::{Knowledge, columns_in};
use self::trial::{Bench, Profile, Trial};
use super::Org;
use super::cell::Kind;
use super::entity::{Entity, Field};
use super::field_type::FieldType;
use super::preview::Sample;
use super::remedy::{is_blank_word, is_tick};

/// Suggestions for a field at most.
const MOST: usize = 3;
/// Less likely ones are not worth a look.
const LEAST: f64 = 0.25;
/// What a mapping is made of unless asked otherwise.
pub const SURE: f64 = 0.5;
/// Rules that take whatever text there is.
const TAKES_ANYTHING: &[&str] = &["squeeze", "lower", "upper", "trim", "text"];

/// One way to fill a field.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    pub field: String,
    /// 1 is the likeliest.
    pub rank: usize,
    pub columns: Vec<String>,
    /// As it stands under `fields` in a mapping.
    pub mapping: Json,
    /// 0 to 1.
    pub confidence: f64,
    pub reason: String,
    pub samples: Vec<String>,
}

struct Candidate {
    columns: Vec<String>,
    mapping: Json,
    confidence: f64,
    reason: String,
    samples: Vec<String>,
    shared: bool,
}

/// The likeliest columns and rules for every field of an entity, in its order.
pub fn suggest(
    entity: &Entity,
    sample: &Sample,
    org: &Org,
    knowledge: &Knowledge,
) -> Vec<Suggestion> {
    let profiles: Vec<Profile<'_>> = sample
        .layout
        .live()
        .filter(|(_, column)| !is_bookkeeping(&column.name))
        .map(|(at, column)| Profile::of(at, column, sample))
        .collect();
    let mut bench = Bench::new(entity, sample, org);
    let mut found: Vec<(usize, Vec<Candidate>)> = Vec::new();
    // Telephone numbers are read in the country of the row, and a currency goes with an amount.
    let mut order: Vec<usize> = (0..entity.fields.len()).collect();
    order.sort_by_key(|at| match &entity.fields[*at] {
        field if field.name == "country" => 0,
        field if field.kind == FieldType::Char3 => 2,
        _ => 1,
    });
    for at in order {
        let field = &entity.fields[at];
        for amount in several::amounts_of(field, entity) {
            let known = found.iter().find(|(at, _)| entity.fields[*at].name == amount);
            let best = known.and_then(|(_, candidates)| candidates.first());
            if let Some(best) = best.filter(|best| best.confidence >= SURE) {
                bench.known.insert(amount.into(), best.mapping.clone());
            }
        }
        let mut candidates = single(field, &profiles, &bench, knowledge);
        let made = several(field, &profiles, &bench);
        if made.iter().any(|made| made.shared && made.columns.len() == 2) {
            // A whole that is put together from its parts is as tidy as they are.
            candidates.iter_mut().for_each(|whole| whole.confidence *= 0.9);
        }
        // One of several columns that belong together is not all of it.
        for single in &mut candidates {
            let part = |made: &Candidate| {
                !made.shared && made.columns.len() > 1 && made.columns.contains(&single.columns[0])
            };
            if made.iter().any(part) {
                single.confidence *= 0.8;
            }
        }
        // An amount's currency, where there is an amount, rather than wherever there is a currency.
        candidates.retain(|single| made.iter().all(|made| made.columns != single.columns));
        candidates.extend(made);
        candidates.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        if field.name == "country"
            && let Some(best) = candidates.first().filter(|best| best.confidence >= SURE)
        {
            bench.known.insert(field.name.clone(), best.mapping.clone());
        }
        found.push((at, candidates));
    }
    found.sort_by_key(|(at, _)| *at);
    take_the_other_name(entity, &mut found);
    give_way(&mut found);
    let fields = found.into_iter().flat_map(|(at, candidates)| {
        let name = entity.fields[at].name.clone();
        ranked(name, candidates)
    });
    fields.collect()
}

/// A mapping of the likeliest suggestions, as `set_mapping` takes it.
pub fn mapping(suggestions: &[Suggestion], least: f64) -> Json {
    let sure = suggestions.iter().filter(|s| s.rank == 1 && s.confidence >= least);
    let fields: Map<String, Json> = sure.map(|s| (s.field.clone(), s.mapping.clone())).collect();
    serde_json::json!({ "fields": fields })
}

/// Whether two columns go by the same name but for namespace, suffix and how words are separated.
pub fn same_name(a: &str, b: &str) -> bool {
    let (a, b) = (names::Name::of(a), names::Name::of(b));
    a.compact == b.compact && a.number == b.number
}

/// Columns that feed no field.
fn is_bookkeeping(column: &str) -> bool {
    ["id", "sfid", "isdeleted"].contains(&column) || column.starts_with("_hc_")
}

fn ranked(field: String, mut candidates: Vec<Candidate>) -> Vec<Suggestion> {
    candidates.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    candidates.retain(|candidate| candidate.confidence >= LEAST);
    candidates.truncate(MOST);
    candidates
        .into_iter()
        .zip(1..)
        .map(|(candidate, rank)| Suggestion {
            field: field.clone(),
            rank,
            columns: candidate.columns,
            mapping: candidate.mapping,
            confidence: (candidate.confidence * 100.0).round() / 100.0,
            reason: candidate.reason,
            samples: candidate.samples,
        })
        .collect()
}

/// Beside a first name, what is merely called a name is the last name.
fn take_the_other_name(entity: &Entity, found: &mut [(usize, Vec<Candidate>)]) {
    let at = |name: &str| entity.field(name).map(|(at, _)| at);
    let (Some(first), Some(last)) = (at("first_name"), at("last_name")) else { return };
    let sure = |candidate: &&Candidate| candidate.confidence >= 0.85 && !candidate.shared;
    let Some(first) = found[first].1.first().filter(sure).map(|c| c.columns.clone()) else {
        return;
    };
    let candidates = &mut found[last].1;
    if candidates.iter().all(|candidate| candidate.confidence < SURE)
        && let Some(other) = candidates.iter_mut().find(|candidate| candidate.columns != first)
    {
        other.confidence = 0.75;
    }
}

/// A column that feeds one field for sure is less likely to feed another.
fn give_way(found: &mut [(usize, Vec<Candidate>)]) {
    let mut best: std::collections::HashMap<String, f64> = std::collections::HashMap::new();
    for candidate in found.iter().flat_map(|(_, candidates)| candidates) {
        for column in &candidate.columns {
            let known = best.entry(column.clone()).or_default();
            if !candidate.shared {
                *known = known.max(candidate.confidence);
            }
        }
    }
    for candidate in found.iter_mut().flat_map(|(_, candidates)| candidates) {
        let other = candidate.columns.iter().filter_map(|column| best.get(column)).copied();
        let other = other.fold(0.0, f64::max);
        if !candidate.shared && other - candidate.confidence > 0.12 {
            candidate.confidence *= 0.6;
        }
    }
}

/// Candidates of one column each.
fn single(
    field: &Field,
    profiles: &[Profile<'_>],
    bench: &Bench<'_>,
    knowledge: &Knowledge,
) -> Vec<Candidate> {
    let telling = field.rules.iter().any(|rule| !TAKES_ANYTHING.contains(&rule.name.as_str()))
        || !matches!(field.kind, FieldType::Text | FieldType::Char2 | FieldType::Char3);
    let mut tried = Vec::new();
    for profile in profiles {
        let (name, learned) = name_fit(field, profile, knowledge);
        let by_value = telling && profile.kind == Kind::Text && profile.filled > 0;
        // Every text column is tried where values tell, since that is the measure of how much they do.
        if name < 0.3 && !(by_value && speaks_alone(field)) {
            continue;
        }
        let mut best: Option<(f64, chains::Chain, Trial, Json)> = None;
        for chain in chains::chains(field, profile, knowledge, bench.org) {
            let fragment = column(&profile.column.name, chain.rules.clone());
            let Some(trial) = bench.run(&field.name, &fragment, &[&profile.column.name]) else {
                continue;
            };
            let share = trial.accepted().unwrap_or(0.75) * chain.doubt;
            if best.as_ref().is_none_or(|(known, ..)| share > *known + 0.02) {
                best = Some((share, chain, trial, fragment));
            }
            if best.as_ref().is_some_and(|(share, ..)| *share > 0.995) {
                break;
            }
        }
        if let Some((share, chain, trial, fragment)) = best {
            tried.push((profile, name, learned, share, chain, trial, fragment));
        }
    }
    let texts: Vec<f64> = tried
        .iter()
        .filter(|(p, ..)| p.kind == Kind::Text)
        .map(|(.., share, _, _, _)| *share)
        .collect();
    let selective = match (telling && speaks_alone(field), texts.len()) {
        (true, n) if n > 2 => 1.0 - texts.iter().sum::<f64>() / n as f64,
        (true, _) => 0.5,
        (false, _) => 0.0,
    };
    tried
        .into_iter()
        .map(|(profile, name, learned, share, chain, trial, mapping)| {
            let confidence = if name >= 0.3 {
                let values = if telling { 0.4 + 0.6 * share } else { 1.0 };
                let sure = name * values * type_fit(field, profile) * shape(field, profile);
                (sure + 0.15 * selective * share * (1.0 - sure)).min(0.99)
            } else if share >= 0.8 && selective >= 0.6 {
                0.55 * selective * share * shape(field, profile)
            } else {
                0.0
            };
            Candidate {
                columns: vec![profile.column.name.clone()],
                confidence,
                reason: reason(field, profile, (name, learned), telling.then_some(&trial), &chain),
                samples: profile.samples(),
                shared: chain.doubt < 1.0,
                mapping,
            }
        })
        .filter(|candidate| candidate.confidence > 0.0)
        .collect()
}

/// Whether values that the field's rules take say something even where the name does not.
fn speaks_alone(field: &Field) -> bool {
    let strict = ["email", "phone", "url", "country", "json"];
    field.rules.iter().any(|rule| strict.contains(&rule.name.as_str()))
        || field.kind == FieldType::Jsonb
}

fn name_fit(field: &Field, profile: &Profile<'_>, knowledge: &Knowledge) -> (f64, bool) {
    let fit = names::fit(&profile.name, &field.name);
    match knowledge.fields(&profile.name) {
        Some(fields) if fields.contains(&field.name) => (fit.max(0.95), true),
        Some(_) => (fit * 0.8, false),
        None => (fit, false),
    }
}

/// Kinds that convert, but are hardly meant.
fn type_fit(field: &Field, profile: &Profile<'_>) -> f64 {
    match (field.kind, profile.kind) {
        (FieldType::Text, Kind::Boolean | Kind::Date | Kind::Time | Kind::Timestamp) => 0.3,
        (FieldType::Text, Kind::Number) => 0.9,
        (FieldType::Char2 | FieldType::Char3, Kind::Text) => 1.0,
        (FieldType::Char2 | FieldType::Char3, _) => 0.2,
        (FieldType::Jsonb, Kind::Json | Kind::Text) => 1.0,
        (FieldType::Jsonb, _) => 0.3,
        (FieldType::Boolean, Kind::Number) => 0.7,
        _ => 1.0,
    }
}

/// What the look of the values says of names, where words alone do not tell a whole from its part.
fn shape(field: &Field, profile: &Profile<'_>) -> f64 {
    if profile.filled == 0 || profile.kind != Kind::Text {
        return 1.0;
    }
    if field.kind == FieldType::Jsonb {
        return profile.share(|value| value.trim_start().starts_with(['{', '[']));
    }
    let several = profile.share(|value| value.split_whitespace().nth(1).is_some());
    match field.name.as_str() {
        "full_name" => 0.4 + 0.6 * several,
        "last_name"
            if profile.name.words.contains("name") && !profile.name.words.contains("last") =>
        {
            1.0 - 0.9 * several
        }
        // In several languages the same word is a part of a country, and how far somebody is.
        "state" if profile.share(|value| meanings::is_meant_for("status", value)) > 0.5 => 0.4,
        "first_name" | "last_name" => 1.0 - 0.4 * several,
        _ => 1.0,
    }
}

/// Candidates of several columns, or of a part of one.
fn several(field: &Field, profiles: &[Profile<'_>], bench: &Bench<'_>) -> Vec<Candidate> {
    several::made(field, profiles, bench)
        .into_iter()
        .filter_map(|made| {
            let columns: Vec<&str> = used(&made);
            let trial = bench.run(&field.name, &made.fragment, &columns)?;
            let share = trial.accepted().unwrap_or(0.75);
            let samples = profiles
                .iter()
                .filter(|profile| made.columns.contains(&profile.column.name))
                .filter_map(|profile| profile.samples().into_iter().next())
                .take(5)
                .collect();
            let values = values_said(&trial);
            Some(Candidate {
                confidence: (made.fit * (0.5 + 0.5 * share)).min(0.99),
                reason: format!("{}{values}", made.why),
                samples,
                shared: made.shared,
                columns: made.columns,
                mapping: made.fragment,
            })
        })
        .collect()
}

/// The columns of a fragment, those of its condition too.
fn used(made: &several::Made) -> Vec<&str> {
    let condition = made.fragment.get("when").and_then(|when| when.get("column"));
    let condition = condition.and_then(Json::as_str);
    made.columns.iter().map(String::as_str).chain(condition).collect()
}

fn values_said(trial: &Trial) -> String {
    match trial.accepted() {
        None => "; no values to look at".into(),
        Some(share) => format!("; the rules take {} % of the values", (100.0 * share).round()),
    }
}

fn reason(
    field: &Field,
    profile: &Profile<'_>,
    (name, learned): (f64, bool),
    trial: Option<&Trial>,
    chain: &chains::Chain,
) -> String {
    let mut parts = Vec::new();
    parts.push(match (learned, name) {
        (true, _) => "another org's mapping has a column of this name here".to_string(),
        (_, name) if name >= 0.95 => format!("the name says {}", field.name),
        (_, name) if name >= 0.3 => format!("the name may say {}", field.name),
        _ => "the values look like it".into(),
    });
    parts.push(format!("type {}", profile.column.type_name));
    if let Some(trial) = trial {
        parts.push(values_said(trial).trim_start_matches("; ").to_string());
        let refused: Vec<&str> = trial.refused.iter().map(|(value, _)| value.as_str()).collect();
        if !refused.is_empty() && chain.unknown.is_empty() {
            parts.push(format!("not {}", quoted(&refused)));
            // What ticks a box is not nothing.
            let means_none = |word: &&str| {
                is_blank_word(word) && (field.kind != FieldType::Boolean || !is_tick(word))
            };
            let blank: Vec<&str> = refused.into_iter().filter(means_none).collect();
            if !blank.is_empty() {
                let list = quoted(&blank);
                parts.push(format!("\"blank\": [{list}] in the mapping takes it for none"));
            }
        }
    }
    if !chain.unknown.is_empty() {
        let unknown: Vec<&str> = chain.unknown.iter().take(5).map(String::as_str).collect();
        parts.push(format!("no entry yet for {}", quoted(&unknown)));
    }
    parts.extend(chain.note.clone());
    parts.join("; ")
}

fn quoted(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
    quoted.join(", ")
}
