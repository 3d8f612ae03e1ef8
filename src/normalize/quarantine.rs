//! The quarantine: values that could not be used, and rows held back whole, in `manifold.problem`.
//! What is fixed by a new value disappears by itself.

use super::apply::Target;
use super::batch::{Entry, Fate};
use crate::error::Result;
use crate::pg::sql;
use crate::pg::subtransaction::Failure;

/// Brings the problems of these records up to date; `refused` are those that the database did not
/// take, by position.
pub fn note(target: &Target, entries: &[Entry], refused: &[(usize, Failure)]) -> Result<()> {
    let mut rows = Rows::default();
    for (at, entry) in entries.iter().enumerate() {
        for problem in &entry.problems {
            rows.add(
                entry,
                if entry.fate_is_hold() { WHOLE } else { &problem.field },
                problem.value.as_deref(),
                Some(problem.rule),
                problem.reason,
                &problem.message,
                entry.image(),
            );
        }
        if let Some((_, failure)) = refused.iter().find(|(refused, _)| *refused == at) {
            let image = entry.values(&target.entity);
            rows.add(entry, WHOLE, None, None, "refused", &failure.message, image.as_deref());
        }
    }
    let records: Vec<&str> = entries.iter().map(|entry| entry.record.as_str()).collect();
    if rows.records.is_empty() {
        // The usual case by far: nothing to note, and perhaps something to forget.
        let any = sql::one::<bool>(
            "SELECT true FROM manifold.problem WHERE org = $1 AND source = $2 AND entity = $3 LIMIT 1",
            &[
                target.org.as_str().into(),
                target.source.as_str().into(),
                target.entity.name.as_str().into(),
            ],
        )?;
        if any.is_none() {
            return Ok(());
        }
    }
    sql::run(
        "DELETE FROM manifold.problem p WHERE p.org = $1 AND p.source = $2 AND p.entity = $3 \
           AND p.record = ANY ($4) \
           AND NOT EXISTS (SELECT FROM unnest($5::text[], $6::text[]) AS n (record, field) \
                           WHERE n.record = p.record AND n.field = p.field)",
        &[
            target.org.as_str().into(),
            target.source.as_str().into(),
            target.entity.name.as_str().into(),
            records.into(),
            rows.records.clone().into(),
            rows.fields.clone().into(),
        ],
    )?;
    if rows.records.is_empty() {
        return Ok(());
    }
    sql::run(
        "INSERT INTO manifold.problem AS p \
           (org, source, entity, record, field, value, rule, reason, message, event_id, image) \
         SELECT DISTINCT ON (n.record, n.field) $1, $2, $3, n.record, n.field, n.value, n.rule, \
                n.reason, n.message, n.event_id, n.image::jsonb \
         FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], \
                $9::text[], $10::text[], $11::text[]) \
           AS n (record, field, value, rule, reason, message, event_id, image) \
         ON CONFLICT (org, source, entity, record, field) DO UPDATE SET value = excluded.value, \
           rule = excluded.rule, reason = excluded.reason, message = excluded.message, \
           event_id = excluded.event_id, image = excluded.image, last_at = pg_catalog.clock_timestamp(), \
           times = p.times + 1, \
           since = CASE WHEN p.reason = excluded.reason THEN p.since ELSE excluded.since END",
        &[
            target.org.as_str().into(),
            target.source.as_str().into(),
            target.entity.name.as_str().into(),
            rows.records.into(),
            rows.fields.into(),
            rows.values.into(),
            rows.rules.into(),
            rows.reasons.into(),
            rows.messages.into(),
            rows.events.into(),
            rows.images.into(),
        ],
    )?;
    Ok(())
}

/// The source is empty now: none of its problems is left.
pub fn forget_source(target: &Target) -> Result<()> {
    sql::run(
        "DELETE FROM manifold.problem WHERE org = $1 AND source = $2 AND entity = $3",
        &[
            target.org.as_str().into(),
            target.source.as_str().into(),
            target.entity.name.as_str().into(),
        ],
    )?;
    Ok(())
}

/// In place of a field's name: the whole row.
const WHOLE: &str = "*";

#[derive(Default)]
struct Rows<'a> {
    records: Vec<&'a str>,
    fields: Vec<String>,
    values: Vec<Option<String>>,
    rules: Vec<Option<&'a str>>,
    reasons: Vec<&'a str>,
    messages: Vec<String>,
    events: Vec<String>,
    images: Vec<Option<String>>,
}

impl<'a> Rows<'a> {
    #[allow(clippy::too_many_arguments)]
    fn add(
        &mut self,
        entry: &'a Entry,
        field: &str,
        value: Option<&str>,
        rule: Option<&'a str>,
        reason: &'a str,
        message: &str,
        image: Option<&str>,
    ) {
        self.records.push(&entry.record);
        self.fields.push(field.to_string());
        self.values.push(value.map(str::to_string));
        self.rules.push(rule);
        self.reasons.push(reason);
        self.messages.push(message.to_string());
        self.events.push(entry.event.to_string());
        self.images.push(image.map(str::to_string));
    }
}

impl Entry {
    fn fate_is_hold(&self) -> bool {
        matches!(self.fate, Fate::Hold { .. })
    }

    fn image(&self) -> Option<&str> {
        match &self.fate {
            Fate::Hold { image } => Some(image),
            _ => None,
        }
    }

    /// The values that were to land, as JSON.
    fn values(&self, entity: &super::entity::Entity) -> Option<String> {
        let Fate::Upsert { fields, .. } = &self.fate else { return None };
        let members: serde_json::Map<String, serde_json::Value> = entity
            .fields
            .iter()
            .zip(fields)
            .filter_map(|(field, value)| Some((field.name.clone(), value.clone()?.into())))
            .collect();
        Some(serde_json::Value::Object(members).to_string())
    }
}
