//! What is mended elsewhere than in our settings: right on the broker, or in files that they name.

use std::fs;
use std::path::{Path, PathBuf};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::check;
use crate::security::{PASSWORD, Secured, says, secured, well};
use crate::support::installation::{is_root, run_to_end};
use crate::support::tls::read;
use crate::support::wait::{self, seconds};
use crate::world::LIMIT;

/// Gives a user a password, on the broker, and waits until it asks for that one.
fn set_password(secured: &Secured, name: &str, password: &str) {
    let scram = format!("SCRAM-SHA-512=[iterations=4096,password={password}]");
    let user = ["--entity-type", "users", "--entity-name", name];
    let arguments: Vec<&str> =
        ["--alter", "--add-config", &scram].into_iter().chain(user).collect();
    secured.broker.tool("kafka.admin.ConfigCommand", &arguments);
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", format!("127.0.0.1:{}", secured.ports.sasl))
        .set("security.protocol", "sasl_ssl")
        .set("ssl.ca.pem", read(&secured.ca))
        .set("sasl.mechanism", "SCRAM-SHA-512")
        .set("sasl.username", name)
        .set("sasl.password", password)
        .set("log_level", "0")
        .create()
        .expect("a consumer needs no broker to be made");
    wait::until("the broker to take the password", LIMIT, || {
        client.fetch_metadata(None, seconds(5)).map(drop)
    });
}

#[test]
fn a_password_that_is_set_right_on_the_broker_opens_the_way() {
    let secured = secured();
    let mut world = secured.world(&["late"]);
    let options = secured.scram("SCRAM-SHA-512", "late", PASSWORD);
    secured.publish_to(secured.ports.sasl, &options);
    let mut acme = world.running("acme", 20);
    says(&mut world, "a user that is not there", "credentials", "sasl.password");
    set_password(&secured, "late", PASSWORD);
    well(&mut world);
    // The broker asks again when it is connected to again: an idle connection is left alone.
    set_password(&secured, "late", "another-one");
    secured.publish_to(secured.ports.sasl, &format!("{options}; client.id=again"));
    acme.load(20, 10);
    says(&mut world, "another password", "credentials", "sasl.password");
    set_password(&secured, "late", PASSWORD);
    well(&mut world);
    let events = world.topic_on(&secured.broker, "acme.lead").all().to_vec();
    check::topic_tells_table(&mut world.client, "acme", "lead", &events);
}

/// A file that the server may read, holding what another holds.
fn copy(secured: &Secured, name: &str, from: &Path) -> PathBuf {
    let file = secured.cluster.folder().join(name);
    fs::write(&file, read(from)).expect("the folder is writable");
    if is_root() {
        run_to_end(std::process::Command::new("chown").arg("postgres:").arg(&file));
    }
    file
}

#[test]
fn certificates_that_are_replaced_in_place_are_read_at_a_reload() {
    let secured = secured();
    let mut world = secured.world(&["publisher"]);
    let (stranger, publisher) = (&secured.stranger, &secured.publisher);
    let strangers = secured.folder.join("strangers.pem");
    let ca = copy(&secured, "ca.pem", &strangers);
    let certificate = copy(&secured, "client.pem", &stranger.certificate);
    let key = copy(&secured, "client.key", &stranger.key);
    secured.publish_to(
        secured.ports.mutual,
        &format!(
            "security.protocol=ssl; ssl.ca.location={}; ssl.certificate.location={}; ssl.key.location={}",
            ca.display(),
            certificate.display(),
            key.display()
        ),
    );
    let mut acme = world.running("acme", 20);
    says(&mut world, "a CA that signed nothing", "TLS", "ssl.ca.");
    let reload = "SELECT pg_reload_conf()";
    copy(&secured, "ca.pem", &secured.ca);
    world.run(reload);
    says(&mut world, "a stranger's certificate", "TLS", "ssl.certificate");
    copy(&secured, "client.pem", &publisher.certificate);
    copy(&secured, "client.key", &publisher.key);
    world.run(reload);
    well(&mut world);
    // And back: what is on the disk counts, not what was read before.
    copy(&secured, "ca.pem", &strangers);
    world.run(reload);
    acme.load(20, 10);
    says(&mut world, "a CA that signed nothing, again", "TLS", "ssl.ca.");
    copy(&secured, "ca.pem", &secured.ca);
    world.run(reload);
    well(&mut world);
    let events = world.topic_on(&secured.broker, "acme.lead").all().to_vec();
    check::topic_tells_table(&mut world.client, "acme", "lead", &events);
}
