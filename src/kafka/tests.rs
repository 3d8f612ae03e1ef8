//! The producer against librdkafka's mock brokers, which speak the protocol over real sockets.

use super::*;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

type Cluster = MockCluster<'static, DefaultProducerContext>;

const PATIENCE: Duration = Duration::from_secs(20);

fn cluster() -> Cluster {
    MockCluster::new(1).expect("a mock cluster")
}

fn producer(cluster: &Cluster, options: &str) -> Producer {
    start(&cluster.bootstrap_servers(), options)
}

fn start(brokers: &str, options: &str) -> Producer {
    let config = Config::parse(brokers, options, "").expect("a valid configuration");
    Producer::new(&config).expect("a producer")
}

fn send(producer: &mut Producer, topic: &str, token: u64) -> Result<(), SendError> {
    producer.send(topic, Some(b"key"), Some(&token.to_be_bytes()), &[], 0, token)
}

/// Polls until the condition holds.
fn until(
    producer: &mut Producer,
    deliveries: &mut Vec<Delivery>,
    what: &str,
    mut done: impl FnMut(&Producer, &[Delivery]) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    while !done(producer, deliveries) {
        assert!(Instant::now() < deadline, "{what}: {producer:?} {:?}", producer.events());
        producer.poll(Duration::from_millis(20), deliveries);
    }
}

fn delivered(producer: &mut Producer) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    until(producer, &mut deliveries, "all delivered", |p, _| p.in_flight() == 0);
    deliveries
}

fn tokens(deliveries: &[Delivery]) -> Vec<u64> {
    let ok = |d: &Delivery| assert!(d.result.is_ok(), "{d:?}");
    deliveries.iter().inspect(|d| ok(d)).map(|d| d.token).collect()
}

/// Reads a one-partition topic from its beginning.
fn consume<T>(
    cluster: &Cluster,
    topic: &str,
    count: usize,
    read: impl Fn(&dyn Reading) -> T,
) -> Vec<T> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "test")
        .create()
        .expect("a consumer");
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(topic, 0, Offset::Beginning).expect("an offset");
    consumer.assign(&partitions).expect("assigned");
    let deadline = Instant::now() + PATIENCE;
    let mut found = Vec::new();
    while found.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} messages", found.len());
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            found.push(read(&message));
        }
    }
    found
}

/// The parts of a consumed message that tests look at.
trait Reading {
    fn key(&self) -> Option<Vec<u8>>;
    fn value(&self) -> Option<Vec<u8>>;
    fn headers(&self) -> Vec<(String, Vec<u8>)>;
    fn timestamp(&self) -> Option<i64>;
}

impl<M: Message> Reading for M {
    fn key(&self) -> Option<Vec<u8>> {
        Message::key(self).map(<[u8]>::to_vec)
    }
    fn value(&self) -> Option<Vec<u8>> {
        self.payload().map(<[u8]>::to_vec)
    }
    fn headers(&self) -> Vec<(String, Vec<u8>)> {
        let headers = Message::headers(self);
        let all = headers.into_iter().flat_map(|h| h.iter());
        all.map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec())).collect()
    }
    fn timestamp(&self) -> Option<i64> {
        Message::timestamp(self).to_millis()
    }
}

#[test]
fn messages_arrive_as_they_were_sent() {
    let cluster = cluster();
    cluster.create_topic("t", 1, 1).expect("a topic");
    let mut producer = producer(&cluster, "");
    let headers: &[(&str, &[u8])] = &[("event", b"7:1"), ("org", b"acme"), ("empty", b"")];
    producer.send("t", Some(b"k"), Some(b"v"), headers, 1_700_000_000_123, u64::MAX).expect("sent");
    producer.send("t", Some(b"k"), None, &[], 1, 0).expect("a tombstone");
    producer.send("t", None, Some(b""), &[], 1, 1).expect("no key, empty value");
    assert_eq!(producer.in_flight(), 3);
    assert_eq!(tokens(&delivered(&mut producer)), [u64::MAX, 0, 1]);
    assert!(matches!(producer.health(), Health::Up { .. }));

    let found = consume(&cluster, "t", 3, |m| (m.key(), m.value(), m.headers(), m.timestamp()));
    let owned = headers.iter().map(|(n, v)| ((*n).to_owned(), v.to_vec())).collect();
    let key = Some(b"k".to_vec());
    assert_eq!(found[0], (key.clone(), Some(b"v".to_vec()), owned, Some(1_700_000_000_123)));
    assert_eq!(found[1], (key, None, vec![], Some(1)));
    assert_eq!(found[2], (None, Some(vec![]), vec![], Some(1)));
}

