//! How large the log becomes, who keeps it so, and what happens to them.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::check;
use crate::consumer::{next, rest};
use crate::support::broker::Broker;
use crate::support::manifold::{self, Status};
use crate::support::run;
use crate::support::wait;
use crate::world::{LIMIT, World, cluster_with};

const SMALL: &str = "manifold.kafka_brokers = ''\nmanifold.log_table_size = 1MB\nmanifold.max_log_size = 1MB\n\
    max_prepared_transactions = 5";

/// An org with a plain table of leads, a kilobyte each.
fn org(world: &mut World<'_>, name: &str) {
    world.run(&format!(
        "CREATE SCHEMA {name}; \
         CREATE TABLE {name}.lead (id serial PRIMARY KEY, sfid varchar(18) UNIQUE, city text, pad text); \
         SELECT manifold.add_org('{name}'); \
         SELECT manifold.set_mapping('{name}', 'lead', 'lead', '{{\"fields\": {{\"city\": \"city\"}}}}'); \
         SELECT manifold.start('{name}')"
    ));
    world.has_read(name);
}

fn insert(world: &mut World<'_>, org: &str, rows: u32) {
    world.run(&format!(
        "INSERT INTO {org}.lead (sfid, city, pad) \
         SELECT '{org}-' || currval('{org}.lead_id_seq') + i, 'Rome', repeat(md5(i::text), 32) \
         FROM (SELECT nextval('{org}.lead_id_seq')) s, generate_series(1, {rows}) i"
    ));
}

/// Keeps the log busy, a few megabytes beside the table that somebody holds.
fn write(world: &mut World<'_>, org: &str, held: Option<usize>) {
    let beside = held.map_or(String::new(), |held| {
        format!("- pg_total_relation_size('manifold.change_{held}')")
    });
    if world.value::<i64>(&format!("SELECT manifold.log_size() {beside}")) < 5 << 20 {
        insert(world, org, 300);
    }
}

/// The files of the log's tables: a table that is emptied gets another one.
fn files(world: &mut World<'_>) -> Vec<u32> {
    let sql = "SELECT array_agg(relfilenode::int8 ORDER BY relname) FROM pg_class \
        WHERE relnamespace = 'manifold'::regnamespace AND relname ~ '^change_[012]$'";
    world.value::<Vec<i64>>(sql).into_iter().map(|file| file as u32).collect()
}

fn status(world: &mut World<'_>, org: &str, consumer: &str) -> Status {
    let all = manifold::status(&mut world.client);
    let found = all.iter().find(|row| row.org == org && row.consumer == consumer);
    found.unwrap_or_else(|| panic!("no {consumer} of {org}: {all:#?}")).clone()
}

fn await_size(world: &mut World<'_>, what: &str, fits: impl Fn(i64) -> bool) {
    wait::until(&format!("the log to be {what}"), LIMIT, || {
        let size: i64 = world.value("SELECT manifold.log_size()");
        let tables = "SELECT string_agg(concat_ws(' ', log_table, state, bytes, held_by), '; ') FROM manifold.log_status";
        if fits(size) { Ok(()) } else { Err(world.value::<String>(tables)) }
    });
}

#[test]
fn a_prepared_transaction_stops_no_rotation_but_its_own_tables() {
    let cluster = cluster_with(SMALL);
    let mut world = World::in_cluster(&cluster);
    org(&mut world, "acme");
    insert(&mut world, "acme", 1);
    world.run("BEGIN; UPDATE acme.lead SET city = 'Prepared'; PREPARE TRANSACTION 'kept'");
    let held = "SELECT right(relation::regclass::text, 1)::int FROM pg_locks \
        WHERE pid IS NULL AND relation::regclass::text ~ '^manifold.change_[012]$'";
    let held = world.value::<i32>(held) as usize;
    let before = files(&mut world);
    let mut changes = [0; 3];
    let mut last = before.clone();
    wait::until("both other tables to be emptied twice", LIMIT, || {
        write(&mut world, "acme", Some(held));
        let now = files(&mut world);
        for number in 0..3 {
            changes[number] += u32::from(now[number] != last[number]);
        }
        last = now;
        let done = (0..3).all(|number| number == held || changes[number] >= 2);
        if done { Ok(()) } else { Err(format!("{changes:?}, {held} is held")) }
    });
    assert_eq!(last[held], before[held], "a table that somebody writes to is left alone");
    world.run("COMMIT PREPARED 'kept'");
    world.await_count("canonical.lead WHERE city = 'Prepared'", 1);
    let rows = world.count("acme.lead");
    world.await_count("canonical.lead", rows);
    wait::until("its table to be emptied", LIMIT, || {
        write(&mut world, "acme", Some(held));
        let now = files(&mut world);
        if now[held] != before[held] { Ok(()) } else { Err(format!("{now:?}")) }
    });
}

