//! Whether JSON in text is something that the server's `jsonb` takes.

/// Deeper nesting is refused, long before the server would run out of stack.
const DEPTH: usize = 512;

/// Whether the server's `jsonb` takes this text: JSON as RFC 8259 has it, without `\u0000`, with
/// paired surrogates, and with numbers that fit `numeric` (`json.c`, `jsonb.c`).
pub fn is_jsonb(text: &str) -> bool {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
    reader.value(0).is_some() && {
        reader.space();
        reader.at == reader.bytes.len()
    }
}

/// Every step yields `None` where the text is no JSON.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, expected: u8) -> Option<()> {
        (self.peek()? == expected).then(|| self.at += 1)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        self.space();
        match self.peek()? {
            b'{' => self.members(b'}', depth),
            b'[' => self.members(b']', depth),
            b'"' => self.string(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    /// An object or an array, by what closes it.
    fn members(&mut self, close: u8, depth: usize) -> Option<()> {
        if depth == DEPTH {
            return None;
        }
        self.at += 1;
        self.space();
        if self.take(close).is_some() {
            return Some(());
        }
        loop {
            if close == b'}' {
                self.space();
                self.string()?;
                self.space();
                self.take(b':')?;
            }
            self.value(depth + 1)?;
            self.space();
            if self.take(b',').is_none() {
                return self.take(close);
            }
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.bytes[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn string(&mut self) -> Option<()> {
        self.take(b'"')?;
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return Some(()),
                0..0x20 => return None,
                b'\\' => {
                    let escape = self.peek()?;
                    self.at += 1;
                    match escape {
                        b'u' => self.unicode()?,
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                        _ => return None,
                    }
                }
                _ => {}
            }
        }
    }

    /// The rest of `\uXXXX`, and of `\uD8XX\uDCXX`.
    fn unicode(&mut self) -> Option<()> {
        match self.hex()? {
            0 | 0xDC00..=0xDFFF => None,
            0xD800..=0xDBFF => {
                self.take(b'\\')?;
                self.take(b'u')?;
                matches!(self.hex()?, 0xDC00..=0xDFFF).then_some(())
            }
            _ => Some(()),
        }
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |code, &digit| Some(code * 16 + char::from(digit).to_digit(16)?))
    }

    fn digits(&mut self) -> Option<usize> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > start).then_some(self.at - start)
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.take(b'-');
        let zero = self.peek()? == b'0';
        let whole = self.digits()?;
        if zero && whole > 1 {
            return None;
        }
        let mut fraction = 0;
        if self.take(b'.').is_some() {
            fraction = self.digits()?;
        }
        let mut exponent = 0;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            let _ = self.take(b'+').or_else(|| self.take(b'-'));
            let start = self.at;
            self.digits()?;
            let digits = std::str::from_utf8(&self.bytes[start..self.at]).ok()?;
            exponent = digits.parse::<usize>().ok()?;
        }
        // numeric holds 131072 digits before the point and 16383 after it; the smaller bound for
        // both is simpler, and no number that means anything comes near it.
        (whole.max(fraction) + exponent.min(20_000) < 16_000).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn takes_what_jsonb_takes() {
        for text in [
            "{}",
            " [1, -0.5e+3, \"a\\u00e9\\ud83d\\ude00\", true, false, null, {\"a\":{}}] ",
            "0",
            "\"\"",
            "1e400",
        ] {
            assert!(is_jsonb(text), "{text}");
        }
        for text in [
            "",
            "{not json",
            "{\"a\"}",
            "[1,]",
            "01",
            "1.",
            "+1",
            "'a'",
            "\"\\u0000\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"a\nb\"",
            "[1] 2",
            "NaN",
            "1e99999",
            "tru",
        ] {
            assert!(!is_jsonb(text), "{text}");
        }
        assert!(!is_jsonb(&"[".repeat(100_000)));
    }

    proptest! {
        #[test]
        fn takes_any_string_without_nul(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(is_jsonb(&json), !text.contains('\0'));
        }

        #[test]
        fn never_takes_what_is_no_json(text in "[\\[\\]{}:,\"\\\\0-9eE.+a-fnulrts -]{0,12}") {
            if is_jsonb(&text) {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
            }
        }
    }
}
