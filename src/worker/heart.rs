//! The publisher's heartbeats: sent while it makes its rounds, so that none comes from one that is stuck.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::lifecycle;
use crate::kafka::{self, Delivery, Producer};
use crate::publish::heartbeat::{self, Heartbeat, TOKEN};
use crate::publish::plans::Plans;
use crate::settings;

#[derive(Debug, Default)]
pub struct Heart {
    beat: Heartbeat,
    sent: Option<Instant>,
    /// Why the last one did not arrive, and how many have not, one after another.
    trouble: Option<kafka::Error>,
    failures: u32,
}

impl Heart {
    /// Sends a heartbeat if one is due; whether it did.
    pub fn beat(&mut self, plans: &Plans, producer: &mut Producer) -> bool {
        if self.next() != Some(Duration::ZERO) {
            return false;
        }
        let naming = plans.naming();
        let now_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as i64);
        let (key, value) = heartbeat::message(&naming.prefix, now_ms, plans.schemas());
        let topic = naming.heartbeats();
        let now = Instant::now();
        self.beat.sent(now);
        self.sent = Some(now);
        // One that finds no room is no loss: there is news on its way enough.
        producer.send(&topic, Some(&key), Some(&value), &[], now_ms, TOKEN).is_ok()
    }

    /// The same after heartbeats that did not arrive, where others wait for it: not all the time.
    pub fn beat_again(&mut self, plans: &Plans, producer: &mut Producer) -> bool {
        let pause = lifecycle::backoff(self.failures);
        self.sent.is_none_or(|sent| sent.elapsed() >= pause) && self.beat(plans, producer)
    }

    /// How long it is to the next heartbeat, if ever.
    pub fn next(&self) -> Option<Duration> {
        let interval = settings::publication::heartbeat_interval()?;
        Some(self.beat.wait(interval, Instant::now()))
    }

    /// Takes what became of heartbeats.
    pub fn heard(&mut self, deliveries: &[Delivery]) {
        let last = deliveries.iter().rev().find(|delivery| delivery.token == TOKEN);
        match last.map(|delivery| &delivery.result) {
            Some(Ok(())) => self.forget(),
            Some(Err(failed)) if !failed.is_for_others() => self.failed(failed.error.clone()),
            _ => {}
        }
    }

    /// A heartbeat did not arrive.
    pub fn failed(&mut self, error: kafka::Error) {
        self.trouble = Some(error);
        self.failures += 1;
    }

    /// A heartbeat was on its way for too long.
    pub fn missed(&mut self, plans: &Plans, time: Duration) {
        self.failed(kafka::Error::not_moving(&plans.naming().heartbeats(), time));
    }

    /// Why heartbeats do not arrive, if so. It holds up nothing.
    pub fn trouble(&self) -> Option<&kafka::Error> {
        self.trouble.as_ref()
    }

    /// Another producer sends the next one, if any is wanted.
    pub fn forget(&mut self) {
        (self.trouble, self.failures) = (None, 0);
    }
}
