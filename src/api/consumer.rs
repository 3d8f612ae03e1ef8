//! Consumers: those that an admin creates for `manifold.next`, and pausing the built-in ones.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{administer, is_name, required};
use crate::catalog::{self, CANONICAL};
use crate::error::{Error, Result};
use crate::log::position::{self, MAIN};
use crate::log::pull;
use crate::pg::{sql, xact};

/// Names that mean something else, or may.
const BUILT_IN: [&str; 8] = [
    "normalizer",
    "publisher",
    "backfill",
    "retry",
    "keeper",
    "writeback",
    "kafka",
    "exactly_once",
];

/// Creates a consumer for `manifold.next`: it begins with what is committed from now on, of one org,
/// of the canonical tables (`canonical`), or of all.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn create_consumer(
    consumer: Option<&str>,
    org: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    let _owner = administer()?;
    let consumer = required(consumer, "consumer")?;
    if !is_name(consumer) {
        return Err(Error::invalid(
            format!("\"{consumer}\" is no name for a consumer"),
            "Use up to 63 lower-case letters, digits, _ and -, beginning with a letter or digit.",
        )
        .into());
    }
    let lane = lane(org)?;
    pull::hold(consumer)?;
    let known = sql::one::<bool>(
        "SELECT true FROM manifold.consumer WHERE consumer = $1",
        &[consumer.into()],
    )?;
    if known.is_some() || BUILT_IN.contains(&consumer) {
        return Err(Error::Exists {
            what: "consumer",
            name: consumer.into(),
            hint: format!(
                "Choose another name ({} are taken too), or drop it: SELECT manifold.drop_consumer('{consumer}')",
                BUILT_IN.join(", ")
            ),
        }
        .into());
    }
    sql::run(
        "INSERT INTO manifold.consumer (consumer, org) VALUES ($1, $2)",
        &[consumer.into(), org.into()],
    )?;
    pull::begin(consumer, lane)?;
    Ok(())
}

/// Drops a consumer; the log keeps nothing for it any more.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn drop_consumer(consumer: Option<&str>) -> Result<(), ErrorReport> {
    let _owner = administer()?;
    let consumer = required(consumer, "consumer")?;
    let lane = lane_of(consumer)?;
    drop(consumer, lane)?;
    Ok(())
}

/// Takes a consumer away, when nobody is at work with it.
pub(super) fn drop(consumer: &str, lane: i32) -> Result<()> {
    pull::hold(consumer)?;
    sql::run("DELETE FROM manifold.consumer WHERE consumer = $1", &[consumer.into()])?;
    position::save(consumer, lane, None)
}

/// The consumers of one org alone.
pub(super) fn of(org: &str) -> Result<Vec<String>> {
    sql::rows("SELECT consumer FROM manifold.consumer WHERE org = $1", &[org.into()], |row| {
        Ok(row.get(1)?.unwrap_or_default())
    })
}

fn lane(org: Option<&str>) -> Result<i32> {
    match org {
        None => Ok(MAIN),
        Some("canonical") => Ok(CANONICAL),
        Some(org) => Ok(catalog::org(org)?.id),
    }
}

/// The lane of a consumer that an admin has created.
pub(super) fn lane_of(consumer: &str) -> Result<i32> {
    let org = sql::rows(
        "SELECT org FROM manifold.consumer WHERE consumer = $1",
        &[consumer.into()],
        |row| Ok(row.get::<String>(1)?),
    )?;
    match org.first() {
        Some(org) => lane(org.as_deref()),
        None => Err(Error::unknown(
            "consumer",
            consumer,
            "SELECT consumer FROM manifold.consumer lists them; manifold.create_consumer makes one.",
        )),
    }
}

/// Pauses a consumer (normalizer or publisher) for an org: its changes wait in the log.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn pause(org: Option<&str>, consumer: Option<&str>) -> Result<(), ErrorReport> {
    let _owner = administer()?;
    let (org, consumer) = check(org, consumer)?;
    sql::run(
        "INSERT INTO manifold.pause (org, consumer) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        &[org.into(), consumer.into()],
    )?;
    xact::defined();
    Ok(())
}

/// Lets a paused consumer go on with an org, from where it was.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn resume(org: Option<&str>, consumer: Option<&str>) -> Result<(), ErrorReport> {
    let _owner = administer()?;
    let (org, consumer) = check(org, consumer)?;
    sql::run(
        "DELETE FROM manifold.pause WHERE org = $1 AND consumer = $2",
        &[org.into(), consumer.into()],
    )?;
    xact::defined();
    Ok(())
}

fn check<'a>(org: Option<&'a str>, consumer: Option<&'a str>) -> Result<(&'a str, &'a str)> {
    let org = required(org, "org")?;
    let consumer = required(consumer, "consumer")?;
    catalog::org(org)?;
    if !["normalizer", "publisher"].contains(&consumer) {
        return Err(Error::unknown(
            "consumer",
            consumer,
            "The consumers are normalizer and publisher.",
        ));
    }
    Ok((org, consumer))
}
