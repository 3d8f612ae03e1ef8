//! Records that are read into the log once more, as operation `r`, since somebody retries their
//! problems: nothing reaches a canonical table or a topic but through the log.
//!
//! As with a [backfill](super::backfill), rows are locked FOR SHARE while they are read, a few hundred
//! in a transaction and at the normalizer's [pace](super::pace), and those that somebody else has locked come
//! later. A record that the table does
//! not have is deleted through the log, as by the [sweep](super::sweep), under a lock that keeps writers
//! out while we look again: an insert that came before would be seen, and one that comes after has a
//! higher number. So a delete that could not be published is published after all, by its key alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use pgrx::pg_sys;

use super::attach::within_timeout;
use super::backfill::{self, Step};
use super::key::{self, Key};
use super::layout;
use super::pace::Pace;
use super::tree::{self, Member};
use crate::error::{Error, Result};
use crate::log::append::{Appender, Statement};
use crate::log::change::{Op, Origin};
use crate::pg::relation::Table;
use crate::pg::sql;
use crate::settings;

/// The records of one source that are to be read.
#[derive(Debug, Clone)]
pub struct Reread {
    pub source: i32,
    /// The org's name; `canonical` for a canonical table.
    pub org: String,
    schema: String,
    pub table: String,
    pace: Pace,
}

/// What came of one step.
pub enum Outcome {
    Step(Step),
    /// Single records will not do: all rows of the source are to be read.
    All,
}

/// A record to be read: its number in the queue, and columns with their values.
struct Wanted {
    number: i64,
    key: BTreeMap<String, String>,
}

impl Reread {
    /// Sources with records to be read, those that waited longest first.
    pub fn waiting() -> Result<Vec<Reread>> {
        sql::rows(
            "SELECT s.source_id, coalesce(s.org, 'canonical'), s.schema_name::text, s.table_name::text \
             FROM (SELECT source_id, min(reread_id) AS first FROM manifold.reread GROUP BY source_id) r \
             JOIN manifold.source s USING (source_id) ORDER BY r.first",
            &[],
            |row| {
                Ok(Reread {
                    source: row.get(1)?.unwrap_or_default(),
                    org: row.get(2)?.unwrap_or_default(),
                    schema: row.get(3)?.unwrap_or_default(),
                    table: row.get(4)?.unwrap_or_default(),
                    pace: Pace::default(),
                })
            },
        )
    }

    /// Reads the next records. Runs in a transaction of its own.
    pub fn step(&mut self) -> Result<Outcome> {
        let members = tree::members(&self.schema, &self.table)?;
        let Some(top) = members.first() else {
            return Err(Error::state(
                format!("table \"{}.{}\" is gone", self.schema, self.table),
                "Map it again in Heroku Connect and run manifold.resync, or remove the org.",
            ));
        };
        let page = self.page()?;
        if page.is_empty() {
            return Ok(Outcome::Step(Step::Finished));
        }
        if self.pace.must_wait(self.source)? {
            return Ok(Outcome::Step(Step::Yielding));
        }
        let Some(table) = backfill::open(top)? else { return Ok(Outcome::Step(Step::Waiting)) };
        // By the columns of the key; as a rule all records have the same.
        let mut groups: BTreeMap<Vec<String>, Vec<Wanted>> = BTreeMap::new();
        for wanted in page {
            let Some(wanted) = wanted else { return Ok(Outcome::All) };
            groups.entry(wanted.key.keys().cloned().collect()).or_default().push(wanted);
        }
        let (mut done, mut later) = (Vec::new(), Vec::new());
        for (columns, wanted) in groups {
            let Some(keys) = keys(&table, &columns) else { return Ok(Outcome::All) };
            let group = Group { reread: self, table: &table, top, members: &members, keys };
            let left = group.read(&wanted)?;
            for Wanted { number, .. } in wanted {
                if left.contains(&number) { later.push(number) } else { done.push(number) }
            }
        }
        let progress = !done.is_empty();
        sql::run("DELETE FROM manifold.reread WHERE reread_id = ANY ($1)", &[done.into()])?;
        sql::run(
            "UPDATE manifold.reread SET reread_id = DEFAULT WHERE reread_id = ANY ($1)",
            &[later.into()],
        )?;
        Ok(Outcome::Step(if progress { Step::More } else { Step::Waiting }))
    }

