//! Tables, rows and statements drawn at random: whatever they are, each image has the values that the
//! server prints.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::place::Place;
use super::tables::{Draw, OWN, OWN_TYPES, TYPES};

type Type = (&'static str, &'static [&'static str]);

#[derive(Clone, Debug)]
enum Step {
    Insert { rows: usize, seed: u64 },
    Update { part: usize, seed: u64 },
    Upsert { rows: usize, seed: u64 },
    Delete { part: usize },
    Replace { seed: u64 },
    Truncate,
    Add { of: prop::sample::Index, seed: u64 },
    Drop { at: prop::sample::Index },
    Rename { at: prop::sample::Index },
    Retype { at: prop::sample::Index },
    Store { at: prop::sample::Index, how: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => (1..20usize, any::<u64>()).prop_map(|(rows, seed)| Step::Insert { rows, seed }),
        4 => (0..4usize, any::<u64>()).prop_map(|(part, seed)| Step::Update { part, seed }),
        2 => (1..10usize, any::<u64>()).prop_map(|(rows, seed)| Step::Upsert { rows, seed }),
        2 => (0..6usize).prop_map(|part| Step::Delete { part }),
        1 => any::<u64>().prop_map(|seed| Step::Replace { seed }),
        1 => Just(Step::Truncate),
        3 => (index(), any::<u64>()).prop_map(|(of, seed)| Step::Add { of, seed }),
        1 => index().prop_map(|at| Step::Drop { at }),
        1 => index().prop_map(|at| Step::Rename { at }),
        1 => index().prop_map(|at| Step::Retype { at }),
        1 => (index(), 0..4usize).prop_map(|(at, how)| Step::Store { at, how }),
    ]
}

/// The table as it is now.
struct Table {
    place: Place<'static>,
    columns: Vec<(String, Type)>,
    /// Numbers that were given to records and columns.
    last: usize,
}

impl Table {
    fn new(types: &[Type], partitions: usize) -> Self {
        let columns: Vec<_> =
            types.iter().enumerate().map(|(i, of)| (format!("c{i}"), *of)).collect();
        let list: Vec<_> =
            columns.iter().map(|(name, (sql_type, _))| format!(", {name} {sql_type}")).collect();
        let mut setup =
            format!("{OWN_TYPES}; CREATE TABLE lead (sfid text UNIQUE{})", list.concat());
        if partitions > 0 {
            setup += " PARTITION BY HASH (sfid)";
        }
        for i in 0..partitions {
            setup += &format!(
                "; CREATE TABLE lead_{i} PARTITION OF lead FOR VALUES WITH (MODULUS {partitions}, REMAINDER {i})"
            );
        }
        let place = Place::new(&setup);
        Self { place, columns, last: 1000 }
    }

    fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| format!(", {name}")).collect()
    }

    /// Rows of values, for the records from `from` on.
    fn rows(&self, from: usize, n: usize, draw: &mut Draw) -> String {
        let row = |i| {
            let values: Vec<_> =
                self.columns.iter().map(|(_, of)| format!(", {}", draw.value(of))).collect();
            format!("('r{i}'{})", values.concat())
        };
        (from..from + n).map(row).collect::<Vec<_>>().join(", ")
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Insert { rows, seed } => {
                let rows_sql = self.rows(self.last, *rows, &mut Draw(*seed));
                self.last += rows;
                let told = self
                    .place
                    .write(&format!("INSERT INTO lead (sfid{}) VALUES {rows_sql}", self.names()));
                assert_eq!(told, vec!["c"; *rows].join(" "));
            }
            Step::Update { part, seed } => {
                let mut draw = Draw(*seed);
                let mut set: Vec<_> = vec!["sfid = sfid".to_owned()];
                for (name, of) in &self.columns {
                    if draw.below(3) == 0 {
                        set.push(format!("{name} = {}", draw.value(of)));
                    }
                }
                self.place.write(&format!(
                    "UPDATE lead SET {} WHERE substr(sfid, 2)::int % 4 = {part}",
                    set.join(", ")
                ));
            }
            Step::Upsert { rows, seed } => {
                // The last records again, and as many new ones.
                let rows_sql = self.rows(self.last - rows, rows * 2, &mut Draw(*seed));
                self.last += rows;
                let set: Vec<_> = self
                    .columns
                    .iter()
                    .map(|(name, _)| format!(", {name} = excluded.{name}"))
                    .collect();
                self.place.write(&format!(
                    "INSERT INTO lead (sfid{}) VALUES {rows_sql} ON CONFLICT (sfid) DO UPDATE SET sfid = excluded.sfid{}",
                    self.names(),
                    set.concat()
                ));
            }
            Step::Delete { part } => {
                self.place
                    .write(&format!("DELETE FROM lead WHERE substr(sfid, 2)::int % 6 = {part}"));
            }
            Step::Replace { seed } => {
                let row = self.rows(self.last - 1, 1, &mut Draw(*seed));
                self.place.write(&format!(
                    "WITH gone AS (DELETE FROM lead WHERE sfid = 'r{}' RETURNING 1) \
                     INSERT INTO lead (sfid{}) SELECT * FROM (VALUES {row}) x WHERE EXISTS (SELECT FROM gone)",
                    self.last - 1,
                    self.names()
                ));
            }
            Step::Truncate => assert_eq!(self.place.write("TRUNCATE lead"), "t"),
            step => self.alter(step),
        }
    }

    fn alter(&mut self, step: &Step) {
        let sql = match step {
            Step::Add { of, seed } => {
                let of = type_at(*of);
                let name = format!("c{}", self.last);
                self.last += 1;
                let default = match seed % 3 {
                    0 if !of.0.starts_with("price") => String::new(),
                    // The server wants no role in a default.
                    _ if of.0 == "regrole" => String::new(),
                    _ => format!(" DEFAULT {}", Draw(*seed).value(&of)),
                };
                self.columns.push((name.clone(), of));
                format!("ADD {name} {}{default}", of.0)
            }
            _ if self.columns.is_empty() => return,
            Step::Drop { at } => {
                format!("DROP {}", self.columns.remove(at.index(self.columns.len())).0)
            }
            Step::Rename { at } => {
                let at = at.index(self.columns.len());
                let new = format!("c{}", self.last);
                self.last += 1;
                let old = std::mem::replace(&mut self.columns[at].0, new);
                format!("RENAME {old} TO {}", self.columns[at].0)
            }
            Step::Retype { at } => {
                let at = at.index(self.columns.len());
                let (name, of) = &mut self.columns[at];
                *of = ("text", &["'now text'", "md5('$')"]);
                format!("ALTER {name} DROP DEFAULT, ALTER {name} TYPE text USING {name}::text")
            }
            Step::Store { at, how } => {
                let (name, (sql_type, _)) = &self.columns[at.index(self.columns.len())];
                if !["text", "bytea", "jsonb"].contains(sql_type) {
                    return;
                }
                let storage =
                    ["STORAGE EXTERNAL", "STORAGE MAIN", "COMPRESSION lz4", "COMPRESSION pglz"]
                        [*how];
                format!("ALTER {name} SET {storage}")
            }
            other => unreachable!("{other:?} alters nothing"),
        };
        self.place.run(&format!("ALTER TABLE lead {sql}"));
        self.place.altered("lead");
    }
}

fn type_at(index: prop::sample::Index) -> Type {
    let at = index.index(TYPES.len() + OWN.len());
    TYPES.get(at).copied().unwrap_or_else(|| OWN[at - TYPES.len()])
}

fn adds_up(partitions: usize, cases: u32, seed: u8) {
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 60, ..Config::default() };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]));
    let index = any::<prop::sample::Index>;
    let script = (prop::collection::vec(index(), 0..12), prop::collection::vec(step(), 3..14));
    let outcome = runner.run(&script, |(types, steps)| {
        let types: Vec<_> = types.into_iter().map(type_at).collect();
        let mut table = Table::new(&types, partitions);
        for step in &steps {
            table.take(step);
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn any_table_is_captured_through_any_statements() {
    adds_up(0, 20, 15);
}

#[test]
fn any_partitioned_table_is_captured_through_any_statements() {
    adds_up(2, 10, 16);
}
