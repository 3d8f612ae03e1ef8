//! What is withdrawn while there is a load: the right to write to one topic, the time of a certificate.

use crate::check;
use crate::load::under_load;
use crate::security::{PASSWORD, Secured, says, secured, well};
use crate::support::admin::Admin;
use crate::world::{LIMIT, World};

/// Waits until so many events more are in a topic than there were.
fn goes_on(world: &World<'_>, secured: &Secured, table: &str, more: usize) {
    let before = world.topic_on(&secured.broker, table).all().len();
    world.topic_on(&secured.broker, table).at_least(before + more, LIMIT);
}

fn nothing_is_missing(world: &mut World<'_>, secured: &Secured, table: &str) {
    let mut topic = world.topic_on(&secured.broker, &format!("acme.{table}"));
    let events = topic.all().to_vec();
    check::topic_tells_table(&mut world.client, "acme", table, &events);
}

#[test]
fn a_right_to_one_topic_that_is_withdrawn_holds_up_no_other_topic_of_its_org() {
    let secured = secured();
    let mut world = secured.world(&[]);
    let topic = |table: &str| format!("{}.{table}", world.prefix);
    let (lead, contact, canonical) =
        (topic("acme.lead"), topic("acme.contact"), topic("canonical"));
    for table in ["acme.contact", "canonical.contact"] {
        Admin::new(&secured.broker.bootstrap()).create(&topic(table), 2, &[]);
    }
    for of in [&lead, &contact, &canonical] {
        secured.allow("app", of, true);
    }
    secured.publish_to(secured.ports.sasl, &secured.scram("SCRAM-SHA-512", "app", PASSWORD));
    let mut leads = world.running("acme", 20);
    let mut contacts = world.contacts("acme", 20);
    well(&mut world);
    under_load(&mut contacts, || {
        under_load(&mut leads, || {
            goes_on(&world, &secured, "acme.contact", 50);
            secured.allow("app", &contact, false);
            says(&mut world, "with a right withdrawn", &contact, "kafka-acls.sh");
            goes_on(&world, &secured, "acme.lead", 200);
        });
    });
    world.normalized();
    world.await_status("acme", "publisher", "done with leads", |s| {
        s.source == "lead" && s.state == "ok" && s.lag_changes == 0
    });
    world.await_status("acme", "publisher", "waiting with contacts", |s| {
        s.source == "contact" && s.state == "error" && s.lag_changes > 0
    });
    secured.allow("app", &contact, true);
    well(&mut world);
    world.await_status("acme", "publisher", "well", |s| s.source == "contact" && s.state == "ok");
    nothing_is_missing(&mut world, &secured, "lead");
    nothing_is_missing(&mut world, &secured, "contact");
}

#[test]
fn a_certificate_of_ours_that_has_expired_is_told_and_a_new_one_is_taken_without_a_restart() {
    let secured = secured();
    let mut world = secured.world(&["publisher"]);
    let publish_with = |certificate| {
        secured.publish_to(secured.ports.mutual, &secured.mutual_tls(Some(certificate)));
    };
    publish_with(&secured.publisher);
    let mut acme = world.running("acme", 20);
    well(&mut world);
    let workers = world.workers();
    under_load(&mut acme, || {
        publish_with(&secured.outdated);
        says(&mut world, "expired", "our certificate has expired", "ssl.certificate");
        publish_with(&secured.publisher);
        goes_on(&world, &secured, "acme.lead", 100);
    });
    well(&mut world);
    let now = world.workers();
    assert!(workers.iter().all(|pid| now.contains(pid)), "{workers:?}, {now:?}");
    nothing_is_missing(&mut world, &secured, "lead");
}
