//! From what the admin wrote (broker list, options, options file) to options that librdkafka takes.

use super::admin::TopicSpec;
use super::defaults::{DEFAULTS, OURS, nearest};
use super::environment;
use super::error::Error;
use super::native::{Conf, Refusal};
use super::options::{self, Source, Written};
use super::secrets::{is_secret, redact};
use super::validity;
use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime};

/// The library's own `batch.size` and `message.max.bytes`.
const BATCH_SIZE: usize = 1_000_000;

/// How long a transaction may take, in milliseconds, unless the admin says otherwise.
const TRANSACTION_TIME: &str = "30000";
/// In place of a broker list: the options file has it.
const IN_FILE: &str = "file";

/// What the names of all topics begin with, by an options file that comes from Heroku.
///
/// # Errors
/// [`Error::BadSyntax`]: what a file says that cannot be read whole is not known.
pub fn topic_prefix(file: &str) -> Result<Option<String>, Error> {
    let mut written = options::read(file, Source::File)?;
    Ok(environment::take(&mut written)?.prefix)
}

/// Whether a broker list can be one.
///
/// # Errors
/// As [`Config::parse`].
pub fn check_brokers(brokers: &str) -> Result<(), Error> {
    if brokers == IN_FILE { Ok(()) } else { Config::parse(brokers, "", "").map(drop) }
}

/// Whether an options file holds what nobody else may read.
pub fn holds_secrets(file: &str) -> bool {
    let public = ["ssl.ca.pem", "ssl.certificate.pem"];
    let written = options::read(file, Source::File).unwrap_or_default();
    written.iter().any(|option| {
        let name = option.name.as_str();
        environment::is_variable(name) || (is_secret(name) && !public.contains(&name))
    })
}

/// A checked configuration of a producer. `Debug` shows no secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    brokers: String,
    options: Vec<(String, String)>,
    /// What topics are created like; `None`: none are.
    topics: Option<TopicSpec>,
    /// Files that options name, as they were when this was read.
    files: Vec<(String, Option<(SystemTime, u64)>)>,
}

impl Config {
    /// Checks and completes what the admin gave.
    ///
    /// `brokers` is `host:port` or a URL such as `kafka+ssl://host:port`, several with commas, or
    /// `file` for those that the file names as `KAFKA_URL`.
    /// `setting` holds options as `key=value` separated by semicolons or line ends, `file` the
    /// content of an options file, one a line; the setting wins over the file and both over the
    /// built-in defaults.
    ///
    /// # Errors
    /// [`Error::NoBrokers`] for an empty broker list; otherwise the first option or address that is
    /// wrong, by name.
    pub fn parse(brokers: &str, setting: &str, file: &str) -> Result<Config, Error> {
        let mut written = options::read(file, Source::File)?;
        let environment = environment::take(&mut written)?;
        let brokers = match (brokers, &environment.brokers) {
            (IN_FILE, Some(brokers)) => brokers,
            (IN_FILE, None) => return Err(Error::NoBrokersInFile),
            (brokers, _) => brokers,
        };
        let (brokers, protocol) = super::brokers::parse(brokers)?;
        let known = |name: &str| written.iter().any(|w: &Written| w.name == name);
        let more: Vec<_> = environment.options.into_iter().filter(|o| !known(&o.name)).collect();
        written.extend(more);
        let setting = options::read(setting, Source::Setting)?;
        written.retain(|w| !setting.iter().any(|s| s.name == w.name));
        written.extend(setting);

        let mut conf = new_conf()?;
        let mut options = vec![("bootstrap.servers".to_owned(), brokers.clone())];
        let defaults = DEFAULTS.iter().map(|(n, v)| (*n, *v)).chain([compression(&conf)]);
        options.extend(defaults.map(|(n, v)| (n.to_owned(), v.to_owned())));
        if let Some(protocol) = protocol {
            options.push(("security.protocol".to_owned(), protocol.to_owned()));
        }
        for (name, value) in &options {
            set(&mut conf, name, value, "built-in default", None)?;
        }
        let mut before: Option<&Written> = None;
        for option in &written {
            if let Some((_, why)) = OURS.iter().find(|(name, _)| *name == option.name) {
                return Err(not_allowed(&option.name, why));
            }
            set(&mut conf, &option.name, &option.value, &option.place, before)?;
            check_guarantees(&conf, &option.name)?;
            before = Some(option);
        }
        check_protocol(&conf, protocol)?;
        options.retain(|(name, _)| !written.iter().any(|w| w.name == *name));
        options.extend(written.into_iter().map(|w| (w.name, w.value)));
        let files = stamps(&options);
        Ok(Config { brokers, options, topics: None, files })
    }

