//! Mappings: setting them, and what they come to with all defaults.

use pgrx::JsonB;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::Value;

use super::{define, required, source};
use crate::capture::{backfill, layout, tree};
use crate::catalog;
use crate::error::{Error, Result};
use crate::normalize::defaults::{self, Effective};
use crate::normalize::entity::Entity;
use crate::normalize::{MappingError, Org, derivation};
use crate::pg::{identity, sql, xact};
use crate::row::layout::Layout;

/// Says how a table of an org feeds an entity; returns the version. Checked against the table's
/// columns and the entity's fields: an error names everything that is wrong, and where. For a
/// source that is captured already, its rows are read through the log again if they come to
/// something else by it.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn set_mapping(
    org: Option<&str>,
    source: Option<&str>,
    entity: Option<&str>,
    mapping: Option<JsonB>,
) -> Result<i32, ErrorReport> {
    let superuser = identity::is_superuser();
    let _owner = define()?;
    let org = required(org, "org")?;
    let table = required(source, "source")?;
    let entity = required(entity, "entity")?;
    let mapping = required(mapping, "mapping")?;
    let version = Place::find(org, table, Some(entity))?.put(&mapping.0, None, superuser)?;
    xact::defined();
    Ok(version)
}

/// Only a superuser may have SQL run by the workers, which are superusers: in fields of a mapping, or of
/// defaults, that were not so before.
pub(super) fn refuse_sql(before: Option<&Value>, after: &Value, superuser: bool) -> Result<()> {
    let was = |field: &str| before.and_then(|before| before.get("fields")?.get(field));
    let mut fields = after.get("fields").and_then(Value::as_object).into_iter().flatten();
    if superuser
        || !fields.any(|(field, json)| derivation::names_sql(json) && was(field) != Some(json))
    {
        return Ok(());
    }
    Err(Error::Denied {
        message: "a mapping with \"sql\" can be set by superusers only".into(),
        hint: "Use other sources and rules, or ask a superuser to set this mapping.".into(),
    })
}

/// Where a mapping belongs: a table of an org, and an entity.
pub(super) struct Place {
    pub org: catalog::Org,
    pub table: String,
    pub entity: Entity,
    /// The source, where the table is one already.
    pub source: Option<i32>,
}

impl Place {
    /// Finds it by names. Without the entity's: the one that the table feeds, or one of its name, or the
    /// only one.
    pub fn find(org: &str, table: &str, entity: Option<&str>) -> Result<Place> {
        let org = catalog::org(org)?;
        let source = catalog::sources_of(&org.name)?.into_iter().find(|s| s.table == table);
        let source = source.map(|source| source.id);
        let entity = match entity {
            Some(entity) => entity.to_string(),
            None => guess_entity(source, table)?,
        };
        let entity = entity_of(&entity, &catalog::entity(&entity)?)?;
        Ok(Place { org, table: table.into(), entity, source })
    }

    /// The mapping in force, as it was given.
    pub fn active(&self) -> Result<Option<Value>> {
        let (query, arguments) = self.version("active");
        let found = sql::rows(&query, &arguments, |row| catalog::json(row.get(1)?))?;
        Ok(found.into_iter().next())
    }

    /// The mapping in force, or what to do without.
    pub fn active_or_error(&self) -> Result<Value> {
        self.active()?.ok_or_else(|| {
            let (org, table, entity) = (&self.org.name, &self.table, &self.entity.name);
            Error::state(
                format!("table \"{table}\" of org \"{org}\" has no mapping to \"{entity}\" yet"),
                format!(
                    "Look at one before you set it: SELECT manifold.suggested_mapping('{org}', '{table}', '{entity}')"
                ),
            )
        })
    }

    /// The mapping of a version.
    pub fn numbered(&self, version: i32) -> Result<Value> {
        let (query, arguments) = self.version(&format!("version = {version}"));
        let found = sql::rows(&query, &arguments, |row| catalog::json(row.get(1)?))?;
        found.into_iter().next().ok_or_else(|| {
            let (org, table, entity) = (&self.org.name, &self.table, &self.entity.name);
            let hint = format!(
                "SELECT * FROM manifold.mapping_history('{org}', '{table}', '{entity}') lists the versions."
            );
            Error::unknown("version", version.to_string(), hint)
        })
    }

