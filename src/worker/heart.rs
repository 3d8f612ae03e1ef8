//! The publisher's heartbeats: sent while it makes its rounds, so that none comes from one that is stuck.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::lifecycle::{self, Failure};
use crate::kafka::{Delivery, Producer};
use crate::publish::feed::CONSUMER;
use crate::publish::heartbeat::{self, Heartbeat, TOKEN};
use crate::publish::plans::Plans;
use crate::settings;

#[derive(Debug, Default)]
pub struct Heart {
    beat: Heartbeat,
    /// The status says that heartbeats do not arrive.
    shown: bool,
}

impl Heart {
    /// Sends a heartbeat if one is due. Returns how long it is to the next, if ever.
    pub fn beat(&mut self, plans: &Plans, producer: &mut Producer) -> Option<Duration> {
        let interval = settings::publication::heartbeat_interval()?;
        let now = Instant::now();
        if self.beat.wait(interval, now).is_zero() {
            let naming = plans.naming();
            let now_ms = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_millis() as i64);
            let (key, value) = heartbeat::message(&naming.prefix, now_ms, plans.schemas());
            let topic = naming.heartbeats();
            // One that finds no room is no loss: there is news on its way enough.
            let _ = producer.send(&topic, Some(&key), Some(&value), &[], now_ms, TOKEN);
            self.beat.sent(now);
        }
        Some(self.beat.wait(interval, now))
    }

    /// What became of heartbeats. One that fails holds up nothing, and shows.
    pub fn heard(&mut self, deliveries: &[Delivery]) -> Result<(), Failure> {
        let last = deliveries.iter().rev().find(|delivery| delivery.token == TOKEN);
        match last.map(|delivery| &delivery.result) {
            Some(Err(error)) if !self.shown => {
                self.shown = true;
                let failure = Failure::from(&error.error);
                lifecycle::transaction(|| lifecycle::note_error(CONSUMER, 0, "warn", &failure))
            }
            Some(Ok(())) if self.shown => {
                self.shown = false;
                lifecycle::transaction(|| lifecycle::clear_error(CONSUMER, 0))
            }
            _ => Ok(()),
        }
    }
}
