//! Triggers drawn at random that write, before and after rows and statements, the very records that
//! the statements around them write: what is told adds up in the order in which it is told.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::events;
use super::place::Place;

/// What a trigger does, or a statement of the test.
#[derive(Clone, Debug)]
enum Write {
    Insert(Vec<u8>),
    Upsert(Vec<u8>),
    Update(u8),
    Rename(u8, u8),
    Delete(u8),
    Replace(u8),
    Merge(Vec<u8>),
}

#[derive(Clone, Debug)]
struct Trigger {
    name: char,
    before: bool,
    each_row: bool,
    event: &'static str,
    /// Fires within so many others at most.
    depth: u8,
    /// For which rows: those whose number leaves this rest.
    rest: Option<u8>,
    write: Write,
    /// Is rolled back again, by an error that is caught.
    void: bool,
}

/// Keys are few, so that writes meet.
const KEYS: u8 = 4;

fn write() -> impl Strategy<Value = Write> {
    let (key, keys) = (|| 0..KEYS, || prop::collection::vec(0..KEYS, 1..4));
    prop_oneof![
        1 => keys().prop_map(Write::Insert),
        1 => keys().prop_map(Write::Upsert),
        3 => (0..8u8).prop_map(Write::Update),
        1 => (key(), key()).prop_map(|(from, to)| Write::Rename(from, to)),
        2 => (0..8u8).prop_map(Write::Delete),
        1 => key().prop_map(Write::Replace),
        1 => keys().prop_map(Write::Merge),
    ]
}

fn trigger() -> impl Strategy<Value = Trigger> {
    let event = prop::sample::select(vec!["INSERT", "UPDATE", "DELETE"]);
    let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2));
    (prop::sample::select(vec!['a', 'z']), flags, event, 0..2u8, prop::option::of(0..2u8), write())
        .prop_map(|(name, (before, each_row, void), event, depth, rest, write)| Trigger {
            name,
            before,
            each_row,
            event,
            depth,
            rest,
            write,
            void,
        })
}

impl Write {
    /// As SQL, on a table whose rows say in `n` how often they were written.
    fn sql(&self) -> String {
        let values = |keys: &[u8]| {
            keys.iter().map(|key| format!("('k{key}', 1)")).collect::<Vec<_>>().join(", ")
        };
        // 0 to 3: one key; more: several.
        let chosen = |which: u8| match which {
            0..KEYS => format!("sfid = 'k{which}'"),
            KEYS => "true".to_owned(),
            which => format!("sfid >= 'k{}'", which - KEYS),
        };
        match self {
            Write::Insert(keys) => {
                format!("INSERT INTO lead (sfid, n) VALUES {} ON CONFLICT DO NOTHING", values(keys))
            }
            Write::Upsert(keys) => {
                let mut keys = keys.clone();
                keys.sort_unstable();
                keys.dedup();
                format!(
                    "INSERT INTO lead (sfid, n) VALUES {} ON CONFLICT (sfid) DO UPDATE SET n = lead.n + 1",
                    values(&keys)
                )
            }
            Write::Update(which) => format!("UPDATE lead SET n = n + 1 WHERE {}", chosen(*which)),
            Write::Rename(from, to) => format!(
                "UPDATE lead SET sfid = 'k{to}' WHERE sfid = 'k{from}' AND NOT EXISTS (SELECT FROM lead WHERE sfid = 'k{to}')"
            ),
            Write::Delete(which) => format!("DELETE FROM lead WHERE {}", chosen(*which)),
            Write::Replace(key) => format!(
                "WITH gone AS (DELETE FROM lead WHERE sfid = 'k{key}' RETURNING *) INSERT INTO lead (sfid, n) SELECT sfid, n + 1 FROM gone"
            ),
            Write::Merge(keys) => {
                let mut keys = keys.clone();
                keys.sort_unstable();
                keys.dedup();
                format!(
                    "MERGE INTO lead USING (VALUES {}) AS x (key, n) ON sfid = key WHEN MATCHED AND lead.n % 3 = 0 THEN DELETE \
                     WHEN MATCHED THEN UPDATE SET n = lead.n + 1 WHEN NOT MATCHED THEN INSERT (sfid, n) VALUES (key, 1)",
                    values(&keys)
                )
            }
        }
    }
}

