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
    if let Some(value) = line.input
        && is_blank_word(value)
        && line.reason != "undecodable"
    {
        return Some(line.map_value(part, value, None, "it means that there is none"));
    }
    let text = match line.reason {
        "unmapped_value" | "unknown_country" | "unknown_currency" | "invalid_boolean" => {
            return line.table(part);
        }
        "unmatched_value" => "the pattern in the field's rules has no room for it: widen it, or map the value".into(),
        "invalid_phone" => "if these are numbers of another country, say which: \"rules\": [{\"phone\": {\"region\": \"FR\"}}], or \"region_of\": \"country\"; else correct them in Salesforce".into(),
        "invalid_email" => "correct it in Salesforce".into(),
        "invalid_url" => "correct it in Salesforce; a column of names belongs to another field".into(),
        "invalid_date" => match line.written().and_then(date_format) {
            Some(format) => format!(
                "it looks like {format}: if the field's rules have another format, \"rules\": [{{\"date\": \"{format}\"}}]; else no calendar has it"
            ),
            None => "say how the org writes dates: \"rules\": [{\"date\": \"%d/%m/%Y\"}]".into(),
        },
        "invalid_timestamp" => match line.written().and_then(moment_rules) {
            Some((format, rules)) => format!(
                "it looks like {format}: if the field's rules have another format, \"rules\": {rules}; else no calendar has it"
            ),
            None => "say how the org writes moments: \"rules\": [{\"timestamp\": {\"format\": \"%d/%m/%Y %H:%M\", \"zone\": \"org\"}}]".into(),
        },
        "invalid_id" => "correct it in Salesforce; a column of names belongs to another field".into(),
        "invalid_time" => "correct it in Salesforce".into(),
        "invalid_number" => match line.written().and_then(notation) {
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
    /// What failed, as far as it is known.
    fn written(&self) -> Option<&'a str> {
        self.input.or(self.value)
    }

    fn table(&self, part: &Part) -> Option<String> {
        let Some(value) = self.input else {
            return Some("such a long value cannot be given a meaning: map another column, or give the table a default".into());
        };
        let (table, rule) = meaning::table(&part.chain)?;
        let refuses = match self.reason {
            "unknown_country" => table == Table::Names("country"),
            "unknown_currency" => table == Table::Names("currency"),
            "invalid_boolean" => table == Table::Words,
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
        match nearest(value, &known) {
            Some((like, meaning)) => {
                Some(self.map_value(part, value, Some(&meaning), &format!("like \"{like}\"")))
            }
            // Neither true nor false would be a guess.
            None if table == Table::Words => {
                Some(self.map_value(part, value, Some("true"), "or false"))
            }
            None => Some(self.map_value(part, value, None, &others())),
        }
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

/// The format that a moment is written in, and the rules for it: text without an offset is local time.
fn moment_rules(value: &str) -> Option<(String, String)> {
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
    use crate::normalize::Org;
    use crate::normalize::compile::compile_json;
    use crate::normalize::compile_test::layout;
    use crate::normalize::entity::Entity;
    use crate::normalize::outcome::{Outcome, Problem};
    use serde_json::json;

    const COLUMNS: [(&str, u32); 3] = [("sfid", 1043), ("a", 1043), ("b", 1043)];

    /// What a field of a type makes of a row whose columns `a` and `b` hold a value.
    fn problem(kind: &str, field: &Value, value: &str) -> Option<Problem> {
        let entity = json!({"fields": [{"name": "status", "type": kind}]});
        let entity = Entity::from_json("lead", &entity).unwrap();
        let mapping = json!({"fields": {"status": field}});
        let org = Org { time_zone: "Europe/Paris".into(), ..Org::default() };
        let plan = compile_json(&mapping, &entity, &layout(&COLUMNS), &org)
            .unwrap_or_else(|errors| panic!("{field}: {errors:?}"));
        let mut out = Outcome::default();
        let value = crate::row::value::Value::Text(value.into());
        plan.run_values(&[value.clone(), value.clone(), value], &mut out);
        out.problems.pop()
    }

    /// What is suggested for it, where the mapping says all of the field.
    fn suggested_for(field: &Value, problem: &Problem) -> String {
        let chains: Vec<_> = meaning::parts(field)
            .into_iter()
            .map(|(path, part)| (path, meaning::chain(part, &[])))
            .collect();
        let line = Line {
            org: "acme",
            source: "lead",
            entity: "lead",
            field: "status",
            path: &problem.path,
            reason: problem.reason,
            value: problem.value.as_deref(),
            input: problem.input.as_deref(),
        };
        let several = chains.iter().filter(|(_, chain)| !chain.is_empty()).count() > 1;
        let chain = chains.into_iter().find(|(path, _)| *path == problem.path).unwrap().1;
        let part = Part { chain, own: true, one_of_several: several };
        suggest(&line, &part).unwrap_or_default()
    }

    fn suggested(chain: Value, value: &str) -> String {
        let field = json!({"column": "a", "rules": chain});
        let problem = problem("text", &field, value).expect("it fails");
        suggested_for(&field, &problem)
    }

    #[test]
    fn a_value_without_an_entry_gets_a_statement_that_adds_it() {
        let chain = || json!(["squeeze", {"map": {"Working - Contacted": "working", "Qualified": "qualified"}}]);
        let statement = |value: &str, rest: &str| {
            format!("SELECT manifold.map_value('acme', 'lead', 'lead', 'status', '{value}', {rest}")
        };
        let found = |value: &str| suggested(chain(), value);
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
        // Salesforce's picklists have values of 255 characters.
        let long = "é".repeat(255);
        assert_eq!(found(&long), statement(&long, "NULL); -- or one of working, qualified"));
        assert!(found(&"x".repeat(256)).starts_with("such a long value"));
        let aliases = json!([{"country": {"aliases": {"Deutschland": "DE"}}}]);
        assert_eq!(
            suggested(aliases, "Deutschlnad"),
            statement("Deutschlnad", "'DE'); -- like \"Deutschland\"")
        );
        assert_eq!(
            suggested(json!(["country"]), "Germnay"),
            statement("Germnay", "'DE'); -- like \"Germany\"")
        );
        assert_eq!(
            suggested(json!(["boolean"]), "Klar"),
            statement("Klar", "'true'); -- or false")
        );
        let two = json!([{"map": {"x": "y"}, "default": "z"}, "country"]);
        assert!(suggested(two, "Germny").contains("another table"));
    }

    #[test]
    fn what_is_suggested_mends_the_problem_wherever_the_rule_stands() {
        let country = || json!({"column": "a", "rules": ["country"]});
        for (kind, field, value, statement) in [
            (
                "text",
                json!({"column": "a", "rules": ["strip_html", "country"]}),
                "<p>Germny</p>",
                "'Germny', 'DE'); -- like \"Germany\"",
            ),
            (
                "boolean",
                json!({"column": "a", "rules": [{"prefix": "is "}, "boolean"]}),
                "so",
                "'is so', 'true'); -- or false",
            ),
            (
                "text",
                json!({"column": "a", "rules": ["strip_html", {"phone": {"region": "FR"}}]}),
                "<b>unknown</b>",
                "'unknown', NULL); -- it means that there is none",
            ),
            (
                "text[]",
                json!({"column": "a", "rules": ["split", {"each": ["country"]}]}),
                "DE; Germny",
                "'Germny', 'DE'); -- like \"Germany\"",
            ),
            (
                "text",
                json!({"column": "a", "rules": ["split", {"first": ["email"]}]}),
                "n/a; none",
                "'n/a', NULL); -- it means that there is none",
            ),
            (
                "text",
                json!({"first_of": [country()], "rules": ["squeeze"]}),
                "Germny",
                "'Germny', 'DE', path => 'first_of[0]'); -- like \"Germany\"",
            ),
            (
                "text[]",
                json!({"list": ["b", {"column": "a", "rules": ["email"]}]}),
                "unknown",
                "'unknown', NULL); -- it means that there is none",
            ),
            (
                "jsonb",
                json!({"object": {"q.1": {"first_of": [country()]}, "q2": {"column": "a", "rules": ["squeeze"]}}}),
                "Germny",
                "'Germny', 'DE', path => 'object.q.1.first_of[0]'); -- like \"Germany\"",
            ),
            (
                "timestamptz",
                json!({"moment": {"date": {"column": "a", "rules": ["date"]}, "time": {"column": "b", "rules": ["time"]}}}),
                "tbd",
                "'tbd', NULL, path => 'moment.date'); -- it means that there is none",
            ),
        ] {
            let mut field = field;
            // What one part of the field does not refuse any more, another may.
            let mut first = None;
            while let Some(found) = problem(kind, &field, value) {
                let suggestion = suggested_for(&field, &found);
                assert!(first.is_none() || !suggestion.is_empty(), "{field}");
                first.get_or_insert(suggestion.clone());
                let meaning = suggestion.contains("'DE'").then_some("DE");
                let meaning = meaning.or(suggestion.contains("'true'").then_some("true"));
                let part = meaning::part_mut(&mut field, &found.path).unwrap();
                let before = part.clone();
                meaning::give(part, found.input.as_deref().unwrap(), meaning);
                assert_ne!(*part, before, "{suggestion} changes nothing");
            }
            let first = first.unwrap_or_default();
            assert!(first.ends_with(statement), "{first}\n{statement}");
        }
    }

    #[test]
    fn what_is_said_of_dates_and_moments_mends_them() {
        for (kind, value) in [
            ("date", "31/12/2024"),
            ("date", "12.31.24"),
            ("date", "2024-31-12"),
            ("timestamptz", "31/12/2024 10:00"),
            ("timestamptz", "31.12.2024 10:00:59"),
            ("timestamptz", "12/31/24 10:00"),
            ("timestamptz", "31/12/2024"),
        ] {
            let rule = if kind == "date" { "date" } else { "timestamp" };
            let field = json!({"column": "a", "rules": [rule]});
            let advice = suggested_for(&field, &problem(kind, &field, value).expect(value));
            let (_, rules) = advice.split_once("\"rules\": ").expect(&advice);
            let mut rules = serde_json::Deserializer::from_str(rules).into_iter::<Value>();
            let field = json!({"column": "a", "rules": rules.next().unwrap().unwrap()});
            assert_eq!(problem(kind, &field, value), None, "{value}: {field}");
        }
        let unknown = suggested(json!(["timestamp"]), "soon");
        let (_, rules) = unknown.split_once("\"rules\": ").unwrap();
        let field = json!({"column": "a", "rules": serde_json::from_str::<Value>(rules).unwrap()});
        assert_eq!(problem("timestamptz", &field, "01/02/2024 10:00"), None);
    }

    #[test]
    fn a_part_that_a_default_says_is_mended_there() {
        let line = Line {
            org: "acme",
            source: "lead",
            entity: "lead",
            field: "country",
            path: "first_of[0]",
            reason: "unknown_country",
            value: Some("Germny"),
            input: Some("Germny"),
        };
        let part = Part { chain: vec![json!("country")], own: false, one_of_several: true };
        let advice = suggest(&line, &part).unwrap();
        assert!(advice.contains("first_of[0]") && !advice.contains("SELECT"), "{advice}");
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
        let known: Vec<&str> = crate::normalize::outcome::reasons().collect();
        for reason in &reasons {
            assert!(known.contains(&reason.as_str()), "{reason} is not among the reasons");
        }
        reasons.extend(known.into_iter().map(str::to_string));
        let page = include_str!("../../docs/onboarding.md");
        for reason in &reasons {
            assert!(page.contains(&format!("\n### `{reason}`\n")), "{reason} has no section");
            let chain = match reason.as_str() {
                "unknown_country" => json!(["country"]),
                "unknown_currency" => json!(["currency"]),
                "invalid_boolean" => json!(["boolean"]),
                _ => json!([{"map": {"Open": "new"}}]),
            };
            let line = Line {
                org: "acme",
                source: "lead",
                entity: "lead",
                field: "status",
                path: "",
                reason,
                value: Some("Etwas"),
                input: Some("Etwas"),
            };
            let chain = chain.as_array().unwrap().clone();
            let part = Part { chain, own: true, one_of_several: false };
            assert!(suggest(&line, &part).is_some(), "{reason} has no remedy");
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
