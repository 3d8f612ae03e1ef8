//! Names of topics, by Debezium's rule (`AbstractTopicNamingStrategy`): what Kafka does not allow
//! in a name becomes an underscore.

/// Longest name that Kafka takes, in bytes.
pub const MAX_LENGTH: usize = 249;

/// Topic of an org's table: `<prefix>.<org>.<table>`.
pub fn source(prefix: &str, org: &str, table: &str) -> String {
    sanitize(&[prefix, org, table].join("."))
}

/// Topic of a canonical table: `<prefix>.canonical.<entity>`.
pub fn canonical(prefix: &str, entity: &str) -> String {
    sanitize(&[prefix, "canonical", entity].join("."))
}

/// A name that Kafka takes: characters other than `A-Z a-z 0-9 . _ -` become `_` (one for each
/// UTF-16 unit, as Java counts them), names that are too long are cut.
pub fn sanitize(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '.' | '_' | '-' => out.push(character),
            other => (0..other.len_utf16()).for_each(|_| out.push('_')),
        }
    }
    out.truncate(MAX_LENGTH);
    match out.as_str() {
        "" | "." => "_".into(),
        ".." => "__".into(),
        _ => out,
    }
}

/// Two owners whose topics are one to Kafka.
#[derive(Debug, PartialEq, Eq)]
pub struct Collision<T> {
    pub topic: String,
    pub first: T,
    pub second: T,
}

/// Finds the owners that would share a topic. Names that differ only in `.` and `_` count as the
/// same: Kafka's metrics do not tell them apart, and a broker refuses the second one.
pub fn collisions<'a, T: Clone>(
    topics: impl IntoIterator<Item = (T, &'a str)>,
) -> Vec<Collision<T>> {
    let mut owners = std::collections::HashMap::new();
    let mut found = Vec::new();
    for (owner, topic) in topics {
        match owners.entry(topic.replace('.', "_")) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(owner);
            }
            std::collections::hash_map::Entry::Occupied(entry) => found.push(Collision {
                topic: topic.to_owned(),
                first: entry.get().clone(),
                second: owner,
            }),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(source("manifold", "acme", "lead"), "manifold.acme.lead");
        assert_eq!(canonical("manifold", "lead"), "manifold.canonical.lead");
        assert_eq!(source("m", "zoë", "my table$"), "m.zo_.my_table_");
        assert_eq!(sanitize("a😀b"), "a__b");
        assert_eq!(sanitize(".."), "__");
        assert_eq!(sanitize(&"x".repeat(300)).len(), MAX_LENGTH);
    }

    #[test]
    fn what_kafka_takes_for_one_collides() {
        let topics = [("a", "m.x.lead"), ("b", "m.y.lead"), ("c", "m.x_lead"), ("d", "m.y.lead")];
        let found = collisions(topics);
        assert_eq!(
            found,
            [
                Collision { topic: "m.x_lead".into(), first: "a", second: "c" },
                Collision { topic: "m.y.lead".into(), first: "b", second: "d" },
            ]
        );
    }
}
