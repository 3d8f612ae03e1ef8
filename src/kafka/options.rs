//! Reads options from text: `key=value; key=value`, or one a line with comments, PEM texts as they
//! are.

use super::environment;
use super::error::Error;

/// One option as the admin wrote it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) name: String,
    pub(super) value: String,
    /// Where it stands, for messages.
    pub(super) place: String,
}

/// How a text separates its options.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A setting: semicolons or line ends.
    Setting,
    /// A file, as the Java client's and librdkafka's tools read them: line ends only.
    File,
}

impl Source {
    fn place(self, line: usize) -> String {
        match self {
            Source::Setting => format!("line {line} of the Kafka options"),
            Source::File => format!("line {line} of the Kafka options file"),
        }
    }

    fn ends_value(self, c: char) -> bool {
        c == '\n' || (c == ';' && self == Source::Setting)
    }
}

/// Splits the text into options.
///
/// A value runs to the end of its line (or to a semicolon), without the spaces around it; in
/// quotes, single or double, it may hold anything (the quote itself doubled); one that begins with
/// `-----BEGIN` runs to the end of its last PEM block. In `*.pem` options `\n` is a line end, since
/// PEM texts often travel in one line.
///
/// # Errors
/// [`Error::BadSyntax`] with the line, never with what stands there: it may be part of a secret.
pub(super) fn read(text: &str, source: Source) -> Result<Vec<Written>, Error> {
    let mut options: Vec<Written> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || source.ends_value(c));
        if rest.is_empty() {
            return Ok(options);
        }
        if rest.starts_with('#') {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
            continue;
        }
        let line = 1 + text[..text.len() - rest.len()].matches('\n').count();
        let place = source.place(line);
        let end = rest.find(|c| source.ends_value(c)).unwrap_or(rest.len());
        let fault = |reason: &str| Error::BadSyntax { place: place.clone(), reason: reason.into() };
        let Some(equals) = rest[..end].find('=') else {
            return Err(fault("an entry without \"=\""));
        };
        let name = rest[..equals].trim();
        let name = name.strip_prefix("export ").map_or(name, str::trim_start);
        if !looks_like_a_name(name) {
            return Err(fault("an option's name has letters, digits, dots and underscores only"));
        }
        if options.iter().any(|o| o.name == name) {
            return Err(fault("an option is given a second time"));
        }
        let after = rest[equals + 1..].trim_start_matches([' ', '\t']);
        let variable = source == Source::File && environment::is_variable(name);
        let (value, remainder) = if variable && !after.starts_with("-----BEGIN") {
            environment::word(after).map_err(fault)?
        } else {
            read_value(after, source).map_err(fault)?
        };
        let value = if name.ends_with(".pem") { value.replace("\\n", "\n") } else { value };
        options.push(Written { name: name.to_owned(), value, place });
        rest = remainder;
    }
}

fn looks_like_a_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 80
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// The value that the text begins with, and what follows it.
fn read_value(text: &str, source: Source) -> Result<(String, &str), &'static str> {
    let (value, rest) = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => read_quoted(&text[1..], quote)?,
        _ if text.starts_with("-----BEGIN") => read_pem(text)?,
        _ => {
            let end = text.find(|c| source.ends_value(c)).unwrap_or(text.len());
            return Ok((text[..end].trim().to_owned(), &text[end..]));
        }
    };
    let rest = rest.trim_start_matches([' ', '\t', '\r']);
    match rest.chars().next() {
        None => Ok((value, rest)),
        Some(c) if source.ends_value(c) => Ok((value, rest)),
        Some(_) => Err("something follows the end of a quoted value or PEM text"),
    }
}

fn read_quoted(text: &str, quote: char) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let end = rest.find(quote).ok_or("a quote without its end")?;
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix(quote) {
            Some(more) => {
                value.push(quote);
                rest = more;
            }
            None => return Ok((value, rest)),
        }
    }
}

/// One or more PEM blocks, one after another.
fn read_pem(text: &str) -> Result<(String, &str), &'static str> {
    let mut end = 0;
    loop {
        let block = &text[end..];
        let tail = block.find("-----END ").ok_or("a PEM text without its END line")?;
        let label = tail + "-----END ".len();
        let close = block[label..].find("-----").ok_or("a PEM text without its END line")?;
        end += label + close + "-----".len();
        // A next block follows after a line end, written as such or as the two characters \n.
        let next = text[end..].trim_start_matches(|c: char| c.is_whitespace());
        let next = next.trim_start_matches("\\n").trim_start();
        if next.starts_with("-----BEGIN") {
            end = text.len() - next.len();
            continue;
        }
        let rest = &text[end..];
        let rest = rest.strip_prefix("\\n").unwrap_or(rest);
        return Ok((format!("{}\n", &text[..end]), rest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str, source: Source) -> Vec<(String, String)> {
        let options = read(text, source).expect("readable");
        options.into_iter().map(|o| (o.name, o.value)).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_setting_has_semicolons_or_lines() {
        let expected = vec![pair("a.b", "1"), pair("c", "x=y")];
        assert_eq!(pairs("a.b=1; c = x=y ;", Source::Setting), expected);
        assert_eq!(pairs("# note; d=3\n a.b = 1\r\n\n c=x=y", Source::Setting), expected);
        assert_eq!(pairs("", Source::Setting), []);
    }

    #[test]
    fn a_file_keeps_semicolons() {
        assert_eq!(pairs("sasl.password=a;b\n", Source::File), [pair("sasl.password", "a;b")]);
    }

    #[test]
    fn quotes_hold_anything() {
        let text = r#"sasl.password=" a;b""c "; client.id='x'"#;
        let expected = vec![pair("sasl.password", " a;b\"c "), pair("client.id", "x")];
        assert_eq!(pairs(text, Source::Setting), expected);
    }

    #[test]
    fn pem_texts_are_taken_as_they_are_or_in_one_line() {
        let block = "-----BEGIN CERTIFICATE-----\nMIIB=\n-----END CERTIFICATE-----\n";
        let two = format!("{block}{block}");
        let text = format!("ssl.ca.pem={two}client.id=x");
        let expected = vec![pair("ssl.ca.pem", &two), pair("client.id", "x")];
        assert_eq!(pairs(&text, Source::File), expected);
        let one_line = format!("ssl.ca.pem={}; client.id=x", two.replace('\n', "\\n"));
        assert_eq!(pairs(&one_line, Source::Setting), expected);
    }

    #[test]
    fn faults_name_the_line_and_not_the_text() {
        for (text, line) in [
            ("a=1\nhunter2", 2),
            ("sasl.password=hunter2\n\nsasl.password=hunter2", 3),
            ("sasl.password='hunter2", 1),
            ("hunter2 hunter2=1", 1),
            ("ssl.key.pem=-----BEGIN KEY-----\nhunter2", 1),
            ("sasl.password='hun'ter2", 1),
        ] {
            let Err(error) = read(text, Source::Setting) else { panic!("{text} was read") };
            let error = error.to_string();
            assert!(error.contains(&format!("line {line} of")), "{error}");
            assert!(!error.contains("hunter2") && !error.contains("ter2"), "{error}");
        }
    }
}