#[test]
fn what_all_have_read_does_not_stay_because_it_is_little() {
    let cluster = cluster_with(
        "manifold.kafka_brokers = ''\nmanifold.max_log_size = 1MB\nmanifold.log_table_age = 1s",
    );
    let mut world = World::in_cluster(&cluster);
    org(&mut world, "acme");
    world.run("SELECT manifold.pause('acme', 'publisher'); SELECT manifold.create_consumer('slow', 'acme')");
    // The publisher holds what is not larger than manifold.max_log_size.
    insert(&mut world, "acme", 1_500);
    world.normalized();
    let needed =
        "SELECT string_agg(held_by, '; ') FROM manifold.log_status WHERE state = 'resting'";
    world.await_text(needed, Some("slow of acme"));
    assert_eq!(rest(&mut world.client, "slow", 1_000).len(), 1_500);
    await_size(&mut world, "empty", |size| size == 0);
    assert_eq!(world.count("manifold.log_status WHERE state = 'empty' AND held_by IS NULL"), 2);
}

#[test]
fn readers_of_the_log_do_not_keep_it_from_being_emptied() {
    let cluster = cluster_with(SMALL);
    let mut world = World::in_cluster(&cluster);
    org(&mut world, "acme");
    let before = files(&mut world);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut reader = world.database.connect();
        let reading = &done;
        scope.spawn(move || {
            // Moments apart, as the consumers' turns are under load.
            let turn = "BEGIN; LOCK TABLE manifold.change IN ACCESS SHARE MODE; SELECT pg_sleep(0.01); COMMIT";
            while !reading.load(Ordering::Relaxed) {
                reader.batch_execute(turn).unwrap();
            }
        });
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait::until("every table to be emptied", LIMIT, || {
                write(&mut world, "acme", None);
                let now = files(&mut world);
                let all = now.iter().zip(&before).all(|(now, before)| now != before);
                if all { Ok(()) } else { Err(format!("{now:?}, {before:?}")) }
            });
        }));
        done.store(true, Ordering::Relaxed);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    let rows = world.count("acme.lead");
    world.await_count("canonical.lead", rows);
}

#[test]
fn those_who_hold_a_log_that_is_too_large_are_named() {
    let cluster = cluster_with(SMALL);
    let mut world = World::in_cluster(&cluster);
    org(&mut world, "acme");
    org(&mut world, "globex");
    world.run("SELECT manifold.pause('acme', 'normalizer'); SELECT manifold.create_consumer('slow', 'acme')");
    insert(&mut world, "acme", 4_000);
    insert(&mut world, "globex", 10);
    world.await_count("canonical.lead WHERE org = 'globex'", 10);
    for (consumer, remedy) in [
        ("normalizer", "manifold.resume('acme', 'normalizer')"),
        ("slow", "manifold.drop_consumer('slow')"),
    ] {
        world.await_status("acme", consumer, "warned of", |s| {
            s.state == "warn"
                && s.detail.contains("more than manifold.max_log_size")
                && s.detail.contains(remedy)
        });
    }
    assert_eq!(status(&mut world, "globex", "normalizer").state, "ok");
    let idle = status(&mut world, "acme", "publisher");
    assert!(idle.state == "ok" && idle.detail.starts_with("idle"), "{idle:?}");
    let keeper = status(&mut world, "", "keeper");
    assert!(
        keeper.state == "warn"
            && keeper.detail.contains("normalizer of acme")
            && keeper.detail.contains("slow of acme"),
        "{keeper:?}"
    );
    world
        .run("SELECT manifold.resume('acme', 'normalizer'); SELECT manifold.drop_consumer('slow')");
    world.await_count("canonical.lead WHERE org = 'acme'", 4_000);
    world.await_status("acme", "normalizer", "fine", |s| s.state == "ok");
    await_size(&mut world, "small", |size| size <= 1 << 20);
    assert!(manifold::status(&mut world.client).iter().all(|s| s.consumer != "keeper"));
}

