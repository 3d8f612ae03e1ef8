//! Topics that cannot be written, and hold up themselves alone: the other topics of their org go on.

use std::sync::OnceLock;

use crate::check;
use crate::load::under_load;
use crate::support::admin::Admin;
use crate::support::broker::Broker;
use crate::support::cluster::Cluster;
use crate::support::consumer::Event;
use crate::support::manifold::{self, Status};
use crate::support::run;
use crate::support::wait;
use crate::world::{LIMIT, Synced, World, cluster_with};

/// A broker that creates no topics, which every test leaves running.
fn strict() -> &'static Broker {
    static STRICT: OnceLock<Broker> = OnceLock::new();
    STRICT.get_or_init(|| {
        let mut broker = Broker::with(run::dir(), "\nauto.create.topics.enable=false\n", &[]);
        broker.launch();
        broker
    })
}

/// A cluster that publishes to it, and may create no topics either.
fn publishing(prefix: &str, settings: &str) -> Cluster {
    cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.create_topics = off\n\
         manifold.topic_prefix = '{prefix}'\n{settings}",
        strict().bootstrap()
    ))
}

/// A database whose orgs have leads and contacts, and topics for all but acme's contacts.
fn world<'a>(cluster: &'a Cluster, prefix: &str) -> (World<'a>, Synced, Synced) {
    let admin = Admin::new(&strict().bootstrap());
    for table in ["acme.lead", "canonical.lead", "canonical.contact"] {
        admin.create(&format!("{prefix}.{table}"), 2, &[]);
    }
    let mut world = World::in_cluster(cluster);
    world.prefix = prefix.to_owned();
    let leads = world.running("acme", 20);
    let contacts = world.contacts("acme", 20);
    (world, leads, contacts)
}

/// Waits until acme's contacts wait for their topic, with the command that creates it.
fn contacts_wait(world: &mut World<'_>) {
    let topic = format!("{}.acme.contact", world.prefix);
    world.await_status("acme", "publisher", "told which topic is missing", |s| {
        s.source == "contact"
            && s.state == "error"
            && s.lag_changes > 0
            && s.last_error.as_deref().is_some_and(|e| e.contains(&topic))
            && s.detail.contains(&format!("--create --topic '{topic}'"))
    });
}

/// Another life of the publisher.
fn end_publisher(world: &mut World<'_>) {
    world.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE backend_type LIKE 'pg_manifold publisher%' AND datname = current_database()",
    );
}

/// Waits until so many events more are in a topic than there were.
fn goes_on(world: &World<'_>, table: &str, more: usize) {
    let before = world.topic_on(strict(), table).all().len();
    world.topic_on(strict(), table).at_least(before + more, LIMIT);
}

/// Waits until no lane is left beside the main one, nothing waits, and the topics tell the tables.
fn all_is_well(world: &mut World<'_>) {
    wait::until("one lane for all", LIMIT, || {
        // Lanes join as something is published.
        world.run(
            "UPDATE acme.lead SET city = 'Rome' WHERE sfid = (SELECT min(sfid) FROM acme.lead)",
        );
        let beside =
            "manifold.position WHERE consumer = 'publisher' AND lane <> 0 AND seen IS NOT NULL";
        match world.count(beside) {
            0 => Ok(()),
            n => Err(format!("{n} lanes beside the main one")),
        }
    });
    world.published();
    for source in ["lead", "contact"] {
        world.await_status("acme", "publisher", "well", |s| s.source == source && s.state == "ok");
        for schema in ["acme", "canonical"] {
            let mut topic = world.topic_on(strict(), &format!("{schema}.{source}"));
            let events = topic.all().to_vec();
            check::topic_tells_table(&mut world.client, schema, source, &events);
        }
    }
}

