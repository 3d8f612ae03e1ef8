//! kill -9 of the publisher under load, fifty times. The server restarts after each: it cannot trust
//! what a process leaves behind that ends like this.
//!
//! The load inserts, updates and deletes rows of two orgs and gives them other keys; the second org's
//! publishing is paused and resumed between kills, so that it changes lanes.
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

use crate::ledger::Chance;
use crate::support::cluster::Cluster;
use crate::support::wait;
use crate::world::{LIMIT, World, broker, cluster_with};

const KILLS: usize = 50;
/// Leads of an org that the load changes.
const LEADS: u64 = 300;
/// The second one is paused and resumed.
const ORGS: [&str; 2] = ["acme", "globex"];

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

/// Where the publisher was with an org, and where its topic ended, at a kill.
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
    for org in ORGS {
        world.run(&schema(org));
    }
    world.normalized();
    for org in ORGS {
        world.run(&format!("SELECT {org}.act(i, 1) FROM generate_series(1, {LEADS}) i"));
    }
    world.run("CREATE TABLE flush (n int)");
    world.published();
    let name = world.keep();
    let topics = ORGS.map(|org| format!("{prefix}.{org}.lead"));
    let over = AtomicBool::new(false);
    let mut last = 0;
    let moments: Vec<[Moment; 2]> = std::thread::scope(|scope| {
        let load = scope.spawn(|| load(&cluster, &name, &over));
        let moments = (0..KILLS)
            .map(|kill| {
                // Where it may wait for as long as it takes, now and then just before it saves a position.
                let caught = !exactly && kill % 10 == 9;
                let moment = kill_once(&cluster, &name, &topics, kill, caught, &mut last);
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
    world.run("SELECT manifold.resume('globex', 'publisher')");
    world.published();
    let mut repeated = 0;
    for (at, org) in ORGS.into_iter().enumerate() {
        let moments: Vec<&Moment> = moments.iter().map(|moments| &moments[at]).collect();
        repeated += check(&mut world, org, &read(&topics[at]), &moments, exactly);
    }
    // What was on its way to be saved, at least.
    assert!(exactly || repeated > 0, "something was sent again");
}

/// An org's topic tells what was committed: for each key its changes, in order. Returns how many events
/// were sent again.
fn check(
    world: &mut World<'_>,
    org: &str,
    told: &[Told],
    moments: &[&Moment],
    exactly: bool,
) -> usize {
    let mut seen = HashSet::new();
    let mut once: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in told {
        // A change of the key is two events and a tombstone with one id.
        if seen.insert((&event.event_id, &event.key, &event.change)) {
            once.entry(&event.key).or_default().push(&event.change);
        } else {
            assert!(!exactly, "{} of {org} is there twice", event.event_id);
        }
    }
    let ledger = world
        .client
        .query(&format!("SELECT key, change FROM {org}.ledger ORDER BY n"), &[])
        .unwrap_or_else(|e| panic!("{e:?}"));
    let mut committed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in &ledger {
        committed.entry(row.get(0)).or_default().push(row.get(1));
    }
    assert!(ledger.len() >= KILLS * 100, "{} changes of {org} are no load", ledger.len());
    for (key, changes) in &committed {
        let found = once.remove(key.as_str()).unwrap_or_default();
        assert_eq!(&found, changes, "{key} of {org}");
    }
    assert!(once.is_empty(), "{org} has no such leads: {once:?}");
    for event in told {
        let before = moments.iter().rev().find(|at| event.offset >= at.ends[&event.partition]);
        if let (Some(moment), Some(xid)) = (before, event.xid) {
            assert!(
                !moment.position.has(xid, event.seq),
                "{} of {org} was proven, and sent again at {} of {}",
                event.event_id,
                event.offset,
                event.partition
            );
        }
    }
    told.len() - seen.len()
}

/// An org with a table, and a ledger of all that its topic is to tell, by key: each change is noted in the
/// transaction that makes it, the clock's row being locked.
fn schema(org: &str) -> String {
    format!(
        r#"CREATE SCHEMA {org};
        CREATE TABLE {org}.lead (id int PRIMARY KEY, sfid varchar(18) UNIQUE, version bigint, city text, pad text);
        CREATE TABLE {org}.clock (id int PRIMARY KEY, tick bigint NOT NULL);
        INSERT INTO {org}.clock SELECT i, 0 FROM generate_series(1, {LEADS}) i;
        CREATE TABLE {org}.ledger (n bigserial, key text, change text);

        -- Does something to a lead: makes it, changes it, or (by chance) deletes it or gives it another key.
        CREATE FUNCTION {org}.act(who int, chance float) RETURNS void LANGUAGE plpgsql AS $$
        DECLARE
          now bigint;
          old {org}.lead;
          key text;
        BEGIN
          UPDATE {org}.clock SET tick = tick + 1 WHERE id = who RETURNING tick INTO now;
          SELECT * INTO old FROM {org}.lead WHERE id = who;
          key := coalesce(old.sfid, 'S' || who);
          IF old IS NULL THEN
            INSERT INTO {org}.lead VALUES (who, key, now, 'v' || now, repeat(md5(now::text), 20));
            INSERT INTO {org}.ledger (key, change) VALUES (key, 'c' || now);
          ELSIF chance < 0.1 THEN
            DELETE FROM {org}.lead WHERE id = who;
            INSERT INTO {org}.ledger (key, change) VALUES (key, 'd' || old.version), (key, 'tombstone');
          ELSIF chance < 0.2 THEN
            UPDATE {org}.lead SET sfid = 'S' || who || '.' || now, version = now WHERE id = who;
            INSERT INTO {org}.ledger (key, change)
              VALUES (key, 'd' || old.version), (key, 'tombstone'), ('S' || who || '.' || now, 'c' || now);
          ELSE
            UPDATE {org}.lead SET version = now, city = 'v' || now WHERE id = who;
            INSERT INTO {org}.ledger (key, change) VALUES (key, 'u' || now);
          END IF;
        END $$;

        -- The same change to many leads in one statement, as far as they are there.
        CREATE FUNCTION {org}.act_on_all(first int, last int) RETURNS void LANGUAGE sql AS $$
          WITH now AS (UPDATE {org}.clock SET tick = tick + 1 FROM {org}.lead l
                       WHERE clock.id = l.id AND clock.id BETWEEN first AND last RETURNING clock.id, clock.tick),
          done AS (UPDATE {org}.lead l SET version = now.tick, city = 'v' || now.tick FROM now WHERE l.id = now.id
                   RETURNING l.sfid, l.version)
          INSERT INTO {org}.ledger (key, change) SELECT sfid, 'u' || version FROM done
        $$;

        SELECT manifold.add_org('{org}');
        SELECT manifold.set_mapping('{org}', 'lead', 'lead', '{{"fields": {{"city": "city"}}}}');
        SELECT manifold.start('{org}')"#
    )
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
        let first = (1 + chance.below(LEADS - 10)) as i32;
        let org = ORGS[chance.below(2) as usize];
        let done = if chance.one_in(2) {
            client.execute(&format!("SELECT {org}.act_on_all($1, $1 + 9)"), &[&first])
        } else {
            let sql = format!("SELECT {org}.act(i, $2) FROM generate_series($1, $1 + 2) i");
            client.execute(&sql, &[&first, &chance.fraction()])
        };
        if done.is_err() {
            connection = None;
        }
    }
}

fn publisher(client: &mut Client) -> Result<Option<i32>, postgres::Error> {
    let sql = "SELECT pid FROM pg_stat_activity \
               WHERE backend_type = 'pg_manifold publisher' AND datname = current_database()";
    Ok(client.query_opt(sql, &[])?.map(|row| row.get(0)))
}

/// Waits until a new publisher has proven something, and something was loaded, notes where things are, and
/// kills it; where it is to be `caught`, when it is about to save a position: what it has proven by then will
/// be sent again.
fn kill_once(
    cluster: &Cluster,
    name: &str,
    topics: &[String; 2],
    kill: usize,
    caught: bool,
    last: &mut i32,
) -> [Moment; 2] {
    let mut begun: Option<(i32, String)> = None;
    wait::until("a publisher that publishes", LIMIT, || {
        let mut client = cluster.try_connect(name).map_err(|e| e.to_string())?;
        let look = |client: &mut Client| -> Result<(i32, [Position; 2]), postgres::Error> {
            let pid = publisher(client)?;
            let [acme, globex] = ORGS.map(|org| position(client, org));
            Ok((pid.unwrap_or_default(), [acme?, globex?]))
        };
        let (pid, positions) = look(&mut client).map_err(|e| e.to_string())?;
        if pid == 0 || pid == *last {
            return Err("there is none".to_owned());
        }
        let (first, from) = begun.get_or_insert((pid, format!("{:?}", positions[0])));
        if *first != pid {
            begun = None;
            return Err("another one".to_owned());
        }
        if *from == format!("{:?}", positions[0]) {
            return Err(format!("{pid} is at {from}"));
        }
        let loaded = format!(
            "SELECT least({}) >= $1",
            ORGS.map(|org| format!("(SELECT count(*) FROM {org}.ledger)")).join(", ")
        );
        let loaded = client.query_one(&loaded, &[&(100 * (kill as i64 + 1))]);
        if !loaded.map_err(|e| e.to_string())?.get::<_, bool>(0) {
            return Err("there was no load".to_owned());
        }
        // What a crash may lose is not proven: this transaction takes the positions to the disk.
        let turn = ["pause", "resume"][kill % 2];
        client
            .batch_execute(&format!(
                "INSERT INTO flush VALUES (1); SELECT manifold.{turn}('globex', 'publisher')"
            ))
            .map_err(|e| e.to_string())?;
        if caught {
            catch(&mut client, pid).map_err(|e| e.to_string())?;
        }
        // Read after the positions: what they have was acknowledged, and lies before these ends.
        let ends = [ends(&topics[0]), ends(&topics[1])];
        // SAFETY: a system call on plain integers; the server's own process, read just now.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        *last = pid;
        let [acme, globex] = positions;
        let [acme_ends, globex_ends] = ends;
        Ok([
            Moment { position: acme, ends: acme_ends },
            Moment { position: globex, ends: globex_ends },
        ])
    })
}

/// Has the publisher wait when it saves a position, in a transaction that stays open.
fn catch(client: &mut Client, pid: i32) -> Result<(), postgres::Error> {
    client.batch_execute(
        "BEGIN; LOCK TABLE manifold.position_log_0, manifold.position_log_1 IN SHARE MODE",
    )?;
    let waits = "SELECT count(*) FROM pg_locks WHERE pid = $1 AND NOT granted";
    wait::until("the publisher to save a position", LIMIT, || {
        match client.query_one(waits, &[&pid]).map(|row| row.get::<_, i64>(0)) {
            Ok(0) => Err("it does not"),
            Ok(_) => Ok(Ok(())),
            Err(error) => Ok(Err(error)),
        }
    })
}

/// Where the publisher is with an org's table: its lane, the org's, or the main one.
fn position(client: &mut Client, org: &str) -> Result<Position, postgres::Error> {
    let row = client.query_one(
        "SELECT p.seen::text, p.upto::text, p.last_seq \
         FROM manifold.position p, manifold.source s JOIN manifold.org o USING (org) \
         WHERE p.consumer = 'publisher' AND p.seen IS NOT NULL AND (s.org, s.table_name) = ($1, 'lead') \
           AND p.lane IN (0, o.org_id, manifold.source_lane(s.source_id)) \
         ORDER BY p.lane < 0 DESC, p.lane DESC LIMIT 1",
        &[&org],
    )?;
    Ok(Position { seen: row.get(0), upto: row.get(1), last: row.get(2) })
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
    key: String,
    /// Operation and version, or `tombstone`.
    change: String,
    /// None: a tombstone does not say.
    xid: Option<u64>,
    seq: i64,
}

#[derive(Deserialize)]
struct Key {
    sfid: String,
}

#[derive(Deserialize)]
struct Envelope {
    before: Option<Lead>,
    after: Option<Lead>,
    op: String,
    source: Source,
}

#[derive(Deserialize)]
struct Lead {
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
        match consumer.poll(LIMIT).expect("the topic goes on") {
            Err(rdkafka::error::KafkaError::PartitionEOF(_)) => left -= 1,
            Err(error) => panic!("{topic}: {error}"),
            Ok(message) => {
                let key: Key = serde_json::from_slice(message.key().expect("a key"))
                    .unwrap_or_else(|e| panic!("{e}"));
                let envelope: Option<Envelope> = message
                    .payload()
                    .map(|value| serde_json::from_slice(value).unwrap_or_else(|e| panic!("{e}")));
                let headers = message.headers().expect("headers");
                let event_id = headers
                    .iter()
                    .find(|header| header.key == "event_id")
                    .and_then(|header| header.value)
                    .map(|value| String::from_utf8_lossy(value).into_owned());
                let change = envelope.as_ref().map_or("tombstone".to_owned(), |envelope| {
                    let lead = envelope.after.as_ref().or(envelope.before.as_ref());
                    format!("{}{}", envelope.op, lead.expect("a row").version)
                });
                told.push(Told {
                    partition: message.partition(),
                    offset: message.offset(),
                    event_id: event_id.expect("an event id"),
                    key: key.sfid,
                    change,
                    xid: envelope.as_ref().map(|envelope| envelope.source.xid),
                    seq: envelope.map_or(0, |envelope| envelope.source.lsn),
                });
            }
        }
    }
    told
}
