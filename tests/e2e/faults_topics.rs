//! What is wrong with one topic or one message, and stays with it.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::check;
use crate::load::under_load;
use crate::support::admin::Admin;
use crate::support::broker::Broker;
use crate::support::consumer::Event;
use crate::support::heroku_connect::HerokuConnect;
use crate::support::manifold::Status;
use crate::support::run;
use crate::support::wait;
use crate::world::{LIMIT, World, broker, cluster_with};

/// Text that no codec makes much smaller.
fn noise(bytes: usize) -> String {
    let mut state = 88_172_645_463_325_252_u64;
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        write!(text, "{state:016x}").expect("writes to memory");
    }
    text
}

/// The problems of messages that were not published: org, record and message.
fn refused(world: &mut World<'_>) -> Vec<(String, String, String)> {
    let sql = "SELECT org, record, message FROM manifold.problem \
               WHERE reason = 'not_published' AND source = 'lead' AND entity = 'kafka' ORDER BY 1, 2";
    let rows = world.client.query(sql, &[]).unwrap_or_else(|e| panic!("{e:?}"));
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

/// The topic tells the table, but for these records.
fn tells_but_for(world: &mut World<'_>, broker: &Broker, keys: &[String]) {
    let mut topic = world.topic_on(broker, "acme.lead");
    let events: Vec<Event> =
        topic.all().iter().filter(|event| !keys.contains(&event.key_text)).cloned().collect();
    check::topic_tells_table(&mut world.client, "acme", "lead", &events);
}

#[test]
fn a_message_too_large_for_its_topic_is_found_and_set_aside_and_all_others_are_published() {
    let mut world = World::new();
    let admin = Admin::new(&broker().bootstrap());
    let topic = format!("{}.acme.lead", world.prefix);
    admin.create(&topic, 2, &[("max.message.bytes", "100000")]);
    let mut acme = world.running("acme", 400);
    let large: Vec<String> = [7, 140, 141].iter().map(|&n| acme.org.sfid(n).to_owned()).collect();
    let keys: Vec<String> = large.iter().map(|sfid| format!("{{\"sfid\":\"{sfid}\"}}")).collect();
    let mut other = HerokuConnect::attach(world.database.connect(), "acme");
    let lead = acme.lead.clone();
    under_load(&mut acme, || {
        let noise = noise(300_000);
        for sfid in &large {
            other.update(&lead, &[sfid], &[("description", Some(&noise))]);
        }
        // Two further than any client sends.
        wait::until("problems", LIMIT, || match refused(&mut world).len() {
            3 => Ok(()),
            n => Err(format!("{n} problems; {:#?}", world.status("acme", "publisher"))),
        });
    });
    for (problem, key) in refused(&mut world).iter().zip(&keys) {
        let (org, record, message) = problem;
        assert_eq!((org.as_str(), record), ("acme", key));
        let size = message.split(' ').find_map(|word| word.parse::<usize>().ok());
        assert!(size.is_some_and(|size| size > 300_000), "{message}");
        let tells = message.contains("the broker's limit") && message.contains("max.message.bytes");
        assert!(tells && message.contains(&topic), "{message}");
    }
    world.published();
    world.await_status("acme", "publisher", "well", |s| s.state == "ok" && s.lag_changes == 0);

    // Once the topic takes them, they are published as they are now.
    admin.set(&topic, &[("max.message.bytes", "1000000")]);
    world.run("SELECT manifold.retry('acme', reason => 'not_published')");
    world.await_count("manifold.reread", 0);
    wait::until("the problems to be gone", LIMIT, || match refused(&mut world).len() {
        0 => Ok(()),
        n => Err(format!("{n} problems")),
    });
    world.published();
    let events = world.topic("acme.lead").all().to_vec();
    for key in &keys {
        let last = events.iter().rfind(|event| event.key_text == *key).expect("an event");
        assert_eq!(last.op(), Some("r"));
        assert!(last.after()["description"].as_str().is_some_and(|d| d.len() >= 300_000));
    }

    // What even the client finds too large needs no broker to be refused.
    let sfid = acme.org.sfid(20).to_owned();
    acme.update(&[&sfid], &[("description", Some(&noise(2_000_000)))]);
    world.published();
    let found = refused(&mut world);
    let own = |(org, record, message): &(String, String, String)| {
        org == "acme" && record.contains(&sfid) && message.contains("our own limit")
    };
    assert!(found.iter().any(own), "{found:?}");

    let gone: Vec<&str> = large.iter().chain([&sfid]).map(String::as_str).collect();
    acme.connect.delete(&acme.lead, &gone);
    world.published();
    let keys: Vec<String> = gone.iter().map(|sfid| format!("{{\"sfid\":\"{sfid}\"}}")).collect();
    tells_but_for(&mut world, broker(), &keys);
}

#[test]
fn a_message_that_its_topic_refuses_is_set_aside_and_all_others_are_published() {
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = 'refusing'\n\
         manifold.skipped_operations = 'none'",
        broker().bootstrap()
    ));
    let admin = Admin::new(&broker().bootstrap());
    // A compacted topic takes no message without a key, and a truncate has none.
    admin.create("refusing.acme.lead", 1, &[("cleanup.policy", "compact")]);
    let mut world = World::in_cluster(&cluster);
    world.prefix = "refusing".to_owned();
    let mut acme = world.running("acme", 100);
    let mut other = HerokuConnect::attach(world.database.connect(), "acme");
    let lead = acme.lead.clone();
    under_load(&mut acme, || {
        other.truncate(&lead);
        wait::until("the problem", LIMIT, || match refused(&mut world).len() {
            1 => Ok(()),
            n => Err(format!("{n} problems; {:#?}", world.status("acme", "publisher"))),
        });
    });
    let (org, record, message) = refused(&mut world).remove(0);
    assert_eq!((org.as_str(), record.as_str()), ("acme", ""));
    let tells = message.contains("refuses a message of") && message.contains("refusing.acme.lead");
    assert!(tells, "{message}");
    world.published();
    world.await_status("acme", "publisher", "well", |s| s.state == "ok" && s.lag_changes == 0);
    // Each of its rows is told by later events alone.
    let mut topic = world.topic("acme.lead");
    let events = topic.all().to_vec();
    let rows = check::rows(&mut world.client, "acme", "lead");
    for (key, row) in &rows {
        let last = events.iter().rfind(|event| event.key_text == *key && event.value.is_some());
        assert_eq!(last.expect("an event").after()["sfid"], row["sfid"]);
    }
    assert!(!rows.is_empty());
}

