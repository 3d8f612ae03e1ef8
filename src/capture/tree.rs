//! The tables that a source is made of: one as a rule, more if it is partitioned or has children.

use pgrx::pg_sys;

use crate::error::{Error, Result};
use crate::pg::sql;

/// One table of a source.
#[derive(Debug, Clone)]
pub struct Member {
    pub oid: pg_sys::Oid,
    /// `schema.table`, quoted.
    pub name: String,
    kind: String,
    persistence: String,
    /// Whether it is a partition.
    pub partition: bool,
    /// Whether it is written through another table, too.
    child: bool,
    /// The file of its rows.
    pub file: pg_sys::Oid,
}

impl Member {
    /// Whether it has rows of its own.
    pub fn has_rows(&self) -> bool {
        self.kind == "r"
    }
}

/// A table with its partitions or children, itself first; nothing where it does not exist.
pub fn members(schema: &str, table: &str) -> Result<Vec<Member>> {
    sql::rows(
        "WITH RECURSIVE tree AS ( \
           SELECT c.oid, 0 AS depth FROM pg_catalog.pg_class c \
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
           WHERE n.nspname = $1 AND c.relname = $2 \
           UNION SELECT i.inhrelid, t.depth + 1 FROM tree t \
           JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid) \
         SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname), c.relkind::text, \
                c.relpersistence::text, c.relispartition, \
                EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid), c.relfilenode \
         FROM (SELECT oid, min(depth) AS depth FROM tree GROUP BY oid) t \
         JOIN pg_catalog.pg_class c USING (oid) \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         ORDER BY t.depth, c.oid",
        &[schema.into(), table.into()],
        |row| {
            Ok(Member {
                oid: row.get(1)?.unwrap_or(pg_sys::InvalidOid),
                name: row.get(2)?.unwrap_or_default(),
                kind: row.get(3)?.unwrap_or_default(),
                persistence: row.get(4)?.unwrap_or_default(),
                partition: row.get(5)?.unwrap_or_default(),
                child: row.get(6)?.unwrap_or_default(),
                file: row.get(7)?.unwrap_or(pg_sys::InvalidOid),
            })
        },
    )
}

/// How the rows of a source are captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A plain table, by statement.
    Plain,
    /// A tree, by row: a statement on one table of it fires no statement triggers of the others.
    Tree,
}

/// The shape of a source, if it is one that can be captured.
pub fn shape(members: &[Member]) -> Result<Shape> {
    let refuse = |member: &Member, what: &str, hint: &str| {
        Err(Error::state(format!("{} {what}", member.name), hint))
    };
    for member in members {
        match (member.kind.as_str(), member.persistence.as_str()) {
            ("r" | "p", "t") => {
                return refuse(
                    member,
                    "is a temporary table",
                    "It ends with its session. Capture a permanent table.",
                );
            }
            ("r" | "p", "u") => {
                return refuse(
                    member,
                    "is an unlogged table",
                    "A crash of the server empties it, and no trigger tells. ALTER TABLE … SET LOGGED first.",
                );
            }
            ("r" | "p", _) => {}
            ("f", _) => {
                return refuse(
                    member,
                    "is a foreign table",
                    "Its rows change elsewhere, and no trigger here tells. Capture them where they are.",
                );
            }
            _ => {
                return refuse(
                    member,
                    "is no table",
                    "Only tables can be captured: name the table that it reads.",
                );
            }
        }
    }
    match members {
        [only] if only.kind == "r" && !only.child => Ok(Shape::Plain),
        _ => Ok(Shape::Tree),
    }
}
