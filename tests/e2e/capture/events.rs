//! What a consumer is told, and whether it adds up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use postgres::{Client, SimpleQueryMessage};
use serde_json::Value;

/// Column → text, as the server prints it.
pub type Row = BTreeMap<String, Option<String>>;

#[derive(Clone, Debug)]
pub struct Captured {
    pub id: String,
    pub source: String,
    pub op: String,
    pub before: Option<Row>,
    pub after: Option<Row>,
    pub origin: String,
}

/// All that waits for a consumer.
pub fn next(client: &mut Client, consumer: &str) -> Vec<Captured> {
    // JSON in a column is told as JSON: as text it is what the server makes of it.
    const SQL: &str = "SELECT event_id, source, op, \
        (SELECT json_object_agg(key, value) FROM jsonb_each_text(before)), \
        (SELECT json_object_agg(key, value) FROM jsonb_each_text(after)), origin \
        FROM manifold.next($1, 1000)";
    let mut all = Vec::new();
    loop {
        let events =
            client.query(SQL, &[&consumer]).unwrap_or_else(|e| panic!("{consumer}: {e:?}"));
        if events.is_empty() {
            return all;
        }
        all.extend(events.iter().map(|event| Captured {
            id: event.get(0),
            source: event.get(1),
            op: event.get(2),
            before: event.get::<_, Option<Value>>(3).map(row),
            after: event.get::<_, Option<Value>>(4).map(row),
            origin: event.get(5),
        }));
    }
}

fn row(object: Value) -> Row {
    let Value::Object(object) = object else { panic!("a row is an object: {object}") };
    let text = |value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => panic!("a value is text: {other}"),
    };
    object.into_iter().map(|(name, value)| (name, text(value))).collect()
}

/// The operations alone, in alphabetical order: what happened to different records has none.
pub fn ops(events: &[Captured]) -> String {
    let mut ops: Vec<_> = events.iter().map(|event| event.op.as_str()).collect();
    ops.sort_unstable();
    ops.join(" ")
}

/// The rows of a query, as the server prints them.
pub fn rows(client: &mut Client, sql: &str) -> Vec<Row> {
    let messages = client.simple_query(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        })
        .map(|row| {
            let value =
                |i: usize| (row.columns()[i].name().to_owned(), row.get(i).map(str::to_owned));
            (0..row.len()).map(value).collect()
        })
        .collect()
}

/// The rows that a consumer knows: as many times as there are equal ones.
#[derive(Clone, Debug, Default)]
pub struct History {
    rows: BTreeMap<Row, usize>,
    /// How often each sfid is there.
    keys: BTreeMap<String, usize>,
    seen: BTreeSet<String>,
    keyed: bool,
}

impl History {
    /// Of a table with no rows; `keyed`: whether an sfid is there once at any moment, as a unique index
    /// sees to.
    pub fn new(keyed: bool) -> Self {
        Self { keyed, ..Self::default() }
    }

    /// Takes over what is there, after an ALTER TABLE has changed it unseen.
    pub fn reset(&mut self, rows: Vec<Row>) {
        self.clear();
        for row in rows {
            self.add(row);
        }
    }

    /// Takes one event; an error says why it cannot have been the next.
    pub fn apply(&mut self, event: &Captured) -> Result<(), String> {
        if !self.seen.insert(event.id.clone()) {
            return Err("its id was there before".to_owned());
        }
        match (event.op.as_str(), &event.before, &event.after) {
            ("t", None, None) => self.clear(),
            ("c", None, Some(new)) => self.add(new.clone()),
            ("d", Some(old), None) => self.remove(old)?,
            ("u", Some(old), Some(new)) => {
                self.remove(old)?;
                self.add(new.clone());
            }
            ("r", None, Some(row)) => {
                if !self.rows.contains_key(row) {
                    self.add(row.clone());
                }
            }
            _ => return Err("no such event".to_owned()),
        }
        match &event.after {
            Some(row) if self.keyed => self.check_key(row),
            _ => Ok(()),
        }
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.keys.clear();
    }

