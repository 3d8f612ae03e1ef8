//! Tables that a subscription of logical replication fills.

use postgres::Client;

use super::events;
use super::nested::trigger;
use super::place::{Place, other, run};
use crate::support::cluster::Database;
use crate::support::wait;
use crate::world::{self, LIMIT};

const TABLES: &str = "CREATE TABLE lead (id int PRIMARY KEY, sfid text UNIQUE, n int DEFAULT 0, name text, big text); \
    CREATE TABLE contact (id int PRIMARY KEY, sfid text, n int DEFAULT 0); \
    CREATE TABLE note (sfid text, n int, more numeric[]); ALTER TABLE note REPLICA IDENTITY FULL";

/// The publisher of a place's tables: a database in another cluster.
struct Publisher<'a> {
    database: &'a Database<'a>,
    client: Client,
    name: String,
}

impl<'a> Publisher<'a> {
    fn new(database: &'a Database<'a>, name: &str) -> Self {
        let mut client = database.connect();
        run(&mut client, &format!("CREATE SCHEMA {name}; SET search_path = {name}"));
        run(
            &mut client,
            &format!(
                "{TABLES}; CREATE TABLE task (sfid text, region text, n int, PRIMARY KEY (sfid, region)); CREATE TABLE marker (n int); CREATE PUBLICATION {name} FOR ALL TABLES"
            ),
        );
        Self { database, client, name: name.to_owned() }
    }

    /// Has the place's tables filled from here, and waits until they have what is here already.
    fn subscribe(&mut self, place: &mut Place<'_>) {
        let (name, port) = (&self.name, other().port());
        place.run(&format!(
            "CREATE SUBSCRIPTION {name} CONNECTION 'host=127.0.0.1 port={port} user=postgres dbname={}' PUBLICATION {name}",
            self.database.name
        ));
        let synced = format!(
            "SELECT count(*) FROM pg_subscription_rel JOIN pg_subscription s ON s.oid = srsubid WHERE subname = '{name}' AND srsubstate <> 'r'"
        );
        wait::until("the first copy", LIMIT, || match place.value::<i64>(&synced) {
            0 => Ok(()),
            n => Err(format!("{n} tables are not copied yet")),
        });
    }

    /// Writes here, and waits until it has been applied there: it is applied in its order.
    fn write(&mut self, place: &mut Place<'_>, sql: &str) {
        run(&mut self.client, sql);
        let n: i32 = self
            .client
            .query_one("INSERT INTO marker SELECT 1 + count(*) FROM marker RETURNING n", &[])
            .unwrap()
            .get(0);
        let applied = format!("SELECT coalesce(max(n), 0) FROM {}.marker", self.name);
        wait::until("the subscriber", LIMIT, || match place.value::<i32>(&applied) {
            last if last == n => Ok(()),
            last => Err(format!("it is at {last} of {n}")),
        });
    }
}

fn subscriber(more: &str) -> Place<'static> {
    // The workers of all these subscriptions are more than may run at once: those that wait look often.
    world::cluster().set("wal_retrieve_retry_interval", "200ms");
    Place::prepare(
        super::place::shared(),
        &format!(
            "{TABLES}; CREATE TABLE marker (n int); \
             CREATE TABLE task (n int, sfid text, region text, PRIMARY KEY (sfid, region)) PARTITION BY LIST (region); \
             CREATE TABLE task_eu PARTITION OF task FOR VALUES IN ('eu'); CREATE TABLE task_rest PARTITION OF task DEFAULT; {more}"
        ),
    )
}

const FIRST: &str = "INSERT INTO lead SELECT i, 's' || i, i, 'first', repeat('x', i * 100) FROM generate_series(1, 120) i; \
    INSERT INTO contact SELECT i, 's' || i FROM generate_series(1, 10) i; INSERT INTO note VALUES ('a', 1, '{1.50,NULL}'), ('a', 2, '{1.50,NULL}'); \
    INSERT INTO task VALUES ('t1', 'eu', 1), ('t2', 'us', 2)";

