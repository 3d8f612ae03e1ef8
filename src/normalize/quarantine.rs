//! The quarantine: values that could not be used, and rows held back whole, in `manifold.quarantine`.
//! What is fixed by a new value disappears by itself.
//!
//! An org's problems are kept up to `manifold.max_problems`, and as many more of what Kafka would not take:
//! of a change that is in no topic, nothing but its row here knows. Beyond that they are counted, in
//! `manifold.problem_tally`, and only the first [`SAMPLES`] of a kind (field and reason) are kept, so
//! that a new kind shows whatever else there is. Those that were kept first stay: they are mended one
//! by one or by their kind, and which ones are shown does not change under the admin's eyes. Those that
//! he has dismissed take no room from others, up to the same bound. The images of rows that are held
//! whole are kept up to `manifold.max_problem_size`.
//!
//! A dismissal outlives its record: Heroku Connect reloads a table by emptying it and inserting the same
//! rows again. It is over when the record comes with something else, or when all rows have been read
//! and the record was not among them.

use std::borrow::Cow;

use super::apply::Target;
use super::batch::{Entry, Fate};
use super::json;
use super::outcome::Problem;
use crate::error::{Error, Result};
use crate::pg::rows::Rows;
use crate::pg::sql;
use crate::pg::subtransaction::Failure;
use crate::row::name;
use crate::settings;

/// In place of an entity's name: Kafka.
pub const KAFKA: &str = "kafka";

/// In place of a field's name: the whole row.
pub const WHOLE: &str = "*";

/// Problems of a kind that are kept however many the org has.
const SAMPLES: i64 = 100;

/// A longer image is not kept: the source has the row.
const IMAGE_BYTES: usize = 1024 * 1024;

/// Whose problems: of a table of an org, on the way to an entity (or another consumer).
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub org: &'a str,
    pub source: &'a str,
    pub entity: &'a str,
}

impl Target {
    fn place(&self) -> Place<'_> {
        Place { org: &self.org, source: &self.source, entity: &self.entity.name }
    }
}

/// Brings the problems of these records up to date; `refused` are those that the database did not
/// take, by position.
pub fn note(target: &Target, entries: &[Entry], refused: &[(usize, Failure)]) -> Result<()> {
    let mut rows = Noted::default();
    for (at, entry) in entries.iter().enumerate() {
        match &entry.fate {
            Fate::Hold { image } => {
                if let Some(problem) = cause(target, &entry.problems) {
                    rows.problem(entry, WHOLE, problem, Some(image));
                }
            }
            _ => {
                for problem in &entry.problems {
                    rows.problem(entry, &problem.field, problem, None);
                }
            }
        }
        if let Some((_, failure)) = refused.iter().find(|(refused, _)| *refused == at) {
            rows.add(Row {
                record: &entry.record,
                field: WHOLE,
                path: "",
                value: None,
                input: None,
                rule: None,
                reason: "refused",
                message: &failure.message,
                event: entry.event.to_string(),
                image: entry.values(&target.entity).map(Cow::Owned),
            });
        }
    }
    let names = |gone: bool| {
        let chosen = entries.iter().filter(|entry| (entry.fate == Fate::Delete) == gone);
        chosen.map(|entry| entry.record.as_str()).collect()
    };
    write(target.place(), names(false), names(true), rows)
}

/// A change that was set aside whole by somebody else than the normalizer.
pub struct Aside<'a> {
    pub record: &'a str,
    pub reason: &'a str,
    pub message: &'a str,
    pub event: &'a str,
}

/// Notes a change that was set aside; others of the same record before it are forgotten.
pub fn set_aside(place: Place<'_>, aside: &Aside<'_>) -> Result<()> {
    let record = name::of(aside.record);
    let mut rows = Noted::default();
    rows.add(Row {
        record: &record,
        field: WHOLE,
        path: "",
        value: None,
        input: None,
        rule: None,
        reason: aside.reason,
        message: aside.message,
        event: aside.event.to_string(),
        image: None,
    });
    write(place, vec![&record], Vec::new(), rows)
}

/// These records have no problem any more.
pub fn forget(place: Place<'_>, records: Vec<&str>) -> Result<()> {
    write(place, records, Vec::new(), Noted::default())
}

/// What Kafka would not take: source, message key (or its [hash](name::of)) and event id.
pub fn refusals() -> Result<Vec<(i32, String, String)>> {
    sql::rows(
        "SELECT s.source_id, q.record, q.event_id FROM manifold.quarantine q \
         JOIN manifold.source s ON s.table_name = q.source AND coalesce(s.org, 'canonical') = q.org \
         WHERE q.entity = $1",
        &[KAFKA.into()],
        |row| {
            let text =
                |at| Ok::<_, crate::error::Error>(row.get::<String>(at)?.unwrap_or_default());
            Ok((row.get(1)?.unwrap_or_default(), text(2)?, text(3)?))
        },
    )
}

