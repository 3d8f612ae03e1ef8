//! Typed reads of the definitions in `manifold.*`.

pub mod defaults;
pub mod types;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use pgrx::pg_sys;
use serde_json::{Map, Value};

use self::defaults::Defaults;
use crate::error::{Error, Result};
use crate::log::lanes;
use crate::normalize;
use crate::normalize::defaults::{Effective, Layer, Level, merge, setting};
use crate::normalize::entity::Entity;
use crate::pg::sql;
use crate::row::layout::Layout;

/// Canonical tables stand beside the orgs as if they were one more: in lanes, pauses and errors.
pub const CANONICAL: i32 = -1;
/// What stands for an org's name where canonical tables are meant.
pub const CANONICAL_NAME: &str = "canonical";

/// An org.
#[derive(Debug, Clone)]
pub struct Org {
    pub id: i32,
    pub name: String,
    pub schema: String,
    pub class: Option<String>,
    /// The org's own, else by the defaults of its class or of the package.
    pub phone_region: Option<String>,
    pub time_zone: String,
    /// The defaults that concern it, the last word last.
    layers: Vec<defaults::Row>,
}

impl Org {
    /// What rules know of it.
    pub fn rules(&self) -> normalize::Org {
        normalize::Org {
            name: self.name.clone(),
            phone_region: self.phone_region.clone(),
            time_zone: self.time_zone.clone(),
        }
    }

    /// The defaults below a mapping of one of its tables to an entity, the last word last.
    pub fn layers(&self, entity: &str, source: &str) -> Vec<Layer> {
        let concerns = |row: &&defaults::Row| row.concerns(entity, source);
        self.layers.iter().filter(concerns).map(|row| row.layer.clone()).collect()
    }

    /// A mapping of one of its tables with all defaults merged into it.
    pub fn effective(&self, entity: &Entity, source: &str, mapping: &Value) -> Effective {
        merge(&self.layers(&entity.name, source), mapping, entity)
    }
}

/// A captured table: a mapped table of an org, or (without an org) a canonical table.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    pub id: i32,
    pub org: Option<String>,
    pub schema: String,
    pub table: String,
    pub entity: Option<String>,
}

/// The mapping in force between a source and an entity.
#[derive(Debug, Clone)]
pub struct ActiveMapping {
    pub source: i32,
    pub entity: String,
    pub version: i32,
    /// With all defaults merged into it.
    pub json: Value,
}

/// What of a source is published.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Published {
    pub options: Value,
    /// By table: the zero-based positions of the columns that the options name.
    pub tables: HashMap<pg_sys::Oid, BTreeMap<String, usize>>,
}

/// All definitions, as a worker needs them.
#[derive(Debug, Default)]
pub struct Catalog {
    pub orgs: HashMap<String, Org>,
    pub sources: HashMap<i32, Source>,
    pub entities: HashMap<String, Value>,
    pub mappings: Vec<ActiveMapping>,
    /// Numbers of the sources that are being captured.
    pub captured: BTreeSet<i32>,
    /// Publication options by source, where it has any.
    pub publications: HashMap<i32, Published>,
    /// The org that a source belongs to.
    owners: HashMap<i32, i32>,
    /// Paused orgs by consumer.
    paused: BTreeMap<String, BTreeSet<i32>>,
}

