//! A snapshot for what follows.

use pgrx::pg_sys;

/// Queries see what is committed by now, until it is dropped. Taken by the transaction's own rules:
/// under REPEATABLE READ it is the transaction's.
pub struct Fresh(());

impl Fresh {
    pub fn push() -> Fresh {
        // SAFETY: in a transaction; popped on drop, or by the transaction's end when an ERROR unwinds.
        unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot()) }
        Fresh(())
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: pushed in `push`.
            unsafe { pg_sys::PopActiveSnapshot() }
        }
    }
}
