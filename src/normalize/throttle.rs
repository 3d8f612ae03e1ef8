//! How many rows may be normalized now: a rate for all, divided fairly between orgs.
//!
//! Every org that waits for rows gets the same share of what time brings, whatever the size of its
//! backlog; what nobody waits for is kept, up to [`BURST`], for whoever comes. With a rate of *r*,
//! no span of time *t* grants more than *r·t* + *r*·`BURST` rows (or a row for every org, if that is
//! more), and a single waiting org gets all of *r*. The clock is the caller's: any that does not go back.

use std::collections::BTreeMap;
use std::time::Duration;

/// So much time's rows may be kept.
pub const BURST: Duration = Duration::from_secs(1);

/// An org that has not asked for so long has no claim any more. Longer where a row takes longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// So much time's rows are worth a batch: waiting for less would make batches tiny.
const QUANTUM: Duration = Duration::from_millis(100);

/// Rows are counted in parts of this size, so that a rate in rows a second times a time in
/// microseconds is exact.
const ROW: u64 = 1_000_000;

/// Divides a rate between orgs.
#[derive(Debug)]
pub struct Throttle {
    /// Rows a second; `None` is without bound.
    rate: Option<u32>,
    /// When the parts were last handed out.
    last: Duration,
    /// What belongs to nobody in particular.
    pot: u64,
    waiting: BTreeMap<i32, Claim>,
}

/// An org that was granted less than it wanted.
#[derive(Debug)]
struct Claim {
    parts: u64,
    asked: Duration,
}

impl Throttle {
    /// `rate` is in rows a second; 0 is without bound.
    pub fn new(rate: u32, now: Duration) -> Throttle {
        let rate = (rate > 0).then_some(rate);
        let mut throttle = Throttle { rate, last: now, pot: 0, waiting: BTreeMap::new() };
        throttle.pot = throttle.capacity();
        throttle
    }

    /// Changes the rate from now on.
    pub fn set_rate(&mut self, rate: u32, now: Duration) {
        self.refill(now);
        self.rate = (rate > 0).then_some(rate);
        self.trim();
    }

    /// How many of the `wanted` rows of this org may go now. An org that gets less has a claim to
    /// its share until it asks again.
    pub fn grant(&mut self, now: Duration, org: i32, wanted: u32) -> u32 {
        if self.rate.is_none() {
            return wanted;
        }
        self.refill(now);
        let own = self.waiting.remove(&org).map_or(0, |claim| claim.parts);
        // What nobody claimed is shared with those who wait already, so that the first to ask after
        // a pause does not take it all.
        let common = self.pot / (self.waiting.len() as u64 + 1);
        let granted = u64::from(wanted).min((own + common) / ROW);
        let used = granted * ROW;
        let from_pot = used.saturating_sub(own);
        self.pot -= from_pot;
        let left = own + from_pot - used;
        if granted < u64::from(wanted) {
            self.waiting.insert(org, Claim { parts: left, asked: now });
        } else {
            self.pot += left;
        }
        u32::try_from(granted).unwrap_or(wanted)
    }

    /// How long until it is worth asking again, for an org that was granted less than it wanted.
    pub fn wait(&self, now: Duration) -> Duration {
        let Some(rate) = self.rate else { return Duration::ZERO };
        let shares = self.waiting.len().max(1) as u64;
        let ready =
            self.waiting.values().map(|claim| claim.parts).max().unwrap_or(0) + self.pot / shares;
        let goal = (u64::from(rate) * micros(QUANTUM) / shares).max(ROW);
        let elapsed = micros(now.saturating_sub(self.last));
        let missing = goal.saturating_sub(ready) * shares;
        Duration::from_micros(missing.div_ceil(rate.into()).saturating_sub(elapsed))
    }

    fn capacity(&self) -> u64 {
        // At the lowest rates every org still has to be able to save up for a row.
        let least = ROW * (self.waiting.len() as u64 + 1);
        (u64::from(self.rate.unwrap_or(0)) * micros(BURST)).max(least)
    }

    /// Hands out what time has brought since the last time.
    fn refill(&mut self, now: Duration) {
        let Some(rate) = self.rate else {
            self.last = now;
            return;
        };
        let elapsed = micros(now.saturating_sub(self.last));
        self.last = now.max(self.last);
        // At the lowest rates the wait for a row is longer than the usual patience.
        let round = self.capacity() / u64::from(rate);
        let patience = PATIENCE.max(2 * Duration::from_micros(round));
        let pot = &mut self.pot;
        self.waiting.retain(|_, claim| {
            let stays = now.saturating_sub(claim.asked) < patience;
            if !stays {
                *pot += claim.parts;
            }
            stays
        });
        let new = u64::from(rate).saturating_mul(elapsed).min(self.capacity());
        let share = new / (self.waiting.len().max(1) as u64);
        for claim in self.waiting.values_mut() {
            claim.parts += share;
        }
        self.pot += new - share * self.waiting.len() as u64;
        self.trim();
    }

