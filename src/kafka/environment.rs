//! Options as Kafka on Heroku hands them out: an options file may be the output of
//! `heroku config --shell`, or a `.env` file made of it. Names in capitals are environment variables:
//! those of the Kafka add-on are understood, all others are not ours and are passed over.

use super::error::Error;
use super::options::Written;

/// What the environment variables say.
#[derive(Default)]
pub(super) struct Environment {
    /// `KAFKA_URL`: the broker list.
    pub(super) brokers: Option<String>,
    /// `KAFKA_PREFIX`, which the names of all topics must begin with; without the dot at its end.
    pub(super) prefix: Option<String>,
    /// Certificates and key, under librdkafka's names.
    pub(super) options: Vec<Written>,
}

/// The variables of an attachment, by what their names end with, and the options that they are.
const OPTIONS: [(&str, &str); 3] = [
    ("_TRUSTED_CERT", "ssl.ca.pem"),
    ("_CLIENT_CERT", "ssl.certificate.pem"),
    ("_CLIENT_CERT_KEY", "ssl.key.pem"),
];

/// Whether a name is that of an environment variable: librdkafka's options have none of these.
pub(super) fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// Takes the environment variables out of what an options file holds.
///
/// # Errors
/// [`Error::BadSyntax`] when it has several Kafka add-ons, and none of them is called `KAFKA`.
pub(super) fn take(written: &mut Vec<Written>) -> Result<Environment, Error> {
    let (variables, options) =
        std::mem::take(written).into_iter().partition(|option| is_variable(&option.name));
    *written = options;
    let variables: Vec<Written> = variables;
    let mut attachments: Vec<(&str, &Written)> = variables
        .iter()
        .filter_map(|v| Some((v.name.strip_suffix("_URL")?, v)))
        .filter(|(name, _)| name.starts_with("KAFKA") || name.starts_with("HEROKU_KAFKA"))
        .collect();
    attachments.sort_by_key(|(name, _)| (*name != "KAFKA", *name));
    // An attachment under a second name has the same value.
    attachments.dedup_by(|later, first| later.1.value == first.1.value);
    let (attachment, url) = match attachments[..] {
        [] => ("KAFKA", None),
        [(name, url)] => (name, Some(url)),
        [("KAFKA", url), ..] => ("KAFKA", Some(url)),
        [_, (_, second), ..] => {
            return Err(Error::BadSyntax {
                place: second.place.clone(),
                reason: "it has several Kafka add-ons; keep the variables of one".to_owned(),
            });
        }
    };
    let get = |suffix: &str| variables.iter().find(|v| v.name == format!("{attachment}{suffix}"));
    let mut options = Vec::new();
    for (suffix, name) in OPTIONS {
        if let Some(variable) = get(suffix) {
            let value = variable.value.replace("\\n", "\n");
            options.push(Written { name: name.to_owned(), value, place: variable.place.clone() });
        }
    }
    if let Some(first) = options.first() {
        // Certificates of these brokers are for no host name.
        let lenient =
            [("security.protocol", "ssl"), ("ssl.endpoint.identification.algorithm", "none")];
        let place = first.place.clone();
        options.extend(lenient.map(|(name, value)| Written {
            name: name.to_owned(),
            value: value.to_owned(),
            place: place.clone(),
        }));
    }
    let prefix = get("_PREFIX").map(|v| v.value.strip_suffix('.').unwrap_or(&v.value).to_owned());
    Ok(Environment {
        brokers: url.map(|url| url.value.clone()),
        prefix: prefix.filter(|prefix| !prefix.is_empty()),
        options,
    })
}

