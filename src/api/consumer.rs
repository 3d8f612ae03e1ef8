//! Pausing consumers.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{administer, required};
use crate::catalog;
use crate::error::{Error, Result};
use crate::pg::{sql, xact};

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
