//! Putting the capture triggers on a source's tables and taking them off.
//!
//! A plain table has statement triggers: one that fires before the statement (see
//! [`super::nesting`]) and one for each operation after it. Logical replication's apply worker fires
//! row triggers only, and those that are for replicas; so there is one of these as well, which keeps
//! quiet where a statement is captured. Whether and when a table becomes a subscription's target then
//! makes no difference.
//!
//! A tree of partitions or children has row triggers, since a statement fires the statement triggers
//! of the table that it names and of no other. The server puts those of a partitioned table on all
//! its partitions, those to come included.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::tree::{self, Member, Shape};
use crate::error::{Error, Result};
use crate::pg::{sql, subtransaction};
use crate::settings;

/// A trigger as it should be.
struct Wanted<'a> {
    on: &'a Member,
    name: &'static str,
    /// What comes between the name and the table.
    event: &'static str,
    /// What comes between the table and the function.
    each: &'static str,
    /// `A`: fires always. `R`: in replica sessions only.
    enabled: char,
    arguments: String,
}

/// The row trigger comes first among a row's AFTER triggers: another one may change the row again.
const ROW: &str = "!manifold_row";

fn wanted(members: &[Member], shape: Shape, source: i32) -> Vec<Wanted<'_>> {
    let mut all = Vec::new();
    for (index, on) in members.iter().enumerate() {
        let mut add = |name, event, each, enabled, arguments: String| {
            all.push(Wanted { on, name, event, each, enabled, arguments });
        };
        let statement = "FOR EACH STATEMENT";
        match shape {
            Shape::Plain => {
                add(
                    "manifold_before",
                    "BEFORE INSERT OR UPDATE OR DELETE",
                    statement,
                    'A',
                    format!("'{source}'"),
                );
                for (name, event, each) in [
                    (
                        "manifold_insert",
                        "AFTER INSERT",
                        "REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT",
                    ),
                    (
                        "manifold_update",
                        "AFTER UPDATE",
                        "REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT",
                    ),
                    (
                        "manifold_delete",
                        "AFTER DELETE",
                        "REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT",
                    ),
                    ("manifold_truncate", "AFTER TRUNCATE", statement),
                ] {
                    add(name, event, each, 'A', format!("'{source}'"));
                }
                add(
                    ROW,
                    "AFTER INSERT OR UPDATE OR DELETE",
                    "FOR EACH ROW",
                    'R',
                    format!("'{source}'"),
                );
            }
            Shape::Tree => {
                // Of a partition that is not at the top, the server makes it.
                if index == 0 || !on.partition {
                    add(
                        ROW,
                        "AFTER INSERT OR UPDATE OR DELETE",
                        "FOR EACH ROW",
                        'A',
                        format!("'{source}'"),
                    );
                }
                let part = if index == 0 { "" } else { ", 'part'" };
                add(
                    "manifold_truncate",
                    "AFTER TRUNCATE",
                    statement,
                    'A',
                    format!("'{source}'{part}"),
                );
            }
        }
    }
    all
}

/// What is there of ours on some tables: not what the server made for partitions by itself.
struct Found {
    table: pg_sys::Oid,
    table_name: String,
    name: String,
    enabled: String,
    /// `'7', 'part'`
    arguments: String,
}

fn found(condition: &str, argument: pgrx::datum::DatumWithOid) -> Result<Vec<Found>> {
    sql::rows(
        &format!(
            "SELECT t.tgrelid, pg_catalog.format('%I.%I', n.nspname, c.relname), t.tgname::text, t.tgenabled::text, \
                    (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(a), ', ' ORDER BY o) FROM pg_catalog.regexp_split_to_table( \
                       pg_catalog.left(pg_catalog.encode(t.tgargs, 'escape'), -4), '\\\\000') WITH ORDINALITY AS x(a, o)) \
             FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE t.tgfoid = 'manifold.capture()'::pg_catalog.regprocedure AND t.tgparentid = 0 AND {condition}"
        ),
        &[argument],
        |row| {
            Ok(Found {
                table: row.get(1)?.unwrap_or(pg_sys::InvalidOid),
                table_name: row.get(2)?.unwrap_or_default(),
                name: row.get(3)?.unwrap_or_default(),
                enabled: row.get(4)?.unwrap_or_default(),
                arguments: row.get(5)?.unwrap_or_default(),
            })
        },
    )
}

impl Found {
    fn is(&self, wanted: &Wanted<'_>) -> bool {
        self.table == wanted.on.oid && self.name == wanted.name
    }

    fn source(&self) -> &str {
        self.arguments.split(',').next().unwrap_or_default().trim_matches('\'')
    }
}

