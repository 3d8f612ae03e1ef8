//! Plans by source and layout, made when first needed and kept while the definitions stay.

use std::collections::HashMap;
use std::rc::Rc;

use super::columns::{Salt, Treatments};
use super::envelope::{Plan, Source};
use super::form::Types;
use super::key::Key;
use super::modes::Modes;
use super::naming::{self, Naming};
use super::options::Options;
use super::places::Places;
use super::publication::Publication;
use pgrx::pg_sys;

use crate::catalog::{self, Catalog, Layouts};
use crate::error::{Error, Result};
use crate::kafka::Producer;
use crate::log::change::Op;
use crate::row::layout::Layout;

/// So many sources are worth a question for all of them.
const MANY: usize = 10;

/// A source's plan for one layout.
#[derive(Clone)]
pub struct Compiled {
    pub plan: Rc<Plan>,
    pub layout: Rc<Layout>,
}

/// How everything in this database is published.
#[derive(Debug, Clone)]
pub struct Publishing {
    pub naming: Naming,
    pub options: Options,
    pub modes: Modes,
    pub salt: Salt,
}

pub struct Plans {
    publishing: Publishing,
    transaction_topic: String,
    /// Topics that more than one source would have, and what is said of them; by source.
    collisions: Option<HashMap<i32, String>>,
    layouts: Layouts,
    plans: HashMap<(i32, i32), Compiled>,
    /// Changes of types that the plans know of.
    types: u64,
    /// Whose topics they are that something was sent to.
    topics: HashMap<String, i32>,
}

impl Plans {
    pub fn new(publishing: Publishing) -> Plans {
        Plans {
            transaction_topic: publishing.naming.transactions(),
            publishing,
            collisions: None,
            layouts: Layouts::default(),
            plans: HashMap::new(),
            types: catalog::types::changes(),
            topics: HashMap::new(),
        }
    }

    /// Definitions have changed: plans are made anew. Topics stay known, since messages for them may
    /// be on their way.
    pub fn refresh(&mut self) {
        self.plans.clear();
        self.collisions = None;
    }

    /// Many sources are about to be published for the first time, after a restart say: what would be
    /// asked for each of them is asked for all at once.
    pub fn prepare(
        &mut self,
        catalog: &Catalog,
        sources: Vec<i32>,
        producer: &mut Producer,
    ) -> Result<()> {
        if sources.len() < MANY {
            return Ok(());
        }
        let new = |source: &i32| {
            let topic = self.publishing.naming.topic(catalog.sources.get(source)?);
            (!self.topics.contains_key(&topic)).then_some((*source, topic))
        };
        let (sources, topics): (Vec<i32>, Vec<String>) = sources.iter().filter_map(new).unzip();
        if sources.len() < MANY {
            return Ok(());
        }
        producer.prepare(topics);
        self.layouts.load_newest(sources)
    }

    /// The plan for rows of a source written with a layout.
    pub fn get(&mut self, catalog: &Catalog, source: i32, layout: i32) -> Result<Compiled> {
        // Schemas list the values of enums.
        let types = catalog::types::changes();
        if std::mem::replace(&mut self.types, types) != types {
            self.plans.clear();
        }
        if let Some(known) = self.plans.get(&(source, layout)) {
            return Ok(known.clone());
        }
        let found = catalog
            .sources
            .get(&source)
            .ok_or_else(|| Error::Corrupt(format!("source {source} is not in manifold.source")))?;
        self.refuse_shared(catalog, found)?;
        let (layout_found, table) = self.layouts.get_with_table(source, layout)?;
        let types = catalog::types::of(&layout_found)?;
        let described = self.describe(catalog, found, (&layout_found, table), types)?;
        let plan = Plan::new(&layout_found, &described).map_err(|error| {
            Error::state(
                error.to_string(),
                "A table of Heroku Connect has sfid and id: map the object again if they are gone. Where its columns have changed, call manifold.set_publication with options that name those that it has.",
            )
        })?;
        self.topics.insert(described.topic, source);
        let compiled = Compiled { plan: Rc::new(plan), layout: layout_found };
        self.plans.insert((source, layout), compiled.clone());
        Ok(compiled)
    }