    /// The first difference to the rows that are there.
    pub fn difference(&self, there: Vec<Row>) -> Option<String> {
        let mut left = self.rows.clone();
        for row in there {
            match left.get_mut(&row) {
                Some(1) => drop(left.remove(&row)),
                Some(times) => *times -= 1,
                None => return Some(format!("there is {}", self.beside(&row))),
            }
        }
        left.keys().next().map(|row| format!("told was {}, which is not there", show(row)))
    }

    fn add(&mut self, row: Row) {
        if let Some(Some(sfid)) = row.get("sfid") {
            *self.keys.entry(sfid.clone()).or_default() += 1;
        }
        *self.rows.entry(row).or_default() += 1;
    }

    fn remove(&mut self, row: &Row) -> Result<(), String> {
        match self.rows.get_mut(row) {
            Some(1) => drop(self.rows.remove(row)),
            Some(times) => *times -= 1,
            None => return Err(format!("it is about {}", self.beside(row))),
        }
        if let Some(Some(sfid)) = row.get("sfid") {
            *self.keys.entry(sfid.clone()).or_default() -= 1;
        }
        Ok(())
    }

    /// A row that is not known, and what is known instead.
    fn beside(&self, row: &Row) -> String {
        let Some(known) = self.rows.keys().find(|known| known.get("sfid") == row.get("sfid"))
        else {
            return format!("{}, of which nothing was told", show(row));
        };
        let differing = |of: &Row, other: &Row| {
            let differing = of.iter().filter(|(name, value)| other.get(*name) != Some(*value));
            show(&differing.map(|(name, value)| (name.clone(), value.clone())).collect())
        };
        format!(
            "{} where told was {} (and all else the same)",
            differing(row, known),
            differing(known, row)
        )
    }

    fn check_key(&self, row: &Row) -> Result<(), String> {
        let Some(Some(sfid)) = row.get("sfid") else { return Ok(()) };
        match self.keys.get(sfid) {
            Some(1) => Ok(()),
            times => Err(format!("sfid {sfid} is there {} times after it", times.unwrap_or(&0))),
        }
    }
}

/// The rows that are left of a table with the primary key `id`, of which not all may be known from the
/// start: a backfill tells of them while others change them.
pub fn left(events: &[Captured]) -> Vec<Row> {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for event in events {
        let key = |row: &Row| row["id"].clone().expect("a primary key");
        if let Some(old) = &event.before {
            let known = rows.remove(&key(old));
            assert!(
                known.as_ref().is_none_or(|known| known == old),
                "{event:?} does not go on from {known:?}"
            );
        }
        if let Some(new) = &event.after {
            let known = rows.insert(key(new), new.clone());
            let again = event.op == "r" && known.as_ref() == Some(new);
            assert!(known.is_none() || again, "{event:?} comes on top of {known:?}");
        }
    }
    rows.into_values().collect()
}

/// Events a line each, for a test that fails.
pub fn list(events: &[Captured]) -> String {
    let mut text = String::new();
    let image = |row: &Option<Row>| row.as_ref().map_or_else(|| "-".into(), show);
    for event in events.iter().take(40) {
        let _ = writeln!(
            text,
            "{} {} {} {} → {}",
            event.id,
            event.source,
            event.op,
            image(&event.before),
            image(&event.after)
        );
    }
    text
}

fn show(row: &Row) -> String {
    let value = |value: &Option<String>| match value {
        None => "NULL".to_owned(),
        Some(text) if text.chars().count() > 80 => {
            format!("{}… ({} bytes)", text.chars().take(60).collect::<String>(), text.len())
        }
        Some(text) => format!("{text:?}"),
    };
    let values: Vec<_> =
        row.iter().take(40).map(|(name, text)| format!("{name} {}", value(text))).collect();
    format!("({})", values.join(", "))
}