#[test]
fn a_topic_that_is_deleted_under_way_comes_back_and_a_resync_fills_it() {
    let mut world = World::new();
    let mut acme = world.running("acme", 200);
    world.published();
    let topic = format!("{}.acme.lead", world.prefix);
    under_load(&mut acme, || {
        world.topic("acme.lead").at_least(300, LIMIT);
        Admin::new(&broker().bootstrap()).delete(&topic);
        // Not the old one: that has what was read at the start.
        wait::until("the topic to be there again, with something new in it", LIMIT, || {
            let mut topic = world.topic("acme.lead");
            let events = topic.all();
            let old = events.iter().filter(|event| event.op() == Some("r")).count();
            if old == 0 && !events.is_empty() {
                Ok(())
            } else {
                Err(format!("{} events, {old} of them old", events.len()))
            }
        });
    });
    world.published();
    world.run("SELECT manifold.resync('acme')");
    world.published();
    let mut topic = world.topic("acme.lead");
    let events = topic.all().to_vec();
    check::topic_tells_table(&mut world.client, "acme", "lead", &events);
    world.await_status("acme", "publisher", "well", |s| s.state == "ok");
}

#[test]
fn topics_without_a_leader_wait_alone_and_nothing_is_sent_twice() {
    const MANY: usize = 1_200;
    let mut first = Broker::start(run::dir());
    let mut second = first.beside();
    second.launch();
    let admin = Admin::new(&first.bootstrap());
    for (topic, node) in [
        ("acme.lead", 2),
        ("acme.contact", 1),
        ("globex.lead", 1),
        ("initech.lead", 2),
        ("canonical.lead", 1),
        ("canonical.contact", 1),
    ] {
        admin.create_on_nodes(&format!("leaderless.{topic}"), &[node], &[]);
    }
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = 'leaderless'",
        first.bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    world.prefix = "leaderless".to_owned();
    let mut acme = world.running("acme", 100);
    let mut contacts = world.contacts("acme", 20);
    let mut globex = world.running("globex", 100);
    let mut initech = world.running("initech", 100);
    world.published();
    second.kill();
    // More than the share of one org of what may be on its way (20 kB each): others must not wait.
    let mut rows = acme.org.many(MANY);
    let description = acme.org.position("description");
    rows.iter_mut().for_each(|row| row[description] = Some("x".repeat(20_000)));
    acme.connect.load(&acme.lead, &acme.org.columns, &rows);
    initech.load(100, 100);
    let no_leader = |s: &Status| {
        s.state == "error" && s.last_error.as_deref().is_some_and(|e| e.contains("has no leader"))
    };
    under_load(&mut globex, || {
        world.await_status("acme", "publisher", "in trouble", no_leader);
        world.await_status("initech", "publisher", "in trouble", no_leader);
        contacts.load(20, 100);
        let now = world.topic_on(&first, "globex.lead").all().len();
        world.topic_on(&first, "globex.lead").at_least(now + 200, LIMIT);
        world.await_count("canonical.lead WHERE org = 'acme'", (MANY + 100) as i64);
        world.topic_on(&first, "canonical.lead").at_least(MANY + 300, LIMIT);
    });
    world.await_status("globex", "publisher", "well", |s| s.state == "ok" && s.lag_changes == 0);
    world.normalized();
    world.await_status("acme", "publisher", "done with contacts", |s| {
        s.source == "contact" && s.state == "ok" && s.lag_changes == 0
    });
    world.await_status("acme", "publisher", "waiting with leads", |s| {
        s.source == "lead"
            && no_leader(s)
            && s.lag_changes >= MANY as i64
            && s.detail.contains("--describe --topic 'leaderless.acme.lead'")
    });

    second.launch();
    world.published();
    for (org, n) in [("acme", MANY + 100), ("initech", 200)] {
        world.await_status(org, "publisher", "well", |s| s.state == "ok" && s.lag_changes == 0);
        let mut topic = world.topic_on(&first, &format!("{org}.lead"));
        let events = topic.all().to_vec();
        assert_eq!(events.len(), n, "nothing is sent twice");
        check::topic_tells_table(&mut world.client, org, "lead", &events);
    }
    for (org, table) in [("globex", "lead"), ("acme", "contact")] {
        let mut topic = world.topic_on(&first, &format!("{org}.{table}"));
        let events = topic.all().to_vec();
        check::topic_tells_table(&mut world.client, org, table, &events);
    }
    first.stop();
}

