//! What to do about a problem: a statement where there is one, else a word. Pure.

use serde_json::Value;

use super::meaning::{self, Table};
use super::rules::normal_key;

/// A line of `manifold.problem_summary`.
pub struct Line<'a> {
    pub org: &'a str,
    pub source: &'a str,
    pub entity: &'a str,
    pub field: &'a str,
    pub reason: &'a str,
    pub value: Option<&'a str>,
    pub message: &'a str,
}

/// What to do about the problems of a line; `chain` are the field's rules, as the mapping has them.
pub fn suggest(line: &Line<'_>, chain: &[Value]) -> Option<String> {
    let value = line.mappable();
    if let Some(value) = value
        && is_blank_word(value)
        && line.reason != "undecodable"
    {
        return Some(line.map_value(value, None, "it means that there is none"));
    }
    let text = match line.reason {
        "unmapped_value" | "unknown_country" | "unknown_currency" | "invalid_boolean" => {
            return line.table(value, chain);
        }
        "unmatched_value" => "the pattern in the field's rules has no room for it: widen it, or map the value".into(),
        "invalid_phone" => "if these are numbers of another country, say which: \"rules\": [{\"phone\": {\"region\": \"FR\"}}], or \"region_of\": \"country\"; else correct them in Salesforce".into(),
        "invalid_email" => "correct it in Salesforce".into(),
        "invalid_url" => "correct it in Salesforce; a column of names belongs to another field".into(),
        "invalid_date" | "invalid_timestamp" => match line.value.and_then(date_format) {
            Some(format) => format!(
                "it looks like {format}: if the field's rules have another format, \"rules\": [{{\"date\": \"{format}\"}}]; else no calendar has it"
            ),
            None => "say how the org writes dates: \"rules\": [{\"date\": \"%d/%m/%Y\"}]".into(),
        },
        "invalid_time" => "correct it in Salesforce".into(),
        "invalid_number" => match line.value.and_then(notation) {
            Some(notation) => format!("it is written with other signs: \"rules\": [{{\"number\": {notation}}}]"),
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
    /// The text that the rule was given, as far as it is known whole: rules before it may have changed
    /// what the source holds.
    fn mappable(&self) -> Option<&'a str> {
        let quoted = self.message.split_once('"').and_then(|(_, rest)| rest.strip_suffix('"'));
        let value = match self.reason {
            "unmapped_value" | "unknown_country" | "unknown_currency" => quoted.or(self.value),
            _ => self.value,
        }?;
        (!value.ends_with('…') && !value.trim().is_empty()).then_some(value)
    }

    fn table(&self, value: Option<&str>, chain: &[Value]) -> Option<String> {
        let value = value?;
        let (table, rule) = meaning::table(chain)?;
        let known = known(table, rule);
        let meanings = meanings(&known);
        let others = || match table {
            Table::Names(_) => "or give its ISO code instead of NULL".to_string(),
            _ if meanings.is_empty() => "or give a meaning instead of NULL".to_string(),
            _ => format!("or one of {}", meanings.join(", ")),
        };
        match nearest(value, &known) {
            Some((like, meaning)) => {
                Some(self.map_value(value, Some(&meaning), &format!("like \"{like}\"")))
            }
            // Neither true nor false would be a guess.
            None if table == Table::Words => Some(self.map_value(value, Some("true"), "or false")),
            None => Some(self.map_value(value, None, &others())),
        }
    }

    fn map_value(&self, value: &str, meaning: Option<&str>, why: &str) -> String {
        let arguments = [self.org, self.source, self.entity, self.field, value];
        let list: Vec<String> = arguments.into_iter().map(literal).collect();
        let meaning = meaning.map_or("NULL".into(), literal);
        format!(
            "SELECT manifold.map_value({}, {meaning}); -- {}",
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
                    let words = words.as_array().into_iter().flatten().filter_map(Value::as_str);
                    words.map(|word| (word.to_string(), meaning.clone())).collect::<Vec<_>>()
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

/// How alike two values have to be, from 0 to 1.
const ALIKE: f64 = 0.75;

/// The known value, or the meaning, that is most like a value, with its meaning.
fn nearest(value: &str, known: &[(String, String)]) -> Option<(String, String)> {
    let wanted = normal_key(value);
    let candidates = known.iter().flat_map(|(key, meaning)| [(key, meaning), (meaning, meaning)]);
    candidates
        .map(|(key, meaning)| (likeness(&wanted, &normal_key(key)), key, meaning))
        .filter(|(likeness, ..)| *likeness >= ALIKE)
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, key, meaning)| (key.clone(), meaning.clone()))
}

/// Misspellings are alike, and so is a value that is another one with words added.
fn likeness(a: &str, b: &str) -> f64 {
    let whole = strsim::normalized_damerau_levenshtein(a, b);
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_string).collect()
    };
    let (a, b) = (words(a), words(b));
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let letters: usize = short.iter().map(|word| word.chars().count()).sum();
    let within = letters >= 4 && short.iter().all(|word| long.contains(word));
    if within { whole.max(0.8) } else { whole }
}