#[test]
fn the_descriptor_wakes_and_falls_asleep() {
    let readable = |producer: &Producer, timeout: i32| {
        let mut fd = libc::pollfd { fd: producer.wake_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd.
        unsafe { libc::poll(&mut fd, 1, timeout) == 1 }
    };
    let cluster = cluster();
    let mut producer = producer(&cluster, "");
    let mut deliveries = Vec::new();
    for token in 0..50 {
        send(&mut producer, "t", token).expect("sent");
        while producer.in_flight() > 0 {
            assert!(readable(&producer, 10_000), "nothing wakes for message {token}");
            producer.poll(Duration::ZERO, &mut deliveries);
        }
    }
    producer.poll(Duration::ZERO, &mut deliveries);
    assert!(!readable(&producer, 50), "awake without a reason");
    assert_eq!(tokens(&deliveries), (0..50).collect::<Vec<_>>());
}

#[test]
fn retries_lose_nothing_and_keep_the_order() {
    let cluster = cluster();
    cluster.create_topic("t", 1, 1).expect("a topic");
    let mut producer = producer(&cluster, "linger.ms=0; batch.num.messages=10");
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        ],
    );
    let all: Vec<u64> = (0..500).collect();
    for token in &all {
        send(&mut producer, "t", *token).expect("sent");
    }
    assert_eq!(tokens(&delivered(&mut producer)), all);
    let found = consume(&cluster, "t", all.len(), |m| m.value().unwrap_or_default());
    assert_eq!(found, all.iter().map(|t| t.to_be_bytes().to_vec()).collect::<Vec<_>>());
}