impl Trigger {
    fn sql(&self, number: usize) -> String {
        let Trigger { before, each_row, event, depth, rest, write, void, .. } = self;
        let name = format!("{}_{number}", self.name);
        let row = if *event == "DELETE" { "OLD" } else { "NEW" };
        let when = match rest {
            Some(rest) if *each_row => {
                format!("WHEN ({row}.n % 2 = {rest} AND pg_trigger_depth() <= {depth})")
            }
            _ => format!("WHEN (pg_trigger_depth() <= {depth})"),
        };
        let write = match void {
            true => format!(
                "BEGIN {}; RAISE 'void'; EXCEPTION WHEN raise_exception THEN NULL; END",
                write.sql()
            ),
            false => write.sql(),
        };
        format!(
            "CREATE FUNCTION fuzz_{number}() RETURNS trigger LANGUAGE plpgsql AS $f$BEGIN {write}; RETURN {row}; END$f$; \
             CREATE TRIGGER {name} {} {event} ON lead FOR EACH {} {when} EXECUTE FUNCTION fuzz_{number}(); ",
            if *before { "BEFORE" } else { "AFTER" },
            if *each_row { "ROW" } else { "STATEMENT" },
        )
    }
}

/// Refusals of the server that such triggers bring about: a row was changed meanwhile, a key is taken.
const REFUSED: [&str; 3] = ["27000", "23505", "21000"];

fn adds_up(table: &str, cases: u32, seed: u8) {
    let mut place = Place::new(table);
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]));
    let script = (prop::collection::vec(trigger(), 1..4), prop::collection::vec(write(), 1..8));
    let place = std::cell::RefCell::new(&mut place);
    let outcome = runner.run(&script, |(triggers, writes)| {
        let mut place = place.borrow_mut();
        place.run("DO $$DECLARE f regprocedure; BEGIN FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = current_schema()::regnamespace \
            AND proname LIKE 'fuzz%' LOOP EXECUTE 'DROP FUNCTION ' || f || ' CASCADE'; END LOOP; END$$");
        place.run("TRUNCATE lead; INSERT INTO lead (sfid, n) VALUES ('k0', 0), ('k1', 1), ('k2', 2)");
        place.unchecked();
        place.know(&["lead"]);
        place.altered("lead");
        for (number, trigger) in triggers.iter().enumerate() {
            place.run(&trigger.sql(number));
        }
        for write in &writes {
            let sql = write.sql();
            if let Err(error) = place.client.batch_execute(&sql) {
                let code = error.code().map(|code| code.code().to_owned()).unwrap_or_default();
                prop_assert!(REFUSED.contains(&code.as_str()), "{sql}: {error:?}");
            }
            let events = place.unchecked();
            if let Err(wrong) = place.adds_up(&events) {
                let triggers: Vec<_> =
                    triggers.iter().enumerate().map(|(i, t)| t.sql(i)).collect();
                let told = events::list(&events);
                prop_assert!(false, "{wrong}\n{}\n{sql}\ntold was\n{told}", triggers.join("\n"));
            }
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn whatever_triggers_write_is_told_in_order() {
    adds_up(
        "CREATE TABLE lead (id int GENERATED BY DEFAULT AS IDENTITY, sfid text UNIQUE, n int)",
        150,
        3,
    );
}

#[test]
fn whatever_triggers_write_is_told_in_order_where_rows_come_back_just_as_they_were() {
    adds_up("CREATE TABLE lead (sfid text UNIQUE, n int)", 150, 5);
}
