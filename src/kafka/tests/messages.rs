//! What becomes of messages.

use super::*;

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
        producer.hurry();
        while producer.in_flight() > 0 {
            let limit = PATIENCE.as_millis() as i32;
            assert!(readable(&producer, limit), "nothing wakes for message {token}");
            producer.poll(Duration::ZERO, &mut deliveries);
        }
    }
    // There may be other news, though not for ever.
    let deadline = Instant::now() + PATIENCE;
    while readable(&producer, 50) {
        assert!(Instant::now() < deadline, "awake without a reason");
        producer.poll(Duration::ZERO, &mut deliveries);
    }
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
fn what_waits_behind_a_message_that_is_refused_is_given_up() {
    let cluster = cluster();
    let mut producer = producer(&cluster, "batch.num.messages=10");
    let invalid = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD;
    cluster.create_topic("t", 1, 1).expect("a topic");
    cluster.request_errors(RDKafkaApiKey::Produce, &[invalid]);
    (0..95).for_each(|token| send(&mut producer, "t", token).expect("sent"));
    let mut deliveries = Vec::new();
    until(&mut producer, &mut deliveries, "the first request refused", |_, d| d.len() == 10);
    until(&mut producer, &mut deliveries, "all given up", |p, _| p.in_flight() == 0);
    for (delivery, token) in deliveries.iter().zip(0..) {
        let failure = delivery.result.as_ref().expect_err("nothing arrives");
        assert_eq!((delivery.token, failure.is_given_up()), (token, token >= 10), "{failure:?}");
    }
    send(&mut producer, "t", 95).expect("sent");
    assert_eq!(tokens(&delivered(&mut producer)), [95]);
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
