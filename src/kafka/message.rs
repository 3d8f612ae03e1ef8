//! What a message is known by, and how much room it takes.

/// A message that a report named: topic, key, whether it is a tombstone, headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub topic: String,
    pub key: Option<Vec<u8>>,
    pub is_tombstone: bool,
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Named {
    /// Whether it is this one.
    pub fn is(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, &[u8])],
    ) -> bool {
        self.topic == topic
            && self.key.as_deref() == key
            && self.is_tombstone == value.is_none()
            && self.headers.len() == headers.len()
            && self
                .headers
                .iter()
                .zip(headers)
                .all(|(known, other)| known.0 == other.0 && known.1 == other.1)
    }
}

/// What a batch has beside its records.
const BATCH: usize = 61;

/// Bytes of a batch with this message alone, uncompressed: what a broker compares with
/// `max.message.bytes`. (Kafka's record format, version 2.)
pub fn batch_size(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&str, &[u8])]) -> usize {
    let part = |bytes: Option<&[u8]>| match bytes {
        Some(bytes) => varint(bytes.len()) + bytes.len(),
        // A length of -1.
        None => 1,
    };
    let headers: usize = varint(headers.len())
        + headers
            .iter()
            .map(|(name, value)| part(Some(name.as_bytes())) + part(Some(value)))
            .sum::<usize>();
    // Attributes, and the differences of time and offset to the batch's, which are 0.
    let record = 3 + part(key) + part(value) + headers;
    BATCH + varint(record) + record
}

/// Bytes of a length: signed, seven bits a byte.
fn varint(length: usize) -> usize {
    let bits = usize::BITS - (length << 1).leading_zeros();
    (bits as usize).div_ceil(7).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_a_byte_for_seven_bits_with_their_sign() {
        for (length, bytes) in
            [(0, 1), (63, 1), (64, 2), (8191, 2), (8192, 3), (1_000_000, 3), (2_000_000, 4)]
        {
            assert_eq!(varint(length), bytes, "{length}");
        }
    }

    #[test]
    fn a_batch_is_as_large_as_its_format_says() {
        // Length, attributes, two differences, key and value of no bytes or none, no headers.
        assert_eq!(batch_size(None, Some(b""), &[]), BATCH + 1 + 3 + 1 + 1 + 1);
        assert_eq!(batch_size(Some(b"k"), None, &[("h", b"v")]), BATCH + 1 + 3 + 2 + 1 + 1 + 4);
    }

    #[test]
    fn a_message_is_known_by_all_that_it_has_but_its_value() {
        let named = Named {
            topic: "t".into(),
            key: Some(b"k".to_vec()),
            is_tombstone: false,
            headers: vec![("event_id".into(), b"7.0".to_vec())],
        };
        let id: &[(&str, &[u8])] = &[("event_id", b"7.0")];
        assert!(named.is("t", Some(b"k"), Some(b"any"), id));
        assert!(!named.is("t", Some(b"k"), None, id), "its tombstone");
        assert!(!named.is("t", Some(b"k"), Some(b"any"), &[("event_id", b"7.1")]));
        assert!(
            !named.is("t", None, Some(b"any"), id) && !named.is("u", Some(b"k"), Some(b"any"), id)
        );
    }
}