/// Writes of every kind, in transactions large and small.
const WRITES: &[&str] = &[
    "INSERT INTO lead VALUES (1001, 'new', 1, NULL, NULL), (1002, 'newer', 2, 'x', repeat('y', 100000))",
    "UPDATE lead SET n = n + 1 WHERE id > 100",
    "UPDATE lead SET name = 'kept out of line' WHERE id = 1002",
    "UPDATE lead SET id = 2001, sfid = 'renamed' WHERE id = 1001",
    "DELETE FROM lead WHERE id % 7 = 0",
    "BEGIN; DELETE FROM lead WHERE sfid = 's1'; INSERT INTO lead VALUES (1, 's1', 7, 'again'); UPDATE lead SET n = 8 WHERE id = 1; \
       SAVEPOINT s; UPDATE lead SET n = 9; ROLLBACK TO s; INSERT INTO note VALUES ('b', 2, NULL); COMMIT",
    "BEGIN; UPDATE lead SET n = -1; ROLLBACK",
    "UPDATE note SET n = 3 WHERE sfid = 'a'; DELETE FROM note WHERE sfid = 'b'",
    "INSERT INTO lead SELECT i, 's' || i, i, repeat('many', 20) FROM generate_series(3000, 5000) i; UPDATE lead SET n = 5 WHERE id >= 3000",
    "UPDATE task SET n = 5; UPDATE task SET region = 'us' WHERE sfid = 't1'; INSERT INTO task VALUES ('t3', 'eu', 3); DELETE FROM task WHERE sfid = 't2'",
    "BEGIN; TRUNCATE note; INSERT INTO note VALUES ('c', 4, '{}'); COMMIT",
    "TRUNCATE lead, task; INSERT INTO lead VALUES (1, 's1', 0, 'after the truncate'); INSERT INTO task VALUES ('t1', 'uk', 1)",
];

#[test]
fn what_a_subscription_fills_is_captured_from_its_first_copy_on() {
    let mut place = subscriber("");
    place.start(&["lead", "contact", "note", "task"]);
    let database = other().database();
    let mut publisher = Publisher::new(&database, &place.name);
    run(&mut publisher.client, FIRST);
    publisher.subscribe(&mut place);
    assert_eq!(place.events().len(), 120 + 10 + 2 + 2);
    for sql in WRITES {
        publisher.write(&mut place, sql);
        place.events();
    }
    let rows = place.rows("lead");
    assert_eq!(rows[0]["name"].as_deref(), Some("after the truncate"));
    // Applications may write there as well, to other rows.
    assert_eq!(
        place.write(
            "INSERT INTO lead (id, sfid) VALUES (9, 'own'); UPDATE lead SET n = 1 WHERE id = 9"
        ),
        "c u"
    );
    let end = format!("DROP SUBSCRIPTION {}", place.name);
    place.run(&end);
    assert_eq!(place.write("DELETE FROM lead; DELETE FROM task"), "d d d");
}