#[test]
fn a_topic_with_too_few_replicas_waits_alone_and_nothing_is_sent_twice() {
    let mut first = Broker::start(run::dir());
    let mut second = first.beside();
    second.launch();
    let admin = Admin::new(&first.bootstrap());
    admin.create_on_nodes("few.acme.lead", &[1, 2], &[("min.insync.replicas", "2")]);
    for topic in ["acme.contact", "canonical.lead", "canonical.contact"] {
        admin.create_on_nodes(&format!("few.{topic}"), &[1], &[]);
    }
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = 'few'",
        first.bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    world.prefix = "few".to_owned();
    let mut leads = world.running("acme", 50);
    let mut contacts = world.contacts("acme", 50);
    world.published();
    // The leader stays, and takes nothing that it cannot hand on.
    second.kill();
    leads.load(50, 200);
    let waits = |s: &Status| {
        s.source == "lead"
            && s.state == "error"
            && s.lag_changes > 0
            && s.last_error
                .as_deref()
                .is_some_and(|e| e.contains("few.acme.lead") && e.contains("are not acknowledged"))
    };
    under_load(&mut contacts, || {
        world.await_status("acme", "publisher", "waiting with leads", waits);
        let now = world.topic_on(&first, "acme.contact").all().len();
        world.topic_on(&first, "acme.contact").at_least(now + 100, LIMIT);
    });
    world.normalized();
    world.await_status("acme", "publisher", "done with contacts", |s| {
        s.source == "contact" && s.state == "ok" && s.lag_changes == 0
    });
    world.await_status("acme", "publisher", "still waiting", waits);
    second.launch();
    world.published();
    world.await_status("acme", "publisher", "well", |s| s.source == "lead" && s.state == "ok");
    for table in ["lead", "contact"] {
        let mut topic = world.topic_on(&first, &format!("acme.{table}"));
        let events = topic.all().to_vec();
        check::topic_tells_table(&mut world.client, "acme", table, &events);
        assert!(table != "lead" || events.len() == 250, "{} events", events.len());
    }
    second.stop();
    first.stop();
}