impl Catalog {
    pub fn load() -> Result<Catalog> {
        let mut catalog = Catalog::load_sources()?;
        let mut mappings = sql::rows(
            "SELECT source_id, entity, version, mapping::text FROM manifold.mapping WHERE active \
             ORDER BY source_id, entity",
            &[],
            |row| {
                Ok(ActiveMapping {
                    source: row.get(1)?.unwrap_or_default(),
                    entity: row.get(2)?.unwrap_or_default(),
                    version: row.get(3)?.unwrap_or_default(),
                    json: json(row.get(4)?)?,
                })
            },
        )?;
        let entities: HashMap<String, Value> =
            sql::rows("SELECT entity, definition::text FROM manifold.entity", &[], |row| {
                Ok((row.get(1)?.unwrap_or_default(), json(row.get(2)?)?))
            })?
            .into_iter()
            .collect();
        for mapping in &mut mappings {
            let source = catalog.sources.get(&mapping.source);
            let org = source.and_then(|source| catalog.orgs.get(source.org.as_ref()?));
            let definition = entities.get(&mapping.entity).cloned().unwrap_or_default();
            // A definition that is broken is reported when the mapping is compiled.
            if let (Some(source), Some(org), Ok(entity)) =
                (source, org, Entity::from_json(&mapping.entity, &definition))
            {
                mapping.json = org.effective(&entity, &source.table, &mapping.json).json;
            }
        }
        (catalog.entities, catalog.mappings) = (entities, mappings);
        Ok(catalog)
    }

    /// The same without entities and mappings, which not everybody needs, and which take as long as all
    /// the rest.
    pub fn load_sources() -> Result<Catalog> {
        let mut paused: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
        let pauses = sql::rows(
            "SELECT p.consumer, o.org_id FROM manifold.pause p JOIN manifold.org o USING (org)",
            &[],
            |row| Ok((row.get::<String>(1)?.unwrap_or_default(), row.get(2)?.unwrap_or_default())),
        )?;
        for (consumer, org) in pauses {
            paused.entry(consumer).or_default().insert(org);
        }
        let orgs: HashMap<String, Org> =
            orgs(None)?.into_iter().map(|org| (org.name.clone(), org)).collect();
        let sources: HashMap<i32, Source> =
            sources(None)?.into_iter().map(|source| (source.id, source)).collect();
        let owner = |source: &Source| match &source.org {
            Some(org) => orgs.get(org).map(|org| org.id),
            None => Some(CANONICAL),
        };
        Ok(Catalog {
            captured: captured()?,
            publications: publications()?,
            owners: sources.values().filter_map(|s| Some((s.id, owner(s)?))).collect(),
            orgs,
            sources,
            paused,
            ..Catalog::default()
        })
    }

    /// Number of the org that a source belongs to, [`CANONICAL`] for canonical tables. A source
    /// that is unknown (its org was removed) belongs to nobody.
    pub fn org_of(&self, source: i32) -> Option<i32> {
        self.owners.get(&source).copied()
    }

    /// Whether there is an org with this number (or it is that of the canonical tables).
    pub fn is_org(&self, id: i32) -> bool {
        id == CANONICAL || self.orgs.values().any(|org| org.id == id)
    }

    /// The org whose changes, or those of one source of it, are in a lane of their own; `None` for the
    /// main lane, and where there is no such org or source any more.
    pub fn org_of_lane(&self, lane: i32) -> Option<i32> {
        match lanes::source_of(lane) {
            Some(source) => self.org_of(source),
            None => self.is_org(lane).then_some(lane),
        }
    }

    /// Whether it says the same as another of what is published, and as what.
    pub fn publishes_as(&self, other: &Catalog) -> bool {
        let orgs = |catalog: &Catalog| -> BTreeSet<(i32, String)> {
            catalog.orgs.values().map(|org| (org.id, org.name.clone())).collect()
        };
        self.sources == other.sources
            && self.captured == other.captured
            && self.publications == other.publications
            && orgs(self) == orgs(other)
    }

    /// Orgs for which a consumer is paused.
    pub fn paused(&self, consumer: &str) -> &BTreeSet<i32> {
        static NONE: BTreeSet<i32> = BTreeSet::new();
        self.paused.get(consumer).unwrap_or(&NONE)
    }
}

/// Stored JSON.
pub fn json(text: Option<String>) -> Result<Value> {
    let text = text.unwrap_or_default();
    serde_json::from_str(&text).map_err(|error| Error::Corrupt(format!("stored JSON: {error}")))
}