/// Words that people write where there is nothing to write.
fn is_blank_word(value: &str) -> bool {
    const WORDS: [&str; 18] = [
        "n/a",
        "na",
        "n.a.",
        "n.a",
        "none",
        "null",
        "nil",
        "unknown",
        "-",
        "--",
        "?",
        "x",
        "xxx",
        "tbd",
        "not provided",
        "not available",
        "keine",
        "inconnu",
    ];
    WORDS.contains(&normal_key(value).as_str())
}

/// The format that a date is written in, by its separators and numbers.
fn date_format(value: &str) -> Option<String> {
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

/// The signs that a number is written with, where they are not the usual ones, as the rule's argument.
fn notation(value: &str) -> Option<String> {
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
    use serde_json::json;

    fn suggested(reason: &str, value: &str, chain: Value) -> String {
        let message = match reason {
            "unmapped_value" => format!("the table has no entry for \"{value}\""),
            _ => "it is wrong".into(),
        };
        let line = Line {
            org: "acme",
            source: "lead",
            entity: "lead",
            field: "status",
            reason,
            value: Some(value),
            message: &message,
        };
        suggest(&line, chain.as_array().unwrap()).unwrap_or_default()
    }

    #[test]
    fn a_value_without_an_entry_gets_a_statement_that_adds_it() {
        let chain = || json!(["squeeze", {"map": {"Working - Contacted": "working", "Qualified": "qualified"}}]);
        let statement = |value: &str, rest: &str| {
            format!("SELECT manifold.map_value('acme', 'lead', 'lead', 'status', '{value}', {rest}")
        };
        let found = |value: &str| suggested("unmapped_value", value, chain());
        assert_eq!(
            found("Qualifeid"),
            statement("Qualifeid", "'qualified'); -- like \"Qualified\"")
        );
        assert_eq!(
            found("contacted"),
            statement("contacted", "'working'); -- like \"Working - Contacted\"")
        );
        assert_eq!(
            found("Oui, c'est"),
            statement("Oui, c''est", "NULL); -- or one of working, qualified")
        );
        assert_eq!(found("n/a"), statement("n/a", "NULL); -- it means that there is none"));
        assert_eq!(found(&format!("{}…", "x".repeat(59))), "");
        let aliases = json!([{"country": {"aliases": {"Deutschland": "DE"}}}]);
        assert_eq!(
            suggested("unknown_country", "Deutschlnad", aliases),
            statement("Deutschlnad", "'DE'); -- like \"Deutschland\"")
        );
        assert_eq!(
            suggested("unknown_country", "Germnay", json!(["country"])),
            statement("Germnay", "'DE'); -- like \"Germany\"")
        );
    }

    /// The reasons that the code names, wherever it makes a failure or a problem.
    fn reasons_in(folder: &std::path::Path, found: &mut std::collections::BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                reasons_in(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            // Tests make up reasons of their own.
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for before in ["Failure::new(", "reason: ", "(\"key\", ", "(\"required\", "] {
                for rest in text.split(before).skip(1) {
                    let named = rest.trim_start().strip_prefix('"').and_then(|r| r.split_once('"'));
                    let code =
                        |text: &str| text.bytes().all(|b| b == b'_' || b.is_ascii_lowercase());
                    let named = named.map(|(reason, _)| reason).filter(|reason| code(reason));
                    found.extend(named.map(str::to_string));
                }
            }
        }
    }

    #[test]
    fn every_reason_has_a_remedy_and_a_section_in_the_onboarding_page() {
        let mut reasons = std::collections::BTreeSet::new();
        reasons_in(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut reasons);
        for known in ["missing_key", "missing_value", "refused", "undecodable", "not_published"] {
            assert!(reasons.contains(known), "{known} is not found");
        }
        reasons.extend(crate::normalize::rules::reasons().map(str::to_string));
        let page = include_str!("../../docs/onboarding.md");
        for reason in &reasons {
            assert!(page.contains(&format!("\n### `{reason}`\n")), "{reason} has no section");
            let chain = match reason.as_str() {
                "unknown_country" => json!(["country"]),
                "unknown_currency" => json!(["currency"]),
                "invalid_boolean" => json!(["boolean"]),
                _ => json!([{"map": {"Open": "new"}}]),
            };
            assert_ne!(suggested(reason, "Etwas", chain), "", "{reason} has no remedy");
        }
    }

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
