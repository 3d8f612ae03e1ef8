//! Taking changes by SQL.

use std::cell::RefCell;
use std::collections::HashMap;

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{administer, consumer, required};
use crate::catalog::Layouts;
use crate::error::{Error, Result};
use crate::log::change::{ChunkHead, EventId, Op};
use crate::log::objects::{self, Objects};
use crate::log::read::EPOCH;
use crate::log::{chunk, pull};
use crate::normalize::quarantine::{self, Aside, Place};
use crate::pg::datum::{Jsonb, Xid8};
use crate::pg::server::Here;
use crate::pg::snapshot::Fresh;
use crate::pg::sql;
use crate::row::image::{Malformed, Slots};
use crate::row::layout::Layout;
use crate::row::record;

/// Bytes of row images that one call gives, about: its rows are held in memory.
const CALL_BYTES: usize = 8 * 1024 * 1024;

/// What a jsonb value can hold (`JENTRY_OFFLENMASK` in jsonb.h).
const JSONB_BYTES: usize = 0x0FFF_FFFF;

type Change = (
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<Jsonb>,
    Option<Jsonb>,
    Option<String>,
    Option<Xid8>,
    Option<TimestampWithTimeZone>,
);

/// Where changes come from.
struct Source {
    org: String,
    table: String,
}

/// The next changes for a consumer, in order, whole chunks of them; its position moves past them in
/// the caller's transaction.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn next(
    consumer: Option<&str>,
    n: default!(Option<i32>, "1000"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(event_id, Option<String>),
            name!(org, Option<String>),
            name!(source, Option<String>),
            name!(op, Option<String>),
            name!(before, Option<Jsonb>),
            name!(after, Option<Jsonb>),
            name!(origin, Option<String>),
            name!(xid, Option<Xid8>),
            name!(at, Option<TimestampWithTimeZone>),
        ),
    >,
    ErrorReport,
> {
    let _owner = administer()?;
    let consumer = required(consumer, "consumer")?;
    let n = required(n, "n")?;
    let n = usize::try_from(n).ok().filter(|n| *n > 0).ok_or_else(|| {
        Error::invalid(format!("argument n is {n}"), "Give a number of changes from 1 on.")
    })?;
    check_transaction()?;
    pull::hold(consumer)?;
    // Whoever had it before us may have moved the position only just now.
    let _fresh = Fresh::push();
    let lane = consumer::lane_of(consumer)?;
    let sources = sources(consumer)?;
    let mut known = Known::of_this_extension();
    let mut given = Given { consumer, changes: Vec::new(), bytes: 0 };
    let wanted = |source| sources.contains_key(&source);
    pull::take(consumer, lane, wanted, |head, images| {
        // None: a source that was removed after its chunk had been found.
        if let Some(source) = sources.get(&head.source) {
            given.chunk(source, head, images, &mut known)?;
        }
        // A call that gives nothing says that there is nothing left.
        Ok(given.changes.is_empty() || given.changes.len() < n && given.bytes < CALL_BYTES)
    })?;
    KNOWN.set(known);
    Ok(TableIterator::new(given.changes))
}

/// Whether the position that this transaction sees is the newest, and can be moved.
fn check_transaction() -> Result<()> {
    // SAFETY: plain reads of the transaction's state.
    let (read_only, isolation) = unsafe { (pg_sys::XactReadOnly, pg_sys::XactIsoLevel) };
    if read_only {
        return Err(Error::ReadOnly {
            message: "manifold.next cannot move the position in a read-only transaction".into(),
            hint: "Call it in a READ WRITE transaction on the primary server.".into(),
        });
    }
    if isolation > pg_sys::XACT_READ_COMMITTED as i32 {
        return Err(Error::state(
            "manifold.next needs a transaction with isolation level READ COMMITTED",
            "A snapshot that lasts does not see where another session has moved the position: BEGIN ISOLATION LEVEL READ COMMITTED.",
        ));
    }
    Ok(())
}

fn sources(consumer: &str) -> Result<HashMap<i32, Source>> {
    let rows = sql::rows(
        "SELECT s.source_id, coalesce(s.org, 'canonical'), s.table_name::text \
         FROM manifold.source s, manifold.consumer k \
         WHERE k.consumer = $1 AND (k.org IS NULL OR k.org = coalesce(s.org, 'canonical'))",
        &[consumer.into()],
        |row| {
            let source = Source {
                org: row.get(2)?.unwrap_or_default(),
                table: row.get(3)?.unwrap_or_default(),
            };
            Ok((row.get(1)?.unwrap_or_default(), source))
        },
    )?;
    Ok(rows.into_iter().collect())
}

/// The layouts that this session has met, of the extension that it met them in.
#[derive(Default)]
struct Known {
    objects: Option<Objects>,
    layouts: Layouts,
}

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

impl Known {
    fn of_this_extension() -> Known {
        let objects = objects::objects();
        let known = KNOWN.take();
        if known.objects == objects {
            known
        } else {
            Known { objects, layouts: Layouts::default() }
        }
    }
}

/// What a call gives.
struct Given<'a> {
    consumer: &'a str,
    changes: Vec<Change>,
    bytes: usize,
}

impl Given<'_> {
    fn chunk(
        &mut self,
        source: &Source,
        head: &ChunkHead,
        images: &[u8],
        known: &mut Known,
    ) -> Result<()> {
        self.bytes += images.len();
        if head.op == Op::Truncate {
            self.change(source, head, 0, None, None);
            return Ok(());
        }
        let layout = known.layouts.get(head.source, head.layout)?;
        chunk::for_each_row(head.op, images, &layout, |ordinal, row| {
            let json = |slots: &Option<Slots<'_>>| {
                slots.as_ref().map(|slots| json(&layout, slots)).transpose()
            };
            match json(&row.old).and_then(|before| Ok((before, json(&row.new)?))) {
                Ok((before, after)) => self.change(source, head, ordinal, before, after),
                Err(malformed) => self.set_aside(source, head, ordinal, &malformed)?,
            }
            Ok(())
        })
    }

    fn change(
        &mut self,
        source: &Source,
        head: &ChunkHead,
        ordinal: u32,
        before: Option<Jsonb>,
        after: Option<Jsonb>,
    ) {
        self.changes.push((
            Some(EventId { seq: head.seq, ordinal }.to_string()),
            Some(source.org.clone()),
            Some(source.table.clone()),
            Some(char::from(head.op as u8).to_string()),
            before,
            after,
            Some(head.origin.name().to_string()),
            Some(Xid8(head.xid)),
            TimestampWithTimeZone::try_from(head.at - EPOCH).ok(),
        ));
    }

    /// A row that cannot be read any more (its type is gone, say) holds up none of the others.
    fn set_aside(
        &self,
        source: &Source,
        head: &ChunkHead,
        ordinal: u32,
        malformed: &Malformed,
    ) -> Result<()> {
        let event = EventId { seq: head.seq, ordinal }.to_string();
        let place = Place { org: &source.org, source: &source.table, entity: self.consumer };
        let aside = Aside {
            record: &format!("event:{event}"),
            reason: "undecodable",
            message: &malformed.to_string(),
            event: &event,
        };
        quarantine::set_aside(place, &aside)
    }
}

fn json(layout: &Layout, slots: &[Option<&[u8]>]) -> Result<Jsonb, Malformed> {
    let mut text = String::new();
    record::object(&mut text, layout, slots, &Here)?;
    if text.len() > JSONB_BYTES {
        return Err(Malformed("more than jsonb can hold"));
    }
    Ok(Jsonb(text))
}
