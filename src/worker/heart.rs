//! The publisher's heartbeats: sent while it makes its rounds, so that none comes from one that is stuck.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::kafka::{self, Delivery, Producer};
use crate::publish::heartbeat::{self, Heartbeat, TOKEN};
use crate::publish::plans::Plans;
use crate::settings;

#[derive(Debug, Default)]
pub struct Heart {
    beat: Heartbeat,
    /// Why the last one did not arrive.
    trouble: Option<kafka::Error>,
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

    /// Takes what became of heartbeats.
    pub fn heard(&mut self, deliveries: &[Delivery]) {
        let last = deliveries.iter().rev().find(|delivery| delivery.token == TOKEN);
        if let Some(delivery) = last {
            self.trouble = delivery.result.as_ref().err().map(|failed| failed.error.clone());
        }
    }

    /// Why heartbeats do not arrive, if so. It holds up nothing.
    pub fn trouble(&self) -> Option<&kafka::Error> {
        self.trouble.as_ref()
    }

    /// Another producer sends the next one, if any is wanted.
    pub fn forget(&mut self) {
        self.trouble = None;
    }
}
