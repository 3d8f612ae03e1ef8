//! What to do about a problem: a statement where there is one, else a word. Pure.

mod alike;
mod notation;
mod rule;
#[cfg(test)]
mod test;

use serde_json::{Map, Value, json};

use self::alike::{Alike, nearest};
use self::notation::{day_formats, moment_formats, notation, notation_within};
pub use self::notation::{is_of_half_day, two_digits};
use self::rule::{changed, names};
use super::meaning::{self, Table};
use super::rules::null_if::BLANK_WORDS;
use super::rules::{country, normal_key};

/// A line of `manifold.problem_summary`.
pub struct Line<'a> {
    pub org: &'a str,
    pub source: &'a str,
    pub entity: &'a str,
    pub field: &'a str,
    /// Which part of the field it is that fails; empty: the field's own rules.
    pub path: &'a str,
    pub reason: &'a str,
    pub value: Option<&'a str>,
    /// What the rule was given, where that is known whole.
    pub input: Option<&'a str>,
}

/// The part of a field that fails.
#[derive(Default)]
pub struct Part {
    /// Its rules, as a mapping has them.
    pub chain: Vec<Value>,
    /// It is the mapping's own, or its field's.
    pub own: bool,
    /// The field has other parts that have rules.
    pub one_of_several: bool,
}

/// What to do about the problems of a line.
pub fn suggest(line: &Line<'_>, part: &Part) -> Option<String> {
    let words = || matches!(meaning::table(&part.chain), Some((Table::Words, _)));
    if let Some(value) = line.input
        && is_blank_word(value)
        && !(is_tick(value) && words())
        && line.reason != "undecodable"
    {
        return Some(line.map_value(part, value, None, "it means that there is none"));
    }
    let text = match line.reason {
        "unmapped_value" | "unknown_country" | "unknown_currency" => return line.table(part),
        "unmatched_value" => "the pattern in the field's rules has no room for it: widen it, or map the value".into(),
        "invalid_phone" => format!(
            "where the lead's country is missing or wrong, mend that; if the numbers of the column are of one country, say which: {}; else correct them in Salesforce",
            line.rules(changed(&part.chain, "phone", |phone, _| set(phone, &[("region", "FR")])))
        ),
        "invalid_email" => "correct it in Salesforce".into(),
        "invalid_url" => "correct it in Salesforce; a column of names belongs to another field".into(),
        "invalid_date" => {
            let rules = |format: &str| {
                line.rules(changed(&part.chain, "date", |date, options| {
                    *date = format.into();
                    if let Some(from) = two_digits(line.field, format) {
                        options.insert("years_from".into(), from.into());
                    }
                }))
            };
            line.formats("dates", day_formats, "%d/%m/%Y", rules)
        }
        "invalid_timestamp" => {
            let rules = |format: &str| {
                let told = [("format", format), ("zone", "org")];
                line.rules(changed(&part.chain, "timestamp", |moment, _| set(moment, &told)))
            };
            line.formats("moments", moment_formats, "%d/%m/%Y %H:%M", rules)
        }
        "invalid_id" => "correct it in Salesforce; a column of names belongs to another field".into(),
        "invalid_time" => "correct it in Salesforce".into(),
        "invalid_number" => match signed(&part.chain, line.written().unwrap_or_default()) {
            Some(rules) => format!("it is written in another way: {}", line.rules(rules)),
            None => "map the column that holds the number, or correct it in Salesforce".into(),
        },
        "invalid_json" => "the column holds text that is no JSON; correct what writes it".into(),
        "out_of_range" => "widen the bounds in the field's rules, or correct it in Salesforce".into(),
        "too_long" => "the field takes a code: map the value to one with \"map\"".into(),
        "invalid_value" => "the rules yield something else than the field takes: add a rule that converts it".into(),
        "missing_key" => "Salesforce has not given the row its id yet; if it never does, its _hc_err says why".into(),
        "key_too_long" => "the mapping's key is a column that no key fits into: name another one in \"key\"".into(),
        "missing_value" => "the entity requires the field: fill it in Salesforce, or map it to a column that is filled".into(),
        "sql_error" => "the SQL expression of the field fails for such values: mend it".into(),
        "refused" => line.retry("when the constraint or trigger of the canonical table lets it pass"),
        "undecodable" => line.retry("when the table has been mended"),
        "not_published" => line.retry("when message.max.bytes and the topic's max.message.bytes are large enough"),
        _ => return None,
    };
    Some(text)
}

