//! Where a value comes from, compiled: columns are positions among the decoded values.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use super::cell::{Cell, Kind};
use super::chain::{self, Failed, Steps};
use super::condition::Test;
use super::rules::{self, Failure};
use crate::row::value::Value;
use crate::row::{json, time};

/// What a field is made of: the decoded columns of a row, and the canonical fields that are made
/// already, as the text that the server casts.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    pub values: &'a [Value<'a>],
    pub fields: &'a [Option<String>],
    /// What the plan's SQL expressions yield for this row, or why they do not.
    pub expressions: &'a [Result<Option<String>, String>],
}

impl<'a> Row<'a> {
    /// A row of columns alone.
    pub fn of(values: &'a [Value<'a>]) -> Row<'a> {
        Row { values, fields: &[], expressions: &[] }
    }

    /// The value of a column, by its place among the decoded ones.
    pub fn column(&self, at: usize) -> Cell<'a> {
        self.values.get(at).map_or(Cell::Null, Cell::of)
    }

    /// The value of a canonical field of this kind, by its place in the entity.
    pub fn field(&self, at: usize, kind: Kind) -> Cell<'a> {
        let Some(text) = self.field_text(at) else { return Cell::Null };
        match kind {
            Kind::Text | Kind::Time => Cell::Text(Cow::Borrowed(text)),
            Kind::Boolean => Cell::Boolean(text == "true"),
            Kind::Number => Cell::Number(Cow::Borrowed(text)),
            // Infinity, and years before Christ, have but their text.
            Kind::Date => rules::date::iso(text).map_or(Cell::Text(text.into()), Cell::Date),
            Kind::Timestamp => {
                rules::timestamp::iso(text).map_or(Cell::Text(text.into()), Cell::Timestamp)
            }
            Kind::Json => Cell::Json(Cow::Borrowed(text)),
            Kind::List => Cell::List(array_items(text).into_iter().map(Cow::Owned).collect()),
        }
    }

    /// The text of a canonical field.
    pub fn field_text(&self, at: usize) -> Option<&'a str> {
        self.fields.get(at)?.as_deref()
    }
}

/// The items of an array literal in which every item is quoted, as `convert.rs` writes it.
fn array_items(literal: &str) -> Vec<String> {
    let mut items = Vec::new();
    let mut item: Option<String> = None;
    let mut characters = literal.chars();
    while let Some(character) = characters.next() {
        match (character, &mut item) {
            ('"', None) => item = Some(String::new()),
            ('"', Some(_)) => items.extend(item.take()),
            ('\\', Some(text)) => text.extend(characters.next()),
            (character, Some(text)) => text.push(character),
            (_, None) => {}
        }
    }
    items
}

/// A compiled derivation.
#[derive(Debug)]
pub struct Derived {
    /// Where in the mapping it is.
    pub path: String,
    pub when: Option<Test>,
    pub input: Input,
    pub steps: Steps,
    pub default: Option<Cell<'static>>,
}

/// A compiled source. Positions are into the values that the plan decodes.
#[derive(Debug)]
pub enum Input {
    /// The column has gone since.
    Nothing,
    Column(usize),
    Field(usize, Kind),
    Constant(Cell<'static>),
    /// The first that has a value, as text where they have several kinds.
    FirstOf {
        sources: Vec<Derived>,
        as_text: bool,
    },
    Template(Vec<Piece>),
    List(Vec<Derived>),
    /// Columns with the names that they stand for; the normal keys of the words that tick them, and
    /// of those that mean that there is none.
    Checkboxes {
        boxes: Vec<(usize, String)>,
        ticked: Option<Vec<String>>,
        none: Vec<String>,
    },
    /// Members by their names as JSON, with the colon.
    Object(Vec<(String, Derived)>),
    Moment {
        date: Box<Derived>,
        time: Box<Derived>,
        zone: TimeZone,
    },
    /// A place among the plan's expressions.
    Sql(usize),
}

#[derive(Debug)]
pub enum Piece {
    Text(String),
    Column(usize),
    Field(usize),
}

impl Derived {
    /// The value; NULL where the condition does not hold.
    ///
    /// # Errors
    /// The rule that failed, and on what.
    pub fn made<'a>(&'a self, row: &Row<'a>) -> Result<Cell<'a>, Failed> {
        if self.when.as_ref().is_some_and(|when| !when.holds(row)) {
            return Ok(Cell::Null);
        }
        let again = || self.input.cell(row).ok();
        let made = self.input.cell(row).and_then(|cell| self.steps.run(cell, row, again));
        let cell = made.map_err(|failed| Failed {
            value: failed.value.or_else(|| self.input.shown(row)),
            path: failed.path.or_else(|| Some(self.path.as_str().into())),
            ..failed
        })?;
        Ok(match &self.default {
            Some(default) if cell.is_blank() => default.borrowed(),
            _ => cell,
        })
    }

