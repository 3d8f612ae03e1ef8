//! The SQL functions, by noun. Thin: they check who asks, and say exactly what is wrong.

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

/// What every function for admins begins with: the caller must be one, and then acts as
/// the superuser.
fn administer() -> Result<AsUser> {
    identity::require_admin()?;
    Ok(AsUser::superuser())
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
    fn installed() -> Result<(), pg_sys::panic::ErrorReport> {
        if !shared::available() {
            return Err(Error::NotPreloaded.into());
        }
        xact::installed();
        Ok(())
    }
}
