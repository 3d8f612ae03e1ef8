//! The library's transactions. Each call waits up to its timeout, and is called again to go on.

use super::client::Client;
use super::codes;
use super::text;
use crate::kafka::code::Code;
use rdkafka::bindings as rd;
use std::ffi::c_int;
use std::time::Duration;

/// Why a call on a transaction did not do what it was for.
#[derive(Debug, Clone)]
pub(in crate::kafka) struct Refused {
    pub(in crate::kafka) code: Code,
    pub(in crate::kafka) reason: String,
    /// The same call may be repeated; a timed-out one goes on where it was.
    pub(in crate::kafka) again: bool,
    /// The transaction has to be aborted, and the producer lives.
    pub(in crate::kafka) abort: bool,
}

impl Client {
    pub(in crate::kafka) fn init_transactions(&self, limit: Duration) -> Result<(), Refused> {
        // SAFETY: a living producer; so in the calls below.
        refused(unsafe { rd::rd_kafka_init_transactions(self.raw(), milliseconds(limit)) })
    }

    pub(in crate::kafka) fn begin_transaction(&self) -> Result<(), Refused> {
        // SAFETY: as above.
        refused(unsafe { rd::rd_kafka_begin_transaction(self.raw()) })
    }

    pub(in crate::kafka) fn commit_transaction(&self, limit: Duration) -> Result<(), Refused> {
        // SAFETY: as above.
        refused(unsafe { rd::rd_kafka_commit_transaction(self.raw(), milliseconds(limit)) })
    }

    pub(in crate::kafka) fn abort_transaction(&self, limit: Duration) -> Result<(), Refused> {
        // SAFETY: as above.
        refused(unsafe { rd::rd_kafka_abort_transaction(self.raw(), milliseconds(limit)) })
    }
}

fn milliseconds(limit: Duration) -> c_int {
    c_int::try_from(limit.as_millis()).unwrap_or(c_int::MAX)
}

/// Takes what a call returned: null, or an error that is ours to free.
fn refused(error: *mut rd::rd_kafka_error_t) -> Result<(), Refused> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: not null, freed once, after all that is read from it.
    unsafe {
        let refused = Refused {
            code: Code::new(codes::rd_kafka_error_code(error)),
            reason: text(rd::rd_kafka_error_string(error)).into_owned(),
            again: rd::rd_kafka_error_is_retriable(error) != 0,
            abort: rd::rd_kafka_error_txn_requires_abort(error) != 0,
        };
        rd::rd_kafka_error_destroy(error);
        Err(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::c_char;

    unsafe extern "C" {
        fn rd_kafka_error_new(code: i32, format: *const c_char, ...) -> *mut rd::rd_kafka_error_t;
    }

    #[test]
    fn a_code_that_the_library_does_not_have_is_told_as_it_is() {
        // SAFETY: a string that ends in NUL and asks for no more arguments; `refused` frees the error.
        let told = refused(unsafe { rd_kafka_error_new(9999, c"from the future".as_ptr()) });
        let told = told.expect_err("an error");
        assert_eq!((told.code.number(), told.reason.as_str()), (9999, "from the future"));
        assert!(!told.again && !told.abort);
    }
}