    /// What stands in the source, for problems.
    pub fn shown(&self, row: &Row<'_>) -> Option<String> {
        self.input.shown(row)
    }
}

impl Input {
    /// The value that goes into the chain.
    fn cell<'a>(&'a self, row: &Row<'a>) -> Result<Cell<'a>, Failed> {
        Ok(match self {
            Input::Nothing => Cell::Null,
            Input::Column(at) => row.column(*at),
            Input::Field(at, kind) => row.field(*at, *kind),
            Input::Constant(cell) => cell.borrowed(),
            Input::FirstOf { sources, as_text } => match first_of(sources, row)? {
                cell if *as_text && !cell.is_blank() => Cell::Text(cell.into_text()),
                cell => cell,
            },
            Input::Template(pieces) => template(pieces, row),
            Input::List(sources) => {
                let mut items = Vec::new();
                for source in sources {
                    match source.made(row)? {
                        Cell::List(more) => items.extend(more),
                        cell if cell.is_blank() => {}
                        cell => items.push(cell.into_text()),
                    }
                }
                list(items)
            }
            Input::Checkboxes { boxes, ticked, none } => {
                let mut names = Vec::new();
                for (at, name) in boxes {
                    if is_ticked(&row.column(*at), name, ticked.as_deref(), none)? {
                        names.push(Cow::Borrowed(name.as_str()));
                    }
                }
                list(names)
            }
            Input::Object(members) => object(members, row)?,
            Input::Moment { date, time, zone } => moment(date, time, zone, row)?,
            Input::Sql(at) => match row.expressions.get(*at) {
                Some(Ok(Some(text))) => Cell::Text(Cow::Borrowed(text)),
                Some(Ok(None)) => Cell::Null,
                Some(Err(message)) => {
                    let failure = Failure::new("sql_error", message.as_str());
                    return Err(Failed { rule: "sql", failure, value: None, path: None });
                }
                None => Cell::Null,
            },
        })
    }

    /// The input as a problem shows it: what stands in the source.
    fn shown(&self, row: &Row<'_>) -> Option<String> {
        let joined = |parts: Vec<Option<String>>| {
            let parts: Vec<_> = parts.into_iter().flatten().collect();
            (!parts.is_empty()).then(|| parts.join("; "))
        };
        match self {
            Input::FirstOf { sources, .. } => sources.iter().find_map(|source| source.shown(row)),
            Input::List(sources) => joined(sources.iter().map(|s| s.shown(row)).collect()),
            Input::Object(members) => joined(members.iter().map(|(_, s)| s.shown(row)).collect()),
            Input::Moment { date, time, .. } => joined(vec![date.shown(row), time.shown(row)]),
            input => match input.cell(row) {
                Ok(cell) if !cell.is_blank() => Some(cell.into_text().into_owned()),
                _ => None,
            },
        }
    }
}

/// The first that has a value. Where none has, the first failure counts.
fn first_of<'a>(sources: &'a [Derived], row: &Row<'a>) -> Result<Cell<'a>, Failed> {
    let mut failed = None;
    for source in sources {
        match source.made(row) {
            Ok(cell) if cell.is_blank() => {}
            Ok(cell) => return Ok(cell),
            Err(failure) => failed = failed.or(Some(failure)),
        }
    }
    failed.map_or(Ok(Cell::Null), Err)
}

fn template<'a>(pieces: &[Piece], row: &Row<'a>) -> Cell<'a> {
    let mut text = String::new();
    let mut blank = true;
    for piece in pieces {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Column(at) => {
                let cell = row.column(*at);
                blank &= cell.is_blank();
                cell.push_text(&mut text);
            }
            Piece::Field(at) => {
                let field = row.field_text(*at);
                blank &= field.is_none();
                text.push_str(field.unwrap_or_default());
            }
        }
    }
    if blank { Cell::Null } else { Cell::Text(Cow::Owned(text)) }
}

