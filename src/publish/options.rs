//! What is published of every source: settings, by Debezium's names.

use crate::log::change::Op;

/// What is published and what is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// A message without a value after each delete, which lets compaction forget the key
    /// (Debezium's `tombstones.on.delete`).
    pub tombstones_on_delete: bool,
    /// Operations that are not published (Debezium's `skipped.operations`).
    pub skipped_operations: Vec<Op>,
    /// The old row in updates and deletes. Without it, an update's `before` is null, and a delete's
    /// has the key and what cannot be null, as with Debezium and `REPLICA IDENTITY DEFAULT`.
    pub before_images: bool,
    /// Debezium's headers that name the connector (`extended.headers.enabled`).
    pub extended_headers: bool,
    /// Which transaction an event belongs to, and where each begins and ends
    /// (`provide.transaction.metadata`).
    pub transactions: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            tombstones_on_delete: true,
            skipped_operations: vec![Op::Truncate],
            before_images: true,
            extended_headers: false,
            transactions: false,
        }
    }
}

impl Options {
    pub fn skips(&self, op: Op) -> bool {
        self.skipped_operations.contains(&op)
    }
}

/// Reads a list of operations as Debezium writes it: `c`, `u`, `d`, `t`, separated by commas, or
/// `none`.
///
/// # Errors
/// What is no operation.
pub fn operations(list: &str) -> Result<Vec<Op>, String> {
    let mut found = Vec::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match name {
            "c" => found.push(Op::Create),
            "u" => found.push(Op::Update),
            "d" => found.push(Op::Delete),
            "t" => found.push(Op::Truncate),
            "none" => {}
            other => return Err(format!("\"{other}\" is no operation that can be skipped")),
        }
    }
    if found.is_empty() || !list.split(',').any(|name| name.trim() == "none") {
        Ok(found)
    } else {
        Err("\"none\" stands alone".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_debeziums() {
        assert_eq!(operations("t"), Ok(vec![Op::Truncate]));
        assert_eq!(operations(" c, u,d "), Ok(vec![Op::Create, Op::Update, Op::Delete]));
        assert_eq!(operations("none"), Ok(Vec::new()));
        assert_eq!(operations(""), Ok(Vec::new()));
        assert!(operations("t,none").is_err());
        assert!(operations("r").is_err_and(|error| error.contains("\"r\"")));
    }
}