#[test]
fn a_start_in_the_middle_of_a_subscription_loses_and_doubles_nothing() {
    let mut place = subscriber("");
    let database = other().database();
    let mut publisher = Publisher::new(&database, &place.name);
    run(&mut publisher.client, FIRST);
    publisher.subscribe(&mut place);
    let sources = ["lead", "contact", "note", "task"];
    sources.iter().for_each(|source| place.map(source));
    place.listen();
    // It goes on being applied while the triggers are attached and the rows that are there are read.
    std::thread::scope(|scope| {
        let mut writer = database.connect();
        run(&mut writer, &format!("SET search_path = {}", place.name));
        let sql = "DO $$BEGIN FOR i IN 1..150 LOOP UPDATE lead SET n = n + 1 WHERE id % 10 = i % 10; DELETE FROM lead WHERE id = 120 - i / 2; \
            INSERT INTO lead (id, sfid) VALUES (i + 10000, 'while ' || i); COMMIT; END LOOP; END$$";
        let writer = scope.spawn(move || run(&mut writer, sql));
        let start = format!("SELECT manifold.start('{}')", place.name);
        wait::until("the start", LIMIT, || {
            place.client.batch_execute(&start).map_err(|e| format!("{e:?}"))
        });
        writer.join().expect("the writer");
    });
    place.backfilled();
    publisher.write(&mut place, "UPDATE lead SET n = n + 1");
    let events: Vec<_> =
        place.unchecked().into_iter().filter(|event| event.source == "lead").collect();
    let mut history = events::History::default();
    history.reset(events::left(&events));
    assert_eq!(history.difference(place.rows("lead")), None);
    place.know(&sources);
    sources.iter().for_each(|source| place.altered(source));
    for sql in WRITES {
        publisher.write(&mut place, sql);
        place.events();
    }
    let end = format!("DROP SUBSCRIPTION {}", place.name);
    place.run(&end);
}

#[test]
fn triggers_of_users_on_what_a_subscription_fills_are_captured_in_order() {
    let triggers = [
        (
            "first_update",
            "AFTER UPDATE ON contact FOR EACH ROW WHEN (NEW.n < 100)",
            "UPDATE contact SET n = n + 100 WHERE id = NEW.id;",
        ),
        (
            "a_insert",
            "AFTER INSERT ON contact FOR EACH ROW",
            "UPDATE contact SET n = 1 WHERE id = NEW.id; UPDATE contact SET n = 2 WHERE id = NEW.id;",
        ),
        (
            "back",
            "AFTER DELETE ON contact FOR EACH ROW WHEN (OLD.n < 1000)",
            "INSERT INTO contact VALUES (OLD.id + 1000, OLD.sfid, 5000);",
        ),
        (
            "before_lead",
            "BEFORE INSERT OR UPDATE ON lead FOR EACH ROW",
            "NEW.name = 'stamped'; RETURN NEW;",
        ),
        (
            "copy_lead",
            "AFTER INSERT ON lead FOR EACH ROW",
            "INSERT INTO contact VALUES (NEW.id + 5000, NEW.sfid, 7000) ON CONFLICT (id) DO UPDATE SET n = contact.n + 1;",
        ),
    ];
    let more: Vec<_> = triggers
        .iter()
        .map(|(name, when, body)| {
            let table = if when.contains("contact FOR") { "contact" } else { "lead" };
            format!(
                "{}; ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}",
                trigger(name, when, body)
            )
        })
        .collect();
    let mut place = subscriber(&more.join("; "));
    // Functions of triggers run with the apply worker's search path.
    let name = place.name.clone();
    for (function, ..) in triggers {
        place.run(&format!("ALTER FUNCTION {function}() SET search_path = {name}"));
    }
    place.start(&["lead", "contact"]);
    let database = other().database();
    let mut publisher = Publisher::new(&database, &name);
    run(
        &mut publisher.client,
        "INSERT INTO contact VALUES (1, 'a', 0), (2, 'b', 0); INSERT INTO lead VALUES (1, 's1'), (2, 's2')",
    );
    publisher.subscribe(&mut place);
    place.events();
    for sql in [
        "INSERT INTO contact VALUES (3, 'c', 0), (4, 'd', 0)",
        "UPDATE contact SET n = 50",
        "BEGIN; UPDATE contact SET n = 60 WHERE id = 3; DELETE FROM contact WHERE id = 4; INSERT INTO lead VALUES (3, 's3'); UPDATE lead SET n = 4; COMMIT",
        "DELETE FROM contact WHERE id < 3",
        "INSERT INTO lead SELECT i, 's' || i FROM generate_series(10, 300) i; UPDATE lead SET n = 8 WHERE id > 200",
    ] {
        publisher.write(&mut place, sql);
        assert_ne!(place.events().len(), 0, "{sql}");
    }
    place.run(&format!("DROP SUBSCRIPTION {name}"));
}
