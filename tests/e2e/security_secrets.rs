//! Kafka on Heroku, as it hands out what is needed to use it; and that nobody sees it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::check;
use crate::security::{PASSWORD, Secured, secured};
use crate::support::admin::Admin;
use crate::support::installation::{is_root, run_to_end};
use crate::support::manifold;
use crate::support::mapping::Mapping;
use crate::support::tls::read;
use crate::world::World;

/// A salt that no text holds by accident.
const SALT: &str = "fleur-de-sel-4Tq";

/// What `heroku config --shell` prints, where the server alone may read it.
fn heroku_config(secured: &Secured, port: u16) -> PathBuf {
    let line = |path: &Path| read(path).replace('\n', "\\n");
    let text = format!(
        "DATABASE_URL=postgres://u:p@127.0.0.1/d\n\
         KAFKA_CLIENT_CERT=\"{}\"\nKAFKA_CLIENT_CERT_KEY='{}'\nKAFKA_PREFIX=wabash-5.\n\
         KAFKA_TRUSTED_CERT={}\nKAFKA_URL=kafka+ssl://127.0.0.1:{port},kafka+ssl://localhost:{port}\n",
        line(&secured.publisher.certificate),
        read(&secured.publisher.key),
        line(&secured.ca),
    );
    let file = secured.cluster.folder().join("heroku.env");
    fs::write(&file, text).expect("the folder is writable");
    if is_root() {
        run_to_end(Command::new("chown").arg("postgres:").arg(&file));
    }
    fs::set_permissions(&file, Permissions::from_mode(0o640)).expect("ours");
    file
}

fn told(world: &mut World<'_>, org: &str, error: &str, todo: &str) {
    world.await_status(org, "publisher", &format!("told {error:?}"), |s| {
        s.state == "error"
            && s.last_error.as_deref().is_some_and(|e| e.contains(error))
            && s.detail.contains(todo)
    });
}

#[test]
fn what_heroku_hands_out_is_an_options_file() {
    let secured = secured();
    // As on Heroku: certificates for no host name, a prefix, no topic that was not asked for, and no
    // right but to write.
    let file = heroku_config(&secured, secured.ports.elsewhere);
    secured.allow("publisher", "wabash-5.", true);
    let admin = Admin::new(&secured.broker.bootstrap());
    for table in ["acme.lead", "canonical.lead"] {
        admin.create(&format!("wabash-5.{table}"), 1, &[]);
    }
    let cluster = &secured.cluster;
    cluster.set("manifold.kafka_options_file", &file.display().to_string());
    cluster.set("manifold.kafka_brokers", "file");
    let mut world = World::in_cluster(cluster);
    world.prefix = "wabash-5".to_owned();
    let _acme = world.running("acme", 20);
    world.published();
    let mut topic = world.topic_on(&secured.broker, "acme.lead");
    let events = topic.all().to_vec();
    check::topic_tells_table(&mut world.client, "acme", "lead", &events);

    let _globex = world.running("globex", 20);
    told(&mut world, "globex", "wabash-5.globex.lead", "Create it: ");
    admin.create("wabash-5.globex.lead", 1, &[]);
    world.published();
    assert_eq!(world.topic_on(&secured.broker, "globex.lead").all().len(), 20);

    // A file that cannot be used leaves nobody with topics of another name.
    let whole = fs::read_to_string(&file).expect("readable");
    let half = &whole[..whole.rfind("-----END").expect("the CA at the end")];
    let _initech = world.sync("initech", 1);
    let mut steps = manifold::onboarding("initech", &Mapping::load("initech").json);
    let start = steps.pop().expect("it is started last");
    steps.iter().for_each(|sql| world.run(sql));
    for (mode, text, error, todo) in [
        (0o644, &*whole, "every user of this machine may read it", "chmod o-r"),
        (0o640, half, "without its END line", "Write key=value"),
    ] {
        fs::write(&file, text).expect("ours");
        fs::set_permissions(&file, Permissions::from_mode(mode)).expect("ours");
        cluster.set("manifold.kafka_brokers", "file");
        told(&mut world, "acme", error, todo);
        for sql in [start.as_str(), "SELECT count(*) FROM manifold.peek('acme')"] {
            let refused = world.client.batch_execute(sql).expect_err(sql);
            let message = refused.as_db_error().map(|e| e.message().to_owned());
            assert!(message.as_ref().is_some_and(|m| m.contains(error)), "{sql}: {refused:?}");
        }
    }
    fs::write(&file, whole).expect("ours");
    cluster.set("manifold.kafka_brokers", "file");
    world.await_status("acme", "publisher", "well", |s| s.state == "ok");
}

