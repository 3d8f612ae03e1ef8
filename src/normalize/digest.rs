//! Digesting chunks: decoded rows run through the plans of their source's mappings, into batches.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::apply::Target;
use super::batch::Batch;
use super::entity::Entity;
use super::mapping::Mapping;
use super::outcome::Outcome;
use super::plan::Plan;
use super::{MappingError, compile};
use crate::catalog::{Catalog, Layouts};
use crate::error::{Error, Result};
use crate::log::change::{ChunkHead, EventId, Op};
use crate::log::chunk;
use crate::pg::server::Here;
use crate::pg::subtransaction::Failure;
use crate::row::image::Malformed;
use crate::row::layout::Layout;
use crate::row::{decode, json as row_json, name};

/// Why a lane's turn came to nothing.
pub enum Stop {
    /// One org is to blame: it is set apart, and the others go on without it.
    Org(i32, Failure),
    Server(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Server(error)
    }
}

/// What a mapping needs to run.
struct Runner {
    plan: Plan,
    target: Rc<Target>,
}

/// Plans by source and layout, kept while the definitions stay.
#[derive(Default)]
pub struct Digest {
    layouts: Layouts,
    runners: HashMap<(i32, i32), Rc<Vec<Runner>>>,
    outcome: Outcome,
}

impl Digest {
    /// Definitions have changed: plans are made anew.
    pub fn refresh(&mut self) {
        self.runners.clear();
    }

    /// Adds what the rows of a chunk come to to the batches of its source.
    pub fn chunk(
        &mut self,
        head: &ChunkHead,
        images: &[u8],
        catalog: &Catalog,
        batches: &mut Batches,
    ) -> Result<(), Stop> {
        let Some(org) = catalog.org_of(head.source) else { return Ok(()) };
        let blame = |error: Error| Stop::Org(org, undecodable(head, &error.to_string()));
        let layout = self.layouts.get(head.source, head.layout).map_err(blame)?;
        let runners = self.runners(org, head, &layout, catalog)?;
        if runners.is_empty() {
            return Ok(());
        }
        if head.op == Op::Truncate {
            for runner in runners.iter() {
                batches.of(org, head.source, &runner.target).truncate();
            }
        }
        let outcome = &mut self.outcome;
        chunk::for_each_row(head.op, images, &layout, |ordinal, row| {
            let event = EventId { seq: head.seq, ordinal };
            for runner in runners.iter() {
                let batch = batches.of(org, head.source, &runner.target);
                if let Err(malformed) =
                    add_row(head.op, row, event, runner, &layout, batch, outcome)
                {
                    let slots = row.new.as_deref().or(row.old.as_deref()).unwrap_or_default();
                    let named = record(&runner.plan, &layout, slots).ok();
                    let image = readable(&layout, slots);
                    batch.undecodable(named, event, image, &malformed.to_string());
                }
            }
            Ok::<(), Malformed>(())
        })
        .map_err(|malformed| Stop::Org(org, undecodable(head, &malformed.to_string())))
    }

    /// What the mappings of a source need for rows of one layout.
    fn runners(
        &mut self,
        org: i32,
        head: &ChunkHead,
        layout: &Layout,
        catalog: &Catalog,
    ) -> Result<Rc<Vec<Runner>>, Stop> {
        let key = (head.source, head.layout);
        if let Some(known) = self.runners.get(&key) {
            return Ok(Rc::clone(known));
        }
        let mut runners = Vec::new();
        let source = catalog.sources.get(&head.source);
        let known_org = source.and_then(|source| catalog.orgs.get(source.org.as_ref()?));
        if let (Some(source), Some(known_org)) = (source, known_org) {
            for mapping in catalog.mappings.iter().filter(|mapping| mapping.source == source.id) {
                let blame = |errors: Vec<MappingError>| {
                    Stop::Org(org, mapping_failure(&mapping.entity, &errors))
                };
                let definition = catalog.entities.get(&mapping.entity).cloned().unwrap_or_default();
                let entity = Entity::from_json(&mapping.entity, &definition).map_err(blame)?;
                let parsed = Mapping::from_json(&mapping.json).map_err(blame)?;
                let plan = compile::compile_lenient(&parsed, &entity, layout, &known_org.rules())
                    .map_err(blame)?;
                let target = Target::new(
                    known_org.name.clone(),
                    source.table.clone(),
                    entity,
                    mapping.version,
                )?;
                runners.push(Runner { plan, target: Rc::new(target) });
            }
        }
        let runners = Rc::new(runners);
        self.runners.insert(key, Rc::clone(&runners));
        Ok(runners)
    }
}

