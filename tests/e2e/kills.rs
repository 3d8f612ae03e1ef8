//! kill -9 of the publisher under load, fifty times. The server restarts after each: it cannot trust
//! what a process leaves behind that ends like this.
//!
//! At least once: nothing is missing, order holds per key, and what is sent again lies after the
//! position that was proven when it was killed. Exactly once: those who read what is committed see
//! every change once, in order per key.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use postgres::Client;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde::Deserialize;

use crate::ledger::{self, Chance};
use crate::support::cluster::Cluster;
use crate::support::wait::{self, seconds};
use crate::world::{LIMIT, World, broker, cluster_with};

const KILLS: usize = 50;
/// Leads that the load changes.
const LEADS: u64 = 300;

/// Quick to crash and to recover.
const SMALL: &str = "shared_buffers = 16MB\nmax_connections = 20\ncheckpoint_timeout = 30s\n\
    min_wal_size = 32MB\nmax_wal_size = 64MB\nautovacuum = off";

#[test]
fn at_least_once_loses_nothing_and_repeats_only_what_was_not_proven() {
    kill("killed-fifty", false);
}

#[test]
fn exactly_once_loses_nothing_and_repeats_nothing() {
    kill("killed-fifty-exactly", true);
}

/// Where the publisher was, and where the topic ended, at a kill.
struct Moment {
    position: Position,
    ends: BTreeMap<i32, i64>,
}