#[test]
fn a_topic_that_is_missing_holds_up_no_other_topic_of_its_org() {
    let cluster = publishing("missing", "");
    let (mut world, mut leads, mut contacts) = world(&cluster, "missing");
    contacts_wait(&mut world);
    under_load(&mut contacts, || {
        under_load(&mut leads, || {
            goes_on(&world, "acme.lead", 200);
            // Where it is with either is kept.
            end_publisher(&mut world);
            goes_on(&world, "acme.lead", 200);
            goes_on(&world, "canonical.contact", 50);
        });
    });
    world.normalized();
    world.await_status("acme", "publisher", "done with leads", |s| {
        s.source == "lead" && s.state == "ok" && s.lag_changes == 0
    });
    contacts_wait(&mut world);
    for source in ["lead", "contact"] {
        world.await_status("canonical", "publisher", "well", |s| {
            s.source == source && s.state == "ok"
        });
    }
    // The log is kept for the one that waits, and for nobody else.
    let held = "SELECT string_agg(DISTINCT held_by, '; ') FROM manifold.log_status";
    world.await_text(held, Some("publisher of acme.contact"));
    world.await_text(
        "SELECT string_agg(DISTINCT topic, ' ') FROM manifold.peek('acme', 5)",
        Some("missing.acme.contact"),
    );

    // An org that is paused is paused as a whole, whichever lanes it is in.
    world.run("SELECT manifold.pause('acme', 'publisher')");
    world.await_count(
        "manifold.position p JOIN manifold.org o ON o.org_id = p.lane WHERE p.consumer = 'publisher' AND p.seen IS NOT NULL",
        1,
    );
    let before = world.topic_on(strict(), "acme.lead").all().len();
    Admin::new(&strict().bootstrap()).create("missing.acme.contact", 2, &[]);
    leads.load(20, 10);
    contacts.load(20, 10);
    world.normalized();
    wait::until("canonical rows to be published", LIMIT, || {
        let status = world.status("canonical", "publisher");
        if status.iter().all(|s| s.lag_changes == 0) { Ok(()) } else { Err(format!("{status:#?}")) }
    });
    let status = world.status("acme", "publisher");
    assert!(status.iter().all(|s| s.state == "paused" && s.lag_changes > 0), "{status:#?}");
    assert_eq!(world.topic_on(strict(), "acme.lead").all().len(), before);
    // The one that was being tried may have found its topic.
    assert!(world.topic_on(strict(), "acme.contact").all().len() <= 1);
    world.run("SELECT manifold.resume('acme', 'publisher')");
    all_is_well(&mut world);
}

#[test]
fn a_topic_that_is_missing_leaves_its_orgs_own_lane_too() {
    let cluster = publishing("lanes", "");
    let admin = Admin::new(&strict().bootstrap());
    admin.create("lanes.acme.contact", 2, &[]);
    let (mut world, mut leads, mut contacts) = world(&cluster, "lanes");
    world.published();
    world.run("SELECT manifold.pause('acme', 'publisher')");
    let lane = "SELECT string_agg(o.org, ' ') FROM manifold.position p JOIN manifold.org o ON o.org_id = p.lane \
                WHERE p.consumer = 'publisher' AND p.seen IS NOT NULL";
    world.await_text(lane, Some("acme"));
    admin.delete("lanes.acme.contact");
    end_publisher(&mut world);
    leads.load(20, 200);
    contacts.load(20, 200);
    world.run("SELECT manifold.resume('acme', 'publisher')");
    contacts_wait(&mut world);
    world.normalized();
    world.await_status("acme", "publisher", "done with leads", |s| {
        s.source == "lead" && s.state == "ok" && s.lag_changes == 0
    });
    contacts_wait(&mut world);
    admin.create("lanes.acme.contact", 2, &[]);
    // What the topic had is gone with it.
    world.run("SELECT manifold.resync('acme', 'contact')");
    all_is_well(&mut world);
}

#[test]
fn a_topic_that_is_missing_is_waited_for_exactly_once() {
    let cluster = publishing("once", "manifold.exactly_once = on");
    let admin = Admin::new(&strict().bootstrap());
    admin.create("once.publisher-progress", 1, &[("cleanup.policy", "compact")]);
    let (mut world, mut leads, mut contacts) = world(&cluster, "once");
    contacts_wait(&mut world);
    under_load(&mut contacts, || {
        under_load(&mut leads, || {
            goes_on(&world, "acme.lead", 200);
            end_publisher(&mut world);
            goes_on(&world, "acme.lead", 100);
        });
    });
    world.normalized();
    world.await_status("acme", "publisher", "done with leads", |s| {
        s.source == "lead" && s.state == "ok" && s.lag_changes == 0
    });
    contacts_wait(&mut world);
    admin.create("once.acme.contact", 2, &[]);
    all_is_well(&mut world);
    for table in ["acme.lead", "acme.contact", "canonical.lead", "canonical.contact"] {
        let mut topic = world.topic_on(strict(), table);
        let events = topic.all().iter().filter(|event| event.value.is_some());
        let mut ids: Vec<&str> = events.map(|event| event.header("event_id")).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "{table}: nothing is sent twice");
    }
}