    /// The same, creating topics that do not exist. Brokers that create topics by themselves are kept
    /// from it, or they would be faster than we are, and create them otherwise.
    pub fn creating(mut self, topics: Option<TopicSpec>) -> Config {
        const AUTO: &str = "allow.auto.create.topics";
        if topics.is_some() && !self.options.iter().any(|(name, _)| name == AUTO) {
            self.options.push((AUTO.to_owned(), "false".to_owned()));
        }
        self.topics = topics;
        self
    }

    /// What topics are created like, if they are.
    pub(super) fn topics(&self) -> Option<&TopicSpec> {
        self.topics.as_ref()
    }

    /// The command that creates a topic as we would.
    pub(super) fn command(&self, topic: &str) -> Option<String> {
        Some(self.topics.as_ref()?.command(topic, &self.brokers, self.is_heroku()))
    }

    /// Whether the brokers look like Kafka on Heroku: client certificates on its port.
    fn is_heroku(&self) -> bool {
        let tls = |(name, value): &(String, String)| name == "security.protocol" && value == "ssl";
        self.brokers.split(',').all(|broker| broker.ends_with(":9096"))
            && self.options.iter().any(tls)
    }

    /// The brokers as librdkafka takes them: `host:port`, with commas.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// The options in the order in which they are set, secret values hidden.
    pub fn shown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options.iter().map(|(name, value)| {
            let value = if is_secret(name) { "(hidden)" } else { value.as_str() };
            (name.as_str(), value)
        })
    }

    /// The same for a producer that sends in transactions, which brokers know by `id`.
    ///
    /// A message that does not arrive within a transaction's time is given up with it; the transaction
    /// is made again. The time is what others may have to wait for one whose producer has died.
    pub fn transactional(&self, id: &str) -> Config {
        let mut config = self.clone();
        let time = self.transaction_time().to_owned();
        let given_up = ["message.timeout.ms", "delivery.timeout.ms", "transaction.timeout.ms"];
        config.options.retain(|(name, _)| !given_up.contains(&name.as_str()));
        for (name, value) in [
            ("transactional.id", id),
            ("transaction.timeout.ms", &time),
            ("message.timeout.ms", &time),
        ] {
            config.options.push((name.to_owned(), value.to_owned()));
        }
        config
    }

    fn transaction_time(&self) -> &str {
        let found = self.options.iter().rev().find(|(name, _)| name == "transaction.timeout.ms");
        found.map_or(TRANSACTION_TIME, |(_, time)| time.as_str())
    }

    /// After what time brokers abort a transaction.
    pub fn transaction_timeout(&self) -> Duration {
        // What is no number the library has refused.
        Duration::from_millis(self.transaction_time().parse().unwrap_or(u64::MAX))
    }

    /// How large a request may become of messages that are smaller, in bytes.
    pub fn batch_size(&self) -> usize {
        let of = |option: &str| {
            let found = self.options.iter().rev().find(|(name, _)| name == option);
            found.and_then(|(_, value)| value.parse().ok()).unwrap_or(BATCH_SIZE)
        };
        of("batch.size").min(of("message.max.bytes"))
    }

    /// The same with smaller requests.
    pub fn with_batch_size(mut self, bytes: usize) -> Config {
        self.options.push(("batch.size".to_owned(), bytes.to_string()));
        self
    }

    /// Whether messages may be smaller on their way than they are.
    pub fn compresses(&self) -> bool {
        let codec = |name: &str| matches!(name, "compression.codec" | "compression.type");
        let set = self.options.iter().rev().find(|(name, _)| codec(name));
        set.is_some_and(|(_, value)| value != "none")
    }

    pub(super) fn transactional_id(&self) -> Option<&str> {
        let found = self.options.iter().find(|(name, _)| name == "transactional.id");
        found.map(|(_, id)| id.as_str())
    }

    /// A number that differs when the configuration does, or when a certificate or key file that
    /// it names has been changed: then the worker needs a new producer. Not comparable between
    /// builds.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.options.hash(&mut hasher);
        self.topics.hash(&mut hasher);
        self.files.hash(&mut hasher);
        hasher.finish()
    }

    /// Since when our own certificate, where there is one, has been no longer valid: seconds since the
    /// Unix epoch.
    pub(super) fn expired(&self, now: SystemTime) -> Option<i64> {
        let of = |name: &str| self.options.iter().find(|(option, _)| option == name);
        let pem = match (of("ssl.certificate.pem"), of("ssl.certificate.location")) {
            (Some((_, pem)), _) => pem.clone(),
            (_, Some((_, path))) => fs::read_to_string(path).ok()?,
            _ => return None,
        };
        let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        validity::last_second(&pem).filter(|end| u64::try_from(*end).is_ok_and(|end| end < now))
    }

    /// Whether the admin wants to read all that the library says.
    pub(super) fn is_curious(&self) -> bool {
        let mut options = self.options.iter();
        options.any(|(name, value)| name == "debug" || (name == "log_level" && value == "7"))
    }

    /// Takes every secret out of a text that the library made.
    pub(super) fn redact(&self, text: &str) -> String {
        let secrets = self.options.iter().filter(|(name, _)| is_secret(name));
        secrets.fold(text.to_owned(), |text, (_, value)| redact(&text, value))
    }

    /// The configuration in the library's form.
    ///
    /// # Errors
    /// As `parse`, should the library have changed its mind.
    pub(super) fn native(&self) -> Result<Conf, Error> {
        let mut conf = new_conf()?;
        for (name, value) in &self.options {
            set(&mut conf, name, value, "checked before", None)?;
        }
        Ok(conf)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

fn new_conf() -> Result<Conf, Error> {
    Conf::new().ok_or_else(|| Error::NotStarted { reason: "out of memory".to_owned() })
}

fn not_allowed(option: &str, reason: &str) -> Error {
    Error::OptionNotAllowed { option: option.to_owned(), reason: reason.to_owned() }
}

/// lz4 costs the least per byte saved; a build without it has zstd, or nothing.
fn compression(conf: &Conf) -> (&'static str, &'static str) {
    let features = conf.get("builtin.features").unwrap_or_default();
    let has = |codec: &str| features.split(',').any(|f| f.trim() == codec);
    let codec = ["lz4", "zstd"].into_iter().find(|codec| has(codec));
    ("compression.type", codec.unwrap_or("none"))
}

fn set(
    conf: &mut Conf,
    name: &str,
    value: &str,
    place: &str,
    before: Option<&Written>,
) -> Result<(), Error> {
    let bad = |reason: String| Error::BadValue { option: name.to_owned(), reason };
    match conf.set(name, value) {
        Ok(()) => {}
        Err(Refusal::Unknown) => return Err(unknown(conf, name, place, before)),
        Err(Refusal::Invalid(_)) if is_secret(name) => {
            return Err(bad("librdkafka refuses it (the value is not shown)".to_owned()));
        }
        Err(Refusal::Invalid(text)) => return Err(bad(text)),
    }
    // The library reads numbers as C does: "5s" is 5, and what is too large wraps around.
    let numeric = value.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    if let Some(taken) = conf.get(name).filter(|_| numeric && !is_secret(name))
        && let Ok(taken) = taken.parse::<i64>()
        && value.parse() != Ok(taken)
        && !value.starts_with("0x")
    {
        return Err(bad(format!("\"{value}\" is not a whole number in its range")));
    }
    Ok(())
}

/// An unknown name. After a secret on the same line it may be the secret's second half, cut off by
/// a semicolon, and is not shown.
fn unknown(conf: &Conf, name: &str, place: &str, before: Option<&Written>) -> Error {
    if let Some(before) = before.filter(|b| b.place == place && is_secret(&b.name)) {
        let reason = format!("what follows \"{}\" is no option; quote its value", before.name);
        return Error::BadSyntax { place: place.to_owned(), reason };
    }
    let nearest = nearest(conf, name);
    Error::UnknownOption { option: name.to_owned(), place: place.to_owned(), nearest }
}

/// Refuses what would let a position move without proof or the messages of a key change places.
/// Asked after each option, of the library, so that aliases are no way around.
fn check_guarantees(conf: &Conf, option: &str) -> Result<(), Error> {
    let is = |name: &str, value: &str| conf.get(name).is_some_and(|v| v == value);
    if !is("enable.idempotence", "true") {
        return Err(not_allowed(
            option,
            "without the idempotent producer, order and delivery are not proven",
        ));
    }
    if !is("request.required.acks", "-1") {
        return Err(not_allowed(option, "only acks=all proves that a message is safe"));
    }
    if is("partitioner", "random") {
        return Err(not_allowed(option, "messages of a key must stay in one partition"));
    }
    Ok(())
}

/// `kafka+ssl://` in the broker list and `security.protocol=plaintext` cannot both be meant.
fn check_protocol(conf: &Conf, from_url: Option<&str>) -> Result<(), Error> {
    let set = conf.get("security.protocol").unwrap_or_default();
    let encrypts = |protocol: &str| protocol.ends_with("ssl");
    match from_url {
        Some(url) if encrypts(url) != encrypts(&set) => {
            let reason = format!("it is {set}, but the broker list says {url}");
            Err(not_allowed("security.protocol", &reason))
        }
        _ => Ok(()),
    }
}

/// When the files were written that options name by path.
fn stamps(options: &[(String, String)]) -> Vec<(String, Option<(SystemTime, u64)>)> {
    let paths = options.iter().filter(|(name, _)| {
        name.ends_with(".location") || name.ends_with(".file") || name.ends_with(".keytab")
    });
    paths
        .map(|(_, path)| {
            let stamp = fs::metadata(path).ok().and_then(|m| Some((m.modified().ok()?, m.len())));
            (path.clone(), stamp)
        })
        .collect()
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
