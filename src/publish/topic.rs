//! Names of topics, by Debezium's rule (`AbstractTopicNamingStrategy`): what Kafka does not allow
//! in a name becomes an underscore.

/// Longest name that Kafka takes, in bytes.
pub const MAX_LENGTH: usize = 249;

/// What the name of a topic is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Prefix,
    Org,
    Table,
    Schema,
    Database,
}

/// What a topic is for.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub prefix: &'a str,
    /// `canonical` for canonical tables.
    pub org: &'a str,
    /// The entity for canonical tables.
    pub table: &'a str,
    pub schema: &'a str,
    pub database: &'a str,
}

impl Template {
    /// Reads a template, such as `{prefix}.{org}.{table}`.
    ///
    /// # Errors
    /// What cannot be part of one.
    pub fn parse(text: &str) -> Result<Template, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(['{', '}']).unwrap_or(rest.len());
            let (before, after) = rest.split_at(end);
            if let Some(bad) = before.chars().find(|c| !is_legal(*c)) {
                return Err(format!("a topic's name cannot hold \"{bad}\""));
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.into()));
            }
            if after.is_empty() {
                break;
            }
            let (name, after) = after
                .strip_prefix('{')
                .and_then(|inner| inner.split_once('}'))
                .ok_or_else(|| format!("a brace is left over in \"{text}\""))?;
            parts.push(match name {
                "prefix" => Part::Prefix,
                "org" => Part::Org,
                "table" => Part::Table,
                "schema" => Part::Schema,
                "database" => Part::Database,
                other => {
                    return Err(format!(
                        "\"{{{other}}}\" is none of {{prefix}}, {{org}}, {{table}}, {{schema}}, {{database}}"
                    ));
                }
            });
            rest = after;
        }
        if parts.is_empty() {
            return Err("a template needs something to make a name of".into());
        }
        Ok(Template(parts))
    }

    /// The topic of a subject.
    pub fn topic(&self, subject: &Subject<'_>) -> String {
        let part = |part: &'_ Part| match part {
            Part::Text(text) => text.clone(),
            Part::Prefix => subject.prefix.to_owned(),
            Part::Org => subject.org.to_owned(),
            Part::Table => subject.table.to_owned(),
            Part::Schema => subject.schema.to_owned(),
            Part::Database => subject.database.to_owned(),
        };
        sanitize(&self.0.iter().map(part).collect::<String>())
    }
}

fn is_legal(character: char) -> bool {
    matches!(character, 'A'..='Z' | 'a'..='z' | '0'..='9' | '.' | '_' | '-')
}

/// A name that Kafka takes: characters other than `A-Z a-z 0-9 . _ -` become `_` (one for each
/// UTF-16 unit, as Java counts them), names that are too long are cut.
pub fn sanitize(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for character in name.chars() {
        if is_legal(character) {
            out.push(character);
        } else {
            (0..character.len_utf16()).for_each(|_| out.push('_'));
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

impl<T: std::fmt::Display> std::fmt::Display for Collision<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Collision { topic, first, second } = self;
        write!(f, "{second} and {first} would have the same topic, \"{topic}\", for Kafka")
    }
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
        let of = |template: &str, org, table| {
            let subject = Subject { prefix: "m", org, table, schema: "zoë_sf", database: "crm" };
            Template::parse(template).unwrap().topic(&subject)
        };
        let usual = "{prefix}.{org}.{table}";
        assert_eq!(of(usual, "acme", "lead"), "m.acme.lead");
        assert_eq!(of(usual, "zoë", "my table$"), "m.zo_.my_table_");
        assert_eq!(of("{database}-{schema}-{table}-v1", "acme", "lead"), "crm-zo__sf-lead-v1");
        assert_eq!(sanitize("a😀b"), "a__b");
        assert_eq!(sanitize(".."), "__");
        assert_eq!(sanitize(&"x".repeat(300)).len(), MAX_LENGTH);
    }

    #[test]
    fn templates_that_are_none() {
        for (template, culprit) in [
            ("{prefix}.{organisation}", "{organisation}"),
            ("{prefix", "brace"),
            ("a}b", "brace"),
            ("a b", "\" \""),
            ("", "needs"),
        ] {
            let error = Template::parse(template).expect_err(template);
            assert!(error.contains(culprit), "{error}");
        }
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
