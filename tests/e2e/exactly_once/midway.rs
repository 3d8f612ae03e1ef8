//! What happens while a transaction is open, half a chunk of an org being in it: the org is paused, or
//! removed, the publisher is stopped. Nobody waits for the other half, and all is published once.

use super::{behind, once, well, world};
use crate::support::broker::Broker;
use crate::support::cluster::Cluster;
use crate::support::go_between::GoBetween;
use crate::support::wait;
use crate::world::{LIMIT, Synced, World};

/// Kafka's UNKNOWN_SERVER_ERROR, for which no message is to blame.
const UNKNOWN: i16 = -1;

/// Two orgs that are published, and of the first one a chunk of which one message has been sent, whose
/// acknowledgement does not come.
fn halfway<'a>(
    cluster: &'a Cluster,
    broker: &Broker,
    between: &GoBetween,
    prefix: &str,
) -> (World<'a>, Synced, Synced) {
    let mut world = world(cluster, prefix);
    let mut acme = world.running("acme", 20);
    let globex = world.running("globex", 20);
    world.published();
    once(world.topic_on(broker, "acme.lead"), 20);
    let topic = format!("{prefix}.acme.lead");
    // After a failure, an org's messages are sent one by one: the first of a chunk, then two more.
    between.refuse(&topic, UNKNOWN);
    acme.load(20, 10);
    world.await_status("acme", "publisher", "in trouble", |s| s.state == "error");
    between.hold(&topic);
    wait::until("a message that is not acknowledged", LIMIT, || match between.met() {
        0 => Err("none".to_owned()),
        _ => Ok(()),
    });
    (world, acme, globex)
}

#[test]
fn an_org_that_is_paused_in_the_middle_of_a_chunk_holds_up_nobody() {
    let (broker, between, cluster) = behind("paused");
    let (mut world, _acme, mut globex) = halfway(&cluster, &broker, &between, "paused");
    world.run("SELECT manifold.pause('acme', 'publisher')");
    between.pass();
    globex.load(20, 10);
    world.topic_on(&broker, "globex.lead").at_least(30, LIMIT);
    once(world.topic_on(&broker, "acme.lead"), 20);
    world.run("SELECT manifold.resume('acme', 'publisher')");
    world.published();
    well(&mut world);
    once(world.topic_on(&broker, "acme.lead"), 30);
    once(world.topic_on(&broker, "globex.lead"), 30);
}

#[test]
fn an_org_that_is_removed_in_the_middle_of_a_chunk_holds_up_nobody() {
    let (broker, between, cluster) = behind("removed");
    let (mut world, _acme, mut globex) = halfway(&cluster, &broker, &between, "removed");
    world.run("SELECT manifold.stop('acme'); SELECT manifold.remove_org('acme')");
    between.pass();
    globex.load(20, 10);
    world.topic_on(&broker, "globex.lead").at_least(30, LIMIT);
    world.published();
    once(world.topic_on(&broker, "acme.lead"), 20);
    once(world.topic_on(&broker, "globex.lead"), 30);
    world.await_status("globex", "publisher", "well", |s| s.state == "ok");
}

#[test]
fn a_server_that_stops_in_the_middle_of_a_chunk_goes_on_with_it_later() {
    let (broker, between, mut cluster) = behind("stopped");
    let (world, acme, globex) = halfway(&cluster, &broker, &between, "stopped");
    drop((acme.connect, globex.connect));
    let name = world.keep();
    // Or it would panic, having waited for long.
    cluster.stop();
    between.pass();
    cluster.launch();
    let mut world = World::reopen(&cluster, &name);
    world.prefix = "stopped".to_owned();
    world.published();
    well(&mut world);
    once(world.topic_on(&broker, "acme.lead"), 30);
    once(world.topic_on(&broker, "globex.lead"), 20);
    world.keep();
}

#[test]
fn transactions_are_switched_off_in_the_middle_of_a_chunk() {
    let (broker, between, cluster) = behind("halved");
    let (mut world, _acme, mut globex) = halfway(&cluster, &broker, &between, "halved");
    cluster.set("manifold.exactly_once", "off");
    between.pass();
    globex.load(20, 10);
    world.published();
    well(&mut world);
    once(world.topic_on(&broker, "acme.lead"), 30);
    once(world.topic_on(&broker, "globex.lead"), 30);
}
