//! Which topic belongs to which table, and the topics that belong to none.

use super::topic::{self, Collision, Subject, Template};
use crate::catalog::{CANONICAL_NAME, Source};
use crate::error::Error;

/// How topics are named in this database.
#[derive(Debug, Clone)]
pub struct Naming {
    /// Debezium's `topic.prefix`, which names the whole installation.
    pub prefix: String,
    pub database: String,
    pub template: Template,
}

impl Naming {
    /// The topic of a source.
    pub fn topic(&self, source: &Source) -> String {
        self.template.topic(&Subject {
            prefix: &self.prefix,
            org: source.org.as_deref().unwrap_or(CANONICAL_NAME),
            table: source
                .entity
                .as_deref()
                .filter(|_| source.org.is_none())
                .unwrap_or(&source.table),
            schema: &source.schema,
            database: &self.database,
        })
    }

    /// The topic that says where transactions begin and end.
    pub fn transactions(&self) -> String {
        topic::sanitize(&format!("{}.transaction", self.prefix))
    }

    /// The topic of heartbeats.
    pub fn heartbeats(&self) -> String {
        topic::sanitize(&format!("__debezium-heartbeat.{}", self.prefix))
    }

    /// The topic that says how far the publisher is, where it publishes exactly once.
    pub fn progress(&self) -> String {
        topic::sanitize(&format!("{}.publisher-progress", self.prefix))
    }

    /// What the brokers know the publisher by, where it publishes exactly once: whoever publishes with
    /// this prefix, so that nobody else does at the same time.
    pub fn publisher(&self) -> String {
        topic::sanitize(&format!("{}.publisher", self.prefix))
    }

    /// The topics that are no source's, and what they are for.
    fn special(&self) -> [(String, String); 4] {
        [
            ("the topic of transactions".into(), self.transactions()),
            ("the topic of heartbeats".into(), self.heartbeats()),
            ("the topic of the publisher's progress".into(), self.progress()),
            (
                "the topic of schema changes".into(),
                topic::sanitize(&format!("{}.schema_changes", self.prefix)),
            ),
        ]
    }

    /// Topics that more than one of the sources, or one and something else, would share.
    pub fn collisions<'a>(
        &self,
        sources: impl IntoIterator<Item = &'a Source>,
    ) -> Vec<Collision<String>> {
        let mut topics: Vec<(String, String)> = self.special().into();
        topics.extend(sources.into_iter().map(|source| (name(source), self.topic(source))));
        topic::collisions(topics.iter().map(|(owner, topic)| (owner.clone(), topic.as_str())))
    }
}

/// What is said of a source whose topic is another's.
pub fn refusal(collision: &str) -> Error {
    Error::state(
        collision,
        "Give each its own topic: another manifold.topic_template or manifold.topic_prefix, or another name for the org.",
    )
}

/// What messages call a source.
pub fn name(source: &Source) -> String {
    format!("{}.{}", source.schema, source.table)
}
