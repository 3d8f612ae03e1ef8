//! Error codes: librdkafka's own (negative, names that begin with `_`) and Kafka's (positive).

use rdkafka::bindings as rd;
use std::collections::HashMap;
use std::ffi::CStr;
use std::fmt;
use std::ptr;
use std::sync::OnceLock;

/// A Kafka or librdkafka error code, kept as the number that it is: brokers newer than the library
/// send codes that its enum does not have.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(i32);

macro_rules! codes {
    ($($name:ident = $native:ident,)*) => {
        impl Code {
            $(pub(super) const $name: Code = Code(rd::rd_kafka_resp_err_t::$native as i32);)*
        }
    };
}

codes! {
    NONE = RD_KAFKA_RESP_ERR_NO_ERROR,
    LOCAL_ALL_BROKERS_DOWN = RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
    LOCAL_AUTHENTICATION = RD_KAFKA_RESP_ERR__AUTHENTICATION,
    LOCAL_DESTROYED = RD_KAFKA_RESP_ERR__DESTROY,
    LOCAL_FATAL = RD_KAFKA_RESP_ERR__FATAL,
    LOCAL_FENCED = RD_KAFKA_RESP_ERR__FENCED,
    LOCAL_INVALID_ARGUMENT = RD_KAFKA_RESP_ERR__INVALID_ARG,
    LOCAL_PURGED_IN_FLIGHT = RD_KAFKA_RESP_ERR__PURGE_INFLIGHT,
    LOCAL_PURGED_IN_QUEUE = RD_KAFKA_RESP_ERR__PURGE_QUEUE,
    LOCAL_PARTITION_EOF = RD_KAFKA_RESP_ERR__PARTITION_EOF,
    LOCAL_STATE = RD_KAFKA_RESP_ERR__STATE,
    LOCAL_UNSUPPORTED = RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE,
    LOCAL_QUEUE_FULL = RD_KAFKA_RESP_ERR__QUEUE_FULL,
    LOCAL_RESOLVE = RD_KAFKA_RESP_ERR__RESOLVE,
    LOCAL_SSL = RD_KAFKA_RESP_ERR__SSL,
    LOCAL_TIMED_OUT = RD_KAFKA_RESP_ERR__TIMED_OUT,
    LOCAL_TRANSPORT = RD_KAFKA_RESP_ERR__TRANSPORT,
    LOCAL_UNKNOWN_TOPIC = RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
    LOCAL_UNKNOWN_PARTITION = RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
    DUPLICATE_SEQUENCE = RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER,
    OUT_OF_SEQUENCE = RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
    INVALID_PRODUCER_ID = RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING,
    INVALID_TRANSACTION = RD_KAFKA_RESP_ERR_INVALID_TXN_STATE,
    UNKNOWN_PRODUCER_ID = RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
    CLUSTER_DENIED = RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
    LOCAL_OTHER_RECORD = RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD,
    INVALID_MSG = RD_KAFKA_RESP_ERR_INVALID_MSG,
    INVALID_MSG_SIZE = RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE,
    INVALID_PRODUCER_EPOCH = RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
    INVALID_RECORD = RD_KAFKA_RESP_ERR_INVALID_RECORD,
    INVALID_TIMESTAMP = RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
    INVALID_TRANSACTION_TIMEOUT = RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT,
    LEADER_NOT_AVAILABLE = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
    MSG_SIZE_TOO_LARGE = RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
    POLICY_VIOLATION = RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
    PRODUCER_FENCED = RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
    RECORD_LIST_TOO_LARGE = RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
    SASL_FAILED = RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED,
    TOPIC_ALREADY_EXISTS = RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS,
    TOPIC_DENIED = RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
    TOPIC_EXCEPTION = RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
    UNKNOWN = RD_KAFKA_RESP_ERR_UNKNOWN,
    TRANSACTIONAL_ID_DENIED = RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    UNKNOWN_TOPIC_OR_PART = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
}

impl Code {
    /// Takes the number as the library or a broker gave it.
    pub(super) fn new(number: i32) -> Code {
        Code(number)
    }

