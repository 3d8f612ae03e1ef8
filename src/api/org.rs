//! Orgs.

use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::mapping::Plans;
use super::{define, is_name, required};
use crate::capture::attach;
use crate::catalog;
use crate::error::{Error, Result};
use crate::normalize::feed::ORG_LOCK;
use crate::normalize::quarantine;
use crate::pg::{identity, sql, xact};

/// Registers an org: the name it goes by in topics and canonical rows, and the schema that Heroku
/// Connect syncs it into.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn add_org(
    org: Option<&str>,
    schema: default!(Option<&str>, "NULL"),
    phone_region: default!(Option<&str>, "NULL"),
    time_zone: default!(Option<&str>, "NULL"),
    defaults: default!(Option<JsonB>, "'{}'"),
    class: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    let superuser = identity::is_superuser();
    let _owner = define()?;
    let org = required(org, "org")?;
    let schema = schema.unwrap_or(org);
    let defaults = required(defaults, "defaults")?;
    check_name(org)?;
    check_schema(schema)?;
    check_region(phone_region)?;
    check_time_zone(time_zone)?;
    check_class(class)?;
    super::defaults::check(&defaults.0, None)?;
    super::mapping::refuse_sql(None, &defaults.0, superuser)?;
    let taken = sql::one::<String>(
        "SELECT org FROM manifold.org WHERE org = $1 OR schema_name = $2",
        &[org.into(), schema.into()],
    )?;
    if let Some(other) = taken {
        let (what, name) = if other == org { ("org", org) } else { ("org of schema", schema) };
        return Err(Error::Exists {
            what,
            name: name.into(),
            hint: format!("Schema and name belong to org \"{other}\"; SELECT manifold.remove_org('{other}') removes it."),
        }
        .into());
    }
    sql::run(
        "INSERT INTO manifold.org (org, schema_name, phone_region, time_zone, class) \
         VALUES ($1, $2, $3, $4, $5)",
        &[org.into(), schema.into(), phone_region.into(), time_zone.into(), class.into()],
    )?;
    super::defaults::store("org", org, None, None, Some(defaults))?;
    xact::defined();
    Ok(())
}

/// Puts an org into a class, or (null) into none; its rows are read again where that changes what they
/// come to.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn set_org_class(org: Option<&str>, class: Option<&str>) -> Result<(), ErrorReport> {
    let superuser = identity::is_superuser();
    let _owner = define()?;
    let org = required(org, "org")?;
    catalog::org(org)?;
    check_class(class)?;
    let plans = Plans::now()?;
    sql::run("UPDATE manifold.org SET class = $2 WHERE org = $1", &[org.into(), class.into()])?;
    plans.renormalize_changed(superuser)?;
    xact::defined();
    Ok(())
}

