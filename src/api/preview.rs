//! What a mapping would yield, writing nothing.

use pgrx::JsonB;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Map, Value, json};

use super::mapping::{self, Place};
use super::{administer, required, sample};
use crate::error::{Error, Result};
use crate::normalize::apply::blames_data;
use crate::normalize::outcome::Problem;
use crate::normalize::plan::Plan;
use crate::normalize::preview::{self, Record};
use crate::normalize::{defaults, entity::Entity};
use crate::pg::datum::Jsonb;
use crate::pg::server::Here;
use crate::pg::{expression, identity, sql, subtransaction};

/// Offending values that the summary names for each field.
const MOST: usize = 5;

/// What a mapping (or the active one) makes of real rows, a line for each, with the problems.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn preview(
    org: Option<&str>,
    source: Option<&str>,
    n: default!(Option<i32>, "10"),
    mapping: default!(Option<JsonB>, "NULL"),
    entity: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(record, Option<String>),
            name!(lands, Option<bool>),
            name!(fields, Option<Jsonb>),
            name!(extras, Option<Jsonb>),
            name!(problems, Option<Jsonb>),
            name!(summary, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let superuser = identity::is_superuser();
    let _owner = administer()?;
    let mut typed = Vec::new();
    let take = |page| {
        typed.extend(page);
        Ok(())
    };
    Trial::of(org, source, n, mapping, entity, superuser)?.run(take)?;
    Ok(TableIterator::new(typed.into_iter().map(|(record, fields)| {
        (
            Some(record.record),
            Some(!record.held && !record.excluded),
            fields.map(Jsonb),
            record.extras.map(Jsonb),
            (!record.problems.is_empty()).then(|| {
                Jsonb(Value::Array(record.problems.iter().map(problem_json).collect()).to_string())
            }),
            (!record.problems.is_empty()).then(|| words(&record.problems)),
        )
    })))
}

/// The same in numbers: for each field how many rows fill it, leave it empty or have a problem, which
/// ones, and the most frequent of the values that cannot be used.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn preview_summary(
    org: Option<&str>,
    source: Option<&str>,
    n: default!(Option<i32>, "1000"),
    mapping: default!(Option<JsonB>, "NULL"),
    entity: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(field, Option<String>),
            name!(filled, Option<i64>),
            name!(empty, Option<i64>),
            name!(problems, Option<i64>),
            name!(reasons, Option<JsonB>),
            name!(offending, Option<JsonB>),
            name!(results, Option<JsonB>),
        ),
    >,
    ErrorReport,
> {
    let superuser = identity::is_superuser();
    let _owner = administer()?;
    let trial = Trial::of(org, source, n, mapping, entity, superuser)?;
    let fields = &trial.place.entity.fields;
    let fields: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
    let mut summing = preview::Summing::new(&fields);
    trial.run(|page| {
        let records: Vec<Record> = page.into_iter().map(|(record, _)| record).collect();
        summing.add(&records);
        Ok(())
    })?;
    let lines = summing.lines(MOST);
    Ok(TableIterator::new(lines.into_iter().map(|line| {
        let offending: Vec<Value> = line
            .offending
            .iter()
            .map(|(value, reason, times)| json!({"value": value, "reason": reason, "times": times}))
            .collect();
        let results: Vec<Value> = line
            .results
            .iter()
            .map(|(value, times)| json!({"value": value, "times": times}))
            .collect();
        let list = |list: Vec<Value>| (!list.is_empty()).then_some(JsonB(Value::Array(list)));
        (
            Some(line.field),
            Some(line.filled as i64),
            Some(line.empty as i64),
            Some(line.problems as i64),
            (!line.reasons.is_empty()).then(|| JsonB(json!(line.reasons))),
            list(offending),
            list(results),
        )
    })))
}

/// Rows that a mapping is tried on at most: the result is put together in memory.
const MOST_ROWS: usize = 100_000;

/// A mapping that is to be tried on rows.
struct Trial {
    place: Place,
    plan: Plan,
    n: usize,
}

/// What became of a row, and its fields as the server would store them; `None` where it would not.
type Typed = (Record, Option<String>);