fn orgs(name: Option<&str>) -> Result<Vec<Org>> {
    let defaults = Defaults::load()?;
    sql::rows(
        "SELECT org_id, org, schema_name::text, class, phone_region, time_zone FROM manifold.org \
         WHERE $1 IS NULL OR org = $1 ORDER BY org",
        &[name.into()],
        |row| {
            let org: String = row.get(2)?.unwrap_or_default();
            let class: Option<String> = row.get(4)?;
            let mut layers = defaults.of(&org, class.as_deref());
            // What add_org was given is the org's last word.
            let given = [("phone_region", row.get::<String>(5)?), ("time_zone", row.get(6)?)];
            let given: Map<String, Value> = given
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_string(), value?.into())))
                .collect();
            if !given.is_empty() {
                let json = Value::Object(given);
                layers.push(defaults::Row::general(Layer { level: Level::Org, json }));
            }
            let general: Vec<Layer> =
                layers.iter().filter(|row| row.is_general()).map(|row| row.layer.clone()).collect();
            let setting = |name| setting(&general, name).map(|(value, _)| value.to_string());
            Ok(Org {
                id: row.get(1)?.unwrap_or_default(),
                schema: row.get(3)?.unwrap_or_default(),
                phone_region: setting("phone_region"),
                time_zone: setting("time_zone").unwrap_or_else(|| "UTC".into()),
                name: org,
                class,
                layers,
            })
        },
    )
}

fn publications() -> Result<HashMap<i32, Published>> {
    let mut found = HashMap::new();
    sql::rows("SELECT source_id, options::text FROM manifold.publication", &[], |row| {
        let options = json(row.get(2)?)?;
        found.insert(
            row.get::<i32>(1)?.unwrap_or_default(),
            Published { options, tables: HashMap::new() },
        );
        Ok(())
    })?;
    sql::rows(
        "SELECT source_id, relation, columns::text FROM manifold.publication_table",
        &[],
        |row| {
            let columns = json(row.get(3)?)?;
            let places = columns.as_object().into_iter().flatten().filter_map(|(name, number)| {
                Some((name.clone(), usize::try_from(number.as_u64()?).ok()?.checked_sub(1)?))
            });
            let publication = found.get_mut(&row.get::<i32>(1)?.unwrap_or_default());
            if let (Some(publication), Some(relation)) = (publication, row.get(2)?) {
                publication.tables.insert(relation, places.collect());
            }
            Ok(())
        },
    )?;
    Ok(found)
}

/// All orgs, by name.
pub fn all_orgs() -> Result<Vec<Org>> {
    orgs(None)
}

fn sources(org: Option<&str>) -> Result<Vec<Source>> {
    sql::rows(
        "SELECT source_id, org, schema_name::text, table_name::text, entity FROM manifold.source \
         WHERE $1 IS NULL OR org = $1 ORDER BY table_name",
        &[org.into()],
        |row| {
            Ok(Source {
                id: row.get(1)?.unwrap_or_default(),
                org: row.get(2)?,
                schema: row.get(3)?.unwrap_or_default(),
                table: row.get(4)?.unwrap_or_default(),
                entity: row.get(5)?,
            })
        },
    )
}

/// An org by name.
pub fn org(name: &str) -> Result<Org> {
    orgs(Some(name))?.pop().ok_or_else(|| {
        Error::unknown(
            "org",
            name,
            "SELECT org FROM manifold.org lists the orgs; manifold.add_org adds one.",
        )
    })
}

/// The sources of an org, by table name.
pub fn sources_of(org: &str) -> Result<Vec<Source>> {
    sources(Some(org))
}

/// The canonical tables, as sources.
pub fn canonical_sources() -> Result<Vec<Source>> {
    let mut all = sources(None)?;
    all.retain(|source| source.org.is_none());
    Ok(all)
}

/// All sources that are being captured.
pub fn captured_sources() -> Result<Vec<Source>> {
    let captured = captured()?;
    let mut all = sources(None)?;
    all.retain(|source| captured.contains(&source.id));
    Ok(all)
}