/// Reads a word as a shell does: quotes, single and double, and backslashes. What follows it on its
/// line is left.
pub(super) fn word(text: &str) -> Result<(String, &str), &'static str> {
    const UNENDED: &str = "a quote without its end";
    let mut value = String::new();
    let mut rest = text.char_indices();
    let end = loop {
        let Some((at, c)) = rest.next() else { break text.len() };
        match c {
            '\'' => loop {
                match rest.next().ok_or(UNENDED)?.1 {
                    '\'' => break,
                    c => value.push(c),
                }
            },
            '"' => loop {
                match rest.next().ok_or(UNENDED)?.1 {
                    '"' => break,
                    '\\' => match rest.next().ok_or(UNENDED)?.1 {
                        c @ ('"' | '\\' | '$' | '`' | '!') => value.push(c),
                        c => value.extend(['\\', c]),
                    },
                    c => value.push(c),
                }
            },
            '\\' => match rest.next() {
                // Two characters that stand for a line end in a value that was written in one line.
                Some((_, 'n')) => value.push_str("\\n"),
                Some((_, c)) => value.push(c),
                None => {}
            },
            c if c.is_whitespace() => break at,
            c => value.push(c),
        }
    };
    Ok((value, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::super::options::{Source, read};
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIB=\n-----END CERTIFICATE-----\n";

    fn environment(file: &str) -> Environment {
        take(&mut read(file, Source::File).expect("readable")).expect("one add-on")
    }

    fn get<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
        let mut options = environment.options.iter();
        options.find(|option| option.name == name).map(|option| option.value.as_str())
    }

    #[test]
    fn every_way_to_quote_gives_the_same() {
        let url = "kafka+ssl://a.example.com:9096,kafka+ssl://b.example.com:9096";
        let line = PEM.replace('\n', "\\n");
        for (url_written, pem_written) in [
            (url.to_owned(), PEM.to_owned()),
            (format!("'{url}'"), format!("'{PEM}'")),
            (format!("\"{url}\""), format!("\"{PEM}\"")),
            (format!("\"{url}\""), format!("\"{line}\"")),
            (url.replace(':', "\\:").replace(',', "\\,"), format!("'{line}'")),
        ] {
            let file = format!(
                "DATABASE_URL=postgres://u:p@h/d\nexport KAFKA_URL={url_written}\n\
                 KAFKA_CLIENT_CERT={pem_written}\nKAFKA_CLIENT_CERT_KEY={pem_written}\n\
                 KAFKA_TRUSTED_CERT={pem_written}\nKAFKA_PREFIX=wabash-5.\nlinger.ms=3\n"
            );
            let found = environment(&file);
            assert_eq!(found.brokers.as_deref(), Some(url), "{file}");
            assert_eq!(found.prefix.as_deref(), Some("wabash-5"), "{file}");
            for name in ["ssl.ca.pem", "ssl.certificate.pem", "ssl.key.pem"] {
                assert_eq!(get(&found, name).map(str::trim_end), Some(PEM.trim_end()), "{file}");
            }
            assert_eq!(get(&found, "ssl.endpoint.identification.algorithm"), Some("none"));
        }
    }

    #[test]
    fn one_add_on_is_taken_and_its_own_certificates_with_it() {
        let color = "HEROKU_KAFKA_COBALT_URL=kafka+ssl://c:1\nHEROKU_KAFKA_COBALT_PREFIX=c.\n";
        assert_eq!(environment(color).brokers.as_deref(), Some("kafka+ssl://c:1"));
        assert_eq!(environment(color).prefix.as_deref(), Some("c"));
        let both = format!("{color}KAFKA_URL=kafka+ssl://k:1\n");
        assert_eq!(environment(&both).brokers.as_deref(), Some("kafka+ssl://k:1"));
        assert_eq!(environment(&both).prefix, None);
        let two = format!("{color}HEROKU_KAFKA_RED_URL=kafka+ssl://r:1\n");
        let error = take(&mut read(&two, Source::File).expect("readable")).map(drop);
        assert!(error.is_err_and(|e| e.to_string().contains("several Kafka add-ons")));
    }

    #[test]
    fn words_are_the_shells() {
        let one = |text| word(text).map(|(value, rest)| (value, rest.to_owned()));
        let expected = |value: &str, rest: &str| Ok((value.to_owned(), rest.to_owned()));
        assert_eq!(one("a'b c'\"d \\\"e\" f"), expected("ab cd \"e", " f"));
        assert_eq!(one("'it'\\''s'\nx"), expected("it's", "\nx"));
        assert_eq!(one("a\\:b"), expected("a:b", ""));
        assert!(one("'a").is_err() && one("\"a\\").is_err());
    }
}