/// The source is empty now: none of its problems is left, until its rows come again.
pub fn forget_source(target: &Target) -> Result<()> {
    for table in ["quarantine", "problem_tally"] {
        sql::run(
            &format!("DELETE FROM manifold.{table} WHERE org = $1 AND source = $2 AND entity = $3"),
            &[
                target.org.as_str().into(),
                target.source.as_str().into(),
                target.entity.name.as_str().into(),
            ],
        )?;
    }
    Ok(())
}

/// The org is to be removed.
pub fn forget_org(org: &str) -> Result<()> {
    for table in ["quarantine", "dismissal", "problem_tally"] {
        sql::run(&format!("DELETE FROM manifold.{table} WHERE org = $1"), &[org.into()])?;
    }
    Ok(())
}

/// All rows of a source are read anew: what was only counted is counted anew. If rows that are not
/// there are deleted as well, what nobody could look for (`event:…`, and the hash of a key that is too
/// long) is not what is wrong any more: the reading shows whether its row is.
pub fn begin_anew(org: &str, source: &str, sweep: bool) -> Result<()> {
    sql::run(
        "WITH gone AS (DELETE FROM manifold.quarantine \
           WHERE $4 AND org = $1 AND source = $2 AND field = $3 AND record ~ '^(event|sha256):' \
           RETURNING entity, field, reason, bytes), \
         n AS (SELECT entity, field, reason, count(*) AS kept, sum(bytes) AS bytes FROM gone GROUP BY 1, 2, 3) \
         UPDATE manifold.problem_tally t SET dropped = 0, kept = t.kept - coalesce(n.kept, 0), \
           bytes = t.bytes - coalesce(n.bytes, 0) \
         FROM manifold.problem_tally o LEFT JOIN n USING (entity, field, reason) \
         WHERE o.org = $1 AND o.source = $2 AND (n.kept > 0 OR o.dropped > 0) \
           AND (t.org, t.source, t.entity, t.field, t.reason) = (o.org, o.source, o.entity, o.field, o.reason)",
        &[org.into(), source.into(), WHOLE.into(), sweep.into()],
    )?;
    if sweep {
        sql::run(
            "DELETE FROM manifold.dismissal WHERE org = $1 AND source = $2 AND record LIKE 'event:%'",
            &[org.into(), source.into()],
        )?;
    }
    Ok(())
}

/// All rows of a source have been read, and what it has no more is deleted: what was dismissed and is not
/// there now is over.
pub fn end_reading(org: &str, source: &str) -> Result<()> {
    sql::run(
        &format!("DELETE FROM manifold.dismissal d WHERE d.org = $1 AND d.source = $2 AND {OVER}"),
        &[org.into(), source.into()],
    )?;
    Ok(())
}

/// The problem that a dismissal `d` is of is not there.
const OVER: &str = "NOT EXISTS (SELECT FROM manifold.quarantine q \
    WHERE (q.org, q.source, q.entity, q.record, q.field, q.digest) \
        = (d.org, d.source, d.entity, d.record, d.field, d.digest))";

/// Of the problems of a row that is held back, the one that it is held back for.
fn cause<'a>(target: &Target, problems: &'a [Problem]) -> Option<&'a Problem> {
    let missing = |problem: &&Problem| matches!(problem.rule, "key" | "required");
    let required = |problem: &&Problem| {
        target.entity.fields.iter().any(|field| field.required && *field.name == *problem.field)
    };
    problems
        .iter()
        .find(missing)
        .or_else(|| problems.iter().find(required))
        .or_else(|| problems.first())
}