fn captured() -> Result<BTreeSet<i32>> {
    let ids = sql::rows("SELECT source_id FROM manifold.capture", &[], |row| {
        Ok(row.get::<i32>(1)?.unwrap_or_default())
    })?;
    Ok(ids.into_iter().collect())
}

/// An entity's definition.
pub fn entity(name: &str) -> Result<Value> {
    let text = sql::one::<String>(
        "SELECT definition::text FROM manifold.entity WHERE entity = $1",
        &[name.into()],
    )?;
    match text {
        Some(text) => json(Some(text)),
        None => Err(Error::unknown(
            "entity",
            name,
            format!("Create it first: SELECT manifold.create_entity('{name}')"),
        )),
    }
}

/// Layouts by number, with the table that each is of, remembered for ever: they are immutable.
#[derive(Default)]
pub struct Layouts(HashMap<i32, (Rc<Layout>, pg_sys::Oid)>);

impl Layouts {
    /// Reads the newest layouts of many sources at once: one by one, as they are met, each would cost a
    /// statement. Where tables are alike, they share one.
    pub fn load_newest(&mut self, sources: Vec<i32>) -> Result<()> {
        let found = sql::rows(
            "SELECT DISTINCT ON (source_id) layout_id, columns::text, relation FROM manifold.layout \
             WHERE source_id = ANY ($1) ORDER BY source_id, layout_id DESC",
            &[sources.into()],
            |row| {
                let number = row.get(1)?.unwrap_or_default();
                Ok((number, row.get::<String>(2)?.unwrap_or_default(), relation(row.get(3)?)))
            },
        )?;
        let mut alike: HashMap<String, Rc<Layout>> = HashMap::new();
        for (number, text, relation) in found {
            let layout = match alike.get(&text) {
                Some(same) => Rc::clone(same),
                None => {
                    let layout = parse(number, &text)?;
                    alike.insert(text, Rc::clone(&layout));
                    layout
                }
            };
            self.0.entry(number).or_insert((layout, relation));
        }
        Ok(())
    }

    pub fn get(&mut self, source: i32, layout: i32) -> Result<Rc<Layout>> {
        Ok(self.get_with_table(source, layout)?.0)
    }

    pub fn get_with_table(
        &mut self,
        source: i32,
        layout: i32,
    ) -> Result<(Rc<Layout>, pg_sys::Oid)> {
        if let Some(known) = self.0.get(&layout) {
            return Ok(known.clone());
        }
        // With a fresh snapshot: it was committed together with the chunk that names it.
        let found = sql::fresh_rows(
            "SELECT columns::text, relation FROM manifold.layout WHERE source_id = $1 AND layout_id = $2",
            &[source.into(), layout.into()],
            |row| {
                let text: String = row.get(1)?.unwrap_or_default();
                Ok((parse(layout, &text)?, relation(row.get(2)?)))
            },
        )?;
        let found = found
            .into_iter()
            .next()
            .ok_or_else(|| Error::Corrupt(format!("layout {layout} is not in manifold.layout")))?;
        self.0.insert(layout, found.clone());
        Ok(found)
    }
}

/// The layouts that rows of a source have or had, with their tables, the newest first.
pub fn layouts_of(source: i32) -> Result<Vec<(pg_sys::Oid, Rc<Layout>)>> {
    sql::rows(
        "SELECT relation, layout_id, columns::text FROM manifold.layout WHERE source_id = $1 \
         ORDER BY layout_id DESC",
        &[source.into()],
        |row| {
            let text: String = row.get(3)?.unwrap_or_default();
            Ok((relation(row.get(1)?), parse(row.get(2)?.unwrap_or_default(), &text)?))
        },
    )
}

fn relation(oid: Option<pg_sys::Oid>) -> pg_sys::Oid {
    oid.unwrap_or(pg_sys::InvalidOid)
}

fn parse(number: i32, columns: &str) -> Result<Rc<Layout>> {
    let layout = serde_json::from_str(columns);
    layout.map(Rc::new).map_err(|error| Error::Corrupt(format!("layout {number}: {error}")))
}
