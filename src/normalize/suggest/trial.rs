//! Trying a fragment of a mapping on a sample: what share of the values does it take?

use serde_json::{Map, Value as Json, json};

use crate::normalize::Org;
use crate::normalize::cell::Kind;
use crate::normalize::compile;
use crate::normalize::entity::{Entity, Field};
use crate::normalize::mapping::Mapping;
use crate::normalize::outcome::Outcome;
use crate::normalize::preview::{Sample, count, most_frequent};
use crate::row::layout::{Column, Layout};
use crate::row::value::Value;

/// Rows that are tried; more say little more.
const ROWS: usize = 200;

/// A column of the sample.
#[derive(Debug)]
pub struct Profile<'a> {
    pub column: &'a Column,
    pub name: super::names::Name,
    pub kind: Kind,
    /// Values that are not blank, as text, the most frequent first.
    pub values: Vec<(String, usize)>,
    /// How many rows have one.
    pub filled: usize,
}

impl<'a> Profile<'a> {
    pub fn of(at: usize, column: &'a Column, sample: &Sample) -> Profile<'a> {
        let texts: Vec<String> = sample
            .rows
            .iter()
            .filter_map(|row| {
                let mut text = String::new();
                match row.get(at) {
                    None | Some(Value::Null) => return None,
                    Some(value) => value.display(&mut text),
                }
                (!text.trim().is_empty()).then_some(text)
            })
            .collect();
        Profile {
            column,
            name: super::names::Name::of(&column.name),
            kind: Kind::of_column(column),
            filled: texts.len(),
            values: most_frequent(count(texts.iter().map(String::as_str)), usize::MAX),
        }
    }

    /// The share of the values (each row's) that satisfies a condition.
    pub fn share(&self, condition: impl Fn(&str) -> bool) -> f64 {
        if self.filled == 0 {
            return 0.0;
        }
        let found: usize =
            self.values.iter().filter(|(value, _)| condition(value)).map(|(_, times)| times).sum();
        found as f64 / self.filled as f64
    }

    /// Whether the values are few and come again and again, as those of a picklist do.
    pub fn is_picklist(&self) -> bool {
        let distinct = self.values.len();
        distinct > 0 && distinct <= 60 && distinct * 3 <= self.filled.max(9)
    }

    /// Some values to show.
    pub fn samples(&self) -> Vec<String> {
        let shown = |(value, _): &(String, usize)| {
            crate::normalize::outcome::shorten(value, 40).into_owned()
        };
        self.values.iter().take(5).map(shown).collect()
    }
}

/// What a fragment makes of the sample.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trial {
    pub filled: usize,
    pub problems: usize,
    /// The most frequent values that were refused.
    pub refused: Vec<(String, usize)>,
}

impl Trial {
    /// The share of the values there are that is taken; `None` where there are none.
    pub fn accepted(&self) -> Option<f64> {
        let all = self.filled + self.problems;
        (all > 0).then(|| self.filled as f64 / all as f64)
    }
}

/// Tries fragments on one sample.
pub struct Bench<'a> {
    pub entity: Entity,
    sample: &'a Sample,
    pub org: &'a Org,
    /// Fragments of fields that others may depend on.
    pub known: Map<String, Json>,
}

impl<'a> Bench<'a> {
    pub fn new(entity: &Entity, sample: &'a Sample, org: &'a Org) -> Bench<'a> {
        let optional = |field: &Field| Field { required: false, ..field.clone() };
        let fields = entity.fields.iter().map(optional).collect();
        let entity = Entity { name: entity.name.clone(), fields };
        Bench { entity, sample, org, known: Map::new() }
    }

    /// What a fragment for a field makes of the rows; `None` where it does not compile.
    pub fn run(&self, field: &str, fragment: &Json, columns: &[&str]) -> Option<Trial> {
        let (at, _) = self.entity.field(field)?;
        let mut fields = self.known.clone();
        fields.insert(field.into(), fragment.clone());
        let known: Vec<String> = self.known.values().flat_map(super::known::columns_in).collect();
        let wanted = |column: &Column| {
            columns.contains(&column.name.as_str()) || known.contains(&column.name)
        };
        let places: Vec<usize> =
            self.sample.layout.live().filter(|(_, c)| wanted(c)).map(|(at, _)| at).collect();
        let layout = Layout {
            columns: places.iter().map(|at| self.sample.layout.columns[*at].clone()).collect(),
        };
        let key = columns.first()?;
        let mapping = Mapping::from_json(&json!({"key": key, "fields": fields})).ok()?;
        let plan = match compile::compile(&mapping, &self.entity, &layout, self.org) {
            Ok(plan) => plan,
            // A list or JSON is no key; any other column will do.
            Err(errors) if errors.iter().any(|error| error.path == "key") => {
                return self.keyless(field, fragment, columns);
            }
            Err(_) => return None,
        };
        Some(self.over(&plan, at, &places))
    }

    fn keyless(&self, field: &str, fragment: &Json, columns: &[&str]) -> Option<Trial> {
        let is_key = |column: &&Column| !matches!(Kind::of_column(column), Kind::Json | Kind::List);
        let other = self.sample.layout.live().map(|(_, column)| column).find(is_key)?;
        let columns: Vec<&str> =
            [other.name.as_str()].into_iter().chain(columns.iter().copied()).collect();
        (!columns[1..].contains(&columns[0])).then(|| self.run(field, fragment, &columns)).flatten()
    }

    fn over(&self, plan: &crate::normalize::plan::Plan, at: usize, places: &[usize]) -> Trial {
        let mut out = Outcome::default();
        let mut trial = Trial::default();
        let mut refused = Vec::new();
        let name = &self.entity.fields[at].name;
        for row in self.sample.rows.iter().take(ROWS) {
            let values: Vec<Value<'_>> =
                places.iter().map(|at| row.get(*at).cloned().unwrap_or(Value::Null)).collect();
            plan.run_values(&values, &mut out);
            if let Some(problem) = out.problems.iter().find(|problem| *problem.field == **name) {
                trial.problems += 1;
                refused.extend(problem.value.clone());
            } else if out.fields.get(at).is_some_and(Option::is_some) {
                trial.filled += 1;
            }
        }
        trial.refused = most_frequent(count(refused.iter().map(String::as_str)), 3);
        trial
    }
}
