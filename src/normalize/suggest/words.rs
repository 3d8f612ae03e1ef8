//! Words of column names and of picklists: which mean the same, in the languages that Salesforce admins
//! name their fields in. General words only: what one org calls its own is learned from mappings.
//!
//! They are data, in `words.json`. Accents are written out, as in API names.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

type Lists = indexed::Pairs<Vec<String>>;

/// All words.
#[derive(Debug, Default, Deserialize)]
pub struct Words {
    /// A word as scoring knows it (several where a compound says several) → how it is written.
    words: Lists,
    /// Field of a lead → what it goes by, in words as above, with how sure that is.
    pub fields: indexed::Pairs<indexed::Pairs<f64>>,
    /// Columns that Salesforce and Heroku Connect name so in every org → the field that they feed; none
    /// where it is empty.
    pub standard: indexed::Pairs<String>,
    /// Field with a table of values → value → words that stand in picklist values of that meaning.
    pub meanings: indexed::Pairs<Lists>,
    /// Country → names that the rule of that name does not know.
    pub countries: Lists,
    /// Currency → how column names and values tell it.
    pub currencies: Lists,
    /// Words that say little: about whom, or that it is a field at all.
    pub fillers: Vec<String>,
    /// Words that tell fields apart less than others do.
    pub weak: Vec<String>,
    /// Words for yes and no.
    pub yes: Vec<String>,
    pub no: Vec<String>,
    /// As written → the word.
    #[serde(skip)]
    pub variants: HashMap<String, String>,
}

pub static WORDS: LazyLock<Words> = LazyLock::new(|| {
    // A test reads it, too, and would say what is wrong with it.
    let mut words: Words = serde_json::from_str(include_str!("words.json")).unwrap_or_default();
    for (meaning, written) in &words.words.0 {
        for variant in written {
            words.variants.entry(variant.clone()).or_insert_with(|| meaning.clone());
        }
    }
    words
});

/// Objects whose order counts.
pub mod indexed {
    use std::fmt;
    use std::marker::PhantomData;

    use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

    #[derive(Debug)]
    pub struct Pairs<T>(pub Vec<(String, T)>);

    impl<T> Default for Pairs<T> {
        fn default() -> Pairs<T> {
            Pairs(Vec::new())
        }
    }

    impl<T> Pairs<T> {
        pub fn get(&self, name: &str) -> Option<&T> {
            self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
        }
    }

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Reader<T>(PhantomData<T>);
            impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
                type Value = Pairs<T>;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an object")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                    let mut pairs = Vec::new();
                    while let Some(pair) = map.next_entry()? {
                        pairs.push(pair);
                    }
                    Ok(Pairs(pairs))
                }
            }
            deserializer.deserialize_map(Reader(PhantomData))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_can_be_read() {
        let words: Words = serde_json::from_str(include_str!("words.json")).unwrap();
        let lead = crate::normalize::entity::Entity::built_in("lead").unwrap().unwrap();
        for (field, phrases) in &words.fields.0 {
            assert!(lead.field(field).is_some() && !phrases.0.is_empty(), "{field}");
        }
        for (column, field) in &words.standard.0 {
            assert!(field.is_empty() || lead.field(field).is_some(), "{column}");
        }
        assert!(!WORDS.variants.is_empty());
    }
}
