//! How fast librdkafka can be fed: the same messages again and again, from memory, through the
//! publisher's own producer and options, to a broker that acknowledges them.

use std::time::{Duration, Instant};

use pg_manifold::kafka::{Config, Producer, SendError};

use crate::cpu;

/// A message as the publisher sends it.
pub struct Sample {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
}

/// What a million messages or so came to.
pub struct Limit {
    pub per_second: f64,
    /// Nanoseconds of CPU a message: of the thread that hands them over and takes the
    /// acknowledgements, and of librdkafka's.
    pub own: f64,
    pub library: f64,
}

/// So many messages for a topic are followed by as many for the next one.
const RUN: usize = 500;

/// Sends `count` messages to one topic after the other, and waits for all acknowledgements.
pub fn measure(
    brokers: &str,
    options: &str,
    topics: &[String],
    samples: &[Sample],
    count: usize,
) -> Limit {
    let config = Config::parse(brokers, options, "").unwrap_or_else(|e| panic!("{options}: {e}"));
    let mut producer = Producer::new(&config).unwrap_or_else(|e| panic!("{e}"));
    // Connected, and the topic known, before the clock starts.
    send(&mut producer, &topics[..1], &samples[..1], 1);
    let before = times();
    let began = Instant::now();
    send(&mut producer, topics, samples, count);
    let taken = began.elapsed();
    let after = times();
    Limit {
        per_second: count as f64 / taken.as_secs_f64(),
        own: (after.0 - before.0) / count as f64,
        library: (after.1 - before.1) / count as f64,
    }
}

fn send(producer: &mut Producer, topics: &[String], samples: &[Sample], count: usize) {
    let mut deliveries = Vec::new();
    let (mut sent, mut arrived) = (0, 0);
    let mut samples = samples.iter().cycle();
    let mut sample = samples.next();
    let deadline = Instant::now() + Duration::from_secs(120);
    while arrived < count {
        let mut full = sent == count;
        while let (false, Some(message)) = (full, sample) {
            let headers: Vec<(&str, &[u8])> = message
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_slice()))
                .collect();
            let value = message.value.as_deref();
            let topic = topics[sent / RUN % topics.len()].as_str();
            match producer.send(topic, Some(&message.key), value, &headers, 0, sent as u64) {
                Ok(()) => {
                    sent += 1;
                    sample = samples.next();
                    full = sent == count || sent % 1000 == 0;
                }
                Err(SendError::QueueFull) => full = true,
                Err(error) => panic!("{error}"),
            }
        }
        let room = producer.in_flight() < 20_000 && sent < count;
        let patience = if room { Duration::ZERO } else { Duration::from_millis(1) };
        producer.poll(patience, &mut deliveries);
        if sent == count && deliveries.is_empty() {
            producer.hurry();
        }
        for delivery in deliveries.drain(..) {
            delivery.result.unwrap_or_else(|e| panic!("{}: {}", e.topic, e.error));
            arrived += 1;
        }
        assert!(Instant::now() < deadline, "{arrived} of {count} messages were acknowledged");
    }
}

/// Nanoseconds of this thread, and of librdkafka's.
fn times() -> (f64, f64) {
    let threads = cpu::threads(std::process::id());
    let of_library = |name: &str| name.starts_with("rdk:");
    let library = threads.iter().filter(|(name, _)| of_library(name)).map(|(_, time)| time).sum();
    let own = threads.iter().filter(|(name, _)| !of_library(name)).map(|(_, time)| time).sum();
    (own, library)
}