#[test]
fn laggards_are_dropped_at_the_limit_and_a_resync_repairs_it() {
    let cluster = cluster_with(&format!("{SMALL}\nmanifold.drop_log_size = 4MB"));
    let mut world = World::in_cluster(&cluster);
    for name in ["acme", "globex", "initech"] {
        org(&mut world, name);
    }
    // One is paused, one is in trouble, two take changes by SQL and one of these hangs.
    world.run(
        "CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no' USING ERRCODE = 'disk_full'; END$$; \
         CREATE TRIGGER trouble BEFORE INSERT ON canonical.lead FOR EACH ROW WHEN (NEW.org = 'initech') EXECUTE FUNCTION trouble(); \
         SELECT manifold.pause('acme', 'normalizer'); \
         SELECT manifold.create_consumer(c, 'acme') FROM unnest(ARRAY['slow', 'hangs']) c; \
         SELECT manifold.create_consumer('keen', 'globex')",
    );
    insert(&mut world, "acme", 10);
    insert(&mut world, "initech", 10);
    world.await_status("initech", "normalizer", "in trouble", |s| s.state == "error");
    let mut client = world.database.connect();
    let mut hanging = client.transaction().unwrap();
    assert!(!next(&mut hanging, "hangs", 1).is_empty());
    let mut keen = 0;
    let gaps = "(SELECT DISTINCT o.org, g.consumer FROM manifold.gap g JOIN manifold.source s USING (source_id) JOIN manifold.org o USING (org)) g";
    wait::until("the laggards to be dropped", LIMIT, || {
        write(&mut world, "acme", None);
        // The keeper reads this table when it looks for laggards among consumers: not in between.
        let mut taking = world.database.connect();
        let mut taking = taking.transaction().unwrap();
        taking.batch_execute("LOCK TABLE manifold.publication").unwrap();
        insert(&mut world, "globex", 30);
        loop {
            match next(&mut taking, "keen", 50).len() {
                0 => break,
                more => keen += more,
            }
        }
        taking.commit().unwrap();
        // Else a slow machine makes a laggard of the normalizer that should keep up.
        let rows = world.count("globex.lead");
        world.await_count("canonical.lead WHERE org = 'globex'", rows);
        match world.count(&format!("{gaps} WHERE (org, consumer) IN (('acme', 'normalizer'), ('acme', 'slow'), ('acme', 'hangs'), ('initech', 'normalizer'))")) {
            4 => Ok(()),
            n => Err(format!("{n} gaps")),
        }
    });
    assert_eq!(
        world.count(&format!("{gaps} WHERE consumer <> 'publisher'")),
        4,
        "nobody else has one"
    );
    await_size(&mut world, "small again", |size| size <= 4 << 20);
    let rows = world.count("globex.lead");
    assert_eq!(keen as i64, rows, "a consumer that keeps up misses nothing");
    world.await_count("canonical.lead WHERE org = 'globex'", rows);
    // What was given before it was dropped is consumed, and it goes on after the gap.
    hanging.commit().unwrap();
    let after: i64 = world.value("SELECT coalesce(max(id), 0)::int8 FROM acme.lead");
    let mut seen: Vec<String> = Vec::new();
    insert(&mut world, "acme", 1);
    for consumer in ["slow", "hangs"] {
        let given = rest(&mut world.client, consumer, 1_000);
        let last =
            given.last().expect("the newest lead").after.as_ref().expect("a row")["id"].clone();
        assert!(last.as_str().expect("text").parse::<i64>().unwrap() > after);
        seen.push(last.to_string());
    }
    assert_eq!(seen[0], seen[1]);
    for (name, consumer) in [("acme", "slow"), ("initech", "normalizer")] {
        world.await_status(name, consumer, "told to resync", |s| {
            format!("{} {}", s.detail, s.last_error.as_deref().unwrap_or_default())
                .contains(&format!("manifold.resync('{name}', 'lead')"))
        });
    }
    // What a resync reads is more than the limit.
    world.set("manifold.drop_log_size", "0");
    world.run(
        "DROP FUNCTION trouble() CASCADE; SELECT manifold.resume('acme', 'normalizer'); \
        SELECT manifold.resync('acme'); SELECT manifold.resync('initech')",
    );
    for name in ["acme", "initech"] {
        let rows = world.count(&format!("{name}.lead"));
        world.await_count(&format!("canonical.lead WHERE org = '{name}'"), rows);
    }
    let rows = world.count("acme.lead") as usize;
    world.normalized();
    let again = rest(&mut world.client, "slow", 1_000);
    assert_eq!((again.len(), again.iter().all(|change| change.op == "r")), (rows, true));
    assert_eq!(world.count(&format!("{gaps} WHERE consumer <> 'publisher'")), 0);
}

