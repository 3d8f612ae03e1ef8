//! Partitions: a key lands where Java's producers put it.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;

use super::{add, contacts};
use crate::support::consumer::{Event, Topic};
use crate::world::{LIMIT, World, broker, cluster_with};

const PARTITIONS: u32 = 7;

/// `murmur2` as the Java client has it (`org.apache.kafka.common.utils.Utils`).
fn murmur2(data: &[u8]) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mix = |k: u32| {
        let k = k.wrapping_mul(M);
        (k ^ (k >> 24)).wrapping_mul(M)
    };
    let mut hash = 0x9747_b28c ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let word = u32::from_le_bytes(word.try_into().expect("four bytes"));
        hash = hash.wrapping_mul(M) ^ mix(word);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    (hash ^ (hash >> 15)) as i32
}

/// The partition by Java's default: `toPositive(murmur2(key)) % n`.
fn partition(key: &str) -> i32 {
    ((murmur2(key.as_bytes()) as u32 & 0x7fff_ffff) % PARTITIONS) as i32
}

/// The vectors of the Java client's own test of it.
#[test]
fn murmur2_is_javas() {
    for (text, hash) in [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ] {
        assert_eq!(murmur2(text.as_bytes()), hash, "{text}");
    }
}

#[test]
fn a_key_lands_where_javas_console_producer_puts_it() {
    let cluster = cluster_with(&format!(
        "manifold.kafka_brokers = '{}'\nmanifold.topic_prefix = 'spread'\n\
         manifold.topic_partitions = {PARTITIONS}",
        broker().bootstrap()
    ));
    let mut world = World::in_cluster(&cluster);
    world.prefix = "spread".into();
    contacts(&mut world, "tiny");
    for n in 0..40 {
        add(&mut world, "tiny", n);
    }
    world.run("SELECT manifold.start('tiny')");
    world.published();
    let places = |events: &[Event]| -> BTreeMap<String, i32> {
        events.iter().map(|event| (event.key_text.clone(), event.partition)).collect()
    };
    let ours = places(world.topic("tiny.contact").all());
    assert_eq!(ours.len(), 40);
    for (key, place) in &ours {
        assert_eq!(*place, partition(key), "{key}");
    }
    assert!(ours.values().collect::<std::collections::BTreeSet<_>>().len() > 3, "they are spread");

    let name = "spread.by-java";
    let count = PARTITIONS.to_string();
    broker().tool(
        "org.apache.kafka.tools.TopicCommand",
        &["--create", "--topic", name, "--partitions", &count],
    );
    let mut producer = broker()
        .tool_command("org.apache.kafka.tools.ConsoleProducer")
        .args(["--topic", name, "--reader-property", "parse.key=true"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("java can be run");
    let mut input = producer.stdin.take().expect("piped");
    for key in ours.keys() {
        writeln!(input, "{key}\t{{}}").expect("the producer reads");
    }
    drop(input);
    assert!(producer.wait().expect("a child").success());
    let mut topic = Topic::new(&broker().bootstrap(), name);
    assert_eq!(places(topic.at_least(40, LIMIT)), ours);
}