#[test]
fn where_transactions_are_told_a_topic_that_is_missing_holds_up_its_org() {
    tell_transactions("told", false);
}

#[test]
fn where_transactions_are_told_exactly_once_each_is_told_once() {
    tell_transactions("told-once", true);
}

/// One lane has to tell a transaction's beginning, events and end.
fn tell_transactions(prefix: &str, exactly_once: bool) {
    let cluster = publishing(
        prefix,
        &format!(
            "manifold.provide_transaction_metadata = on\nmanifold.exactly_once = {exactly_once}"
        ),
    );
    let admin = Admin::new(&strict().bootstrap());
    admin.create(&format!("{prefix}.transaction"), 1, &[]);
    admin.create(&format!("{prefix}.publisher-progress"), 1, &[("cleanup.policy", "compact")]);
    let (mut world, mut leads, mut contacts) = world(&cluster, prefix);
    contacts_wait(&mut world);
    leads.load(20, 10);
    world.run(
        "BEGIN; UPDATE acme.contact SET city = 'Rome'; UPDATE acme.lead SET city = 'Rome'; COMMIT",
    );
    contacts.load(20, 10);
    world.normalized();
    wait::until("canonical rows to be published", LIMIT, || {
        let status = world.status("canonical", "publisher");
        if status.iter().all(|s| s.lag_changes == 0) { Ok(()) } else { Err(format!("{status:#?}")) }
    });
    let missing = format!("{prefix}.acme.contact");
    world.await_status("acme", "publisher", "waiting with leads", |lead| {
        let told = lead.last_error.as_deref().is_some_and(|e| e.contains(&missing));
        lead.source == "lead" && lead.state == "error" && lead.lag_changes > 0 && told
    });
    admin.create(&missing, 2, &[]);
    all_is_well(&mut world);
    let mut topic = world.topic_on(strict(), "transaction");
    let status = |event: &Event| {
        let value = event.value.as_ref().expect("no tombstones here");
        (value["id"].to_string(), value["status"].as_str() == Some("END"))
    };
    let told: Vec<(String, bool)> = topic.all().iter().map(status).collect();
    for (at, (id, ends)) in told.iter().enumerate() {
        let begun = told[..at].contains(&(id.clone(), false));
        assert!(!ends || begun, "{id} ends before it begins");
        let again = told[..at].contains(&(id.clone(), *ends));
        assert!(!exactly_once || !again, "{id} is told twice");
    }
    let of_acme = told.iter().filter(|(id, ends)| *ends && id.ends_with(":acme\"")).count();
    assert!(of_acme >= 3, "{told:?}");
}

/// Waits until all that goes on has been published.
fn others_are_published(world: &mut World<'_>) {
    world.normalized();
    wait::until("all but acme's contacts to be published", LIMIT, || {
        let status = manifold::status(&mut world.client);
        let waits = |s: &&Status| s.consumer == "publisher" && s.lag_changes > 0;
        let others = |s: &&Status| (s.org.as_str(), s.source.as_str()) != ("acme", "contact");
        match status.iter().filter(waits).find(others) {
            None => Ok(()),
            Some(found) => Err(format!("{found:#?}")),
        }
    });
}

#[test]
fn a_topic_that_is_missing_for_too_long_is_let_go_of_alone_and_a_resync_fills_it() {
    let cluster = publishing(
        "dropped",
        "manifold.log_table_size = 1MB\nmanifold.max_log_size = 1MB\nmanifold.drop_log_size = 4MB",
    );
    let (mut world, _, _) = world(&cluster, "dropped");
    contacts_wait(&mut world);
    let gaps =
        "manifold.gap g JOIN manifold.source s USING (source_id) WHERE g.consumer = 'publisher'";
    wait::until("contacts to be let go of", LIMIT, || {
        world.run(
            "UPDATE acme.lead SET city = md5(random()::text); \
             UPDATE acme.contact SET description = \
               (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 600))",
        );
        others_are_published(&mut world);
        match world.count(gaps) {
            0 => Err(world.value::<String>("SELECT pg_size_pretty(manifold.log_size())")),
            _ => Ok(()),
        }
    });
    assert_eq!(world.count(&format!("{gaps} AND (s.org, s.table_name) <> ('acme', 'contact')")), 0);
    Admin::new(&strict().bootstrap()).create("dropped.acme.contact", 2, &[]);
    // What a resync reads is more than the limit.
    cluster.set("manifold.drop_log_size", "0");
    world.run("SELECT manifold.resync('acme', 'contact')");
    all_is_well(&mut world);
}
