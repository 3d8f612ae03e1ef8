//! Heartbeats, as Debezium sends them: a message now and then that says that we are alive.

use std::time::{Duration, Instant};

use super::json;
use super::schema::{self, plain, structure};
use crate::row::text::Out;

/// The token of heartbeats; no batch has it.
pub const TOKEN: u64 = u64::MAX;

/// When a heartbeat is due.
#[derive(Debug, Default)]
pub struct Heartbeat {
    last: Option<Instant>,
}

impl Heartbeat {
    /// How long it is to the next one.
    pub fn wait(&self, interval: Duration, now: Instant) -> Duration {
        self.last.map_or(Duration::ZERO, |last| (last + interval).saturating_duration_since(now))
    }

    pub fn sent(&mut self, now: Instant) {
        self.last = Some(now);
    }
}

/// Key and value of a heartbeat.
pub fn message(prefix: &str, at_ms: i64, schemas: bool) -> (Vec<u8>, Vec<u8>) {
    let (mut key, mut value) = (Vec::new(), Vec::new());
    if schemas {
        let common = |name: &str| format!("io.debezium.connector.common.{name}");
        let members = [plain("string", false, "serverName")];
        let of_key = structure(&members, &common("ServerNameKey"), Some(1), false, "");
        let members = [plain("int64", false, "ts_ms")];
        let of_value = structure(&members, &common("Heartbeat"), Some(1), false, "");
        key.put(&schema::before_payload(&of_key));
        value.put(&schema::before_payload(&of_value));
    }
    let end = if schemas { "}}" } else { "}" };
    key.put("{\"serverName\":");
    json::string(&mut key, prefix);
    key.put(end);
    value.put("{\"ts_ms\":");
    json::integer(&mut value, at_ms);
    value.put(end);
    (key, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_are_debeziums() {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (key, value) = message("crm", 7, false);
        assert_eq!(
            (text(key), text(value)),
            (r#"{"serverName":"crm"}"#.into(), r#"{"ts_ms":7}"#.into())
        );
        let (key, value) = message("crm", 7, true);
        for (text, payload) in [
            (text(key), r#""payload":{"serverName":"crm"}}"#),
            (text(value), r#""payload":{"ts_ms":7}}"#),
        ] {
            assert!(text.starts_with(r#"{"schema":{"type":"struct""#) && text.ends_with(payload));
        }
    }

    #[test]
    fn they_come_at_their_interval() {
        let mut heartbeat = Heartbeat::default();
        let (second, start) = (Duration::from_secs(1), Instant::now());
        assert_eq!(heartbeat.wait(second, start), Duration::ZERO);
        heartbeat.sent(start);
        assert_eq!(heartbeat.wait(second, start), second);
        assert_eq!(heartbeat.wait(second, start + 2 * second), Duration::ZERO);
    }
}