    /// All rows will be read: what single records were asked for is done with that.
    pub fn give_way(&self) -> Result<()> {
        sql::run("DELETE FROM manifold.reread WHERE source_id = $1", &[self.source.into()])?;
        backfill::read_again(self.source, true)
    }

    /// The next records in the queue; `None` for one that stands for all rows.
    fn page(&self) -> Result<Vec<Option<Wanted>>> {
        sql::rows(
            "SELECT reread_id, key::text FROM manifold.reread WHERE source_id = $1 \
             ORDER BY reread_id LIMIT $2",
            &[self.source.into(), i64::from(settings::backfill_chunk_rows()).into()],
            |row| {
                let key = serde_json::from_str(&row.get::<String>(2)?.unwrap_or_default());
                let number = row.get(1)?.unwrap_or_default();
                Ok(key.ok().flatten().map(|key| Wanted { number, key }))
            },
        )
    }
}

/// The columns of a key, if they are there and of types of which every text is known.
fn keys(table: &Table, columns: &[String]) -> Option<Vec<Key>> {
    let known = |key: &Key| {
        integer(key).is_some()
            || [pg_sys::TEXTOID, pg_sys::VARCHAROID, pg_sys::BPCHAROID, pg_sys::UUIDOID]
                .contains(&key.base)
    };
    let keys = columns.iter().map(|name| Key::find(table, name).filter(known));
    keys.collect::<Option<Vec<_>>>().filter(|keys| !keys.is_empty())
}

/// The name of an integer type, which is compared as it is, so that its index can be used.
fn integer(key: &Key) -> Option<&'static str> {
    match key.base {
        pg_sys::INT2OID => Some("int2"),
        pg_sys::INT4OID => Some("int4"),
        pg_sys::INT8OID => Some("int8"),
        _ => None,
    }
}

/// Records whose keys are of the same columns.
struct Group<'a> {
    reread: &'a Reread,
    table: &'a Table,
    top: &'a Member,
    members: &'a [Member],
    keys: Vec<Key>,
}

