//! The mappings of the fixture orgs, as an admin would keep them: in tests/mappings.

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
}
