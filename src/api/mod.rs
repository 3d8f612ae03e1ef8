//! The SQL functions, by noun. Thin: they check who asks, and say exactly what is wrong.

mod choice;
pub mod consumer;
pub mod defaults;
pub mod entity;
pub mod history;
pub mod log;
pub mod mapping;
pub mod next;
pub mod org;
pub mod peek;
pub mod preview;
pub mod problem;
pub mod promote;
pub mod publication;
pub mod remedy;
pub mod rule;
mod sample;
pub mod source;
pub mod suggest;

use crate::error::{Error, Result};
use crate::pg::identity::{self, AsUser};
use crate::pg::sql;

/// What every function for admins begins with: the caller must be one, and then acts as
/// the superuser.
fn administer() -> Result<AsUser> {
    identity::require_admin()?;
    Ok(AsUser::superuser())
}

/// First key of the advisory lock on definitions ("defs" in ASCII).
const DEFINITIONS_LOCK: i32 = 0x6465_6673;

/// What every function begins with that changes what mappings come to. Such changes come one after the
/// other: each has the rows read again that come to something else by it, for which it has to know all
/// others. The lock is held until the transaction ends.
fn define() -> Result<AsUser> {
    let owner = administer()?;
    // SAFETY: a plain read of the transaction's state.
    if unsafe { pgrx::pg_sys::XactIsoLevel } > pgrx::pg_sys::XACT_READ_COMMITTED as i32 {
        return Err(Error::state(
            "definitions are changed in transactions with isolation level READ COMMITTED",
            "A snapshot that lasts does not see what another session has changed meanwhile: BEGIN ISOLATION LEVEL READ COMMITTED.",
        ));
    }
    // A statement that writes, so that all that follow see what was committed while this one waited.
    sql::run("SELECT pg_catalog.pg_advisory_xact_lock($1, 0)", &[DEFINITIONS_LOCK.into()])?;
    Ok(owner)
}

/// A required argument that was given as null.
fn required<T>(value: Option<T>, name: &str) -> Result<T> {
    value.ok_or_else(|| Error::Invalid {
        message: format!("argument {name} is null"),
        detail: None,
        hint: format!("Give {name} a value."),
    })
}

/// Whether a text can name an org or a consumer.
fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c))
        && text.len() <= 63
}

mod install {
    use pgrx::prelude::*;

    use crate::error::Error;
    use crate::pg::{shared, xact};

    /// Called at the end of the extension's script: refuses an installation that could not work,
    /// and has the launcher look when the transaction commits.
    #[pg_extern(requires = ["capture"])]
    #[search_path(pg_catalog, pg_temp)]
    fn installed() -> Result<(), pg_sys::panic::ErrorReport> {
        if !shared::available() {
            return Err(Error::NotPreloaded.into());
        }
        xact::installed();
        Ok(())
    }
}