impl<'a> Line<'a> {
    /// What failed, as far as it is known.
    fn written(&self) -> Option<&'a str> {
        self.input.or(self.value)
    }

    /// Rules, as what to put into the mapping.
    fn rules(&self, chain: Value) -> String {
        let place =
            if self.path.is_empty() { String::new() } else { format!("in {}, ", self.path) };
        format!("{place}\"rules\": {chain}")
    }

    /// What to say of days or moments whose format may be another one.
    fn formats(
        &self,
        what: &str,
        formats: fn(&str) -> Vec<String>,
        example: &str,
        rules: impl Fn(&str) -> String,
    ) -> String {
        let formats = self.written().map(formats).unwrap_or_default();
        let Some(format) = formats.first() else {
            return format!("say how the org writes {what}: {}", rules(example));
        };
        format!(
            "it looks like {}: if the field's rules have another format, {}; else no calendar has it",
            formats.join(" or "),
            rules(format)
        )
    }

    fn table(&self, part: &Part) -> Option<String> {
        let Some(value) = self.input else {
            return Some("such a long value cannot be given a meaning: map another column, or give the table a default".into());
        };
        let Some((table, rule)) = meaning::table(&part.chain) else {
            return Some("no rule of the field has a table for it: if it is a word that ticks a checkbox, name in \"ticked\" all that do, the usual ones, too; one that leaves it empty is null in \"meanings\"; else give the field a \"map\" or a \"boolean\"".into());
        };
        let refuses = match self.reason {
            "unknown_country" => table == Table::Names("country"),
            "unknown_currency" => table == Table::Names("currency"),
            _ => matches!(table, Table::Values | Table::Words),
        };
        if !refuses {
            return Some("the field has another table before the one that lacks the value: add it to the rules in the mapping".into());
        }
        let known = known(table, rule);
        let meanings = meanings(&known);
        let others = || match table {
            Table::Names(_) => "or give its ISO code instead of NULL".to_string(),
            _ if meanings.is_empty() => "or give a meaning instead of NULL".to_string(),
            _ => format!("or one of {}", meanings.join(", ")),
        };
        if table == Table::Names("country")
            && let Some(code) = country::in_any_language(value)
        {
            return Some(self.map_value(part, value, Some(code), "its name in another language"));
        }
        Some(match nearest(value, &known, matches!(table, Table::Names(_))) {
            Alike::One(like, meaning) => {
                self.map_value(part, value, Some(&meaning), &format!("like \"{like}\""))
            }
            // Neither true nor false would be a guess.
            _ if table == Table::Words => self.map_value(part, value, Some("true"), "or false"),
            Alike::Perhaps(known) => {
                let known =
                    known.iter().map(|(name, meaning)| format!("{} ({name})", literal(meaning)));
                let known: Vec<String> = known.collect();
                self.map_value(part, value, None, &format!("or perhaps {}", known.join(", ")))
            }
            Alike::No => self.map_value(part, value, None, &others()),
        })
    }

    fn map_value(&self, part: &Part, value: &str, meaning: Option<&str>, why: &str) -> String {
        if !part.own {
            return format!(
                "the mapping's defaults say what the field is made of: add the value to the \"meanings\" of {} there, or give the field its source in the mapping",
                self.path
            );
        }
        let arguments = [self.org, self.source, self.entity, self.field, value];
        let list: Vec<String> = arguments.into_iter().map(literal).collect();
        let meaning = meaning.map_or("NULL".into(), literal);
        let path = match part.one_of_several {
            true => format!(", path => {}", literal(self.path)),
            false => String::new(),
        };
        format!(
            "SELECT manifold.map_value({}, {meaning}{path}); -- {}",
            list.join(", "),
            why.replace(['\n', '\r'], " ")
        )
    }

    fn retry(&self, when: &str) -> String {
        format!(
            "SELECT manifold.retry({}, {}, reason => {}); -- {when}",
            literal(self.org),
            literal(self.source),
            literal(self.reason)
        )
    }
}

/// An SQL literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Values that a table knows, with what they mean.
fn known(table: Table, rule: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        other => Some(other.to_string()),
    };
    let entries = |table: Option<&Value>| -> Vec<(String, String)> {
        let members = table.and_then(Value::as_object).into_iter().flatten();
        members.filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect()
    };
    match table {
        Table::Values => entries(rule.get("map")),
        Table::Names(name) => {
            let mut known = entries(rule.get(name).and_then(|rule| rule.get("aliases")));
            if name == "country" {
                let standard = rust_iso3166::ALL_NAME.iter().zip(rust_iso3166::ALL_ALPHA2);
                known.extend(standard.map(|(name, code)| (name.to_string(), code.to_string())));
            }
            known
        }
        Table::Words => {
            let lists = rule.get("boolean").and_then(Value::as_object).into_iter().flatten();
            lists
                .flat_map(|(meaning, words)| {
                    self::words(words)
                        .map(|word| (word.to_string(), meaning.clone()))
                        .collect::<Vec<_>>()
                })
                .collect()
        }
    }
}

fn meanings(known: &[(String, String)]) -> Vec<String> {
    let mut meanings: Vec<String> = Vec::new();
    for (_, meaning) in known {
        if !meanings.contains(meaning) {
            meanings.push(meaning.clone());
        }
    }
    meanings
}

/// The chain in which what reads numbers knows how this one is written.
fn signed(chain: &[Value], text: &str) -> Option<Value> {
    // What was told of one sign may not go with the other.
    let tell = |members: &mut Map<String, Value>, mut told: Map<String, Value>| {
        members.retain(|name, _| name != "decimal" && name != "group");
        if let Some(units) = told.get_mut("units").and_then(Value::as_object_mut) {
            let known = match members.get("units") {
                Some(Value::Object(known)) => known.clone(),
                Some(list) => words(list).map(|unit| (unit.into(), 1.into())).collect(),
                None => Map::new(),
            };
            known.into_iter().for_each(|(unit, factor)| {
                units.entry(unit).or_insert(factor);
            });
        }
        members.extend(told);
    };
    if names(chain, "span") && !names(chain, "number") {
        let told = notation_within(text)?;
        return Some(changed(chain, "span", |_, options| tell(options, told.clone())));
    }
    let told = notation(text)?;
    Some(changed(chain, "number", |number, _| {
        set(number, &[]);
        number.as_object_mut().into_iter().for_each(|members| tell(members, told.clone()));
    }))
}

/// The texts in a list.
fn words(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Sets members of a rule's argument.
fn set(argument: &mut Value, members: &[(&str, &str)]) {
    if !argument.is_object() {
        *argument = json!({});
    }
    for (name, value) in members {
        argument[*name] = Value::from(*value);
    }
}

/// Whether a word stands for a box that is ticked, where it is not for nothing.
pub fn is_tick(value: &str) -> bool {
    normal_key(value) == "x"
}

/// Words that people write where there is nothing to write.
pub fn is_blank_word(value: &str) -> bool {
    is_tick(value) || BLANK_WORDS.contains(&normal_key(value).as_str())
}