/// What of the quarantine there is of these records, those that are there and those that are gone, is
/// replaced by these rows, in one statement; the tally goes with it.
fn write(place: Place<'_>, there: Vec<&str>, gone: Vec<&str>, noted: Noted<'_>) -> Result<()> {
    let Place { org, source, entity } = place;
    if noted.0.is_empty() {
        // The usual case by far: nothing to note, and perhaps something to forget.
        let any = |table: &str| {
            format!(
                "EXISTS (SELECT FROM manifold.{table} WHERE org = $1 AND source = $2 AND entity = $3)"
            )
        };
        let query = format!("SELECT {} OR {}", any("quarantine"), any("dismissal"));
        let any = sql::one::<bool>(&query, &[org.into(), source.into(), entity.into()])?;
        if any == Some(false) {
            return Ok(());
        }
    }
    let Some(table) = sql::one::<pgrx::pg_sys::Oid>(
        "SELECT 'manifold.quarantine'::pg_catalog.regclass::pg_catalog.oid",
        &[],
    )?
    else {
        return Ok(());
    };
    let mut rows = Rows::of(table, &COLUMNS);
    for row in &noted.0 {
        rows.add(row.texts().into_iter());
    }
    let most = settings::max_problems();
    let ours = format!("org = $1 AND (entity = '{KAFKA}') = ($2 = '{KAFKA}')");
    let tally = |column: &str, most: i64| {
        let query = format!(
            "SELECT ($3 - coalesce(sum({column}), 0))::bigint FROM manifold.problem_tally WHERE {ours}"
        );
        let found = sql::run_one::<i64>(&query, &[org.into(), entity.into(), most.into()])?;
        Ok::<_, Error>(found.unwrap_or_default())
    };
    let mut room = tally("kept", most)?;
    if room < noted.0.len() as i64 {
        let dismissed = sql::run_one::<i64>(
            &format!("SELECT count(*) FROM manifold.dismissal WHERE {ours}"),
            &[org.into(), entity.into()],
        )?;
        room += dismissed.unwrap_or_default().min(most);
    }
    let fresh = if room < noted.0.len() as i64 { FRESH_WHERE_ROOM } else { FRESH };
    let records: Vec<&str> = there.iter().chain(&gone).copied().collect();
    sql::run(
        &WRITE.replace("{fresh}", fresh),
        &[
            org.into(),
            source.into(),
            entity.into(),
            records.into(),
            rows.array(),
            room.into(),
            SAMPLES.into(),
            tally("bytes", settings::max_problem_size())?.into(),
        ],
    )?;
    // With what the statement has written: a problem that came back is another one.
    sql::run(
        &format!(
            "DELETE FROM manifold.dismissal d WHERE d.org = $1 AND d.source = $2 AND d.entity = $3 \
               AND d.record = ANY ($4) AND {OVER}"
        ),
        &[org.into(), source.into(), entity.into(), there.into()],
    )?;
    Ok(())
}

/// What is said of a problem, in the order of [`Row::texts`].
const COLUMNS: [&str; 10] =
    ["record", "field", "path", "value", "input", "rule", "reason", "message", "event_id", "image"];

/// `n` is what there is to be, `old` what there is; `fresh` is new and kept where there is room. An image
/// is kept where there is room for it, or where it takes no more than the one that is there.
const WRITE: &str = "\
WITH given AS MATERIALIZED (
  SELECT record, field, path, value, input, rule, reason, message, event_id, image,
    coalesce(pg_catalog.octet_length(image::text), 0) AS bytes,
    pg_catalog.md5(reason || coalesce(' ' || value, '') || coalesce(image::text, '')) AS digest
  FROM unnest($5)
), old AS MATERIALIZED (
  SELECT q.record, q.field, q.reason, q.bytes, n.reason AS now
  FROM manifold.quarantine q LEFT JOIN given n USING (record, field)
  WHERE q.org = $1 AND q.source = $2 AND q.entity = $3 AND q.record = ANY ($4)
), n AS MATERIALIZED (
  SELECT record, field, path, value, input, rule, reason, message, event_id, digest,
    CASE WHEN grows <= 0 OR grown <= $8 THEN image END AS image,
    CASE WHEN grows <= 0 OR grown <= $8 THEN bytes ELSE 0 END AS bytes
  FROM (
    SELECT *, sum(greatest(grows, 0)) OVER (ORDER BY record, field) AS grown
    FROM (
      SELECT given.*, given.bytes - coalesce(old.bytes, 0) AS grows
      FROM given LEFT JOIN old USING (record, field)
    ) g
  ) g
), gone AS (
  DELETE FROM manifold.quarantine q USING old
  WHERE q.org = $1 AND q.source = $2 AND q.entity = $3 AND q.record = old.record AND q.field = old.field
    AND old.now IS NULL
), again AS (
  UPDATE manifold.quarantine q SET path = n.path, value = n.value, input = n.input, rule = n.rule,
    reason = n.reason, message = n.message, event_id = n.event_id, image = n.image, digest = n.digest, bytes = n.bytes,
    last_at = pg_catalog.clock_timestamp(), times = q.times + 1,
    since = CASE WHEN q.reason = n.reason THEN q.since ELSE pg_catalog.clock_timestamp() END
  FROM n JOIN old USING (record, field)
  WHERE q.org = $1 AND q.source = $2 AND q.entity = $3 AND q.record = n.record AND q.field = n.field
), fresh AS MATERIALIZED (
  {fresh}
), added AS (
  INSERT INTO manifold.quarantine
    (org, source, entity, record, field, path, value, input, rule, reason, message, event_id, image,
     digest, bytes)
  SELECT $1, $2, $3, record, field, path, value, input, rule, reason, message, event_id, image,
    digest, bytes
  FROM fresh WHERE kept
  ON CONFLICT DO NOTHING
)
INSERT INTO manifold.problem_tally AS t (org, source, entity, field, reason, kept, dropped, bytes)
SELECT $1, $2, $3, field, reason, sum(kept), sum(dropped), sum(bytes) FROM (
  SELECT field, reason, CASE WHEN now IS DISTINCT FROM reason THEN -1 ELSE 0 END AS kept, 0 AS dropped,
    -bytes AS bytes FROM old
  UNION ALL SELECT n.field, n.reason, CASE WHEN n.reason <> old.reason THEN 1 ELSE 0 END, 0, n.bytes
    FROM n JOIN old USING (record, field)
  UNION ALL SELECT field, reason, kept::integer, 1 - kept::integer, CASE WHEN kept THEN bytes ELSE 0 END
    FROM fresh
) change
GROUP BY field, reason HAVING sum(kept) <> 0 OR sum(dropped) <> 0 OR sum(bytes) <> 0
ON CONFLICT (org, source, entity, field, reason) DO UPDATE
  SET kept = t.kept + excluded.kept, dropped = t.dropped + excluded.dropped, bytes = t.bytes + excluded.bytes";

