//! What a plan makes of a sample of rows, record by record and summed up. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::outcome::{Outcome, Problem};
use super::plan::Plan;
use crate::row::image::Malformed;
use crate::row::layout::Layout;
use crate::row::value::{Server, Value};

/// Rows of one table with its columns as they are.
#[derive(Debug)]
pub struct Sample {
    pub layout: Layout,
    /// As long as the layout, each.
    pub rows: Vec<Vec<Value<'static>>>,
    /// The same rows as they are stored.
    pub slots: Vec<Vec<Option<Vec<u8>>>>,
}

/// What became of one row.
#[derive(Debug, Clone)]
pub struct Record {
    /// `sfid`, or `id:N` where there is none yet.
    pub record: String,
    /// The row would not land.
    pub held: bool,
    /// The mapping leaves it out.
    pub excluded: bool,
    pub fields: Vec<Option<String>>,
    pub extras: Option<String>,
    pub problems: Vec<Problem>,
}

/// Runs a plan over a sample.
///
/// # Errors
/// Only if a row cannot be read.
pub fn records(
    plan: &Plan,
    sample: &Sample,
    server: &dyn Server,
) -> Result<Vec<Record>, Malformed> {
    let mut out = Outcome::default();
    let id = sample.layout.column("id").map(|(at, _)| at);
    let record = |(values, slots): (&Vec<Value<'static>>, &Vec<Option<Vec<u8>>>)| {
        let slots: Vec<Option<&[u8]>> = slots.iter().map(Option::as_deref).collect();
        plan.run(&slots, server, &mut out)?;
        Ok(Record {
            record: out.key.clone().unwrap_or_else(|| {
                let mut text = String::from("id:");
                if let Some(value) = id.and_then(|at| values.get(at)) {
                    value.display(&mut text);
                }
                text
            }),
            held: out.held,
            excluded: out.excluded,
            fields: std::mem::take(&mut out.fields),
            extras: out.extras.take(),
            problems: std::mem::take(&mut out.problems),
        })
    };
    sample.rows.iter().zip(&sample.slots).map(record).collect()
}

/// What became of one field in many records.
#[derive(Debug, Default, PartialEq)]
pub struct Summary {
    pub field: String,
    pub filled: usize,
    pub empty: usize,
    pub problems: usize,
    /// Reason to number.
    pub reasons: BTreeMap<String, usize>,
    /// The values that could not be used, the most frequent first, with the reason.
    pub offending: Vec<(Option<String>, String, usize)>,
    /// The most frequent results.
    pub results: Vec<(String, usize)>,
}

/// Sums up records for each of the fields, which are those of the plan. The first line is about whole
/// records: `*`, filled where they would land.
pub fn summary(fields: &[String], records: &[Record], most: usize) -> Vec<Summary> {
    let mut whole = Summary { field: "*".into(), ..Summary::default() };
    let mut offending: BTreeMap<&str, BTreeMap<(Option<&str>, &str), usize>> = BTreeMap::new();
    let mut lines: Vec<Summary> =
        fields.iter().map(|field| Summary { field: field.clone(), ..Summary::default() }).collect();
    for record in records {
        if record.excluded {
            whole.empty += 1;
            continue;
        }
        if record.held {
            whole.problems += 1;
        } else {
            whole.filled += 1;
        }
        for problem in &record.problems {
            let field = lines.iter().any(|line| line.field == *problem.field);
            let field: &str = if field { &problem.field } else { "*" };
            let key = (problem.value.as_deref(), problem.reason);
            *offending.entry(field).or_default().entry(key).or_default() += 1;
        }
        for (line, value) in lines.iter_mut().zip(&record.fields) {
            let wrong = record.problems.iter().any(|problem| *problem.field == *line.field);
            match value {
                _ if wrong => line.problems += 1,
                Some(_) => line.filled += 1,
                None => line.empty += 1,
            }
        }
    }
    for (at, line) in lines.iter_mut().enumerate() {
        let values = records.iter().filter_map(|record| record.fields.get(at)?.as_deref());
        line.results = most_frequent(count(values), most);
    }
    lines.insert(0, whole);
    for line in &mut lines {
        let Some(found) = offending.remove(line.field.as_str()) else { continue };
        for ((_, reason), times) in &found {
            *line.reasons.entry((*reason).into()).or_default() += times;
        }
        let found = most_frequent(found, most).into_iter();
        line.offending = found
            .map(|((value, reason), times)| (value.map(str::to_string), reason.into(), times))
            .collect();
    }
    lines
}

/// How often each is there.
pub fn count<'a>(values: impl Iterator<Item = &'a str>) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    counts.into_iter().map(|(value, times)| (value.to_string(), times)).collect()
}

/// The most frequent first, then in their order.
pub fn most_frequent<K: Ord>(counts: BTreeMap<K, usize>, most: usize) -> Vec<(K, usize)> {
    let mut list: Vec<(K, usize)> = counts.into_iter().collect();
    list.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    list.truncate(most);
    list
}

/// A problem of a whole record that the database refuses.
pub fn refused(message: String) -> Problem {
    Problem {
        field: Arc::from("*"),
        path: String::new(),
        value: None,
        input: None,
        rule: "database",
        reason: "refused",
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(field: Option<&str>, problem: Option<(&str, &'static str)>) -> Record {
        let problem = problem.map(|(value, reason)| Problem {
            field: "phone".into(),
            path: String::new(),
            value: Some(value.into()),
            input: Some(value.into()),
            rule: "phone",
            reason,
            message: String::new(),
        });
        Record {
            record: "x".into(),
            held: false,
            excluded: false,
            fields: vec![field.map(str::to_string), Some("Acme".into())],
            extras: None,
            problems: problem.into_iter().collect(),
        }
    }

    #[test]
    fn counts_by_field_and_reason() {
        let records = [
            record(Some("+1"), None),
            record(None, None),
            record(None, Some(("unknown", "invalid_phone"))),
            record(None, Some(("unknown", "invalid_phone"))),
            record(None, Some(("0", "invalid_phone"))),
        ];
        let summary = summary(&["phone".into(), "company".into()], &records, 1);
        assert_eq!((summary[0].filled, summary[0].problems), (5, 0));
        let phone = &summary[1];
        assert_eq!((phone.filled, phone.empty, phone.problems), (1, 1, 3));
        assert_eq!(phone.reasons["invalid_phone"], 3);
        assert_eq!(phone.offending, [(Some("unknown".into()), "invalid_phone".into(), 2)]);
        assert_eq!(summary[2].results, [("Acme".into(), 5)]);
    }
}