    /// Keeps all that is kept within the burst: the pot gives way first, then every claim alike.
    fn trim(&mut self) {
        let capacity = self.capacity();
        let claimed: u64 = self.waiting.values().map(|claim| claim.parts).sum();
        self.pot = self.pot.min(capacity.saturating_sub(claimed));
        if claimed > capacity {
            let most = capacity / (self.waiting.len() as u64);
            for claim in self.waiting.values_mut() {
                claim.parts = claim.parts.min(most);
            }
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn without_bound() {
        let mut throttle = Throttle::new(0, Duration::ZERO);
        assert_eq!(throttle.grant(Duration::ZERO, 1, u32::MAX), u32::MAX);
        assert_eq!(throttle.wait(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn one_org_gets_the_rate() {
        let mut throttle = Throttle::new(1000, Duration::ZERO);
        let (mut now, mut granted, mut rounds) = (Duration::ZERO, 0, 0);
        while now < Duration::from_secs(20) {
            granted += throttle.grant(now, 1, 500);
            now += throttle.wait(now).max(MS);
            rounds += 1;
        }
        assert!((20_000..=21_000).contains(&granted), "{granted}");
        assert!(rounds < 300, "{rounds} rounds: batches are too small");
    }

    #[test]
    fn shares_are_equal_whatever_is_wanted_and_in_whatever_order() {
        let mut throttle = Throttle::new(900, Duration::ZERO);
        let mut now = Duration::ZERO;
        let mut granted = [0u32; 3];
        while now < Duration::from_secs(30) {
            for (org, wanted) in [(0, 100_000), (1, 300), (2, 5_000)] {
                granted[org as usize] += throttle.grant(now, org, wanted);
            }
            now += throttle.wait(now).max(MS);
        }
        for rows in granted {
            assert!((8_700..=10_100).contains(&rows), "{granted:?}");
        }
    }

    #[test]
    fn an_idle_org_costs_the_others_nothing_and_comes_in_at_once() {
        let mut throttle = Throttle::new(1000, Duration::ZERO);
        let second = Duration::from_secs(1);
        assert_eq!(throttle.grant(Duration::ZERO, 1, 5000), 1000);
        assert_eq!(throttle.grant(second, 1, 5000), 1000);
        assert_eq!(throttle.grant(second, 2, 10), 0);
        assert_eq!(throttle.grant(second + 100 * MS, 2, 10), 10);
        // Org 2 is content; org 1 has the rest, and what the pot has.
        assert_eq!(throttle.grant(second + 200 * MS, 1, 5000), 190);
    }

    #[test]
    fn a_rate_below_one_row_per_quantum_still_moves() {
        let mut throttle = Throttle::new(1, Duration::ZERO);
        let mut now = Duration::ZERO;
        let mut granted = 0;
        while now < Duration::from_secs(60) {
            granted += throttle.grant(now, 1, 10) + throttle.grant(now, 2, 10);
            now += throttle.wait(now).max(MS);
        }
        assert!((58..=62).contains(&granted), "{granted}");
    }

    #[test]
    fn a_new_rate_counts_at_once() {
        let mut throttle = Throttle::new(1_000_000, Duration::ZERO);
        throttle.set_rate(10, Duration::ZERO);
        assert_eq!(throttle.grant(Duration::ZERO, 1, 1000), 10);
        throttle.set_rate(0, Duration::ZERO);
        assert_eq!(throttle.grant(Duration::ZERO, 1, 1000), 1000);
    }

    proptest! {
        #[test]
        fn never_more_than_rate_and_burst(
            rate in 1u32..100_000,
            steps in prop::collection::vec((0u64..500_000, 0i32..5, 0u32..50_000), 1..200),
        ) {
            let mut throttle = Throttle::new(rate, Duration::ZERO);
            let (mut now, mut granted) = (Duration::ZERO, 0u64);
            for (step, org, wanted) in steps {
                now += Duration::from_micros(step);
                let rows = throttle.grant(now, org, wanted);
                prop_assert!(rows <= wanted);
                granted += u64::from(rows);
                let burst = (u64::from(rate) * micros(BURST)).max(6 * ROW);
                let most = (u64::from(rate) * micros(now) + burst) / ROW;
                prop_assert!(granted <= most, "{} > {}", granted, most);
            }
        }

        #[test]
        fn waiting_pays(rate in 1u32..100_000, orgs in 1i32..6) {
            let mut throttle = Throttle::new(rate, Duration::ZERO);
            for org in 0..orgs {
                throttle.grant(Duration::ZERO, org, u32::MAX);
            }
            let now = throttle.wait(Duration::ZERO);
            let granted: u32 = (0..orgs).map(|org| throttle.grant(now, org, u32::MAX)).sum();
            prop_assert!(granted > 0);
        }
    }
}
