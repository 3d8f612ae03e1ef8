//! Names of topics, and topics that do not exist yet.

use super::{add, contacts, refused};
use crate::support::broker::Broker;
use crate::support::consumer::{Topic, topics};
use crate::support::run;
use crate::world::{LIMIT, World, broker, cluster_with};

#[test]
fn topics_are_named_by_a_template_and_none_is_anothers() {
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = 'named'\n\
         manifold.topic_template = '{{prefix}}-{{schema}}.{{table}}'",
        broker().bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    for org in ["tiny", "other", "third"] {
        contacts(&mut world, org);
    }
    // To Kafka, a point and an underscore are one.
    world.run(
        "ALTER SCHEMA third RENAME TO \"tiny.contact\"; \
         UPDATE manifold.org SET schema_name = 'tiny.contact' WHERE org = 'third'; \
         UPDATE manifold.source SET schema_name = 'tiny.contact' WHERE org = 'third'",
    );
    world.run("SELECT manifold.start('tiny'); SELECT manifold.start('other')");
    add(&mut world, "tiny", 1);
    world.await_count("canonical.contact", 1);
    world.published();
    let mut names = topics(&broker().bootstrap(), "named");
    names.sort_unstable();
    assert_eq!(names, ["named-canonical.contact", "named-tiny.contact"]);

    for (template, culprit) in
        [("{prefix}.{tabel}", "{tabel}"), ("{prefix", "brace"), ("a b", "\" \"")]
    {
        let (code, text) = refused(
            &mut world,
            &format!("ALTER SYSTEM SET manifold.topic_template = '{template}'"),
        );
        assert!(code == "22023" && text.contains(culprit), "{code} {text}");
    }
    // One topic for all: whoever comes second is refused.
    world.publish_with("manifold.topic_template", "{prefix}.{table}");
    for call in ["start('third')", "resync('other')", "resync('canonical')"] {
        let (code, text) = refused(&mut world, &format!("SELECT manifold.{call}"));
        assert_eq!(code, "55000", "{call}: {text}");
        assert!(text.contains("named.contact") && text.contains("topic_template"), "{text}");
    }
    // What runs already is not published into another's topic.
    add(&mut world, "other", 1);
    world.await_status("other", "publisher", "in want of a topic of its own", |status| {
        status.state == "error"
            && status.last_error.as_ref().is_some_and(|error| error.contains("named.contact"))
    });
    cluster.set("manifold.topic_template", "{prefix}-{schema}.{table}");
    world.published();
    assert!(topics(&broker().bootstrap(), "named").contains(&"named-other.contact".to_owned()));
    world.set("manifold.topic_template", "{prefix}.transaction");
    let (code, text) = refused(&mut world, "SELECT manifold.start('tiny')");
    assert!(code == "55000" && text.contains("the topic of transactions"), "{code} {text}");
}

#[test]
fn what_waits_of_a_stopped_table_goes_into_no_other_tables_topic() {
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = 'stopped'",
        broker().bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    for org in ["first", "second"] {
        world.run(&format!(
            "CREATE SCHEMA {org}; CREATE TABLE {org}.person (sfid varchar(18) PRIMARY KEY); \
             SELECT manifold.add_org('{org}'); \
             SELECT manifold.set_mapping('{org}', 'person', 'lead', '{{\"fields\": {{\"city\": \"sfid\"}}}}')"
        ));
    }
    world.run("SELECT manifold.start('first')");
    world.published();
    world.run(
        "SELECT manifold.pause('first', 'publisher'); INSERT INTO first.person VALUES ('003'); \
         SELECT manifold.stop('first')",
    );
    world.publish_with("manifold.topic_template", "{prefix}.{table}");
    world.run("SELECT manifold.start('second'); SELECT manifold.resume('first', 'publisher')");
    world.run("INSERT INTO second.person VALUES ('004')");
    world.await_status("first", "publisher", "in want of a topic of its own", |status| {
        status.last_error.as_ref().is_some_and(|error| error.contains("stopped.person"))
    });
    let mut topic = Topic::new(&broker().bootstrap(), "stopped.person");
    topic.at_least(1, LIMIT);
    cluster.set("manifold.topic_template", "{prefix}.{org}.{table}");
    world.published();
    assert!(topic.all().iter().all(|event| event.header("org") == "second"));
    let mut topic = Topic::new(&broker().bootstrap(), "stopped.first.person");
    assert_eq!(topic.at_least(1, LIMIT)[0].key["sfid"], "003");
}