#[test]
fn a_full_queue_says_so_and_takes_again_after_a_poll() {
    let cluster = cluster();
    let mut producer = producer(&cluster, "queue.buffering.max.messages=10");
    let mut deliveries = Vec::new();
    let (mut token, mut full) = (0, 0);
    while token < 100 {
        match send(&mut producer, "t", token) {
            Ok(()) => token += 1,
            Err(SendError::QueueFull) => {
                full += 1;
                producer.poll(Duration::from_millis(10), &mut deliveries);
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(full > 0 && producer.in_flight() <= 10);
    deliveries.extend(delivered(&mut producer));
    assert_eq!(tokens(&deliveries), (0..100).collect::<Vec<_>>());
}

#[test]
fn an_outage_shows_and_heals_by_itself() {
    let cluster = cluster();
    let mut producer = producer(&cluster, "reconnect.backoff.max.ms=200");
    let mut deliveries = Vec::new();
    let is_up = |p: &Producer, _: &[Delivery]| matches!(p.health(), Health::Up { .. });
    let is_down = |p: &Producer, _: &[Delivery]| matches!(p.health(), Health::Down { .. });
    until(&mut producer, &mut deliveries, "up without any message", is_up);

    for round in 0..2 {
        cluster.broker_down(1).expect("broker stopped");
        if round == 0 {
            send(&mut producer, "t", round).expect("sent into the outage");
        }
        until(&mut producer, &mut deliveries, "down", is_down);
        let Health::Down { reason: Error::Unreachable { .. }, .. } = producer.health() else {
            panic!("{:?}", producer.health());
        };
        let told = |e: &ClientEvent| matches!(e.kind, EventKind::Error(Error::Unreachable { .. }));
        let events = producer.events();
        assert!(events.iter().any(told), "{events:?}");

        cluster.broker_up(1).expect("broker started");
        // The second time nothing is on the way: only the probe can find out.
        until(&mut producer, &mut deliveries, "up again", is_up);
        until(&mut producer, &mut deliveries, "delivered", |p, _| p.in_flight() == 0);
        assert!(producer.events().iter().any(|e| e.kind == EventKind::Recovered));
    }
    assert_eq!(tokens(&deliveries), [0]);
}

#[test]
fn no_broker_and_no_name_are_told_apart() {
    let mut deliveries = Vec::new();
    let is_down = |p: &Producer, _: &[Delivery]| matches!(p.health(), Health::Down { .. });
    // Port 1 is not listened on.
    let mut refused = start("127.0.0.1:1", "");
    until(&mut refused, &mut deliveries, "down", is_down);
    let reason = |p: &Producer| match p.health() {
        Health::Down { reason, .. } => reason.clone(),
        other => panic!("{other:?}"),
    };
    assert!(matches!(reason(&refused), Error::Unreachable { .. }), "{:?}", reason(&refused));

    let mut nowhere = start("no-such-host.invalid:9092", "");
    until(&mut nowhere, &mut deliveries, "down", is_down);
    let error = reason(&nowhere);
    assert!(matches!(error, Error::NameNotResolved { .. }), "{error:?}");
    assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
}

#[test]
fn a_message_too_large_is_refused_and_its_neighbours_go_on() {
    let cluster = cluster();
    let mut producer = producer(&cluster, "message.max.bytes=1000");
    let value = [b'x'; 2000];
    match producer.send("t", Some(b"key"), Some(&value), &[], 0, 1) {
        Err(SendError::Refused { topic, size: 2003, error }) => {
            assert_eq!(topic, "t");
            assert!(error.hint().is_some_and(|h| h.contains("message.max.bytes")));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(producer.in_flight(), 0);

    // The same from the broker, whose limit may be lower.
    let too_large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    cluster.request_errors(RDKafkaApiKey::Produce, &[too_large]);
    send(&mut producer, "t", 2).expect("sent");
    let deliveries = delivered(&mut producer);
    let failure = deliveries[0].result.as_ref().expect_err("too large");
    assert_eq!((failure.topic.as_str(), failure.code.name()), ("t", "MSG_SIZE_TOO_LARGE"));
    assert!(!failure.retriable && !failure.fatal && !failure.possibly_written);

    send(&mut producer, "t", 3).expect("sent");
    assert_eq!(tokens(&delivered(&mut producer)), [3]);
}

#[test]
fn a_topic_that_is_missing_holds_up_no_other_and_heals() {
    let cluster = cluster();
    let missing = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    cluster.topic_error("missing", missing).expect("set");
    let mut producer = producer(&cluster, "topic.metadata.propagation.max.ms=100");
    send(&mut producer, "missing", 1).expect("not known yet");
    send(&mut producer, "there", 2).expect("sent");
    let deliveries = delivered(&mut producer);
    for delivery in &deliveries {
        match (&delivery.result, delivery.token) {
            (Ok(()), 2) => {}
            (Err(failure), 1) => {
                assert!(failure.retriable && !failure.fatal, "{failure:?}");
                assert_eq!(failure.error, Error::UnknownTopic { topic: "missing".to_owned() });
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(deliveries.len(), 2);
    let again = send(&mut producer, "missing", 3);
    assert!(matches!(again, Err(SendError::TopicUnavailable { .. })), "{again:?}");

    cluster.topic_error("missing", RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).expect("set");
    let mut deliveries = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while send(&mut producer, "missing", 4).is_err() {
        assert!(Instant::now() < deadline, "the topic does not come back");
        producer.poll(Duration::from_millis(50), &mut deliveries);
    }
    assert_eq!(tokens(&delivered(&mut producer)), [4]);
}

#[test]
fn a_name_that_no_topic_can_have_is_refused() {
    let cluster = cluster();
    let mut producer = producer(&cluster, "");
    for name in ["", "a b", "a/b", "..", "nul\0", &"x".repeat(250)] {
        match send(&mut producer, name, 1) {
            Err(SendError::Refused { error: Error::BadTopic { .. }, .. }) => {}
            other => panic!("{name:?}: {other:?}"),
        }
    }
    assert_eq!(producer.in_flight(), 0);
}

#[test]
fn a_purge_forgets_everything_under_way() {
    let cluster = cluster();
    let mut producer = producer(&cluster, "reconnect.backoff.max.ms=200");
    send(&mut producer, "t", 0).expect("sent");
    delivered(&mut producer);
    cluster.broker_down(1).expect("broker stopped");
    for token in 1..1000 {
        send(&mut producer, "t", token).expect("sent");
    }
    assert!(producer.purge(Duration::from_secs(5)));
    assert_eq!(producer.in_flight(), 0);
    cluster.broker_up(1).expect("broker started");
    for token in 0..10 {
        send(&mut producer, "t", token).expect("sent");
    }
    assert_eq!(tokens(&delivered(&mut producer)), (0..10).collect::<Vec<_>>());
}

#[test]
fn after_a_fatal_error_nothing_is_sent() {
    let cluster = cluster();
    let mut producer = producer(&cluster, "");
    producer.break_down();
    producer.poll(Duration::from_millis(200), &mut Vec::new());
    match send(&mut producer, "t", 1) {
        Err(SendError::Fatal(Error::Fatal { code, reason })) => {
            assert_eq!(code.name(), "OUT_OF_ORDER_SEQUENCE_NUMBER");
            assert!(reason.contains("a gap"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert!(producer.fatal().is_some_and(Error::is_fatal));
    let told = |e: &ClientEvent| matches!(e.kind, EventKind::Error(Error::Fatal { .. }));
    let events = producer.events();
    assert!(events.iter().any(told), "{events:?}");
}

#[test]
fn closing_is_quick_whatever_the_brokers_do() {
    let cluster = cluster();
    let up = producer(&cluster, "");
    let refused = start("127.0.0.1:1", "");
    let nowhere = start("no-such-host.invalid:9092", "");
    for mut producer in [up, refused, nowhere] {
        for token in 0..1000 {
            send(&mut producer, "t", token).expect("sent");
        }
        let started = Instant::now();
        assert!(producer.close(Duration::from_secs(5)), "{producer:?}");
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        assert!(producer.close(Duration::ZERO), "a second time is harmless");
        assert!(matches!(send(&mut producer, "t", 1), Err(SendError::Fatal(_))));
        producer.poll(Duration::ZERO, &mut Vec::new());
    }
}

#[test]
fn what_cannot_start_is_told_without_secrets() {
    let fails = |options: &str| {
        let config = Config::parse("127.0.0.1:1", options, "").expect("valid one by one");
        Producer::new(&config).map(drop).expect_err(options)
    };
    let error = fails("security.protocol=ssl; ssl.ca.location=/no/such/file");
    assert!(error.to_string().contains("ssl.ca.location"), "{error}");
    assert!(error.hint().is_some_and(|h| h.contains("PEM")), "{error:?}");
    let error = fails("max.in.flight=100");
    assert!(error.to_string().contains("max.in.flight"), "{error}");
    let pem = "-----BEGIN PRIVATE KEY-----\\nc2VjcmV0IGtleQ==\\n-----END PRIVATE KEY-----";
    let error = fails(&format!("security.protocol=ssl; ssl.key.pem={pem}"));
    assert!(!format!("{error:?}").contains("c2VjcmV0"), "{error}");
}

/// A signal for the process must never run its handler on a thread of the library.
#[test]
#[cfg(target_os = "linux")]
fn the_librarys_threads_block_all_signals() {
    let cluster = cluster();
    let mut producer = producer(&cluster, "");
    send(&mut producer, "t", 1).expect("sent");
    delivered(&mut producer);
    let mut threads = 0;
    for task in std::fs::read_dir("/proc/self/task").expect("threads") {
        let path = task.expect("a thread").path();
        // A thread of another test may end meanwhile.
        let Ok(status) = std::fs::read_to_string(path.join("status")) else {
            continue;
        };
        if !status.starts_with("Name:\trdk:") || status.contains("rdk:mock") {
            continue;
        }
        threads += 1;
        let line = status.lines().find(|l| l.starts_with("SigBlk:")).expect("a mask");
        let mask = u64::from_str_radix(line["SigBlk:".len()..].trim(), 16).expect("hexadecimal");
        for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGINT, libc::SIGALRM] {
            assert_ne!(mask & (1 << (signal - 1)), 0, "signal {signal}: {status}");
        }
    }
    assert!(threads >= 2, "{threads} threads");
}
