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
use crate::normalize::preview::{self, Record};
use crate::normalize::{defaults, entity::Entity};
use crate::pg::datum::Jsonb;
use crate::pg::server::Here;
use crate::pg::{identity, sql, subtransaction};

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
    let (entity, records) = tried(org, source, n, mapping, entity, superuser)?;
    let typed = typed(&entity, records)?;
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
    let (entity, records) = tried(org, source, n, mapping, entity, superuser)?;
    let records: Vec<Record> =
        typed(&entity, records)?.into_iter().map(|(record, _)| record).collect();
    let fields: Vec<String> = entity.fields.iter().map(|field| field.name.clone()).collect();
    let lines = preview::summary(&fields, &records, MOST);
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

/// Runs the mapping over a sample.
fn tried(
    org: Option<&str>,
    source: Option<&str>,
    n: Option<i32>,
    json: Option<JsonB>,
    entity: Option<&str>,
    superuser: bool,
) -> Result<(Entity, Vec<Record>)> {
    let n = required(n, "n")?;
    let n = usize::try_from(n).map_err(|_| {
        Error::invalid(format!("argument n is {n}"), "Give a number of rows from 0 on.")
    })?;
    let place = Place::find(required(org, "org")?, required(source, "source")?, entity)?;
    let json = match json {
        Some(JsonB(json)) => json,
        None => place.active_or_error()?,
    };
    let sample = sample::read(&place.org.schema, &place.table, n)?;
    let effective = place.effective(&json);
    let before = place.active()?.map(|before| place.effective(&before).json);
    mapping::refuse_sql(before.as_ref(), &effective.json, superuser)?;
    let plan = defaults::compile(&effective, &place.entity, &sample.layout, &place.org.rules())
        .map_err(|errors| mapping::report("the mapping", &errors))?;
    Ok((place.entity, preview::records(&plan, &sample, &Here)?))
}

/// The fields as the server would store them, by its own casts; a row that it refuses is one that would
/// not land.
fn typed(entity: &Entity, records: Vec<Record>) -> Result<Vec<(Record, Option<String>)>> {
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