/// Where there is room for all.
const FRESH: &str = "\
  SELECT n.*, true AS kept FROM n LEFT JOIN old USING (record, field) WHERE old.record IS NULL";

/// Where there may not be: the first, and the first of each kind.
const FRESH_WHERE_ROOM: &str = "\
  SELECT f.*, f.at <= $6 OR f.at_in_kind <= $7 - coalesce(t.kept, 0) AS kept
  FROM (
    SELECT n.*, row_number() OVER (ORDER BY n.record, n.field) AS at,
           row_number() OVER (PARTITION BY n.field, n.reason ORDER BY n.record) AS at_in_kind
    FROM n LEFT JOIN old USING (record, field) WHERE old.record IS NULL
  ) f
  LEFT JOIN manifold.problem_tally t
    ON t.org = $1 AND t.source = $2 AND t.entity = $3 AND t.field = f.field AND t.reason = f.reason";

struct Row<'a> {
    record: &'a str,
    field: &'a str,
    path: &'a str,
    value: Option<&'a str>,
    input: Option<&'a str>,
    rule: Option<&'a str>,
    reason: &'a str,
    message: &'a str,
    event: String,
    image: Option<Cow<'a, str>>,
}

impl Row<'_> {
    fn texts(&self) -> [Option<&str>; 10] {
        [
            Some(self.record),
            Some(self.field),
            Some(self.path),
            self.value,
            self.input,
            self.rule,
            Some(self.reason),
            Some(self.message),
            Some(&self.event),
            self.image.as_deref(),
        ]
    }
}

/// Problems, those of a record one after the other.
#[derive(Default)]
struct Noted<'a>(Vec<Row<'a>>);

impl<'a> Noted<'a> {
    fn problem(
        &mut self,
        entry: &'a Entry,
        field: &'a str,
        problem: &'a Problem,
        image: Option<&'a str>,
    ) {
        self.add(Row {
            record: &entry.record,
            field,
            path: &problem.path,
            value: problem.value.as_deref(),
            input: problem.input.as_deref(),
            rule: Some(problem.rule),
            reason: problem.reason,
            message: &problem.message,
            event: entry.event.to_string(),
            image: image.map(Cow::Borrowed),
        });
    }

    /// The first of several problems of a field counts.
    fn add(&mut self, mut row: Row<'a>) {
        let same_record = self.0.iter().rev().take_while(|known| known.record == row.record);
        if same_record.into_iter().any(|known| known.field == row.field) {
            return;
        }
        row.image = row.image.filter(|image| image.len() <= IMAGE_BYTES).map(storable);
        self.0.push(row);
    }
}

/// An image as `jsonb` takes it: a `json` column may hold what `jsonb` refuses, and the image is then
/// kept as text.
fn storable(image: Cow<'_, str>) -> Cow<'_, str> {
    if json::is_jsonb(&image) {
        return image;
    }
    Cow::Owned(serde_json::Value::from(image).to_string())
}

impl Entry {
    /// The values that were to land, as JSON.
    fn values(&self, entity: &super::entity::Entity) -> Option<String> {
        let Fate::Upsert { fields, .. } = &self.fate else { return None };
        let members: serde_json::Map<String, serde_json::Value> = entity
            .fields
            .iter()
            .zip(fields.iter())
            .filter_map(|(field, value)| Some((field.name.clone(), value?.into())))
            .collect();
        Some(serde_json::Value::Object(members).to_string())
    }
}