/// Removes an org: its triggers, mappings, problems and, unless they are to be kept, its canonical
/// rows. The org's own tables stay as they are.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn remove_org(
    org: Option<&str>,
    keep_canonical: default!(Option<bool>, "false"),
) -> Result<(), ErrorReport> {
    let _owner = define()?;
    let org = required(org, "org")?;
    let keep_canonical = required(keep_canonical, "keep_canonical")?;
    let known = catalog::org(org)?;
    // After a turn of the normalizer that is under way: what it writes is then seen and deleted.
    sql::run(
        "SELECT pg_catalog.pg_advisory_xact_lock($1, $2)",
        &[ORG_LOCK.into(), known.id.into()],
    )?;
    for source in catalog::sources_of(org)? {
        attach::detach(source.id)?;
    }
    if !keep_canonical {
        let tables = sql::rows(
            "SELECT pg_catalog.format('%I.%I', schema_name, table_name) FROM manifold.source \
             WHERE org IS NULL AND pg_catalog.to_regclass(pg_catalog.format('%I.%I', schema_name, table_name)) IS NOT NULL",
            &[],
            |row| Ok(row.get::<String>(1)?.unwrap_or_default()),
        )?;
        for table in tables {
            sql::run(&format!("DELETE FROM {table} WHERE org = $1"), &[org.into()])?;
        }
    }
    for consumer in super::consumer::of(org)? {
        super::consumer::drop(&consumer, known.id)?;
    }
    quarantine::forget_org(org)?;
    sql::run("DELETE FROM manifold.pause WHERE org = $1", &[org.into()])?;
    sql::run(
        "DELETE FROM manifold.mapping m USING manifold.source s \
         WHERE m.source_id = s.source_id AND s.org = $1",
        &[org.into()],
    )?;
    sql::run(
        "DELETE FROM manifold.consumer_error e USING manifold.source s \
         WHERE e.consumer IN ('backfill', 'retry') AND e.lane = s.source_id AND s.org = $1",
        &[org.into()],
    )?;
    sql::run(
        "DELETE FROM manifold.consumer_error e USING manifold.source s \
         WHERE e.consumer = 'publisher' AND e.lane = manifold.source_lane(s.source_id) AND s.org = $1",
        &[org.into()],
    )?;
    sql::run(
        "DELETE FROM manifold.gap g USING manifold.source s \
         WHERE g.source_id = s.source_id AND s.org = $1",
        &[org.into()],
    )?;
    sql::run("DELETE FROM manifold.source WHERE org = $1", &[org.into()])?;
    sql::run(
        "DELETE FROM manifold.mapping_default WHERE level = 'org' AND name = $1",
        &[org.into()],
    )?;
    sql::run(
        "DELETE FROM manifold.consumer_error WHERE consumer NOT IN ('backfill', 'retry') AND lane = $1",
        &[known.id.into()],
    )?;
    sql::run("DELETE FROM manifold.org WHERE org = $1", &[org.into()])?;
    xact::defined();
    Ok(())
}

fn check_name(org: &str) -> Result<()> {
    if !is_name(org) || org == "canonical" {
        return Err(Error::invalid(
            format!("\"{org}\" is no name for an org"),
            "Use up to 63 lower-case letters, digits, _ and -, beginning with a letter or digit; \"canonical\" is taken. The name is part of topic names.",
        ));
    }
    Ok(())
}

fn check_schema(schema: &str) -> Result<()> {
    if schema.starts_with("pg_")
        || ["information_schema", "manifold", "canonical", "qc"].contains(&schema)
    {
        return Err(Error::invalid(
            format!("schema \"{schema}\" cannot be an org's"),
            "Name the schema that Heroku Connect syncs the org into.",
        ));
    }
    let found = sql::one::<bool>(
        "SELECT true FROM pg_catalog.pg_namespace WHERE nspname = $1",
        &[schema.into()],
    )?;
    match found {
        Some(_) => Ok(()),
        None => Err(Error::unknown(
            "schema",
            schema,
            "Name the schema that Heroku Connect syncs the org into: add_org('acme', schema => 'salesforce').",
        )),
    }
}

fn check_class(class: Option<&str>) -> Result<()> {
    match class {
        Some(class) if !is_name(class) => Err(Error::invalid(
            format!("\"{class}\" is no name for a class"),
            "Use up to 63 lower-case letters, digits, _ and -, beginning with a letter or digit.",
        )),
        _ => Ok(()),
    }
}

pub(super) fn check_region(region: Option<&str>) -> Result<()> {
    match region {
        Some(region) if region.len() != 2 || !region.chars().all(|c| c.is_ascii_uppercase()) => {
            Err(Error::invalid(
                format!("phone_region \"{region}\" is no region"),
                "Give the ISO 3166-1 alpha-2 code of a country in capitals, such as US.",
            ))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_time_zone(zone: Option<&str>) -> Result<()> {
    let Some(zone) = zone else { return Ok(()) };
    let found = sql::one::<bool>(
        "SELECT true FROM pg_catalog.pg_timezone_names WHERE name = $1 LIMIT 1",
        &[zone.into()],
    )?;
    match found {
        Some(_) => Ok(()),
        None => Err(Error::unknown(
            "time zone",
            zone,
            "SELECT name FROM pg_timezone_names lists them, such as Europe/Paris.",
        )),
    }
}