    /// Whether events name their transaction.
    pub fn tells_transactions(&self) -> bool {
        self.publishing.options.transactions
    }

    /// Whether keys and values carry their schema.
    pub fn schemas(&self) -> bool {
        self.publishing.modes.schemas
    }

    pub fn transaction_topic(&self) -> &str {
        &self.transaction_topic
    }

    /// How topics are named.
    pub fn naming(&self) -> &Naming {
        &self.publishing.naming
    }

    /// Whether changes of this kind are not published.
    pub fn skips(&self, op: Op) -> bool {
        self.publishing.options.skips(op)
    }

    /// The source whose topic it is.
    pub fn source_of(&self, topic: &str) -> Option<i32> {
        self.topics.get(topic).copied()
    }

    /// The topics that something was sent to, with their sources.
    pub fn topics(&self) -> impl Iterator<Item = (&str, i32)> {
        self.topics.iter().map(|(topic, source)| (topic.as_str(), *source))
    }

    /// A source whose topic is another's too is not published: `start` refuses it, but the template
    /// may have been changed since.
    fn refuse_shared(&mut self, catalog: &Catalog, source: &catalog::Source) -> Result<()> {
        let naming = &self.publishing.naming;
        let collisions = self.collisions.get_or_insert_with(|| {
            // Whoever was there first keeps the topic; those that were stopped, whose changes may
            // still wait, come after those that are captured.
            let mut sources: Vec<_> = catalog.sources.values().collect();
            sources.sort_by_key(|source| (!catalog.captured.contains(&source.id), source.id));
            let found = naming.collisions(sources.iter().copied());
            let of = |name: &str| sources.iter().find(|source| naming::name(source) == name);
            found
                .iter()
                .filter_map(|collision| Some((of(&collision.second)?.id, collision.to_string())))
                .collect()
        });
        match collisions.get(&source.id) {
            Some(collision) => Err(naming::refusal(collision)),
            None => Ok(()),
        }
    }

    fn describe(
        &self,
        catalog: &Catalog,
        source: &catalog::Source,
        (layout, table): (&Layout, pg_sys::Oid),
        types: Types,
    ) -> Result<Source> {
        let Publishing { naming, options, modes, salt } = &self.publishing;
        let published = catalog.publications.get(&source.id);
        let publication = match published {
            Some(published) => Publication::from_json(&published.options).map_err(|errors| {
                let first = errors.first().map(ToString::to_string).unwrap_or_default();
                Error::Corrupt(format!("publication options of source {}: {first}", source.id))
            })?,
            None => Publication::default(),
        };
        if publication.hashes() && salt.is_empty() {
            return Err(no_salt());
        }
        let known = published.and_then(|published| published.tables.get(&table));
        let mut places = Places::new(known.cloned());
        let mut lost = publication.names();
        lost.retain(|name| places.have_lost(layout, name));
        if !lost.is_empty() {
            let former = catalog::layouts_of(source.id)?;
            let former = || former.iter().filter(|(of, _)| *of == table);
            for name in lost {
                if let Some((_, layout)) = former().find(|(_, had)| had.column(name).is_some()) {
                    places.follow(layout, name);
                }
            }
        }
        Ok(Source {
            prefix: naming.prefix.clone(),
            database: naming.database.clone(),
            org: source.org.clone(),
            schema: source.schema.clone(),
            table: source.table.clone(),
            topic: naming.topic(source),
            key: publication.key(usual_key(source)),
            options: options.clone(),
            modes: *modes,
            types,
            when: publication.when,
            places,
            treatments: Treatments { columns: publication.treatments, salt: salt.clone() },
        })
    }
}

/// The key of a source's messages where its options name none.
pub fn usual_key(source: &catalog::Source) -> Key {
    match &source.org {
        Some(_) => Key::Record,
        None => Key::Columns(vec!["org".into(), "sfid".into()]),
    }
}

/// Values are to be hashed, and there is nothing to hide them behind.
pub fn no_salt() -> Error {
    Error::state(
        "columns are to be hashed, but manifold.hash_salt is not set",
        "Set it to a long random text in postgresql.conf, or by ALTER SYSTEM, and reload; without it, hashes of e-mail addresses and phone numbers are soon guessed.",
    )
}