/// Adds one row to its batch. An error is about this row alone.
fn add_row(
    op: Op,
    row: &chunk::Row<'_>,
    event: EventId,
    runner: &Runner,
    layout: &Layout,
    batch: &mut Batch,
    outcome: &mut Outcome,
) -> Result<(), Malformed> {
    let old = row.old.as_deref();
    if op == Op::Delete {
        if let Some(old) = old {
            batch.delete(record(&runner.plan, layout, old)?, event);
        }
        return Ok(());
    }
    let Some(new) = row.new.as_deref() else { return Ok(()) };
    runner.plan.run(new, &Here, outcome)?;
    let now = match &outcome.key {
        Some(key) => name::of(key).into_owned(),
        None => record(&runner.plan, layout, new)?,
    };
    if let Some(old) = old.filter(|_| op == Op::Update) {
        let before = record(&runner.plan, layout, old)?;
        if before != now {
            batch.delete(before, event);
        }
    }
    if outcome.excluded {
        batch.delete(now, event);
    } else if outcome.held {
        let problems = std::mem::take(&mut outcome.problems);
        batch.hold(now, event, source_row(layout, new)?, problems);
    } else {
        batch.upsert(now, event, outcome);
    }
    Ok(())
}

/// Batches by source and entity, with the org that they are of.
#[derive(Default)]
pub struct Batches(pub BTreeMap<(i32, String), (i32, Rc<Target>, Batch)>);

impl Batches {
    fn of(&mut self, org: i32, source: i32, target: &Rc<Target>) -> &mut Batch {
        let key = (source, target.entity.name.clone());
        &mut self.0.entry(key).or_insert_with(|| (org, Rc::clone(target), Batch::default())).2
    }
}

fn undecodable(head: &ChunkHead, message: &str) -> Failure {
    Failure {
        code: pgrx::PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
        message: format!("chunk {} of the log cannot be read: {message}", head.seq),
        hint: Some(
            "The org is held up here; remove it and add it again to go on without the chunk."
                .into(),
        ),
    }
}

/// What a record goes by: its key (or the hash of one that is too long), or `id:N` as long as Salesforce
/// has not given it one.
fn record(plan: &Plan, layout: &Layout, slots: &[Option<&[u8]>]) -> Result<String, Malformed> {
    if let Some(key) = plan.key(slots, &Here)? {
        return Ok(name::of(&key).into_owned());
    }
    let mut text = String::from("id:");
    if let Some((at, column)) = layout.column("id") {
        decode(column, slots.get(at).copied().flatten(), &Here)?.display(&mut text);
    }
    Ok(text)
}

/// A whole source row as JSON, for the quarantine.
fn source_row(layout: &Layout, slots: &[Option<&[u8]>]) -> Result<String, Malformed> {
    let mut out = Vec::from(*b"{");
    for (at, column) in layout.live() {
        if out.len() > 1 {
            out.push(b',');
        }
        row_json::string(&mut out, &column.name);
        out.push(b':');
        decode(column, slots.get(at).copied().flatten(), &Here)?.to_json(&mut out);
    }
    out.push(b'}');
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// What can be read of a source row, as JSON, for the quarantine.
fn readable(layout: &Layout, slots: &[Option<&[u8]>]) -> String {
    let mut out = Vec::from(*b"{");
    for (at, column) in layout.live() {
        let Ok(value) = decode(column, slots.get(at).copied().flatten(), &Here) else { continue };
        if out.len() > 1 {
            out.push(b',');
        }
        row_json::string(&mut out, &column.name);
        out.push(b':');
        value.to_json(&mut out);
    }
    out.push(b'}');
    String::from_utf8_lossy(&out).into_owned()
}

fn mapping_failure(entity: &str, errors: &[MappingError]) -> Failure {
    let list: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Failure {
        code: pgrx::PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        message: format!(
            "the mapping to \"{entity}\" does not fit the table any more: {}",
            list.join("; ")
        ),
        hint: Some("Give the org a mapping that fits: SELECT manifold.set_mapping(…).".into()),
    }
}
