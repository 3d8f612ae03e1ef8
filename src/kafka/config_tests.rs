use super::*;

const BROKERS: &str = "localhost:9092";
const PEM: &str = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0IGtleQ==\n-----END PRIVATE KEY-----\n";

fn parse(setting: &str) -> Result<Config, Error> {
    Config::parse(BROKERS, setting, "")
}

fn get<'a>(config: &'a Config, name: &str) -> Option<&'a str> {
    config.shown().find(|(n, _)| *n == name).map(|(_, value)| value)
}

#[test]
fn defaults_are_safe_and_accepted_by_the_library() {
    let config = parse("").expect("valid");
    assert_eq!(get(&config, "enable.idempotence"), Some("true"));
    assert_eq!(get(&config, "compression.type"), Some("lz4"));
    let native = config.native().expect("valid");
    assert_eq!(native.get("request.required.acks").as_deref(), Some("-1"));
    assert_eq!(native.get("partitioner").as_deref(), Some("murmur2_random"));
    assert_eq!(native.get("bootstrap.servers").as_deref(), Some(BROKERS));
}

#[test]
fn the_reference_has_the_defaults() {
    const REFERENCE: &str = include_str!("../../docs/reference.md");
    // For the library's and the worker's good, and nothing that anybody would choose.
    const INNER: [&str; 3] = ["enable.metrics.push", "log_level", "log.thread.name"];
    let set = REFERENCE.split("\n\n").find(|part| part.starts_with("Set unless you set them:"));
    let set: String = set.expect("the list").split_whitespace().collect::<Vec<_>>().join(" ");
    for (name, value) in DEFAULTS.iter().filter(|(name, _)| !INNER.contains(name)) {
        assert!(set.contains(&format!("`{name}={value}`")), "{name}={value} in {set}");
    }
    let options = set.split('`').skip(1).step_by(2).filter(|text| text.contains('='));
    let others = options.filter(|text| !DEFAULTS.iter().any(|(n, v)| *text == format!("{n}={v}")));
    assert_eq!(others.collect::<Vec<_>>(), ["compression.type=lz4"]);
}

#[test]
fn the_setting_wins_over_the_file_and_both_over_the_defaults() {
    let file = "linger.ms=3\nclient.id=file\n";
    let config = Config::parse(BROKERS, "client.id=setting", file).expect("valid");
    assert_eq!(get(&config, "linger.ms"), Some("3"));
    assert_eq!(get(&config, "client.id"), Some("setting"));
    // An alias of a default's name wins as well.
    let config = parse("compression.codec=zstd").expect("valid");
    let native = config.native().expect("valid");
    assert_eq!(native.get("compression.codec").as_deref(), Some("zstd"));
}

#[test]
fn what_would_break_the_promises_is_refused_under_every_name() {
    for option in [
        "enable.idempotence=false",
        "acks=1",
        "request.required.acks=0",
        "partitioner=random",
        "delivery.report.only.error=true",
        "bootstrap.servers=other:9092",
        "transactional.id=x",
    ] {
        let name = option.split('=').next().expect("a name");
        match parse(option) {
            Err(Error::OptionNotAllowed { option, .. }) => assert_eq!(option, name),
            other => panic!("{option}: {other:?}"),
        }
    }
    parse("acks=-1").expect("the same as all");
    parse("acks=all; enable.idempotence=true; partitioner=murmur2").expect("harmless");
}

#[test]
fn unknown_options_come_with_a_suggestion() {
    for (written, meant) in [
        ("compresion.type=lz4", "compression.type"),
        ("linger_ms=3", "linger.ms"),
        ("security.protocl=ssl", "security.protocol"),
        ("mesage.timeout.ms=5", "message.timeout.ms"),
    ] {
        let error = parse(written).expect_err(written);
        assert!(error.hint().is_some_and(|h| h.contains(meant)), "{error:?}");
    }
    let error = parse("no.such.thing.at.all=1").expect_err("unknown").to_string();
    assert!(error.contains("\"no.such.thing.at.all\" (line 1"), "{error}");
}

#[test]
fn bad_values_name_their_option() {
    for written in [
        "linger.ms=soon",
        "linger.ms=5s",
        "linger.ms=-1",
        "queue.buffering.max.kbytes=4294967297",
        "compression.type=rar",
        "socket.keepalive.enable=perhaps",
        "security.protocol=tls",
        "ssl.truststore.location=/x",
    ] {
        let name = written.split('=').next().expect("a name");
        match parse(written) {
            Err(Error::BadValue { option, .. }) => assert_eq!(option, name),
            other => panic!("{written}: {other:?}"),
        }
    }
}

