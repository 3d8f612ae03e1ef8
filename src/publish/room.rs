//! How much may be on its way, and whether it gets there by itself.

use super::feed::Feed;

/// Messages on their way at most, well below what librdkafka's queue holds.
const WINDOW_MESSAGES: usize = 50_000;
/// Their size at most; librdkafka's queue holds 64 MB.
pub(super) const WINDOW_BYTES: usize = 32 * 1024 * 1024;
/// What librdkafka sends at once, whatever `linger.ms` says: its `batch.size`.
const BATCH_BYTES: usize = 1_000_000;
/// A topic may have one part in so many of that on its way. With less, a single one would be slower;
/// with more, one whose messages do not move would stop all others before that is noticed.
const SHARES: usize = 2;
/// What parked topics may have on their way: beside the window, what librdkafka's queue holds.
const PARKED_MESSAGES: usize = 200_000;
const PARKED_BYTES: usize = 24 * 1024 * 1024;

impl Feed {
    /// Whether anything may be sent before something is settled.
    pub(super) fn has_room(&self) -> bool {
        let load = self.window.load();
        load.messages < WINDOW_MESSAGES && load.bytes < WINDOW_BYTES
    }

    /// Whether anything of a topic may be.
    pub(super) fn has_share(&self, apart: i32) -> bool {
        let load = self.window.load_of(apart);
        load.messages < WINDOW_MESSAGES / SHARES && load.bytes < WINDOW_BYTES / SHARES
    }

    /// Whether reports are to come of what others wait for.
    pub fn awaits_reports(&self) -> bool {
        self.window.load().messages > 0
    }

    /// Whether some of what is on its way may wait for company, with nobody to say that there is none. Of
    /// an org that has a whole batch on its way, there will be an acknowledgement first.
    pub fn waits_for_company(&self) -> bool {
        self.window.has_less_than(BATCH_BYTES)
    }

    /// Whether messages that do not move take so much of librdkafka's queue that only a new producer
    /// gets rid of them.
    pub fn is_clogged(&self) -> bool {
        let parked = self.window.parked();
        parked.messages > PARKED_MESSAGES || parked.bytes > PARKED_BYTES
    }
}