#[test]
fn no_secret_is_seen_by_anybody_but_a_superuser() {
    let secured = secured();
    let cluster = &secured.cluster;
    let key = read(&secured.publisher.key);
    let key_line = key.lines().nth(1).expect("a PEM text").to_owned();
    for (name, value) in [("log_statement", "all"), ("log_min_duration_statement", "0")] {
        cluster.set(name, value);
    }
    let mut world = secured.world(&["app"]);
    world.run("CREATE EXTENSION pg_stat_statements");
    // Sessions that have said a secret and are idle since.
    let mut idle = [(); 2].map(|()| world.database.connect());
    let statement = |sql: &str| format!("{sql} manifold . \"hash_salt\" = '{SALT}'");
    idle[0].execute(&statement("ALTER SYSTEM SET"), &[]).unwrap_or_else(|e| panic!("{e:?}"));
    idle[1].execute(&statement("SET"), &[]).expect_err("it is one for the whole server");
    let wrong = secured.scram("SCRAM-SHA-512", "app", &format!("{PASSWORD}-wrong"));
    let certificate = read(&secured.publisher.certificate);
    let own = format!("; ssl.certificate.pem={certificate}; ssl.key.pem={key}");
    secured.publish_to(secured.ports.sasl, &format!("{wrong}{own}"));
    let _acme = world.running("acme", 5);
    told(&mut world, "acme", "credentials", "sasl.password");
    // Statements that fail are logged whole, as a rule.
    let key = key.replace('\n', "\\n");
    for options in [
        format!("sasl.password={PASSWORD}; ssl.key.pem={key}; no.such.option=1"),
        format!("sasl.password={PASSWORD}; {PASSWORD}"),
        format!("ssl.key.pem={key}{PASSWORD}"),
        format!("sasl.pasword={PASSWORD}"),
    ] {
        for set in ["ALTER SYSTEM SET", "SET"] {
            let statement = format!("{set} Manifold.Kafka_Options = '{options}'");
            let error = world.client.batch_execute(&statement).expect_err("refused");
            let text = format!("{error:?}");
            assert!(!text.contains(PASSWORD) && !text.contains(&key_line), "{text}");
        }
    }
    world.run(
        "CREATE ROLE plain LOGIN; CREATE ROLE watcher LOGIN IN ROLE pg_monitor, manifold_reader",
    );
    let mut seen = String::new();
    for user in ["plain", "watcher"] {
        let mut client = world.database.connect_as(user);
        for sql in [
            "SELECT string_agg(s::text, ' ') FROM pg_settings s",
            "SELECT current_setting('manifold.kafka_options')",
            "SELECT current_setting('manifold.kafka_options_file')",
            "SELECT current_setting('manifold.hash_salt')",
            "SELECT string_agg(a::text, ' ') FROM pg_stat_activity a",
            "SELECT string_agg(s::text, ' ') FROM pg_stat_statements s",
            "SELECT string_agg(s::text, ' ') FROM manifold.status s",
            "SELECT string_agg(e::text, ' ') FROM manifold.consumer_error e",
            "SELECT string_agg(f::text, ' ') FROM pg_file_settings f",
        ] {
            // What is denied shows nothing.
            if let Ok(row) = client.query_one(sql, &[]) {
                seen += &row.get::<_, Option<String>>(0).unwrap_or_default();
            }
        }
    }
    for something in ["(hidden)", "credentials", "active", "UPDATE"] {
        assert!(seen.contains(something), "something was seen: {seen}");
    }
    // Of the idle ones in one view, and of statements that succeeded in the other.
    for (setting, times) in [("hash_salt", 3), ("kafka_options", 1)] {
        let text = format!("statement about manifold.{setting} (not shown)");
        assert!(seen.matches(&text).count() >= times, "{text} in {seen}");
    }
    seen += &run_to_end(cluster.program("pg_dump").arg(&world.database.name));
    let log = cluster.server().log();
    for said in [
        "statement about manifold.kafka_options (not shown)",
        "parameter \"manifold.kafka_options\" changed (its value is not shown)",
        "parameter \"manifold.hash_salt\" changed (its value is not shown)",
    ] {
        assert!(log.contains(said), "{said} is logged");
    }
    assert!(log.contains("is no option; quote its value"), "and what is wrong with it");
    seen += &log;
    for secret in [PASSWORD, SALT, &key_line] {
        let at = seen.find(secret).map(|at| &seen[at.saturating_sub(300)..at]);
        assert_eq!(at, None, "a secret follows this");
    }
    for (setting, secret) in [("kafka_options", PASSWORD), ("hash_salt", SALT)] {
        let shown: String = world.value(&format!("SELECT current_setting('manifold.{setting}')"));
        assert!(shown.contains(secret), "a superuser may see it");
    }
    drop(idle);
    world.run("DROP ROLE plain; DROP ROLE watcher");
}