impl Group<'_> {
    /// Reads records, or deletes those that are not there; returns the numbers of those that have to
    /// be tried again.
    fn read(&self, wanted: &[Wanted]) -> Result<HashSet<i64>> {
        let mut left: HashSet<i64> = HashSet::new();
        let places = self.places(wanted)?;
        let found: HashSet<i64> = places.iter().map(|(number, ..)| *number).collect();
        let mut by_table: HashMap<pg_sys::Oid, Vec<(i64, String)>> = HashMap::new();
        for (number, table, place) in places {
            by_table.entry(table).or_default().push((number, place));
        }
        for (oid, places) in by_table {
            let member = self.members.iter().find(|member| member.oid == oid);
            let table = member.map(backfill::open).transpose()?.flatten();
            let (Some(member), Some(table)) = (member, table) else {
                left.extend(places.into_iter().map(|(number, _)| number));
                continue;
            };
            let list: Vec<String> =
                places.iter().map(|(_, place)| format!("\"{place}\"")).collect();
            let range = format!("t.ctid = ANY ('{{{}}}'::pg_catalog.tid[])", list.join(","));
            let (source, name) = (self.reread.source, &member.name);
            let read = backfill::append(source, Origin::Keeper, &table, name, &range)?;
            let read: HashSet<&str> = read.iter().map(String::as_str).collect();
            // Locked by somebody, moved meanwhile, or too much for one transaction.
            let unread = places.iter().filter(|(_, place)| !read.contains(place.as_str()));
            left.extend(unread.map(|(number, _)| *number));
        }
        let missing: Vec<&Wanted> =
            wanted.iter().filter(|wanted| !found.contains(&wanted.number)).collect();
        if !missing.is_empty() {
            left.extend(self.delete(&missing)?);
        }
        Ok(left)
    }

    /// Where rows of these records are, with a fresh snapshot: number, table and place.
    fn places(&self, wanted: &[Wanted]) -> Result<Vec<(i64, pg_sys::Oid, String)>> {
        let mut matches = Vec::new();
        let mut arrays = Vec::new();
        let mut arguments: Vec<pgrx::datum::DatumWithOid> =
            vec![wanted.iter().map(|wanted| wanted.number).collect::<Vec<i64>>().into()];
        for (at, (key, column)) in self.keys.iter().zip(wanted[0].key.keys()).enumerate() {
            let values = wanted.iter().map(|wanted| {
                let value = wanted.key.get(column).map(String::as_str);
                // No row has what is no number, whatever the server would say of it.
                value.filter(|value| integer(key).is_none() || is_of(key, value))
            });
            arguments.push(values.collect::<Vec<Option<&str>>>().into());
            arrays.push(format!("${}::text[]", at + 2));
            matches.push(match integer(key) {
                Some(integer) => format!("t.{} = w.v{at}::{integer}", key.name),
                None => key.is(&format!("w.v{at}")),
            });
        }
        let values: Vec<String> = (0..arrays.len()).map(|at| format!("v{at}")).collect();
        sql::fresh_rows(
            &format!(
                "SELECT w.number, t.tableoid, t.ctid::text \
                 FROM unnest($1::int8[], {}) AS w (number, {}) JOIN {} t ON {}",
                arrays.join(", "),
                values.join(", "),
                self.top.name,
                matches.join(" AND ")
            ),
            &arguments,
            |row| {
                Ok((
                    row.get(1)?.unwrap_or_default(),
                    row.get(2)?.unwrap_or(pg_sys::InvalidOid),
                    row.get(3)?.unwrap_or_default(),
                ))
            },
        )
    }

    /// Deletes, through the log, those of some records that are not there. Returns those that are, after
    /// all, and all of them where the table is not to be had in time.
    fn delete(&self, wanted: &[&Wanted]) -> Result<Vec<i64>> {
        let lock = format!("LOCK TABLE {} IN SHARE MODE", self.top.name);
        match within_timeout(|| sql::run(&lock, &[])) {
            Ok(Ok(locked)) => locked.map(|_| ())?,
            Ok(Err(failure)) => return Err(Error::Corrupt(failure.message)),
            Err(Error::Busy { .. }) => {
                return Ok(wanted.iter().map(|wanted| wanted.number).collect());
            }
            Err(error) => return Err(error),
        }
        let wanted: Vec<Wanted> = wanted
            .iter()
            .map(|wanted| Wanted { number: wanted.number, key: wanted.key.clone() })
            .collect();
        let there: HashSet<i64> =
            self.places(&wanted)?.into_iter().map(|(number, ..)| number).collect();
        let objects = backfill::log_objects()?;
        // SAFETY: the table is open.
        let layout = unsafe { layout::of(self.table.0, self.reread.source, &objects) };
        let head = Statement {
            source: self.reread.source,
            layout: layout.id,
            op: Op::Delete,
            origin: Origin::Keeper,
        };
        let mut appender = Appender::open(&objects, head);
        for wanted in wanted.iter().filter(|wanted| !there.contains(&wanted.number)) {
            let values: Vec<(&Key, &str)> =
                self.keys.iter().zip(wanted.key.values().map(String::as_str)).collect();
            if !values.iter().all(|(key, value)| is_of(key, value)) {
                continue;
            }
            // SAFETY: the table is open.
            let tuple = unsafe { key::row(self.table, &values) };
            appender.reserve(tuple.size()).map_err(|reason| Error::Corrupt(reason.into()))?;
            appender.row(|out| tuple.write(out));
        }
        appender.finish();
        Ok(there.into_iter().collect())
    }
}

/// Whether a text is a value of the key's type.
fn is_of(key: &Key, value: &str) -> bool {
    match key.base {
        pg_sys::INT2OID => value.parse::<i16>().is_ok(),
        pg_sys::INT4OID => value.parse::<i32>().is_ok(),
        pg_sys::INT8OID => value.parse::<i64>().is_ok(),
        pg_sys::UUIDOID => {
            value.len() == 36 && value.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
        }
        _ => !value.contains('\0'),
    }
}