impl Trial {
    fn of(
        org: Option<&str>,
        source: Option<&str>,
        n: Option<i32>,
        json: Option<JsonB>,
        entity: Option<&str>,
        superuser: bool,
    ) -> Result<Trial> {
        let n = required(n, "n")?;
        let rows = usize::try_from(n).ok().filter(|rows| *rows <= MOST_ROWS);
        let Some(n) = rows else {
            let hint = format!("Give a number of rows from 0 to {MOST_ROWS}.");
            return Err(Error::invalid(format!("argument n is {n}"), hint));
        };
        let place = Place::find(required(org, "org")?, required(source, "source")?, entity)?;
        let json = match json {
            Some(JsonB(json)) => json,
            None => place.active_or_error()?,
        };
        let layout = mapping::columns_of(&place.org.schema, &place.table)?;
        let effective = place.effective(&json);
        let before = place.active()?.map(|before| place.effective(&before).json);
        mapping::refuse_sql(before.as_ref(), &effective.json, superuser)?;
        let plan = defaults::compile(&effective, &place.entity, &layout, &place.org.rules())
            .map_err(|errors| mapping::report("the mapping", &errors))?;
        Ok(Trial { place, plan, n })
    }

    /// Runs the mapping over a sample, page by page.
    fn run(&self, mut each: impl FnMut(Vec<Typed>) -> Result<()>) -> Result<()> {
        let Trial { place, plan, n } = self;
        // What has SQL of its own was refused, unless a superuser gave it.
        let _trust = expression::trust();
        sample::pages(&place.org.schema, &place.table, *n, |page| {
            each(typed(&place.entity, preview::records(plan, &page, &Here)?)?)
        })
    }
}

/// The fields as the server would store them, by its own casts; a row that it refuses is one that would
/// not land.
fn typed(entity: &Entity, records: Vec<Record>) -> Result<Vec<Typed>> {
    let mut list = Vec::new();
    for (at, field) in entity.fields.iter().enumerate() {
        let name = sql::identifier(&field.name)?;
        list.push(format!("u.v{at}::{} AS {name}", field.kind.sql()));
    }
    let numbers = 0..entity.fields.len();
    let arrays: Vec<String> = numbers.clone().map(|at| format!("${}::text[]", at + 1)).collect();
    let values: Vec<String> = numbers.map(|at| format!("v{at}")).collect();
    let query = format!(
        "SELECT pg_catalog.to_jsonb(x)::text FROM unnest({}) WITH ORDINALITY AS u ({}, n), \
         LATERAL (SELECT {}) x ORDER BY u.n",
        arrays.join(", "),
        values.join(", "),
        list.join(", ")
    );
    let cast = |records: &[Record]| -> Result<Vec<String>> {
        let column = |at: usize| -> DatumWithOid {
            let column: Vec<Option<&str>> = records
                .iter()
                .map(|record| record.fields.get(at).and_then(Option::as_deref))
                .collect();
            column.into()
        };
        let arguments: Vec<DatumWithOid> = (0..entity.fields.len()).map(column).collect();
        sql::rows(&query, &arguments, |row| Ok(row.get::<String>(1)?.unwrap_or_default()))
    };
    if let Ok(all) = subtransaction::attempt(|| cast(&records)) {
        return Ok(records.into_iter().zip(all?.into_iter().map(Some)).collect());
    }
    let one = |mut record: Record| {
        let cast = subtransaction::attempt(|| cast(std::slice::from_ref(&record)));
        match cast {
            Ok(fields) => Ok((record, fields?.into_iter().next())),
            Err(failure) if !blames_data(failure.code) => Err(Error::Corrupt(failure.message)),
            Err(failure) => {
                record.held = true;
                record.problems.push(preview::refused(failure.message));
                Ok((record, None))
            }
        }
    };
    records.into_iter().map(one).collect()
}

fn problem_json(problem: &Problem) -> Value {
    let mut members = Map::new();
    members.insert("field".into(), Value::String(problem.field.to_string()));
    members.insert("value".into(), problem.value.clone().into());
    members.insert("rule".into(), Value::String(problem.rule.to_string()));
    members.insert("reason".into(), Value::String(problem.reason.to_string()));
    members.insert("message".into(), Value::String(problem.message.clone()));
    Value::Object(members)
}

/// The problems in a line for people.
fn words(problems: &[Problem]) -> String {
    let one = |problem: &Problem| match &problem.value {
        Some(value) => format!("{}: {} \"{value}\"", problem.field, problem.reason),
        None => format!("{}: {}", problem.field, problem.reason),
    };
    problems.iter().map(one).collect::<Vec<_>>().join("; ")
}
