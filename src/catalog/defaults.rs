//! The defaults of package, classes and orgs, as `manifold.mapping_default` holds them.

use serde_json::Value;

use crate::error::Result;
use crate::normalize::defaults::{Layer, Level};
use crate::pg::sql;

/// A document of defaults, and which mappings it concerns.
#[derive(Debug, Clone)]
pub struct Row {
    /// `None`: all entities.
    entity: Option<String>,
    /// The table; `None`: all of the org.
    source: Option<String>,
    /// The org, on that level.
    org: Option<String>,
    pub layer: Layer,
}

impl Row {
    /// Defaults that concern all mappings.
    pub fn general(layer: Layer) -> Row {
        Row { entity: None, source: None, org: None, layer }
    }

    pub fn is_general(&self) -> bool {
        self.entity.is_none() && self.source.is_none()
    }

    /// Whether it is about mappings of this table to this entity.
    pub fn concerns(&self, entity: &str, source: &str) -> bool {
        self.entity.as_deref().is_none_or(|known| known == entity)
            && self.source.as_deref().is_none_or(|known| known == source)
    }
}

/// All defaults, the last word last: what is about an entity or a table comes after what is not.
#[derive(Debug, Default)]
pub struct Defaults(Vec<Row>);

impl Defaults {
    pub fn load() -> Result<Defaults> {
        let rows = sql::rows(
            "SELECT level, name, entity, source::text, defaults::text FROM manifold.mapping_default \
             ORDER BY pg_catalog.array_position(ARRAY['package', 'class', 'org'], level), \
               entity IS NOT NULL, source IS NOT NULL",
            &[],
            |row| {
                let name: String = row.get(2)?.unwrap_or_default();
                let (level, org) = match row.get::<String>(1)?.as_deref() {
                    Some("class") => (Level::Class(name), None),
                    Some("org") => (Level::Org, Some(name)),
                    _ => (Level::Package, None),
                };
                let json: Value = super::json(row.get(5)?)?;
                let layer = Layer { level, json };
                Ok(Row { entity: row.get(3)?, source: row.get(4)?, org, layer })
            },
        )?;
        Ok(Defaults(rows))
    }

    /// Those that concern an org of a class.
    pub fn of(&self, org: &str, class: Option<&str>) -> Vec<Row> {
        let concerns = |row: &&Row| match &row.layer.level {
            Level::Class(name) => class == Some(name),
            Level::Org => row.org.as_deref() == Some(org),
            _ => true,
        };
        self.0.iter().filter(concerns).cloned().collect()
    }
}
