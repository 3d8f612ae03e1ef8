//! hstore text (`"key"=>"value", "other"=>NULL`, as `hstore_out` prints it) as JSON.

use super::json;

/// The JSON object for the text, compact; `None` when the text is no hstore.
pub fn to_json(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('{');
    let mut rest = text;
    while !text.is_empty() {
        let (key, after) = quoted(rest)?;
        json::string(&mut out, &key);
        out.push(':');
        rest = after.strip_prefix("=>")?;
        if let Some(after) = rest.strip_prefix("NULL") {
            out.push_str("null");
            rest = after;
        } else {
            let (value, after) = quoted(rest)?;
            json::string(&mut out, &value);
            rest = after;
        }
        if rest.is_empty() {
            break;
        }
        out.push(',');
        rest = rest.strip_prefix(", ")?;
    }
    out.push('}');
    Some(out)
}

/// A quoted string off the front, unescaped, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut characters = inner.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &inner[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::to_json;

    #[test]
    fn objects() {
        for (text, expected) in [
            ("", Some("{}")),
            (r#""key1"=>"val1", "key2"=>NULL"#, Some(r#"{"key1":"val1","key2":null}"#)),
            (r#""c"=>"\"\\", "é b"=>"""#, Some(r#"{"c":"\"\\","é b":""}"#)),
            ("no hstore", None),
            ("\"a\"=>", None),
            ("\"a\"=>\"b\\", None),
            ("\"a\"=>NULL, ", None),
        ] {
            assert_eq!(to_json(text).as_deref(), expected);
        }
    }
}