/// The producers that a broker knows to have written to a topic of one partition.
fn producers(broker: &Broker, topic: &str) -> BTreeSet<String> {
    let arguments = ["describe-producers", "--topic", topic, "--partition", "0"];
    let lines = broker.tool("org.apache.kafka.tools.TransactionsCommand", &arguments);
    let first = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    lines.lines().map(first).filter(|word| word.parse::<u64>().is_ok()).collect()
}

#[test]
fn what_does_not_move_and_fills_the_clients_queue_is_given_up_with_the_producer() {
    const MANY: usize = 1_200;
    let mut first = Broker::start(run::dir());
    let mut second = first.beside();
    second.launch();
    let admin = Admin::new(&first.bootstrap());
    for (topic, node) in [
        ("acme.lead", 2),
        ("acme.contact", 2),
        ("globex.lead", 1),
        ("canonical.lead", 1),
        ("canonical.contact", 1),
    ] {
        admin.create_on_nodes(&format!("clogged.{topic}"), &[node], &[]);
    }
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = 'clogged'",
        first.bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    world.prefix = "clogged".to_owned();
    let mut globex = world.running("globex", 20);
    let mut both = [world.running("acme", 20), world.contacts("acme", 20)];
    world.published();
    let before = producers(&first, "clogged.globex.lead");
    assert!(!before.is_empty());
    second.kill();
    // Of each, more than half of what may be on its way (20 kB a row), and more than parked ones may have.
    for synced in &mut both {
        let mut rows = synced.org.many(MANY);
        let description = synced.org.position("description");
        rows.iter_mut().for_each(|row| row[description] = Some("x".repeat(20_000)));
        synced.connect.load(&synced.lead, &synced.org.columns, &rows);
    }
    under_load(&mut globex, || {
        wait::until("another producer", LIMIT, || {
            let now = producers(&first, "clogged.globex.lead");
            if now.is_subset(&before) { Err(format!("{now:?}")) } else { Ok(()) }
        });
        let now = world.topic_on(&first, "globex.lead").all().len();
        world.topic_on(&first, "globex.lead").at_least(now + 200, LIMIT);
    });
    for source in ["lead", "contact"] {
        world.await_status("acme", "publisher", "in trouble", |s| {
            s.source == source && s.state == "error" && s.lag_changes >= MANY as i64
        });
    }
    second.launch();
    world.published();
    for (org, table) in [("acme", "lead"), ("acme", "contact"), ("globex", "lead")] {
        let mut topic = world.topic_on(&first, &format!("{org}.{table}"));
        let events = topic.all().to_vec();
        check::topic_tells_table(&mut world.client, org, table, &events);
    }
    second.stop();
    first.stop();
}