#[test]
fn a_publisher_that_gets_brokers_late_shows_what_it_missed() {
    let cluster = cluster_with(SMALL);
    let mut world = World::in_cluster(&cluster);
    org(&mut world, "acme");
    let before = files(&mut world);
    wait::until("every table to be emptied", LIMIT, || {
        write(&mut world, "acme", None);
        let now = files(&mut world);
        if now.iter().zip(&before).all(|(now, before)| now != before) {
            Ok(())
        } else {
            Err("some are not")
        }
    });
    let idle = status(&mut world, "acme", "publisher");
    assert!(
        idle.state == "ok"
            && idle.detail.starts_with("idle")
            && idle.detail.contains("not all changes since"),
        "{idle:?}"
    );
    let broker = Broker::start(run::dir());
    cluster.set("manifold.kafka_brokers", &broker.bootstrap());
    for org in ["acme", "canonical"] {
        world.await_status(org, "publisher", "told to resync", |s| {
            s.state == "warn" && s.detail.contains(&format!("manifold.resync('{org}', 'lead')"))
        });
    }
    world.run("SELECT manifold.resync('acme'); SELECT manifold.resync('canonical')");
    world.published();
    for schema in ["acme", "canonical"] {
        let mut topic = world.topic_on(&broker, &format!("{schema}.lead"));
        let events = topic.all();
        check::topic_tells_table(&mut world.client, schema, "lead", events);
        world.await_status(schema, "publisher", "fine", |s| s.state == "ok");
    }
}

#[test]
fn a_publisher_without_an_answer_does_not_fill_the_disk() {
    // Port 1 of this machine: nobody listens.
    let settings = SMALL.replace("kafka_brokers = ''", "kafka_brokers = '127.0.0.1:1'");
    let cluster = cluster_with(&format!("{settings}\nmanifold.drop_log_size = 4MB"));
    let mut world = World::in_cluster(&cluster);
    org(&mut world, "acme");
    wait::until("the publisher to be dropped", LIMIT, || {
        write(&mut world, "acme", None);
        // Else a slow machine makes a laggard of the normalizer, too.
        let rows = world.count("acme.lead");
        world.await_count("canonical.lead", rows);
        match world.count("manifold.gap WHERE consumer = 'publisher'") {
            0 => Err("no gap"),
            _ => Ok(()),
        }
    });
    await_size(&mut world, "small again", |size| size <= 4 << 20);
    assert_eq!(world.count("manifold.gap WHERE consumer <> 'publisher'"), 0);
    let rows = world.count("acme.lead");
    world.await_count("canonical.lead", rows);
    let broker = Broker::start(run::dir());
    world.set("manifold.drop_log_size", "0");
    cluster.set("manifold.kafka_brokers", &broker.bootstrap());
    world.run("SELECT manifold.resync('acme'); SELECT manifold.resync('canonical')");
    world.published();
    // What was on its way when it was dropped arrives late, and before what came after it.
    for schema in ["acme", "canonical"] {
        let mut topic = world.topic_on(&broker, &format!("{schema}.lead"));
        let events = topic.all();
        assert!(events.len() as i64 >= rows);
        check::topic_tells_table(&mut world.client, schema, "lead", events);
    }
}

#[test]
fn an_error_of_the_keeper_shows_while_it_lasts() {
    let mut world = World::new();
    world.run("ALTER TABLE manifold.position_log_1 RENAME TO mislaid");
    world.await_status("", "keeper", "in trouble", |s| {
        s.state == "error" && s.last_error.as_deref().is_some_and(|e| e.contains("position_log_1"))
    });
    world.run("ALTER TABLE manifold.mislaid RENAME TO position_log_1");
    wait::until("the keeper to be well", LIMIT, || {
        let all = manifold::status(&mut world.client);
        match all.iter().find(|s| s.consumer == "keeper") {
            None => Ok(()),
            Some(keeper) => Err(format!("{keeper:?}")),
        }
    });
}