fn kill(prefix: &str, exactly: bool) {
    let cluster = cluster_with(&format!(
        "{SMALL}\nmanifold.kafka_brokers = '{}'\nmanifold.topic_prefix = '{prefix}'\n\
         manifold.exactly_once = {exactly}",
        broker().bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    ledger::create(&mut world);
    world.normalized();
    world.run(&format!(
        "CREATE TABLE flush (n int); SELECT act(i) FROM generate_series(1, {LEADS}) i"
    ));
    world.published();
    let name = world.keep();
    let topic = format!("{prefix}.acme.lead");
    let over = AtomicBool::new(false);
    let mut last = 0;
    let moments: Vec<Moment> = std::thread::scope(|scope| {
        let load = scope.spawn(|| load(&cluster, &name, &over));
        let moments = (0..KILLS)
            .map(|_| {
                let moment = kill_once(&cluster, &name, &topic, &mut last);
                // A load that died would make the rest of it easy.
                assert!(!load.is_finished(), "the load goes on");
                moment
            })
            .collect();
        over.store(true, Ordering::Relaxed);
        load.join().expect("the load went through");
        moments
    });
    wait::until("the server to be back", LIMIT, || {
        let mut client = cluster.try_connect(&name).map_err(|e| e.to_string())?;
        match publisher(&mut client).map_err(|e| e.to_string())? {
            Some(pid) if pid != last => Ok(()),
            found => Err(format!("publisher {found:?}")),
        }
    });
    let mut world = World::reopen(&cluster, &name);
    world.published();
    let told = read(&topic);
    let mut seen = HashSet::new();
    let mut once: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for event in &told {
        if seen.insert(event.event_id.clone()) {
            once.entry(event.id).or_default().push(event.change.clone());
        } else {
            assert!(!exactly, "{} is there twice", event.event_id);
        }
    }
    let ledger = world
        .client
        .query("SELECT id, op || version FROM ledger ORDER BY id, tick", &[])
        .unwrap_or_else(|e| panic!("{e:?}"));
    let mut committed: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for row in &ledger {
        committed.entry(row.get(0)).or_default().push(row.get(1));
    }
    assert!(ledger.len() > KILLS * 100, "{} changes are no load", ledger.len());
    for (id, changes) in &committed {
        assert_eq!(once.get(id), Some(changes), "lead {id}");
    }
    assert_eq!(once.len(), committed.len());
    for event in &told {
        let before = moments.iter().rev().find(|at| event.offset >= at.ends[&event.partition]);
        if let Some(moment) = before {
            assert!(
                !moment.position.has(event.xid, event.seq),
                "{} was proven, and sent again at {} of {}",
                event.event_id,
                event.offset,
                event.partition
            );
        }
    }
    // Or the kills came at the wrong moments, and nothing was shown.
    assert!(exactly || told.len() > seen.len(), "something was sent again");
}

/// Changes some leads in a transaction, again and again; transactions that a crash ends are rolled back,
/// or committed without the client knowing: the ledger knows.
fn load(cluster: &Cluster, name: &str, over: &AtomicBool) {
    let mut chance = Chance(7);
    let mut connection: Option<Client> = None;
    while !over.load(Ordering::Relaxed) {
        let Some(client) = &mut connection else {
            connection = cluster.try_connect(name).ok();
            // The server is busy with its crash.
            std::thread::sleep(std::time::Duration::from_millis(10));
            continue;
        };
        let first = 1 + chance.below(LEADS - 10);
        if client.execute("SELECT act_on_all($1, $1 + 9)", &[&(first as i32)]).is_err() {
            connection = None;
        }
    }
}

fn publisher(client: &mut Client) -> Result<Option<i32>, postgres::Error> {
    let sql = "SELECT pid FROM pg_stat_activity \
               WHERE backend_type = 'pg_manifold publisher' AND datname = current_database()";
    Ok(client.query_opt(sql, &[])?.map(|row| row.get(0)))
}

/// Waits until a new publisher has proven something, notes where things are, and kills it.
fn kill_once(cluster: &Cluster, name: &str, topic: &str, last: &mut i32) -> Moment {
    let mut begun: Option<(i32, String)> = None;
    wait::until("a publisher that publishes", LIMIT, || {
        let mut client = cluster.try_connect(name).map_err(|e| e.to_string())?;
        let look = |client: &mut Client| -> Result<(i32, Position), postgres::Error> {
            let pid = publisher(client)?;
            let row = client.query_one(
                "SELECT p.seen::text, p.upto::text, p.last_seq \
                 FROM manifold.position p, manifold.source s JOIN manifold.org o USING (org) \
                 WHERE p.consumer = 'publisher' AND p.seen IS NOT NULL AND (s.org, s.table_name) = ('acme', 'lead') \
                   AND p.lane IN (0, o.org_id, manifold.source_lane(s.source_id)) \
                 ORDER BY p.lane < 0 DESC, p.lane DESC LIMIT 1",
                &[],
            )?;
            let position = Position { seen: row.get(0), upto: row.get(1), last: row.get(2) };
            Ok((pid.unwrap_or_default(), position))
        };
        let (pid, position) = look(&mut client).map_err(|e| e.to_string())?;
        if pid == 0 || pid == *last {
            return Err("there is none".to_owned());
        }
        let (first, from) = begun.get_or_insert((pid, format!("{position:?}")));
        if *first != pid {
            begun = None;
            return Err("another one".to_owned());
        }
        if *from == format!("{position:?}") {
            return Err(format!("{pid} is at {from}"));
        }
        // What a crash may lose is not proven: this transaction takes the position to the disk.
        client.execute("INSERT INTO flush VALUES (1)", &[]).map_err(|e| e.to_string())?;
        // Read after the position: what it has was acknowledged, and lies before these ends.
        let ends = ends(topic);
        // SAFETY: a system call on plain integers; the server's own process, read just now.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        *last = pid;
        Ok(Moment { position, ends })
    })
}

/// A position as the database shows it.
#[derive(Debug, PartialEq)]
struct Position {
    seen: String,
    upto: Option<String>,
    last: Option<i64>,
}

impl Position {
    fn has(&self, xid: u64, seq: i64) -> bool {
        let within = || match (&self.upto, self.last) {
            (Some(upto), Some(last)) => seq <= last && sees(upto, xid),
            _ => false,
        };
        sees(&self.seen, xid) || within()
    }
}

/// Whether a snapshot, as the server writes it, sees a transaction.
fn sees(snapshot: &str, xid: u64) -> bool {
    let mut parts = snapshot.splitn(3, ':');
    let mut bound =
        || -> u64 { parts.next().and_then(|part| part.parse().ok()).expect("a snapshot") };
    let (xmin, xmax) = (bound(), bound());
    let running = parts.next().unwrap_or_default();
    xid < xmin || xid < xmax && !running.split(',').any(|other| other == xid.to_string())
}

struct Told {
    partition: i32,
    offset: i64,
    event_id: String,
    id: i32,
    /// Operation and version.
    change: String,
    xid: u64,
    seq: i64,
}

#[derive(Deserialize)]
struct Envelope {
    after: Lead,
    op: String,
    source: Source,
}

#[derive(Deserialize)]
struct Lead {
    id: i32,
    version: i64,
}

#[derive(Deserialize)]
struct Source {
    #[serde(rename = "txId")]
    xid: u64,
    lsn: i64,
}

fn consumer(isolation: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", broker().bootstrap())
        .set("group.id", "pg_manifold-kills")
        .set("isolation.level", isolation)
        .set("enable.partition.eof", "true")
        .create()
        .expect("a consumer needs no broker to be made")
}

/// Where the topic's partitions end, what is not committed included: brokers go on writing in partitions
/// that a transaction is committed when they have said so, and those who read what is committed see it
/// a moment later.
fn ends(topic: &str) -> BTreeMap<i32, i64> {
    thread_local! {
        static CONSUMER: BaseConsumer = consumer("read_uncommitted");
    }
    CONSUMER.with(|consumer| ends_for(consumer, topic))
}

fn ends_for(consumer: &BaseConsumer, topic: &str) -> BTreeMap<i32, i64> {
    let metadata = consumer.fetch_metadata(Some(topic), LIMIT).expect("metadata");
    let partitions = metadata.topics()[0].partitions().iter();
    partitions
        .map(|partition| {
            let marks = consumer.fetch_watermarks(topic, partition.id(), LIMIT);
            (partition.id(), marks.expect("watermarks").1)
        })
        .collect()
}

/// All of the topic that is committed, in the order of its partitions.
fn read(topic: &str) -> Vec<Told> {
    let consumer = consumer("read_committed");
    wait::until("the last transaction to be seen", LIMIT, || {
        let (seen, all) = (ends_for(&consumer, topic), ends(topic));
        if seen == all { Ok(()) } else { Err(format!("{seen:?} of {all:?}")) }
    });
    let mut list = TopicPartitionList::new();
    let mut left = 0;
    for partition in ends(topic).keys() {
        list.add_partition_offset(topic, *partition, Offset::Beginning).expect("an offset");
        left += 1;
    }
    consumer.assign(&list).expect("assigned");
    let mut told = Vec::new();
    while left > 0 {
        match consumer.poll(seconds(60)).expect("the topic goes on") {
            Err(rdkafka::error::KafkaError::PartitionEOF(_)) => left -= 1,
            Err(error) => panic!("{topic}: {error}"),
            Ok(message) => {
                let envelope: Envelope =
                    serde_json::from_slice(message.payload().expect("a value"))
                        .unwrap_or_else(|e| panic!("{e}"));
                let headers = message.headers().expect("headers");
                let event_id = headers
                    .iter()
                    .find(|header| header.key == "event_id")
                    .and_then(|header| header.value)
                    .map(|value| String::from_utf8_lossy(value).into_owned());
                told.push(Told {
                    partition: message.partition(),
                    offset: message.offset(),
                    event_id: event_id.expect("an event id"),
                    id: envelope.after.id,
                    change: format!("{}{}", envelope.op, envelope.after.version),
                    xid: envelope.source.xid,
                    seq: envelope.source.lsn,
                });
            }
        }
    }
    told
}
