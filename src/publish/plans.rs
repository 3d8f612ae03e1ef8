//! Plans by source and layout, made when first needed and kept while the definitions stay.

use std::collections::HashMap;
use std::rc::Rc;

use super::envelope::{Options, Plan, Source};
use super::form::Types;
use super::key::Key;
use super::modes::Modes;
use super::topic;
use crate::catalog::{self, Catalog, Layouts};
use crate::error::{Error, Result};
use crate::row::layout::Layout;

/// A source's plan for one layout.
#[derive(Clone)]
pub struct Compiled {
    pub plan: Rc<Plan>,
    pub layout: Rc<Layout>,
}

#[derive(Default)]
pub struct Plans {
    prefix: String,
    database: String,
    modes: Modes,
    layouts: Layouts,
    plans: HashMap<(i32, i32), Compiled>,
    /// Which org a topic belongs to, for the topics that something was sent to.
    orgs: HashMap<String, i32>,
}

impl Plans {
    pub fn new(prefix: String, database: String, modes: Modes) -> Plans {
        Plans { prefix, database, modes, ..Plans::default() }
    }

    /// Definitions have changed: plans are made anew. Topics stay known, since messages for them may
    /// be on their way.
    pub fn refresh(&mut self) {
        self.plans.clear();
    }

    /// The plan for rows of a source written with a layout.
    pub fn get(&mut self, catalog: &Catalog, source: i32, layout: i32) -> Result<Compiled> {
        if let Some(known) = self.plans.get(&(source, layout)) {
            return Ok(known.clone());
        }
        let found = catalog
            .sources
            .get(&source)
            .ok_or_else(|| Error::Corrupt(format!("source {source} is not in manifold.source")))?;
        let layout_found = self.layouts.get(source, layout)?;
        let described = self.describe(found, catalog::types::of(&layout_found)?);
        let plan = Plan::new(&layout_found, &described).map_err(|error| {
            Error::state(
                error.to_string(),
                "A table of Heroku Connect has sfid and id; map the object again if they are gone.",
            )
        })?;
        let org = catalog.org_of(source).unwrap_or(catalog::CANONICAL);
        self.orgs.insert(described.topic, org);
        let compiled = Compiled { plan: Rc::new(plan), layout: layout_found };
        self.plans.insert((source, layout), compiled.clone());
        Ok(compiled)
    }

    /// The org that a topic belongs to.
    pub fn org_of(&self, topic: &str) -> Option<i32> {
        self.orgs.get(topic).copied()
    }

    /// The topics of an org that something was sent to.
    pub fn topics_of(&self, org: i32) -> impl Iterator<Item = &str> {
        self.orgs.iter().filter(move |(_, of)| **of == org).map(|(topic, _)| topic.as_str())
    }

    fn describe(&self, source: &catalog::Source, types: Types) -> Source {
        let (topic, key) = match (&source.org, &source.entity) {
            (Some(org), _) => (topic::source(&self.prefix, org, &source.table), Key::Record),
            (None, entity) => (
                topic::canonical(&self.prefix, entity.as_deref().unwrap_or(&source.table)),
                Key::Columns(vec!["org".into(), "sfid".into()]),
            ),
        };
        Source {
            prefix: self.prefix.clone(),
            database: self.database.clone(),
            org: source.org.clone(),
            schema: source.schema.clone(),
            table: source.table.clone(),
            topic,
            key,
            options: Options::default(),
            modes: self.modes,
            types,
        }
    }
}
