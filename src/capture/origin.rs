//! Who is writing.

use std::cell::Cell;

use crate::log::change::Origin;
use crate::pg::compat;

thread_local! {
    static WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Says that this process is one of our workers.
pub fn i_am_a_worker() {
    WORKER.set(true);
}

/// The origin of what this session writes now. Heroku Connect runs its own writes with
/// `xmlbinary = hex`; the server's default, base64, means anybody else.
pub fn current() -> Origin {
    if WORKER.get() {
        Origin::Worker
    } else if compat::xmlbinary_is_hex() {
        Origin::HerokuConnect
    } else {
        Origin::Application
    }
}