#[test]
fn secrets_never_appear() {
    let setting = format!("sasl.username=someone; sasl.password=hunter2; ssl.key.pem={PEM}");
    let config = parse(&setting).expect("valid");
    let shown = format!("{config:?}");
    for secret in ["someone", "hunter2", "c2VjcmV0"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("\"sasl.password\": \"(hidden)\""), "{shown}");
    let redacted = config.redact("bad key c2VjcmV0IGtleQ== of hunter2");
    assert_eq!(redacted, "bad key (hidden) of (hidden)");
}

#[test]
fn the_second_half_of_an_unquoted_secret_is_not_shown() {
    let error = parse("sasl.password=top;hunter2=x").expect_err("cut in two").to_string();
    assert!(!error.contains("hunter2") && error.contains("sasl.password"), "{error}");
    for setting in ["sasl.pasword=hunter2", "sasl.pasword='hunter2'", "sasl.password=a\u{0}hunter2"]
    {
        let error = parse(setting).expect_err(setting);
        assert!(!format!("{error} {error:?} {:?}", error.hint()).contains("hunter2"), "{error}");
    }
}

#[test]
fn urls_choose_the_protocol_and_contradictions_are_errors() {
    let url = "kafka+ssl://a:9096";
    let config = Config::parse(url, "", "").expect("valid");
    assert_eq!(get(&config, "security.protocol"), Some("ssl"));
    Config::parse(url, "security.protocol=sasl_ssl", "").expect("encrypted as well");
    let error = Config::parse(url, "security.protocol=plaintext", "").expect_err("contradiction");
    assert!(matches!(error, Error::OptionNotAllowed { .. }), "{error:?}");
}

#[test]
fn a_change_is_noticed_also_in_a_file_that_an_option_names() {
    let same = |a: &Config, b: &Config| a == b && a.fingerprint() == b.fingerprint();
    assert!(same(&parse("linger.ms=2").expect("valid"), &parse("linger.ms=2").expect("valid")));
    assert!(!same(&parse("linger.ms=2").expect("valid"), &parse("linger.ms=3").expect("valid")));

    let file = tempfile::NamedTempFile::new().expect("a file");
    let setting = format!("ssl.ca.location={}", file.path().display());
    let before = parse(&setting).expect("valid");
    fs::write(file.path(), "another CA").expect("written");
    assert!(!same(&before, &parse(&setting).expect("valid")));
}

proptest::proptest! {
    /// Whatever is written, reading it ends in options or an error, and never shows a password.
    #[test]
    fn any_text_is_read_or_refused(text in "[a-z.=;#\"'\\\\ \n-]{0,60}") {
        let setting = format!("sasl.password=hunter2\n{text}");
        match parse(&setting) {
            Ok(config) => assert!(!format!("{config:?}").contains("hunter2")),
            Err(error) => assert!(!format!("{error:?}{error}").contains("hunter2")),
        }
    }
}

#[test]
fn the_command_that_creates_a_topic_is_that_of_the_place() {
    let spec = TopicSpec { partitions: 4, ..TopicSpec::default() };
    let command = |brokers: &str, spec: Option<TopicSpec>| {
        Config::parse(brokers, "", "").unwrap().creating(spec).command("m.acme.lead")
    };
    let heroku = "kafka+ssl://ec2-1.compute-1.amazonaws.com:9096,kafka+ssl://ec2-2.compute-1.amazonaws.com:9096";
    assert_eq!(
        command(heroku, Some(spec.clone())).as_deref(),
        Some("heroku kafka:topics:create 'm.acme.lead' --partitions 4")
    );
    assert_eq!(
        command("a:9092,b:9096", Some(spec)).as_deref(),
        Some(
            "kafka-topics.sh --bootstrap-server a:9092,b:9096 --create --topic 'm.acme.lead' --partitions 4"
        )
    );
    assert_eq!(command("a:9092", None), None);
}

#[test]
fn brokers_create_no_topics_while_we_do_unless_they_are_told_to() {
    let auto = |options: &str, spec: Option<TopicSpec>| {
        let config = Config::parse("a:9092", options, "").unwrap().creating(spec);
        config.native().unwrap().get("allow.auto.create.topics")
    };
    let on = Some(TopicSpec::default());
    assert_eq!(auto("", on.clone()).as_deref(), Some("false"));
    assert_eq!(auto("allow.auto.create.topics=true", on).as_deref(), Some("true"));
    assert_eq!(auto("", None), auto("client.id=x", None));
}
