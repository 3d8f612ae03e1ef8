//! Problems: trying them again, and putting them out of sight.

use std::collections::{BTreeMap, BTreeSet};

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::Value;

use super::administer;
use super::choice::{CHOSEN, Choice, SOURCE};
use crate::error::{Error, Result};
use crate::normalize::quarantine::KAFKA;
use crate::pg::{sql, xact};
use crate::row::name::HASHED;

/// Tries problems again: their records are read into the log once more, in the background. Returns
/// the number of problems.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn retry(
    org: default!(Option<&str>, "NULL"),
    source: default!(Option<&str>, "NULL"),
    field: default!(Option<&str>, "NULL"),
    reason: default!(Option<&str>, "NULL"),
    record: default!(Option<&str>, "NULL"),
) -> Result<i64, ErrorReport> {
    let _owner = administer()?;
    let choice = Choice { org, source, field, reason, record };
    choice.check("retry")?;
    let requests = choice.requests()?;
    requests.save()?;
    xact::defined();
    Ok(requests.problems)
}

/// Puts problems out of sight until their value or their reason changes. Returns the number of
/// problems.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn dismiss(
    org: default!(Option<&str>, "NULL"),
    source: default!(Option<&str>, "NULL"),
    field: default!(Option<&str>, "NULL"),
    reason: default!(Option<&str>, "NULL"),
    record: default!(Option<&str>, "NULL"),
) -> Result<i64, ErrorReport> {
    let _owner = administer()?;
    let choice = Choice { org, source, field, reason, record };
    choice.check("dismiss")?;
    let count = sql::run(
        &format!(
            "INSERT INTO manifold.dismissal (org, source, entity, record, field, digest) \
             SELECT p.org, p.source, p.entity, p.record, p.field, p.digest FROM manifold.quarantine p \
             WHERE {CHOSEN} AND ($5 IS NULL OR p.record = $5) ON CONFLICT DO NOTHING"
        ),
        &choice.arguments(),
    )?;
    Ok(count as i64)
}

/// Brings problems that were dismissed back into sight. Returns the number of problems.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn undismiss(
    org: default!(Option<&str>, "NULL"),
    source: default!(Option<&str>, "NULL"),
    field: default!(Option<&str>, "NULL"),
    reason: default!(Option<&str>, "NULL"),
    record: default!(Option<&str>, "NULL"),
) -> Result<i64, ErrorReport> {
    let _owner = administer()?;
    let choice = Choice { org, source, field, reason, record };
    choice.check("undismiss")?;
    let count = sql::run(
        &format!(
            "DELETE FROM manifold.dismissal d USING manifold.quarantine p \
             WHERE (d.org, d.source, d.entity, d.record, d.field, d.digest) \
                 = (p.org, p.source, p.entity, p.record, p.field, p.digest) \
               AND {CHOSEN} AND ($5 IS NULL OR p.record = $5)"
        ),
        &choice.arguments(),
    )?;
    Ok(count as i64)
}

impl Choice<'_> {
    /// What is to be read again for these problems.
    fn requests(&self) -> Result<Requests> {
        let mut requests = Requests::default();
        let found = sql::rows(
            &format!(
                "SELECT s.source_id, p.entity, p.record, p.reason, coalesce(m.mapping->>'key', 'sfid'), \
                        pg_catalog.format('%I.%I', s.schema_name, s.table_name), \
                        pg_catalog.to_regclass(pg_catalog.format('%I.%I', s.schema_name, s.table_name)) IS NOT NULL, \
                        coalesce(o.options->>'hash_columns', '[]') \
                 FROM manifold.problem p {SOURCE} \
                 LEFT JOIN manifold.publication o ON o.source_id = s.source_id \
                 LEFT JOIN manifold.mapping m ON m.source_id = s.source_id AND m.entity = p.entity AND m.active \
                 WHERE {CHOSEN} AND ($5 IS NULL OR p.record = $5)"
            ),
            &self.arguments(),
            |row| {
                let text = |at| Ok::<_, Error>(row.get::<String>(at)?.unwrap_or_default());
                let source: i32 = row.get(1)?.unwrap_or_default();
                let there: bool = row.get(7)?.unwrap_or_default();
                if !there {
                    return Ok((source, Err(text(6)?)));
                }
                let hashed: Vec<String> = serde_json::from_str(&text(8)?).unwrap_or_default();
                Ok((source, Ok(key(&text(2)?, &text(3)?, &text(4)?, text(5)?, &hashed))))
            },
        )?;
        let mut gone = BTreeSet::new();
        for (source, key) in found {
            match key {
                Ok(key) => requests.add(source, key),
                Err(table) => {
                    gone.insert(table);
                }
            }
        }
        if self.record.is_none() {
            requests.add_dropped(&self.dropped()?);
        }
        for table in gone {
            pgrx::warning!(
                "table {table} is gone, so its problems are not tried again; map it again in Heroku Connect and run manifold.resync, or remove the org"
            );
        }
        Ok(requests)
    }

    /// How often such problems were met and only counted, by source.
    fn dropped(&self) -> Result<Vec<(i32, i64)>> {
        sql::rows(
            &format!(
                "SELECT s.source_id, sum(p.dropped)::bigint FROM manifold.problem_tally p {SOURCE} \
                 WHERE {CHOSEN} AND p.dropped > 0 AND $5 IS NULL \
                   AND pg_catalog.to_regclass(pg_catalog.format('%I.%I', s.schema_name, s.table_name)) IS NOT NULL \
                 GROUP BY s.source_id"
            ),
            &self.arguments(),
            |row| Ok((row.get(1)?.unwrap_or_default(), row.get(2)?.unwrap_or_default())),
        )
    }
}

