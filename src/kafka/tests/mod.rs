//! The producer against librdkafka's mock brokers, which speak the protocol over real sockets.

mod lifecycle;
mod messages;

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

const PATIENCE: Duration = Duration::from_secs(180);

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
        producer.hurry();
        let gives_up = producer.is_giving_up();
        producer.poll(Duration::from_millis(20), deliveries);
        let left = producer.in_flight() > 0;
        if !gives_up {
            producer.clear_halted(|_, _| left);
        }
    }
}

/// Polls until something was told.
fn await_event(producer: &mut Producer, what: &str, told: impl Fn(&ClientEvent) -> bool) {
    let mut events = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    loop {
        events.extend(producer.events());
        if events.iter().any(&told) {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: {events:?}");
        producer.poll(Duration::from_millis(20), &mut Vec::new());
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
