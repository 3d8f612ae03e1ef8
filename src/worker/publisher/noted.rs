//! What the publisher writes down of its turns: positions that are proven, whom it set apart, and what
//! Kafka will not take.

use crate::catalog::{CANONICAL_NAME, Catalog};
use crate::log::gap;
use crate::normalize::quarantine::{self, Aside, Place};
use crate::publish::apart::{Booked, Refused};
use crate::publish::feed::{CONSUMER, Fed, Feed};
use crate::worker::lifecycle::{self, Failure};

/// Why a topic holds what is gone, and what an admin can do.
const UNKNOWN: &str =
    "the topic holds records that are gone, and their message keys are not known: delete it first";

/// Saves what is proven, and notes what is well again.
pub fn save_proven(feed: &mut Feed, catalog: &Catalog) -> crate::error::Result<()> {
    for lane in feed.save_proven(catalog)? {
        lifecycle::clear_error(CONSUMER, lane)?;
    }
    for (source, key) in feed.mended() {
        if let Some(place) = place(catalog, source) {
            quarantine::forget(place, vec![&key])?;
        }
    }
    Ok(())
}

/// Notes what reports set aside, and whom they set apart.
pub fn note_booked(feed: &Feed, catalog: &Catalog, booked: &Booked) -> Result<(), Failure> {
    if booked.apart.is_empty() && booked.refused.is_empty() {
        return Ok(());
    }
    lifecycle::transaction(|| {
        booked.refused.iter().try_for_each(|refused| set_aside(catalog, refused))?;
        booked.apart.iter().try_for_each(|lane| note_trouble(feed, *lane))
    })
}

/// Notes what a turn set aside, and whom it set apart.
pub fn note_fed(feed: &Feed, catalog: &Catalog, fed: &Fed) -> crate::error::Result<()> {
    fed.refused.iter().try_for_each(|refused| set_aside(catalog, refused))?;
    if !fed.unknown.is_empty() {
        gap::note_for(CONSUMER, fed.unknown.clone(), UNKNOWN)?;
    }
    fed.failed.iter().try_for_each(|lane| note_trouble(feed, *lane))
}

/// Notes where what was set apart begins again, and why it was.
fn note_trouble(feed: &Feed, lane: i32) -> crate::error::Result<()> {
    feed.save(lane, Some(feed.lanes.position(lane)))?;
    match feed.troubles().get(&lane) {
        Some(trouble) => lifecycle::note_error(CONSUMER, lane, "error", &trouble.failure),
        None => Ok(()),
    }
}

/// Notes a change that Kafka will never take; the others go on.
fn set_aside(catalog: &Catalog, refused: &Refused) -> crate::error::Result<()> {
    let Some(place) = place(catalog, refused.source) else { return Ok(()) };
    let aside = Aside {
        record: &refused.key,
        reason: "not_published",
        message: &refused.message,
        event: &refused.event_id,
    };
    quarantine::set_aside(place, &aside)
}

/// Where the quarantine has what Kafka would not take of a source.
fn place(catalog: &Catalog, source: i32) -> Option<Place<'_>> {
    let source = catalog.sources.get(&source)?;
    let org = source.org.as_deref().unwrap_or(CANONICAL_NAME);
    Some(Place { org, source: &source.table, entity: quarantine::KAFKA })
}
