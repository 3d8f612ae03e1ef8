//! What is known of options beforehand.

use super::native::Conf;

/// What we set unless the admin sets it. In this order, before the admin's options, so that theirs
/// win under any alias of the name.
pub(super) const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "pg_manifold"),
    // A broker sees every message once and in order, whatever librdkafka has to send again.
    ("enable.idempotence", "true"),
    ("acks", "all"),
    // The Java client's choice: a key lands on the partition where other producers would put it.
    ("partitioner", "murmur2_random"),
    // How long a batch may take to fill. Whoever has nothing more to send does not wait for it
    // ([`Producer::hurry`](super::Producer::hurry)). A partition has one request under way at a time, and
    // once something has waited this long behind it, the library's thread spins until the answer comes,
    // looking at all topics that it knows: so more than an answer takes.
    ("linger.ms", "20"),
    // What one worker may hold in memory; a full queue pauses reading, nothing is lost.
    ("queue.buffering.max.kbytes", "65536"),
    ("queue.buffering.max.messages", "500000"),
    // librdkafka tries again until it is told to stop: an outage is reported, not given up on.
    ("message.timeout.ms", "0"),
    // A broker that hangs (rather than being gone) is noticed by these two.
    ("socket.timeout.ms", "20000"),
    ("request.timeout.ms", "15000"),
    ("socket.connection.setup.timeout.ms", "10000"),
    ("socket.keepalive.enable", "true"),
    // Back within seconds when the broker is.
    ("reconnect.backoff.max.ms", "3000"),
    // How long a topic may be missing before that is an error: brokers tell each other of a new
    // topic with a delay.
    ("topic.metadata.propagation.max.ms", "5000"),
    // Else closing waits for the cluster to collect metrics about this client.
    ("enable.metrics.push", "false"),
    // The library whispers why a broker hangs up; of the rest, warnings and worse are kept.
    ("log_level", "6"),
    ("log.thread.name", "false"),
];

/// Options that are not the admin's to set, and why.
pub(super) const OURS: &[(&str, &str)] = &[
    ("bootstrap.servers", "the brokers are given by the broker list"),
    ("metadata.broker.list", "the brokers are given by the broker list"),
    ("delivery.report.only.error", "positions move only with the broker's acknowledgement"),
    ("enabled_events", "it is set by the extension"),
    ("log.queue", "it is set by the extension"),
    ("internal.termination.signal", "signals belong to the Postgres server"),
    ("transactional.id", "manifold.exactly_once says whether there are transactions"),
    ("isolation.level", "it is set by the extension"),
    ("queuing.strategy", "messages of a key must stay in order"),
];

/// Aliases, which the library does not list: for suggestions.
const ALIASES: &[&str] = &[
    "acks",
    "bootstrap.servers",
    "compression.type",
    "delivery.timeout.ms",
    "linger.ms",
    "max.in.flight",
    "retries",
    "sasl.mechanism",
];

/// The option whose name is close to this one, if there is any.
pub(super) fn nearest(conf: &Conf, name: &str) -> Option<String> {
    let known = conf.names();
    let known = known.iter().map(String::as_str).chain(ALIASES.iter().copied());
    known
        .map(|candidate| (distance(candidate, name), candidate))
        .min()
        .filter(|(distance, _)| *distance <= 1 + name.len() / 6)
        .map(|(_, candidate)| candidate.to_owned())
}

/// How many letters have to be changed, added or dropped to make one name of the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let best = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}
