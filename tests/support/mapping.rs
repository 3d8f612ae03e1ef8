//! The mappings of the fixture orgs, as an admin would keep them: in tests/mappings.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

pub struct Mapping {
    pub json: Value,
}

impl Mapping {
    pub fn load(org: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/mappings")
            .join(format!("{org}.json"));
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let json =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self { json }
    }

    pub fn fields(&self) -> impl Iterator<Item = &String> {
        self.json["fields"].as_object().expect("a mapping has fields").keys()
    }

    /// The source columns that some field is made of.
    pub fn columns(&self) -> BTreeSet<String> {
        let mut columns = BTreeSet::new();
        for field in self.json["fields"].as_object().expect("a mapping has fields").values() {
            let names = |value: &Value| value.as_str().map(str::to_owned);
            columns.extend(names(field));
            columns.extend(names(&field["column"]));
            columns.extend(field["first_of"].as_array().into_iter().flatten().filter_map(names));
            let template = field["template"].as_str().unwrap_or_default();
            columns.extend(
                template
                    .split('{')
                    .skip(1)
                    .filter_map(|part| part.split('}').next())
                    .map(str::to_owned),
            );
        }
        columns
    }
}
