//! What a record goes by where it is kept under its key: a key may be any text, an index takes no more
//! than a third of a page.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// Longer keys are no keys: what fits has 255 characters, the most that Salesforce allows for an
/// external id, whatever they are.
pub const KEY_BYTES: usize = 4 * 255;

/// What stands before the hash of a key that is too long.
pub const HASHED: &str = "sha256:";

/// The key, or its hash if it is longer than [`KEY_BYTES`].
pub fn of(key: &str) -> Cow<'_, str> {
    if key.len() <= KEY_BYTES {
        return Cow::Borrowed(key);
    }
    let hash = Sha256::digest(key);
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Cow::Owned(format!("{HASHED}{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_too_long_is_hashed() {
        let longest = "\u{10348}".repeat(255);
        assert_eq!(of(&longest), longest);
        let (one, other) =
            (of(&format!("{longest}a")).into_owned(), of(&format!("{longest}b")).into_owned());
        assert_eq!((one.len(), one == other), (HASHED.len() + 64, false));
        // A name is a name already.
        assert_eq!(of(&one), one);
    }
}