#[test]
fn topics_are_created_as_the_settings_say() {
    let mut broker = Broker::prepared(run::dir());
    broker.creates_topics(false);
    broker.launch();
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = 'made'\nmanifold.topic_partitions = 5\n\
         manifold.topic_config = 'cleanup.policy=\"compact,delete\", retention.ms=-1'",
        broker.bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    contacts(&mut world, "tiny");
    world.run("SELECT manifold.start('tiny')");
    add(&mut world, "tiny", 1);
    world.await_count("canonical.contact", 1);
    world.published();
    let described = broker.tool(
        "org.apache.kafka.tools.TopicCommand",
        &["--describe", "--topic", "made.tiny.contact"],
    );
    for part in ["PartitionCount: 5", "compact,delete", "retention.ms=-1"] {
        assert!(described.contains(part), "{part} in {described}");
    }

    // Not asked to create any, we say which one to create, and go on once it is there.
    world.publish_with("manifold.create_topics", "off");
    contacts(&mut world, "other");
    world.run("SELECT manifold.start('other')");
    add(&mut world, "other", 1);
    world.await_status("other", "publisher", "in want of a topic", |status| {
        status.state == "error" && status.detail.contains("--create --topic 'made.other.contact'")
    });
    add(&mut world, "tiny", 2);
    world.await_status("tiny", "publisher", "going on", |status| {
        status.state == "ok" && status.lag_changes == 0
    });
    broker.tool(
        "org.apache.kafka.tools.TopicCommand",
        &["--create", "--topic", "made.other.contact"],
    );
    world.published();
    world.await_status("other", "publisher", "well", |status| status.state == "ok");

    // Heartbeats that do not arrive hold up nothing, and show.
    cluster.set("manifold.heartbeat_interval", "100ms");
    let warned = |world: &mut World<'_>| {
        world.await_status("tiny", "publisher", "warned of heartbeats", |status| {
            let told = |error: &String| error.contains("__debezium-heartbeat.made");
            status.state == "warn" && status.last_error.as_ref().is_some_and(told)
        });
    };
    warned(&mut world);
    add(&mut world, "tiny", 3);
    world.published();
    // Neither does an outage make it forgotten.
    broker.stop();
    world.await_status("tiny", "publisher", "without brokers", |status| status.state == "error");
    broker.launch();
    warned(&mut world);
    broker.tool(
        "org.apache.kafka.tools.TopicCommand",
        &["--create", "--topic", "__debezium-heartbeat.made"],
    );
    world.await_status("tiny", "publisher", "well", |status| status.state == "ok");
}

#[test]
fn a_topic_that_may_not_be_created_is_named_and_holds_up_nobody_else() {
    let broker = Broker::guarded(run::dir());
    broker.allow("manifold", &["Write", "Describe"], "*");
    broker.allow("manifold", &["Create"], "guarded.tiny.contact");
    broker.allow("manifold", &["Create"], "guarded.canonical.contact");
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = 'guarded'\nmanifold.topic_partitions = 2\n\
         manifold.kafka_options = 'security.protocol=sasl_plaintext; sasl.mechanism=PLAIN; \
            sasl.username=manifold; sasl.password=manifold-secret'",
        broker.guarded_bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    for org in ["tiny", "other"] {
        contacts(&mut world, org);
        world.run(&format!("SELECT manifold.start('{org}')"));
        add(&mut world, org, 1);
    }
    world.await_status("other", "publisher", "in want of a topic", |status| {
        status.state == "error"
            && status.last_error.as_ref().is_some_and(|e| e.contains("TOPIC_AUTHORIZATION_FAILED"))
            && status.detail.contains("--create --topic 'guarded.other.contact' --partitions 2")
    });
    add(&mut world, "tiny", 2);
    world.await_status("tiny", "publisher", "going on", |status| {
        status.state == "ok" && status.lag_changes == 0
    });
    // Allowed now, we create it ourselves.
    broker.allow("manifold", &["Create"], "guarded.other.contact");
    world.published();
    world.await_status("other", "publisher", "well", |status| status.state == "ok");
    let mut names = topics(&broker.bootstrap(), "guarded");
    names.sort_unstable();
    assert_eq!(
        names,
        ["guarded.canonical.contact", "guarded.other.contact", "guarded.tiny.contact"]
    );
}
