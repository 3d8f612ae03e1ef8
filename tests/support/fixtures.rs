//! The fixture orgs: leads as Heroku Connect syncs them, and what a correct normalization makes of
//! them. They live outside the repository: in `$MANIFOLD_FIXTURES`, or in `../shared/fixtures`.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub const ORGS: [&str; 3] = ["acme", "globex", "initech"];

#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub sql_type: String,
}

impl Column {
    pub fn new(name: &str, sql_type: &str) -> Self {
        Self { name: name.to_owned(), sql_type: sql_type.to_owned() }
    }
}

/// Values in the text form that Postgres reads; `None` is NULL.
pub type Row = Vec<Option<String>>;

pub struct Org {
    pub name: String,
    pub table: String,
    pub columns: Vec<Column>,
    pub leads: Vec<Row>,
    /// The whole of expected.csv, for COPY with HEADER.
    pub expected_csv: String,
    /// (sfid, field, reason)
    pub problems: BTreeSet<(String, String, String)>,
}

impl Org {
    pub fn load(name: &str) -> Self {
        let dir = folder().join("orgs").join(name);
        let about: Value = serde_json::from_str(&read(&dir.join("columns.json")))
            .unwrap_or_else(|e| panic!("{}/columns.json: {e}", dir.display()));
        let text =
            |value: &Value| value.as_str().expect("columns.json holds strings here").to_owned();
        let columns: Vec<_> = about["columns"]
            .as_array()
            .expect("columns.json has columns")
            .iter()
            .map(|column| Column { name: text(&column["name"]), sql_type: text(&column["type"]) })
            .collect();
        let (header, leads) = csv(&dir.join("lead.csv"));
        assert!(
            header.iter().eq(columns.iter().map(|column| &column.name)),
            "{}: lead.csv and columns.json name other columns",
            dir.display()
        );
        let problems = csv(&dir.join("problems.csv"))
            .1
            .into_iter()
            .map(|row| {
                let mut values = row.into_iter().map(Option::unwrap_or_default);
                let mut next = || values.next().unwrap_or_default();
                (next(), next(), next())
            })
            .collect();
        Self {
            name: name.to_owned(),
            table: text(&about["table"]),
            columns,
            leads,
            expected_csv: read(&dir.join("expected.csv")),
            problems,
        }
    }

    pub fn position(&self, column: &str) -> usize {
        self.columns
            .iter()
            .position(|c| c.name == column)
            .unwrap_or_else(|| panic!("{} has no column {column}", self.name))
    }

    /// The sfid of the lead at `index`.
    pub fn sfid(&self, index: usize) -> &str {
        self.leads[index][self.position("sfid")].as_deref().expect("fixture leads have an sfid")
    }

    /// `n` leads made of the fixture's, again and again, each with an sfid of its own.
    pub fn many(&self, n: usize) -> Vec<Row> {
        let sfid = self.position("sfid");
        (0..n)
            .map(|i| {
                let mut row = self.leads[i % self.leads.len()].clone();
                row[sfid] = Some(format!("00Q9z{i:010}AAA"));
                row
            })
            .collect()
    }
}

fn folder() -> PathBuf {
    let folder = env::var("MANIFOLD_FIXTURES").map_or_else(
        |_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"),
        PathBuf::from,
    );
    assert!(
        folder.join("orgs").is_dir(),
        "no fixture orgs in {}: put them there, or name their folder in MANIFOLD_FIXTURES",
        folder.display()
    );
    folder
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Header and rows; an empty value is NULL.
fn csv(path: &Path) -> (Vec<String>, Vec<Row>) {
    let mut reader =
        csv::Reader::from_path(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let header = reader.headers().expect("a CSV has a header").iter().map(str::to_owned).collect();
    let rows = reader
        .records()
        .map(|record| {
            let record = record.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            record.iter().map(|value| (!value.is_empty()).then(|| value.to_owned())).collect()
        })
        .collect();
    (header, rows)
}