    fn version(&self, which: &str) -> (String, [DatumWithOid<'_>; 2]) {
        let query = format!(
            "SELECT mapping::text, version FROM manifold.mapping WHERE source_id = $1 AND entity = $2 AND {which}"
        );
        (query, [self.source.into(), self.entity.name.as_str().into()])
    }

    /// The mapping with all defaults.
    pub fn effective(&self, mapping: &Value) -> Effective {
        self.org.effective(&self.entity, &self.table, mapping)
    }

    /// All that is wrong with a mapping here.
    pub fn check(&self, mapping: &Value) -> Result<std::result::Result<(), Vec<MappingError>>> {
        let columns = columns_of(&self.org.schema, &self.table)?;
        let effective = self.effective(mapping);
        let compiled = defaults::compile(&effective, &self.entity, &columns, &self.org.rules());
        Ok(compiled.map(|_| ()))
    }

    /// Puts a mapping in force, and has the rows read again if they come to something else by it. The
    /// version; the same as before if the mapping is.
    pub fn put(&self, mapping: &Value, note: Option<&str>, superuser: bool) -> Result<i32> {
        let effective = self.effective(mapping).json;
        let before = self.active()?.map(|before| self.effective(&before).json);
        refuse_sql(before.as_ref(), &effective, superuser)?;
        self.check(mapping)?.map_err(|errors| report("the mapping", &errors))?;
        let source = self.hold()?;
        let here = Place {
            org: self.org.clone(),
            entity: self.entity.clone(),
            table: self.table.clone(),
            source: Some(source),
        };
        // Whoever had the source before us may have changed it only just now.
        let (query, arguments) = here.version("active");
        let before = sql::fresh_rows(&query, &arguments, |row| {
            Ok((catalog::json(row.get(1)?)?, row.get::<i32>(2)?.unwrap_or_default()))
        })?
        .pop();
        if let Some((json, version)) = &before
            && json == mapping
        {
            return Ok(*version);
        }
        let version = here.store(source, mapping, note)?;
        let same = before.is_some_and(|(before, _)| {
            let (before, after) = (here.effective(&before).json, here.effective(mapping).json);
            defaults::same_plan(&before, &after, &here.entity)
        });
        if !same {
            renormalize(source)?;
        }
        Ok(version)
    }

    /// The source, made if need be, and kept from other changes of its mappings until the transaction
    /// ends.
    fn hold(&self) -> Result<i32> {
        let source = sql::run_one::<i32>(
            "INSERT INTO manifold.source AS s (org, schema_name, table_name) VALUES ($1, $2, $3) \
             ON CONFLICT (schema_name, table_name) DO UPDATE SET org = excluded.org RETURNING source_id",
            &[
                self.org.name.as_str().into(),
                self.org.schema.as_str().into(),
                self.table.as_str().into(),
            ],
        )?;
        Ok(source.unwrap_or_default())
    }

    fn store(&self, source: i32, mapping: &Value, note: Option<&str>) -> Result<i32> {
        let entity = self.entity.name.as_str();
        sql::run(
            "UPDATE manifold.mapping SET active = false WHERE source_id = $1 AND entity = $2 AND active",
            &[source.into(), entity.into()],
        )?;
        let version = sql::run_one::<i32>(
            "INSERT INTO manifold.mapping (source_id, entity, version, mapping, active, note) \
             SELECT $1, $2, 1 + coalesce(max(version), 0), $3, true, $4 FROM manifold.mapping \
             WHERE source_id = $1 AND entity = $2 RETURNING version",
            &[source.into(), entity.into(), JsonB(mapping.clone()).into(), note.into()],
        )?;
        Ok(version.unwrap_or_default())
    }
}

/// Has the rows of a source read again, if they are captured: by the log, after what is in it.
pub(super) fn renormalize(source: i32) -> Result<()> {
    let captured = sql::one::<bool>(
        "SELECT true FROM manifold.capture WHERE source_id = $1",
        &[source.into()],
    )?;
    if captured.is_some() {
        backfill::read_again(source, false)?;
    }
    Ok(())
}

fn guess_entity(source: Option<i32>, table: &str) -> Result<String> {
    let text = |row: &pgrx::spi::SpiHeapTupleData| Ok(row.get::<String>(1)?.unwrap_or_default());
    let fed = sql::rows(
        "SELECT entity FROM manifold.mapping WHERE source_id = $1 AND active ORDER BY entity",
        &[source.into()],
        text,
    )?;
    let known = sql::rows("SELECT entity FROM manifold.entity ORDER BY entity", &[], text)?;
    match (fed.as_slice(), known.as_slice()) {
        ([one], _) => Ok(one.clone()),
        (_, known) if fed.is_empty() && known.iter().any(|entity| entity == table) => {
            Ok(table.into())
        }
        ([], [only]) => Ok(only.clone()),
        (fed, known) => Err(Error::invalid(
            format!("it is not said which entity table \"{table}\" is to feed"),
            format!(
                "Give argument entity one of: {}.",
                if fed.is_empty() { known } else { fed }.join(", ")
            ),
        )),
    }
}

/// Reads the definition of an entity.
pub(super) fn entity_of(name: &str, definition: &Value) -> Result<Entity> {
    Entity::from_json(name, definition)
        .map_err(|errors| report("the definition of the entity", &errors))
}

/// The columns of a table as they are now.
pub(super) fn columns_of(schema: &str, table: &str) -> Result<Layout> {
    let members = tree::members(schema, table)?;
    let top = members.first().ok_or_else(|| source::missing_table(schema, table))?;
    tree::shape(&members)?;
    Ok(layout::of_table(top.oid))
}

/// What mappings come to: by source and entity, the effective mapping and what rules know of the org.
pub(super) struct Plans(Vec<(catalog::ActiveMapping, Org)>);

impl Plans {
    pub fn now() -> Result<Plans> {
        let catalog = catalog::Catalog::load()?;
        let org = |mapping: &catalog::ActiveMapping| {
            let source = catalog.sources.get(&mapping.source)?;
            Some(catalog.orgs.get(source.org.as_ref()?)?.rules())
        };
        let mappings = catalog.mappings.iter();
        Ok(Plans(mappings.filter_map(|m| Some((m.clone(), org(m)?))).collect()))
    }

