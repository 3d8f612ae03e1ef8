//! What a plan makes of a sample of rows, record by record and summed up. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::outcome::{Outcome, Problem, shorten};
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

/// Different values of a field that are counted; of further ones nothing is known.
const COUNTED: usize = 10_000;

/// Longer values are shortened.
const CHARACTERS: usize = 200;

/// Sums up records, page by page.
pub struct Summing {
    whole: Line,
    lines: Vec<Line>,
}

#[derive(Default)]
struct Line {
    summary: Summary,
    offending: BTreeMap<(Option<String>, &'static str), usize>,
    results: BTreeMap<String, usize>,
}

impl Summing {
    /// For these fields, which are those of the plan.
    pub fn new(fields: &[String]) -> Summing {
        let line = |field: &str| Line {
            summary: Summary { field: field.into(), ..Summary::default() },
            ..Line::default()
        };
        Summing { whole: line("*"), lines: fields.iter().map(|field| line(field)).collect() }
    }

    pub fn add(&mut self, records: &[Record]) {
        for record in records {
            let whole = &mut self.whole.summary;
            match (record.excluded, record.held) {
                (true, _) => {
                    whole.empty += 1;
                    continue;
                }
                (_, true) => whole.problems += 1,
                _ => whole.filled += 1,
            }
            for problem in &record.problems {
                let line = self.lines.iter_mut().find(|line| line.summary.field == *problem.field);
                let key = (problem.value.clone(), problem.reason);
                tally(&mut line.unwrap_or(&mut self.whole).offending, key);
            }
            for (line, value) in self.lines.iter_mut().zip(&record.fields) {
                let summary = &mut line.summary;
                let wrong = record.problems.iter().any(|problem| *problem.field == *summary.field);
                match value {
                    _ if wrong => summary.problems += 1,
                    Some(_) => summary.filled += 1,
                    None => summary.empty += 1,
                }
                if let Some(value) = value {
                    tally(&mut line.results, shorten(value, CHARACTERS).into_owned());
                }
            }
        }
    }

    /// A line for each field, with so many values each. The first is about whole records: `*`, filled
    /// where they would land.
    pub fn lines(self, most: usize) -> Vec<Summary> {
        let line = |line: Line| {
            let mut summary = line.summary;
            for ((_, reason), times) in &line.offending {
                *summary.reasons.entry((*reason).into()).or_default() += times;
            }
            let offending = most_frequent(line.offending, most).into_iter();
            summary.offending =
                offending.map(|((value, reason), times)| (value, reason.into(), times)).collect();
            summary.results = most_frequent(line.results, most);
            summary
        };
        std::iter::once(self.whole).chain(self.lines).map(line).collect()
    }
}

/// Counts a key, if there is room for it.
fn tally<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K) {
    if let Some(times) = counts.get_mut(&key) {
        *times += 1;
    } else if counts.len() < COUNTED {
        counts.insert(key, 1);
    }
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
        let mut summing = Summing::new(&["phone".into(), "company".into()]);
        let (first, rest) = records.split_at(3);
        summing.add(first);
        summing.add(rest);
        let summary = summing.lines(1);
        assert_eq!((summary[0].filled, summary[0].problems), (5, 0));
        let phone = &summary[1];
        assert_eq!((phone.filled, phone.empty, phone.problems), (1, 1, 3));
        assert_eq!(phone.reasons["invalid_phone"], 3);
        assert_eq!(phone.offending, [(Some("unknown".into()), "invalid_phone".into(), 2)]);
        assert_eq!(summary[2].results, [("Acme".into(), 5)]);
    }

    #[test]
    fn many_different_values_take_no_more_room_than_some() {
        let mut summing = Summing::new(&["phone".into()]);
        for at in 0..COUNTED + 10 {
            let value = format!("{at}{}", "x".repeat(1000));
            summing.add(&[
                record(Some("+1"), None),
                record(Some(&value), Some((&value, "invalid_phone"))),
            ]);
        }
        assert_eq!(
            (summing.lines[0].results.len(), summing.lines[0].offending.len()),
            (COUNTED, COUNTED)
        );
        let phone = &summing.lines(1)[1];
        assert_eq!(phone.problems, COUNTED + 10);
        assert_eq!(phone.results, [("+1".into(), COUNTED + 10)]);
    }
}