/// Attaches the triggers to a source's tables, where they are not there as they should be, and notes
/// that it is captured. Waits for writers no longer than `manifold.attach_lock_timeout`.
pub fn attach(schema: &str, table: &str, source: i32) -> Result<()> {
    let members = tree::members(schema, table)?;
    let shape = tree::shape(&members)?;
    let oids: Vec<pg_sys::Oid> = members.iter().map(|member| member.oid).collect();
    let wanted = wanted(&members, shape, source);
    let there = found("t.tgrelid = ANY ($1)", oids.clone().into())?;
    if let Some(other) = there.iter().find(|trigger| trigger.source() != source.to_string()) {
        return Err(Error::state(
            format!("{} is captured already, as part of another source", other.table_name),
            "A partition or child is captured with its parent, or by itself: SELECT manifold.stop(…) the other one first.",
        ));
    }
    let mut statements = String::new();
    let mut mode = "SHARE ROW EXCLUSIVE";
    for trigger in there.iter().filter(|there| !wanted.iter().any(|wanted| there.is(wanted))) {
        // What DROP TRIGGER needs, from the start: to upgrade a lock is to invite a deadlock.
        mode = "ACCESS EXCLUSIVE";
        statements.push_str(&drop_trigger(trigger)?);
    }
    for trigger in &wanted {
        let right = there.iter().any(|there| {
            there.is(trigger)
                && there.enabled.starts_with(trigger.enabled)
                && there.arguments == trigger.arguments
        });
        if right {
            continue;
        }
        let Wanted { on, name, event, each, enabled, arguments } = trigger;
        let (table, name) = (&on.name, sql::identifier(name)?);
        let enable = if *enabled == 'A' { "ALWAYS" } else { "REPLICA" };
        statements.push_str(&format!(
            "CREATE OR REPLACE TRIGGER {name} {event} ON {table} {each} \
             EXECUTE FUNCTION manifold.capture({arguments}); \
             ALTER TABLE {table} ENABLE {enable} TRIGGER {name}; "
        ));
    }
    if !statements.is_empty() {
        let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        run_locked(&names, mode, &statements)?;
    }
    sql::run(
        "INSERT INTO manifold.capture (source_id, tables, triggers) \
         SELECT $1, $2, pg_catalog.count(*) FROM pg_catalog.pg_trigger t \
         WHERE t.tgrelid = ANY ($2) AND t.tgfoid = 'manifold.capture()'::pg_catalog.regprocedure \
         ON CONFLICT (source_id) DO UPDATE \
         SET started_at = now(), tables = excluded.tables, triggers = excluded.triggers",
        &[source.into(), oids.into()],
    )?;
    Ok(())
}

/// Takes a source's triggers off, wherever they are, and notes that it is not captured.
pub fn detach(source: i32) -> Result<()> {
    let there = found(
        "pg_catalog.starts_with(pg_catalog.encode(t.tgargs, 'escape'), $1 || '\\000')",
        source.to_string().into(),
    )?;
    let mut names: Vec<&str> = there.iter().map(|trigger| trigger.table_name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if !names.is_empty() {
        let statements: Result<String> = there.iter().map(drop_trigger).collect();
        run_locked(&names, "ACCESS EXCLUSIVE", &statements?)?;
    }
    sql::run("DELETE FROM manifold.capture WHERE source_id = $1", &[source.into()])?;
    Ok(())
}

fn drop_trigger(trigger: &Found) -> Result<String> {
    Ok(format!("DROP TRIGGER {} ON {}; ", sql::identifier(&trigger.name)?, trigger.table_name))
}

/// Runs DDL on tables after their locks are taken: the locks first, so that a busy table is found out
/// within the timeout and before anything is changed.
pub fn run_locked(tables: &[&str], mode: &str, statements: &str) -> Result<()> {
    let locked = within_timeout(|| {
        sql::run(&format!("LOCK TABLE ONLY {} IN {mode} MODE", tables.join(", ONLY ")), &[])?;
        sql::run(statements, &[])?;
        Ok(())
    });
    match locked? {
        Ok(result) => result,
        Err(failure) => Err(Error::State {
            message: format!("{} cannot be changed: {}", tables[0], failure.message),
            hint: failure.hint.unwrap_or_else(|| "The server's message says what it needs.".into()),
        }),
    }
}

/// Runs `work` while locks are waited for no longer than `manifold.attach_lock_timeout`. An error of
/// the server comes back as a value, with all that was done undone.
pub(super) fn within_timeout<T>(
    work: impl FnOnce() -> Result<T>,
) -> Result<std::result::Result<Result<T>, subtransaction::Failure>> {
    let timeout = settings::attach_lock_timeout();
    let outcome = subtransaction::attempt(|| {
        let before: Option<String> =
            sql::one("SELECT pg_catalog.current_setting('lock_timeout')", &[])?;
        let limit = |value: &str| {
            sql::run("SELECT pg_catalog.set_config('lock_timeout', $1, true)", &[value.into()])
        };
        limit(&format!("{timeout}ms"))?;
        let result = work()?;
        limit(&before.unwrap_or_default())?;
        Ok(result)
    });
    match outcome {
        Err(failure) if failure.code == PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE => {
            Err(Error::Busy {
                message: format!("a table is being written, and its lock was not to be had within {timeout} ms: {}", failure.message),
                hint: "Try again, or raise manifold.attach_lock_timeout; writers that come later wait meanwhile.".into(),
            })
        }
        outcome => Ok(outcome),
    }
}