    /// Has the sources read again whose rows come to something else now, after a change of defaults;
    /// returns their orgs. Fails where a mapping does not fit its table any more.
    pub fn renormalize_changed(self, superuser: bool) -> Result<Vec<String>> {
        let mut orgs = Vec::new();
        for (after, org) in Plans::now()?.0 {
            let before = self
                .0
                .iter()
                .find(|(before, _)| before.source == after.source && before.entity == after.entity);
            let entity = entity_of(&after.entity, &catalog::entity(&after.entity)?)?;
            let same = before.is_some_and(|(before, known)| {
                *known == org && defaults::same_plan(&before.json, &after.json, &entity)
            });
            if same {
                continue;
            }
            refuse_sql(before.map(|(before, _)| &before.json), &after.json, superuser)?;
            check_still_fits(&after, &entity, &org)?;
            renormalize(after.source)?;
            if !orgs.contains(&org.name) {
                orgs.push(org.name);
            }
        }
        Ok(orgs)
    }
}

fn check_still_fits(mapping: &catalog::ActiveMapping, entity: &Entity, org: &Org) -> Result<()> {
    let sources = catalog::sources_of(&org.name)?;
    let Some(source) = sources.into_iter().find(|source| source.id == mapping.source) else {
        return Ok(());
    };
    if !source::table_exists(&source)? {
        return Ok(());
    }
    let columns = columns_of(&source.schema, &source.table)?;
    let fits = crate::normalize::mapping::Mapping::from_json(&mapping.json).and_then(|parsed| {
        crate::normalize::compile::compile_lenient(&parsed, entity, &columns, org)
    });
    let what = format!(
        "the mapping of table \"{}\" of org \"{}\" with these defaults",
        source.table, org.name
    );
    fits.map(|_| ()).map_err(|errors| report(&what, &errors))
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
