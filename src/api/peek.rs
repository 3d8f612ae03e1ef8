//! Looking at what waits to be published.

use std::collections::BTreeSet;

use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Map, Value, json};

use super::{administer, required};
use crate::catalog::{self, CANONICAL, CANONICAL_NAME, Catalog};
use crate::error::Error;
use crate::log::change::EventId;
use crate::log::lanes::Lanes;
use crate::log::read::{self, Fetcher, Visible};
use crate::log::snapshot::Position;
use crate::log::{objects, position};
use crate::pg::identity;
use crate::publish::events::{Event, Events};
use crate::publish::feed::CONSUMER;
use crate::publish::plans::Plans;
use crate::publish::transactions::{Known, Log, Transactions};
use crate::publish::{Message, Scratch};
use crate::row::image::Malformed;
use crate::settings;

type Line = (Option<String>, Option<String>, Option<String>, Option<String>, Option<JsonB>);

/// The next events of an org (or of 'canonical') that wait to be published, as they will be.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn peek(
    org: Option<&str>,
    n: default!(Option<i32>, "10"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(event_id, Option<String>),
            name!(topic, Option<String>),
            name!(key, Option<String>),
            name!(value, Option<String>),
            name!(headers, Option<JsonB>),
        ),
    >,
    ErrorReport,
> {
    let _owner = administer()?;
    let org = required(org, "org")?;
    let org = if org == CANONICAL_NAME { CANONICAL } else { catalog::org(org)?.id };
    let n = required(n, "n")?;
    let limit = usize::try_from(n).map_err(|_| {
        Error::invalid(format!("argument n is {n}"), "Give a number of events from 0 on.")
    })?;
    Ok(TableIterator::new(waiting(org, limit)?))
}

fn waiting(org: i32, limit: usize) -> crate::error::Result<Vec<Line>> {
    let Some(objects) = objects::objects() else { return Ok(Vec::new()) };
    let catalog = Catalog::load_sources()?;
    let database = identity::database();
    let publishing = settings::publication::publishing(&database, settings::options_file)?;
    let naming = publishing.naming.clone();
    let topic = |source| catalog.sources.get(&source).map(|source| naming.topic(source));
    let mut plans = Plans::new(publishing);
    let lanes = Lanes::new(position::load(CONSUMER)?);
    // Those in trouble come last.
    let own = catalog.sources.keys().filter(|source| catalog.org_of(**source) == Some(org));
    let all: BTreeSet<i32> = own.map(|source| lanes.of(*source, org)).collect();
    let target = read::current_snapshot();
    let visible = Visible::now();
    let mut events: Vec<Line> = Vec::new();
    let mut stuck = BTreeSet::new();
    let mut scratch = Scratch::default();
    let mut transactions = Transactions::default();
    let fetcher = Fetcher::open(&objects, &visible);
    for lane in all.into_iter().rev() {
        // A batch that is under way has its own end; what came later follows it.
        let mut at = lanes.position(lane).clone();
        loop {
            let end = at.target(&target).clone();
            let selection = read::select(&objects, &visible, &at, &end, limit.max(1), |source| {
                catalog.org_of(source) == Some(org) && lanes.of(source, org) == lane
            });
            for reference in &selection.references {
                if events.len() >= limit {
                    break;
                }
                fetcher.fetch(reference, |head, images| {
                    if plans.skips(head.op) || stuck.contains(&head.source) {
                        return Ok(());
                    }
                    let mut tell = || -> Result<(), Stop> {
                        let compiled = plans.get(&catalog, head.source, head.layout)?;
                        let log = Log { objects: &objects, visible: &visible, fetcher: &fetcher };
                        let transaction = loop {
                            match transactions.get(head, org, &catalog, &mut plans, &log)? {
                                Known::Untold => break None,
                                Known::NotYet => continue,
                                Known::Counted(transaction) => break Some(transaction),
                            }
                        };
                        let chunk = Events {
                            head,
                            images,
                            compiled: &compiled,
                            transaction: transaction.as_deref(),
                            transaction_topic: plans.transaction_topic(),
                            schemas: plans.schemas(),
                            now_us: head.at,
                        };
                        chunk.each(&mut scratch, &mut |event| {
                            if events.len() >= limit {
                                return Err(Stop::Enough);
                            }
                            events.push(match event {
                                Event::Message(message) => line(&message),
                                Event::Damaged(id, malformed) => {
                                    trouble(Some(id), topic(head.source), &malformed.into())
                                }
                                Event::NoKey(id) => {
                                    trouble(Some(id), topic(head.source), &no_key())
                                }
                            });
                            Ok(())
                        })
                    };
                    // The others' go on, as they do when it is sent.
                    if let Err(Stop::Trouble(error)) = tell() {
                        stuck.insert(head.source);
                        events.push(trouble(None, topic(head.source), &error));
                    }
                    Ok(())
                })?;
            }
            if events.len() >= limit {
                events.truncate(limit);
                return Ok(events);
            }
            if selection.complete && end == target {
                break;
            }
            at = match selection.references.last() {
                Some(last) if !selection.complete => {
                    Position { seen: at.seen, within: Some((end, last.seq)) }
                }
                _ => Position::at(end),
            };
        }
    }
    Ok(events)
}

/// Why no more of a chunk is shown.
enum Stop {
    Enough,
    /// Its source cannot be published.
    Trouble(Error),
}

impl From<Malformed> for Stop {
    fn from(error: Malformed) -> Self {
        Stop::Trouble(error.into())
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Trouble(error)
    }
}

fn no_key() -> Error {
    Error::state(
        "the record is gone, and the key of its messages is not known",
        "The topic keeps it: delete the topic, then SELECT manifold.resync(…).",
    )
}

/// What is shown where a message, or all of a source's, cannot be made.
fn trouble(event: Option<EventId>, topic: Option<String>, error: &Error) -> Line {
    let told = json!({"error": error.to_string(), "hint": error.hint()});
    (event.map(|event| event.to_string()), topic, None, None, Some(JsonB(told)))
}

fn line(message: &Message<'_>) -> Line {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: Map<String, Value> = message
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), Value::String(text(value))))
        .collect();
    (
        Some(message.event.to_string()),
        Some(message.topic.to_string()),
        message.key.map(text),
        message.value.map(text),
        Some(JsonB(Value::Object(headers))),
    )
}
