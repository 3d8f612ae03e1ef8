//! Looking at what waits to be published.

use std::collections::BTreeSet;

use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Map, Value};

use super::{administer, required};
use crate::catalog::{self, CANONICAL, CANONICAL_NAME, Catalog};
use crate::error::Error;
use crate::log::lanes::Lanes;
use crate::log::read::{self, Fetcher, Visible};
use crate::log::snapshot::Position;
use crate::log::{chunk, objects, position};
use crate::pg::identity;
use crate::pg::server::Here;
use crate::publish::feed::CONSUMER;
use crate::publish::plans::Plans;
use crate::publish::transactions::{Known, Log, Told, Transactions};
use crate::publish::{EncodeError, Message, Scratch};
use crate::settings;

type Event = (Option<String>, Option<String>, Option<String>, Option<String>, Option<JsonB>);

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

fn waiting(org: i32, limit: usize) -> crate::error::Result<Vec<Event>> {
    let Some(objects) = objects::objects() else { return Ok(Vec::new()) };
    let catalog = Catalog::load_sources()?;
    let database = identity::database();
    let publishing = settings::publication::publishing(&database, settings::options_file)?;
    let mut plans = Plans::new(publishing);
    let lanes = Lanes::new(position::load(CONSUMER)?);
    // Those in trouble come last.
    let own = catalog.sources.keys().filter(|source| catalog.org_of(**source) == Some(org));
    let all: BTreeSet<i32> = own.map(|source| lanes.of(*source, org)).collect();
    let target = read::current_snapshot();
    let visible = Visible::now();
    let mut events: Vec<Event> = Vec::new();
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
                    if plans.skips(head.op) {
                        return Ok(());
                    }
                    let compiled = plans.get(&catalog, head.source, head.layout)?;
                    let log = Log { objects: &objects, visible: &visible, fetcher: &fetcher };
                    let transaction = loop {
                        match transactions.get(head, org, &catalog, &mut plans, &log)? {
                            Known::Untold => break None,
                            Known::NotYet => continue,
                            Known::Counted(transaction) => break Some(transaction),
                        }
                    };
                    let tell = |ends, events: &mut Vec<Event>| {
                        let Some(transaction) = &transaction else { return };
                        let here = if ends {
                            transaction.ends_with(head.seq)
                        } else {
                            transaction.begins_with(head.seq)
                        };
                        if here {
                            let told = Told::new(transaction, ends, head, plans.schemas());
                            events.push(event(&told.message(
                                plans.transaction_topic(),
                                head,
                                head.at,
                            )));
                        }
                    };
                    tell(false, &mut events);
                    let mut orders = transaction.as_ref().and_then(|of| of.orders(head.seq));
                    chunk::for_each_change(head.op, images, &compiled.layout, |ordinal, row| {
                        if events.len() >= limit {
                            return Ok(());
                        }
                        let (old, new) = (row.old.as_deref(), row.new.as_deref());
                        let mut sink = |message: Message<'_>| -> Result<(), Error> {
                            events.push(event(&message));
                            Ok(())
                        };
                        compiled
                            .plan
                            .encode_within(
                                orders.as_mut(),
                                head,
                                ordinal,
                                old,
                                new,
                                head.at,
                                &Here,
                                &mut scratch,
                                &mut sink,
                            )
                            .map_err(|error| match error {
                                EncodeError::Row(malformed) => malformed.into(),
                                EncodeError::Sink(error) => error,
                            })
                    })?;
                    tell(true, &mut events);
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

fn event(message: &Message<'_>) -> Event {
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
