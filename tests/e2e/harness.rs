//! The simulator and the broker are what they claim to be.

use postgres::Client;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::support::broker::Broker;
use crate::support::cluster::{Cluster, QUICK};
use crate::support::consumer::Topic;
use crate::support::fixtures::{ORGS, Org};
use crate::support::heroku_connect::HerokuConnect;
use crate::support::run;
use crate::support::wait::LIMIT;
use crate::world;

fn count(client: &mut Client, what: &str) -> i64 {
    client
        .query_one(&format!("SELECT count(*) FROM {what}"), &[])
        .unwrap_or_else(|e| panic!("{what}: {e:?}"))
        .get(0)
}

#[test]
fn the_simulator_loads_the_fixture_orgs_as_heroku_connect_does() {
    let database = world::cluster().database();
    let mut client = database.connect();
    for name in ORGS {
        let org = Org::load(name);
        let mut hc = HerokuConnect::provision(database.connect(), name);
        let lead = hc.map_table(&org.table, &org.columns);
        hc.load(&lead, &org.columns, &org.leads);
        let table = format!("{name}.lead");
        assert_eq!(count(&mut client, &table), 2000);
        assert_eq!(
            count(&mut client, &format!("{table} WHERE _hc_lastop = 'SYNCED' AND _hc_err IS NULL")),
            2000
        );
        assert_eq!(
            count(&mut client, &format!("{name}._trigger_log")),
            0,
            "its own writes are not logged"
        );

        let first = org.sfid(0);
        hc.reload(&lead, &org.columns, &org.leads[..10]);
        assert_eq!(
            count(&mut client, &format!("{table} WHERE id > 2000")),
            10,
            "a reload gives new ids"
        );
        hc.insert(&lead, &org.columns, &org.leads[10..20], 3);
        assert_eq!(hc.update(&lead, &[first], &[("company", Some("O'Neil & Sons"))]), 1);
        assert_eq!(count(&mut client, &format!("{table} WHERE company = 'O''Neil & Sons'")), 1);
        hc.merge(&lead, first, &[org.sfid(1)], &[("city", Some("Springfield"))]);
        assert_eq!(count(&mut client, &table), 19);
        hc.undelete(&lead, &org.columns, &org.leads[1]);
        assert_eq!(count(&mut client, &table), 20);
    }
}

#[test]
fn the_simulator_follows_an_application_write_to_salesforce_and_back() {
    let database = world::cluster().database();
    let org = Org::load("acme");
    let mut hc = HerokuConnect::provision(database.connect(), "acme");
    let lead = hc.map_table(&org.table, &org.columns);
    let mut app = database.connect();
    app.batch_execute("INSERT INTO acme.lead (lastname, company) VALUES ('Doe', 'Doe Ltd')")
        .unwrap();
    let row = app.query_one("SELECT sfid, _hc_lastop FROM acme.lead", &[]).unwrap();
    assert_eq!(row.get::<_, Option<String>>(0), None);
    assert_eq!(row.get::<_, &str>(1), "PENDING");
    let log = app
        .query_one("SELECT state, action, \"values\"::hstore -> 'lastname', updated_at IS NULL FROM acme._trigger_log", &[])
        .unwrap();
    assert_eq!((log.get::<_, &str>(0), log.get::<_, &str>(1)), ("NEW", "INSERT"));
    assert_eq!(log.get::<_, &str>(2), "Doe");
    assert!(log.get::<_, bool>(3));

    assert_eq!(hc.write_back(&lead, |id| format!("00Q{id:012}AAA")), 1);
    let row = app.query_one("SELECT sfid, _hc_lastop FROM acme.lead", &[]).unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("00Q000000000001AAA", "SYNCED"));
    assert_eq!(count(&mut app, "acme._trigger_log"), 0);
    assert_eq!(count(&mut app, "acme._trigger_log_archive WHERE state = 'SUCCESS'"), 1);

    // An update that changes nothing is ignored, yet leaves the row PENDING.
    app.batch_execute("UPDATE acme.lead SET lastname = lastname").unwrap();
    assert_eq!(count(&mut app, "acme._trigger_log WHERE state = 'IGNORE'"), 1);
    assert_eq!(count(&mut app, "acme.lead WHERE _hc_lastop = 'PENDING'"), 1);

    // The functions call get_xmlbinary() and hstore() unqualified.
    let error = app
        .batch_execute("SET search_path = pg_catalog; UPDATE acme.lead SET lastname = 'Roe'")
        .unwrap_err();
    assert!(format!("{error:?}").contains("get_xmlbinary() does not exist"), "{error:?}");
}

#[test]
fn the_broker_keeps_what_it_took_when_killed_and_the_consumer_reads_it_all() {
    let mut broker = Broker::start(run::dir());
    send(&broker, 0..10);
    broker.kill();
    broker.launch();
    send(&broker, 10..20);
    broker.stop();
    broker.launch();
    let mut topic = Topic::new(&broker.bootstrap(), "harness");
    let events = topic.at_least(20, LIMIT);
    let mut seen: Vec<_> =
        events.iter().map(|event| event.value.as_ref().unwrap()["n"].as_i64().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..20).collect::<Vec<_>>());
    assert_eq!(events[0].header("org"), "acme");
    assert_eq!(topic.all().len(), 20);
    assert_eq!(Topic::new(&broker.bootstrap(), "no-such-topic").all().len(), 0);
}

fn send(broker: &Broker, numbers: std::ops::Range<i64>) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", broker.bootstrap()).create().unwrap();
    for n in numbers {
        let headers = OwnedHeaders::new().insert(Header { key: "org", value: Some("acme") });
        let (key, value) = (format!("{{\"k\":{}}}", n % 3), format!("{{\"n\":{n}}}"));
        producer
            .send(BaseRecord::to("harness").key(&key).payload(&value).headers(headers))
            .unwrap_or_else(|(e, _)| panic!("{e}"));
    }
    producer.flush(LIMIT).unwrap();
}

#[test]
fn a_cluster_comes_back_after_a_kill() {
    let mut cluster = Cluster::start(run::dir(), QUICK);
    cluster.connect("postgres").batch_execute("CREATE TABLE kept AS SELECT 1").unwrap();
    cluster.kill();
    cluster.launch();
    assert_eq!(count(&mut cluster.connect("postgres"), "kept"), 1);
    cluster.restart();
    assert_eq!(count(&mut cluster.connect("postgres"), "kept"), 1);
}