fn list(items: Vec<Cow<'_, str>>) -> Cell<'_> {
    if items.is_empty() { Cell::Null } else { Cell::List(items) }
}

/// A checkbox is a boolean; where it is text or a number, one of the words ticks it, a usual one where
/// none are given.
fn is_ticked(
    cell: &Cell<'_>,
    name: &str,
    words: Option<&[String]>,
    none: &[String],
) -> Result<bool, Failed> {
    if let Cell::Boolean(ticked) = cell {
        return Ok(*ticked);
    }
    let text = cell.text();
    let key = rules::normal_key(&text);
    match words {
        Some(words) => Ok(words.contains(&key)),
        None if cell.is_blank() || none.contains(&key) => Ok(false),
        None => rules::boolean::tick(&text, &key, name).map_err(|failure| Failed {
            rule: "checkboxes",
            failure: Failure { input: chain::input(cell.borrowed()), ..failure },
            value: Some(text.clone().into_owned()),
            path: None,
        }),
    }
}

fn object<'a>(members: &'a [(String, Derived)], row: &Row<'a>) -> Result<Cell<'a>, Failed> {
    let mut out = String::new();
    for (name, source) in members {
        let cell = source.made(row)?;
        if cell.is_blank() {
            continue;
        }
        out.push(if out.is_empty() { '{' } else { ',' });
        out.push_str(name);
        push_json(&cell, &mut out);
    }
    if out.is_empty() {
        return Ok(Cell::Null);
    }
    out.push('}');
    Ok(Cell::Json(Cow::Owned(out)))
}

fn push_json(cell: &Cell<'_>, out: &mut String) {
    match cell {
        Cell::Null => out.push_str("null"),
        Cell::Text(text) => json::string(out, text),
        Cell::Date(_) | Cell::Time(_) | Cell::Timestamp(_) => {
            out.push('"');
            cell.push_text(out);
            out.push('"');
        }
        Cell::Boolean(_) | Cell::Integer(_) | Cell::Number(_) | Cell::Json(_) | Cell::List(_) => {
            cell.push_text(out);
        }
    }
}

/// Date and time of day in a zone; NULL unless both are there. A time that a change of clocks leaves
/// out is moved on by what was left out, one that it repeats is the first of the two.
fn moment<'a>(
    date: &'a Derived,
    time: &'a Derived,
    zone: &TimeZone,
    row: &Row<'a>,
) -> Result<Cell<'a>, Failed> {
    let (date, time) = (date.made(row)?, time.made(row)?);
    if date.is_blank() || time.is_blank() {
        return Ok(Cell::Null);
    }
    let read = || {
        let days = match &date {
            Cell::Date(days) => i64::from(*days),
            Cell::Timestamp(micros) => micros.div_euclid(time::DAY),
            date => i64::from(rules::date::iso(&date.text())?),
        };
        let micros = match &time {
            Cell::Time(micros) => *micros,
            Cell::Timestamp(micros) => micros.rem_euclid(time::DAY),
            time => rules::time::iso(&time.text())?,
        };
        rules::timestamp::local(days, micros, zone)
    };
    read().map(Cell::Timestamp).map_err(|failure| Failed {
        rule: "moment",
        failure,
        value: None,
        path: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::convert;
    use crate::normalize::field_type::FieldType;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lists_read_back(items in prop::collection::vec("[a\"\\\\,{} é]{0,6}", 0..4)) {
            let cell = Cell::List(items.iter().map(|item| item.as_str().into()).collect());
            let mut literal = String::new();
            convert::push(cell, FieldType::TextArray, &mut literal).unwrap();
            let mut once: Vec<String> = Vec::new();
            once.extend(items.iter().enumerate().filter(|(at, item)| !items[..*at].contains(item)).map(|(_, item)| item.clone()));
            prop_assert_eq!(array_items(&literal), once);
        }
    }
}