/// What names a problem's record in its table, as columns and their values; `None` where nothing
/// does, so that the whole table has to be read. `hashed` are columns that a message key has no values of.
fn key(
    entity: &str,
    record: &str,
    reason: &str,
    column: String,
    hashed: &[String],
) -> Option<BTreeMap<String, String>> {
    if record.starts_with("event:") || record.starts_with(HASHED) {
        return None;
    }
    if entity == KAFKA {
        let Ok(Value::Object(members)) = serde_json::from_str(record) else { return None };
        return members
            .into_iter()
            .map(|(column, value)| match value {
                _ if hashed.contains(&column) => None,
                Value::String(text) => Some((column, text)),
                Value::Number(number) => Some((column, number.to_string())),
                _ => None,
            })
            .collect();
    }
    match record.strip_prefix("id:") {
        Some(id) if matches!(reason, "missing_key" | "undecodable") => {
            Some(BTreeMap::from([("id".to_string(), id.to_string())]))
        }
        _ => Some(BTreeMap::from([(column, record.to_string())])),
    }
}

#[derive(Default)]
struct Requests {
    problems: i64,
    /// Sources that are to be read as a whole.
    whole: BTreeSet<i32>,
    records: BTreeSet<(i32, BTreeMap<String, String>)>,
}

impl Requests {
    fn add(&mut self, source: i32, key: Option<BTreeMap<String, String>>) {
        self.problems += 1;
        match key {
            Some(key) => {
                self.records.insert((source, key));
            }
            None => {
                self.whole.insert(source);
            }
        }
    }

    fn add_dropped(&mut self, dropped: &[(i32, i64)]) {
        for (source, count) in dropped {
            self.problems += count;
            self.whole.insert(*source);
        }
    }

    /// Puts them into the queue, but for those that are in it already.
    fn save(&self) -> Result<()> {
        let records = self.records.iter().filter(|(source, _)| !self.whole.contains(source));
        let (sources, keys): (Vec<i32>, Vec<String>) = records
            .map(|(source, key)| (*source, serde_json::json!(key).to_string()))
            .chain(self.whole.iter().map(|source| (*source, "null".to_string())))
            .unzip();
        sql::run(
            "INSERT INTO manifold.reread (source_id, key) \
             SELECT n.source_id, n.key::jsonb \
             FROM unnest($1::integer[], $2::text[]) AS n (source_id, key) \
             WHERE NOT EXISTS (SELECT FROM manifold.reread r \
                 WHERE r.source_id = n.source_id AND r.key = n.key::jsonb) \
               AND NOT EXISTS (SELECT FROM manifold.reread r \
                 WHERE r.source_id = n.source_id AND r.key = 'null')",
            &[sources.into(), keys.into()],
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(entity: &str, record: &str, reason: &str) -> Option<String> {
        let hashed = ["email".to_string()];
        key(entity, record, reason, "sfid".into(), &hashed)
            .map(|key| serde_json::json!(key).to_string())
    }

    #[test]
    fn a_record_is_named_by_the_columns_of_its_key() {
        let named = |text: &str| Some(text.to_string());
        assert_eq!(found("lead", "00Q1", "invalid_date"), named(r#"{"sfid":"00Q1"}"#));
        assert_eq!(found("lead", "id:7", "missing_key"), named(r#"{"id":"7"}"#));
        assert_eq!(found("lead", "id:7", "refused"), named(r#"{"sfid":"id:7"}"#));
        assert_eq!(found("lead", "event:5.0", "undecodable"), None);
        assert_eq!(
            found("kafka", r#"{"org":"acme","sfid":"00Q1"}"#, "not_published"),
            named(r#"{"org":"acme","sfid":"00Q1"}"#)
        );
        let hashed = r#"{"email":"71c7","sfid":"00Q1"}"#;
        assert_eq!(found("kafka", hashed, "not_published"), None);
        assert_eq!(found("kafka", r#"{"id":7}"#, "not_published"), named(r#"{"id":"7"}"#));
        assert_eq!(found("kafka", "", "not_published"), None);
        assert_eq!(found("lead", "sha256:00", "key_too_long"), None);
        assert_eq!(found("kafka", r#"{"at":true}"#, "not_published"), None);
    }
}
