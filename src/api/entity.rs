//! Entities: canonical tables, and the views that the QC app reads.

use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{define, mapping, publication, required};
use crate::capture::attach;
use crate::catalog::Source;
use crate::error::{Error, Result};
use crate::normalize::entity::Entity;
use crate::pg::{sql, xact};

/// Creates an entity: its canonical table, captured like any source, and its view in `qc`. `lead`
/// has a built-in definition; any other, or a `lead` of your own, is given as fields.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn create_entity(
    entity: Option<&str>,
    fields: default!(Option<JsonB>, "NULL"),
) -> Result<String, ErrorReport> {
    let _owner = define()?;
    let name = required(entity, "entity")?;
    let known =
        sql::one::<bool>("SELECT true FROM manifold.entity WHERE entity = $1", &[name.into()])?;
    if known.is_some() {
        return Err(Error::Exists {
            what: "entity",
            name: name.into(),
            hint: "SELECT * FROM manifold.entity lists the entities and their fields.".into(),
        }
        .into());
    }
    let (entity, definition) = definition(name, fields)?;
    let table = create_table(&entity)?;
    sql::run(
        "INSERT INTO manifold.entity (entity, definition) VALUES ($1, $2)",
        &[name.into(), JsonB(definition).into()],
    )?;
    let source = sql::run_one::<i32>(
        "INSERT INTO manifold.source (schema_name, table_name, entity) VALUES ('canonical', $1, $1) \
         RETURNING source_id",
        &[name.into()],
    )?
    .unwrap_or_default();
    publication::refuse_collisions(&[Source {
        id: source,
        org: None,
        schema: "canonical".into(),
        table: name.into(),
        entity: Some(name.into()),
    }])?;
    attach::attach("canonical", name, source)?;
    xact::defined();
    Ok(table)
}

fn definition(name: &str, fields: Option<JsonB>) -> Result<(Entity, serde_json::Value)> {
    let json = match fields {
        // The list of fields alone will do.
        Some(JsonB(list @ serde_json::Value::Array(_))) => serde_json::json!({ "fields": list }),
        Some(JsonB(json)) => json,
        None => match Entity::built_in_definition(name) {
            Some(json) => json,
            None => {
                let known: Vec<&str> = Entity::built_in_names().collect();
                return Err(Error::invalid(
                    format!("entity \"{name}\" has no built-in definition"),
                    format!(
                        "Built in: {}. Give the fields of any other: create_entity('{name}', fields => '[{{\"name\": \"title\", \"type\": \"text\"}}]').",
                        known.join(", ")
                    ),
                ));
            }
        },
    };
    let entity = Entity::from_json(name, &json)
        .map_err(|errors| mapping::report("the definition of the entity", &errors))?;
    Ok((entity, json))
}

/// The table and the view, in schemas that outlive the extension, as their rows should.
fn create_table(entity: &Entity) -> Result<String> {
    let table = sql::qualified("canonical", &entity.name)?;
    let view = sql::qualified("qc", &entity.name)?;
    let exists = sql::one::<String>(
        "SELECT coalesce(pg_catalog.to_regclass($1), pg_catalog.to_regclass($2))::text",
        &[table.as_str().into(), view.as_str().into()],
    )?;
    if let Some(there) = exists {
        return Err(Error::Exists {
            what: "relation",
            name: there,
            hint: "Drop or rename it; an entity needs canonical.NAME and qc.NAME for itself."
                .into(),
        });
    }
    for (schema, comment) in [
        ("canonical", "Canonical tables: the rows of all orgs, normalized by pg_manifold"),
        ("qc", "What the quality-control team reads"),
    ] {
        let safe = sql::one::<bool>(
            "SELECT r.rolsuper FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner \
             WHERE n.nspname = $1",
            &[schema.into()],
        )?;
        if safe == Some(false) {
            // Its owner could put another table in the place of ours, with triggers that the
            // normalizer would run.
            return Err(Error::state(
                format!("schema \"{schema}\" belongs to a role that is no superuser"),
                format!("ALTER SCHEMA {schema} OWNER TO a superuser, or rename it."),
            ));
        }
        if safe.is_none() {
            sql::run(&format!("CREATE SCHEMA {schema}"), &[])?;
            sql::run(&format!("COMMENT ON SCHEMA {schema} IS '{comment}'"), &[])?;
            sql::run(&format!("GRANT USAGE ON SCHEMA {schema} TO manifold_reader"), &[])?;
        }
    }
    let mut columns = String::new();
    for field in &entity.fields {
        columns.push_str(&format!("{} {}, ", sql::identifier(&field.name)?, field.kind.sql()));
    }
    sql::run(
        &format!(
            "CREATE TABLE {table} (org text, sfid text COLLATE \"C\", {columns}extras jsonb, \
             source_table text NOT NULL, mapping_version integer NOT NULL, event_id text NOT NULL, normalized_at timestamptz NOT NULL, \
             PRIMARY KEY (org, sfid))"
        ),
        &[],
    )?;
    sql::run(&format!("CREATE VIEW {view} AS SELECT * FROM {table}"), &[])?;
    comment(
        &format!("TABLE {table}"),
        &format!("Rows of all orgs for the entity {}, written by the normalizer", entity.name),
    )?;
    comment(
        &format!("VIEW {view}"),
        &format!("What the quality-control team sees of the entity {}", entity.name),
    )?;
    let own = [
        ("org", "The org that the record belongs to"),
        ("sfid", "Salesforce record id, 18 characters, case-sensitive"),
        ("extras", "Every business column of the source that no mapping uses and that is not null"),
        ("source_table", "The table that the row comes from, in the org's schema"),
        ("mapping_version", "Version of the mapping that made the row"),
        ("event_id", "Id of the change that last altered the row"),
        ("normalized_at", "When the row was last altered"),
    ];
    for (column, text) in own {
        comment(&format!("COLUMN {table}.{column}"), text)?;
    }
    for field in &entity.fields {
        if let Some(text) = &field.comment {
            comment(&format!("COLUMN {table}.{}", sql::identifier(&field.name)?), text)?;
        }
    }
    sql::run(&format!("GRANT SELECT ON {table}, {view} TO manifold_reader"), &[])?;
    Ok(table)
}

pub(super) fn comment(object: &str, text: &str) -> Result<()> {
    let literal = sql::one::<String>("SELECT pg_catalog.quote_literal($1)", &[text.into()])?;
    sql::run(&format!("COMMENT ON {object} IS {}", literal.unwrap_or_default()), &[])?;
    Ok(())
}
