//! Brokers that refuse something in the middle of it: whose trouble it is shows, nobody else has it, and
//! it heals by itself.

use super::{behind, once, told, well, world};
use crate::support::admin::Admin;
use crate::support::broker::Broker;
use crate::support::consumer::Topic;
use crate::support::run;
use crate::support::wait;
use crate::world::{LIMIT, World, cluster_with};

/// Kafka's UNKNOWN_SERVER_ERROR.
const UNKNOWN: i16 = -1;
const PROGRESS: &str = "publisher-progress";

fn in_trouble(world: &mut World<'_>, org: &str, error: &str, remedy: &str) {
    world.await_status(org, "publisher", &format!("in trouble: {error}"), |s| {
        s.state == "error"
            && s.last_error.as_deref().is_some_and(|e| e.contains(error))
            && s.detail.contains(remedy)
    });
}

#[test]
fn an_error_that_is_no_messages_fault_shows_for_its_org_and_heals() {
    let (broker, between, cluster) = behind("unexpected");
    let mut world = world(&cluster, "unexpected");
    let mut acme = world.running("acme", 20);
    let mut globex = world.running("globex", 20);
    world.published();
    between.refuse("unexpected.acme.lead", UNKNOWN);
    acme.load(20, 10);
    in_trouble(&mut world, "acme", "unexpected.acme.lead", "broker's log");
    globex.load(20, 10);
    world.topic_on(&broker, "globex.lead").at_least(30, LIMIT);
    world.await_status("globex", "publisher", "well", |s| s.state == "ok" && s.lag_changes == 0);
    // It is tried again, and stays what it was.
    let met = between.met();
    wait::until("another try", LIMIT, || match between.met() - met {
        0 => Err("none".to_owned()),
        _ => Ok(()),
    });
    in_trouble(&mut world, "acme", "unexpected.acme.lead", "broker's log");
    between.pass();
    world.published();
    well(&mut world);
    once(world.topic_on(&broker, "acme.lead"), 30);
    once(world.topic_on(&broker, "globex.lead"), 30);
    // The broker had taken what it was said to refuse.
    let mut all = Topic::uncommitted(&broker.bootstrap(), "unexpected.acme.lead");
    assert!(all.all().len() > 30, "what was aborted is not seen");
}

#[test]
fn a_progress_topic_that_refuses_shows_and_heals() {
    let (broker, between, cluster) = behind("unwritten");
    let mut world = world(&cluster, "unwritten");
    let mut acme = world.running("acme", 20);
    world.published();
    let topic = format!("unwritten.{PROGRESS}");
    // For no reason that it says.
    between.refuse(&topic, UNKNOWN);
    acme.load(20, 10);
    in_trouble(&mut world, "acme", &topic, "broker's log");
    once(world.topic_on(&broker, "acme.lead"), 20);
    between.pass();
    world.published();
    well(&mut world);
    once(world.topic_on(&broker, "acme.lead"), 30);
    // Because records are too large for it, though the brokers' own are not.
    let admin = Admin::new(&broker.bootstrap());
    admin.set(&topic, &[("cleanup.policy", "compact"), ("max.message.bytes", "150")]);
    acme.load(30, 10);
    in_trouble(&mut world, "acme", &topic, "max.message.bytes");
    once(world.topic_on(&broker, "acme.lead"), 30);
    admin.set(&topic, &[("cleanup.policy", "compact")]);
    world.published();
    well(&mut world);
    once(world.topic_on(&broker, "acme.lead"), 40);
}

#[test]
fn topics_that_may_not_be_written_stop_those_alone_who_need_them() {
    let broker = Broker::guarded(run::dir());
    let options = "security.protocol=sasl_plaintext; sasl.mechanism=PLAIN; \
                   sasl.username=manifold; sasl.password=manifold-secret";
    broker.allow_prefixed("manifold", &["All"], "--topic", "forbidden.");
    broker.allow_prefixed("manifold", &["All"], "--transactional-id", "forbidden.");
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.kafka_options = '{options}'\n\
         manifold.topic_prefix = 'forbidden'\nmanifold.exactly_once = on\n\
         manifold.provide_transaction_metadata = on",
        broker.guarded_bootstrap()
    ));
    let mut world = world(&cluster, "forbidden");
    let mut acme = world.running("acme", 20);
    let mut globex = world.running("globex", 20);
    world.published();
    let deny = |topic: &str, yes| broker.deny("manifold", "Write", topic, yes);

    // Of one org.
    deny("forbidden.acme.lead", true);
    acme.load(20, 10);
    in_trouble(&mut world, "acme", "forbidden.acme.lead", "--operation Write");
    globex.load(20, 10);
    world.topic_on(&broker, "globex.lead").at_least(30, LIMIT);
    world.await_status("globex", "publisher", "well", |s| s.state == "ok" && s.lag_changes == 0);
    deny("forbidden.acme.lead", false);
    world.published();
    well(&mut world);

    // Of all: nothing goes on, and all say why.
    for topic in ["forbidden.transaction".to_owned(), format!("forbidden.{PROGRESS}")] {
        deny(&topic, true);
        let from = acme_rows(&mut world);
        acme.load(from, 5);
        globex.load(from, 5);
        for org in ["acme", "globex"] {
            in_trouble(&mut world, org, &topic, "--operation Write");
        }
        once(world.topic_on(&broker, "acme.lead"), from);
        deny(&topic, false);
        world.published();
        well(&mut world);
        world.await_status("globex", "publisher", "well", |s| s.state == "ok");
    }
    once(world.topic_on(&broker, "acme.lead"), 40);
    once(world.topic_on(&broker, "globex.lead"), 40);
}

fn acme_rows(world: &mut World<'_>) -> usize {
    usize::try_from(world.count("acme.lead")).expect("a count")
}

#[test]
fn a_progress_topic_that_is_deleted_under_way_is_missed() {
    let mut broker = Broker::prepared(run::dir());
    broker.creates_topics(false);
    broker.launch();
    let cluster = super::cluster(&broker, "vanished");
    let mut world = world(&cluster, "vanished");
    let mut acme = world.running("acme", 20);
    world.published();
    Admin::new(&broker.bootstrap()).delete(&format!("vanished.{PROGRESS}"));
    acme.load(20, 10);
    told(&mut world, "does not hold what this database has published");
    once(world.topic_on(&broker, "acme.lead"), 20);
    // The admin decides: from where the database is.
    cluster.set("manifold.exactly_once", "off");
    world.published();
    well(&mut world);
    once(world.topic_on(&broker, "acme.lead"), 30);
}
