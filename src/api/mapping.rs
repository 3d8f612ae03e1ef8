//! Mappings.

use pgrx::JsonB;
use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{administer, required, source};
use crate::capture::{backfill, layout, tree};
use crate::catalog;
use crate::error::{Error, Result};
use crate::normalize::entity::Entity;
use crate::normalize::{MappingError, Org, compile, mapping};
use crate::pg::relation::Table;
use crate::pg::{identity, sql, xact};

/// Says how a table of an org feeds an entity; returns the version. Checked against the table's
/// columns and the entity's fields: an error names everything that is wrong, and where. For a
/// source that is captured already, its rows are read through the log again.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
pub(super) fn set_mapping(
    org: Option<&str>,
    source: Option<&str>,
    entity: Option<&str>,
    mapping: Option<JsonB>,
) -> Result<i32, ErrorReport> {
    let superuser = identity::is_superuser();
    let _owner = administer()?;
    let org = catalog::org(required(org, "org")?)?;
    let table = required(source, "source")?;
    let entity_name = required(entity, "entity")?;
    let mapping = required(mapping, "mapping")?;
    refuse_sql(&mapping.0, superuser)?;
    let definition = catalog::entity(entity_name)?;
    let entity = Entity::from_json(entity_name, &definition)
        .map_err(|errors| report("the definition of the entity", &errors))?;
    let columns = columns_of(&org.schema, table)?;
    let rules_org = Org {
        name: org.name.clone(),
        phone_region: org.phone_region.clone(),
        time_zone: org.time_zone.clone(),
    };
    compile::compile_json(&mapping.0, &entity, &columns, &rules_org)
        .map_err(|errors| report("the mapping", &errors))?;
    let version = store(&org, table, entity_name, mapping)?;
    xact::defined();
    Ok(version)
}

/// Only a superuser may have SQL run by the workers, which are superusers.
pub(super) fn refuse_sql(mapping: &serde_json::Value, superuser: bool) -> Result<()> {
    if superuser || !mapping::read(mapping).0.has_sql() {
        return Ok(());
    }
    Err(Error::Denied {
        message: "a mapping with \"sql\" can be set by superusers only".into(),
        hint: "Use other sources and rules, or ask a superuser to set this mapping.".into(),
    })
}

fn store(org: &catalog::Org, table: &str, entity: &str, mapping: JsonB) -> Result<i32> {
    let source_id = sql::run_one::<i32>(
        "INSERT INTO manifold.source AS s (org, schema_name, table_name) VALUES ($1, $2, $3) \
         ON CONFLICT (schema_name, table_name) DO UPDATE SET org = excluded.org RETURNING source_id",
        &[org.name.as_str().into(), org.schema.as_str().into(), table.into()],
    )?
    .unwrap_or_default();
    sql::run(
        "UPDATE manifold.mapping SET active = false WHERE source_id = $1 AND entity = $2 AND active",
        &[source_id.into(), entity.into()],
    )?;
    let version = sql::run_one::<i32>(
        "INSERT INTO manifold.mapping (source_id, entity, version, mapping, active) \
         SELECT $1, $2, 1 + coalesce(max(version), 0), $3, true FROM manifold.mapping \
         WHERE source_id = $1 AND entity = $2 RETURNING version",
        &[source_id.into(), entity.into(), mapping.into()],
    )?
    .unwrap_or_default();
    let captured = sql::one::<bool>(
        "SELECT true FROM manifold.capture WHERE source_id = $1",
        &[source_id.into()],
    )?;
    if captured.is_some() {
        backfill::request(source_id, false)?;
    }
    Ok(version)
}

/// The columns of a table as they are now.
pub(super) fn columns_of(schema: &str, table: &str) -> Result<crate::row::layout::Layout> {
    let members = tree::members(schema, table)?;
    let top = members.first().ok_or_else(|| source::missing_table(schema, table))?;
    tree::shape(&members)?;
    let relation = Table::open(top.oid, pg_sys::AccessShareLock);
    // SAFETY: the relation is open.
    Ok(unsafe { layout::describe((*relation.0).rd_att) })
}

/// All that is wrong, as one error: the first in the message, all of them in the detail.
pub(super) fn report(what: &str, errors: &[MappingError]) -> Error {
    let first = errors.first().map(ToString::to_string).unwrap_or_default();
    let hint = errors
        .iter()
        .find_map(|error| error.hint.clone())
        .unwrap_or_else(|| "docs/reference.md describes the format; nothing was changed.".into());
    let detail = (errors.len() > 1)
        .then(|| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    let more =
        if errors.len() > 1 { format!(" (and {} more)", errors.len() - 1) } else { String::new() };
    Error::Invalid { message: format!("{what} is wrong: {first}{more}"), detail, hint }
}