    /// The name in librdkafka's and Kafka's documentation, such as `MSG_SIZE_TOO_LARGE`, or
    /// `UNKNOWN` for a code that the library does not know.
    pub fn name(self) -> &'static str {
        described(self).map_or("UNKNOWN", |(name, _)| name)
    }

    /// The number: negative for the library's own errors, positive for a broker's.
    pub fn number(self) -> i32 {
        self.0
    }

    /// One sentence of the library about the code.
    pub fn description(self) -> &'static str {
        described(self).map_or("error code not known to this librdkafka", |(_, text)| text)
    }

    /// Whether rights are missing.
    pub(super) fn is_denied(self) -> bool {
        [Code::TOPIC_DENIED, Code::CLUSTER_DENIED, Code::TRANSACTIONAL_ID_DENIED].contains(&self)
    }

    /// Whether it is about the numbers that a producer gives its requests: a consequence of what went
    /// wrong before.
    pub(super) fn is_of_sequence(self) -> bool {
        [
            Code::DUPLICATE_SEQUENCE,
            Code::OUT_OF_SEQUENCE,
            Code::INVALID_PRODUCER_EPOCH,
            Code::INVALID_PRODUCER_ID,
            Code::INVALID_TRANSACTION,
            Code::UNKNOWN_PRODUCER_ID,
            Code::PRODUCER_FENCED,
        ]
        .contains(&self)
    }

    /// Whether the library was told to give the message up.
    pub(super) fn is_given_up(self) -> bool {
        [Code::LOCAL_DESTROYED, Code::LOCAL_PURGED_IN_FLIGHT, Code::LOCAL_PURGED_IN_QUEUE]
            .contains(&self)
    }

    /// Whether a broker answered with this code, which proves that it can be reached.
    pub(super) fn is_from_broker(self) -> bool {
        self.0 > 0 || self == Code::UNKNOWN
    }

    /// Whether the broker finds the record itself invalid.
    pub(super) fn is_of_record(self) -> bool {
        [Code::INVALID_RECORD, Code::INVALID_TIMESTAMP].contains(&self)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

type Description = (&'static str, &'static str);

fn described(code: Code) -> Option<Description> {
    static TABLE: OnceLock<HashMap<i32, Description>> = OnceLock::new();
    TABLE.get_or_init(read_table).get(&code.0).copied()
}

/// The library's own table, read instead of asking it code by code: its functions take the enum,
/// and a number that the enum does not have must never become one.
fn read_table() -> HashMap<i32, Description> {
    let mut first = ptr::null();
    let mut count = 0;
    // SAFETY: both out-parameters are valid; the library sets them to a constant static table.
    unsafe { rd::rd_kafka_get_err_descs(&mut first, &mut count) };
    let mut table = HashMap::new();
    for index in 0..count {
        // SAFETY: index < count; fields are read one by one through raw pointers because gaps in
        // the table may hold numbers without a name, which the enum's type would not allow.
        let (number, name, text) = unsafe {
            let entry = first.add(index);
            let number = ptr::addr_of!((*entry).code).cast::<i32>().read();
            (number, (*entry).name, (*entry).desc)
        };
        if let (Some(name), Some(text)) = (static_str(name), static_str(text)) {
            table.insert(number, (name, text));
        }
    }
    table
}

fn static_str(text: *const std::ffi::c_char) -> Option<&'static str> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null; the table's strings are NUL-terminated literals.
    unsafe { CStr::from_ptr(text) }.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_names_of_the_documentation() {
        assert_eq!(Code::MSG_SIZE_TOO_LARGE.name(), "MSG_SIZE_TOO_LARGE");
        assert_eq!(Code::LOCAL_TRANSPORT.name(), "_TRANSPORT");
        assert!(Code::LOCAL_TRANSPORT.description().contains("Broker"));
        assert!(!Code::LOCAL_TRANSPORT.is_from_broker());
        assert!(Code::TOPIC_DENIED.is_from_broker());
    }

    #[test]
    fn a_code_from_a_newer_broker_is_still_a_code() {
        let code = Code::new(9999);
        assert_eq!((code.name(), code.number()), ("UNKNOWN", 9999));
        assert!(code.is_from_broker());
    }
}
