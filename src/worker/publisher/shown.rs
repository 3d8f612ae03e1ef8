//! What `manifold.status` shows of the brokers, for all orgs.

use crate::kafka::{self, EventKind, Health, Producer};
use crate::publish::feed::CONSUMER;
use crate::worker::lifecycle::{self, Failure};

/// What the status shows of the brokers.
#[derive(Default, PartialEq)]
pub enum Shown {
    /// What an earlier producer, or an earlier life, left there: true until the brokers answer.
    #[default]
    Left,
    Error(kafka::Error),
    /// A quota is used up.
    Throttled,
    /// What is wrong, and holds up nothing.
    Warning(kafka::Error),
    Well,
}

/// Notes in `manifold.status` that the brokers are down, or up again, and what is wrong and holds up
/// nothing: what is shown for all orgs is written here alone, so that the one does not cover the other
/// up for good.
pub fn show_health(
    producer: &mut Producer,
    warning: Option<&kafka::Error>,
    shown: &mut Shown,
    clears: bool,
) -> Result<(), Failure> {
    for event in producer.events() {
        match event.kind {
            EventKind::Error(error) => pgrx::log!("pg_manifold publisher: {error}"),
            EventKind::Recovered => pgrx::log!("pg_manifold publisher: brokers answer again"),
            EventKind::Log { text, .. } => pgrx::log!("pg_manifold publisher: librdkafka: {text}"),
            EventKind::Dropped(more) => {
                pgrx::log!("pg_manifold publisher: {more} more messages of librdkafka")
            }
        }
    }
    let now = match producer.health() {
        Health::Down { reason, .. } => Shown::Error(reason.clone()),
        Health::Connecting { .. } => return Ok(()),
        Health::Up { .. } if *shown == Shown::Left && !clears => return Ok(()),
        Health::Up { .. } => match warning {
            Some(error) => Shown::Warning(error.clone()),
            None if producer.is_throttled() => Shown::Throttled,
            None => Shown::Well,
        },
    };
    if now != *shown {
        lifecycle::transaction(|| match &now {
            Shown::Error(error) => {
                lifecycle::note_error(CONSUMER, 0, "error", &Failure::from(error))
            }
            Shown::Throttled => lifecycle::note_error(CONSUMER, 0, "warn", &throttled()),
            Shown::Warning(error) => {
                lifecycle::note_error(CONSUMER, 0, "warn", &Failure::from(error))
            }
            Shown::Left | Shown::Well => lifecycle::clear_error(CONSUMER, 0),
        })?;
        *shown = now;
    }
    Ok(())
}

fn throttled() -> Failure {
    Failure {
        message: "the Kafka brokers throttle publishing: a quota is used up".into(),
        hint: Some(
            "Everything arrives, only later. Raise the quota of this client or user \
             (producer_byte_rate, request_percentage: kafka-configs.sh --describe --entity-type \
             clients), or give the cluster a larger plan."
                .into(),
        ),
    }
}
