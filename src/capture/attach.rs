//! Putting the capture triggers on a table and taking them off.
//!
//! They sort after Heroku Connect's own (`hc_…`), so that a capture sees a row as the status
//! trigger left it and nothing of ours comes between Heroku Connect's triggers.

use pgrx::prelude::*;

use crate::error::{Error, Result};
use crate::pg::{sql, subtransaction};
use crate::settings;

const TRIGGERS: [(&str, &str, &str); 4] = [
    ("manifold_insert", "INSERT", "REFERENCING NEW TABLE AS inserted"),
    ("manifold_update", "UPDATE", "REFERENCING OLD TABLE AS before NEW TABLE AS after"),
    ("manifold_delete", "DELETE", "REFERENCING OLD TABLE AS deleted"),
    ("manifold_truncate", "TRUNCATE", ""),
];

/// Attaches the triggers to a table, replacing what is there of ours. Waits for writers of the
/// table no longer than `manifold.attach_lock_timeout`.
pub fn attach(schema: &str, table: &str, source: i32) -> Result<()> {
    let mut statements = String::new();
    for (name, event, tables) in TRIGGERS {
        statements.push_str(&format!(
            "CREATE OR REPLACE TRIGGER {name} AFTER {event} ON %1$I.%2$I {tables} \
             FOR EACH STATEMENT EXECUTE FUNCTION manifold.capture('{source}'); \
             ALTER TABLE %1$I.%2$I ENABLE ALWAYS TRIGGER {name}; "
        ));
    }
    run_locked(schema, table, "SHARE ROW EXCLUSIVE", &statements)
}

/// Takes the triggers off, where they are.
pub fn detach(schema: &str, table: &str) -> Result<()> {
    let statements: String = TRIGGERS
        .iter()
        .map(|(name, ..)| format!("DROP TRIGGER IF EXISTS {name} ON %1$I.%2$I; "))
        .collect();
    // What DROP TRIGGER needs, from the start: to upgrade a lock is to invite a deadlock.
    run_locked(schema, table, "ACCESS EXCLUSIVE", &statements)
}

/// Runs DDL on a table after its lock is taken: the lock first, so that a busy table is found out
/// within the timeout and before anything is changed.
fn run_locked(schema: &str, table: &str, mode: &str, statements: &str) -> Result<()> {
    let lock = format!("LOCK TABLE %1$I.%2$I IN {mode} MODE; {statements}");
    let timeout = settings::attach_lock_timeout();
    let outcome = subtransaction::attempt(|| {
        let before: Option<String> =
            sql::one("SELECT pg_catalog.current_setting('lock_timeout')", &[])?;
        let limit = |value: &str| {
            sql::run("SELECT pg_catalog.set_config('lock_timeout', $1, true)", &[value.into()])
        };
        limit(&format!("{timeout}ms"))?;
        let ddl: Option<String> = sql::one(
            "SELECT pg_catalog.format($1, $2, $3)",
            &[lock.as_str().into(), schema.into(), table.into()],
        )?;
        sql::run(&ddl.unwrap_or_default(), &[])?;
        limit(&before.unwrap_or_default())
    });
    match outcome {
        Ok(result) => result.map(|_| ()),
        Err(failure) if failure.code == PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE => {
            Err(Error::Busy {
                message: format!("table \"{schema}.{table}\" is being written, and its lock was not to be had within {timeout} ms"),
                hint: "Try again, or raise manifold.attach_lock_timeout; writers that come later wait meanwhile.".into(),
            })
        }
        Err(failure) => Err(Error::State {
            message: format!("the triggers of table \"{schema}.{table}\" cannot be changed: {}", failure.message),
            hint: failure.hint.unwrap_or_else(|| {
                "Capture works on ordinary tables that are no partitions and inherit from none.".into()
            }),
        }),
    }
}
