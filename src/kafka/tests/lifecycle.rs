//! Outages, and a producer's beginning and end.

use super::*;

#[test]
fn an_outage_shows_and_heals_by_itself() {
    let cluster = cluster();
    let mut producer = producer(&cluster, "reconnect.backoff.max.ms=200");
    let mut deliveries = Vec::new();
    let is_up = |p: &Producer, _: &[Delivery]| matches!(p.health(), Health::Up { .. });
    let is_unreachable = |p: &Producer, _: &[Delivery]| {
        matches!(p.health(), Health::Down { reason: Error::Unreachable { .. }, .. })
    };
    until(&mut producer, &mut deliveries, "up without any message", is_up);

    for round in 0..2 {
        cluster.broker_down(1).expect("broker stopped");
        if round == 0 {
            send(&mut producer, "t", round).expect("sent into the outage");
        }
        until(&mut producer, &mut deliveries, "down", is_unreachable);
        let told = |e: &ClientEvent| matches!(e.kind, EventKind::Error(Error::Unreachable { .. }));
        await_event(&mut producer, "told", told);

        cluster.broker_up(1).expect("broker started");
        // The second time nothing is on the way: only the probe can find out.
        until(&mut producer, &mut deliveries, "up again", is_up);
        until(&mut producer, &mut deliveries, "delivered", |p, _| p.in_flight() == 0);
        await_event(&mut producer, "recovered", |e| e.kind == EventKind::Recovered);
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
fn a_broker_that_hangs_up_on_this_kind_of_connection_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let _ = std::io::Read::read(&mut connection, &mut [0; 64]);
        }
    });
    let mut producer = start(&address, "security.protocol=plaintext");
    send(&mut producer, "t", 1).expect("sent");
    let says = |p: &Producer, _: &[Delivery]| match p.health() {
        Health::Down { reason, .. } => reason.hint().is_some_and(|h| h.contains("hangs up")),
        _ => false,
    };
    until(&mut producer, &mut Vec::new(), "told", says);
}

#[test]
fn after_a_fatal_error_nothing_is_sent() {
    let cluster = cluster();
    let mut producer = producer(&cluster, "");
    producer.break_down();
    until(&mut producer, &mut Vec::new(), "broken down", |p, _| p.fatal().is_some());
    match send(&mut producer, "t", 1) {
        Err(SendError::Fatal(Error::Fatal { code, reason })) => {
            assert_eq!(code.name(), "OUT_OF_ORDER_SEQUENCE_NUMBER");
            assert!(reason.contains("a gap"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert!(producer.fatal().is_some_and(Error::is_fatal));
    let told = |e: &ClientEvent| matches!(e.kind, EventKind::Error(Error::Fatal { .. }));
    await_event(&mut producer, "told", told);
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
        // What nobody takes is given up after five minutes; it is not waited for.
        assert!(producer.close(Duration::from_secs(60)), "{producer:?}");
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
