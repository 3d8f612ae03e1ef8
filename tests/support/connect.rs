//! A real Kafka Connect worker with Debezium's connectors: one process, its files in a folder of its
//! own, asked about its state as users ask it, by its REST interface.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use postgres::Client;
use serde_json::Value;

use super::server::{Server, free_port};
use super::wait::{self, LIMIT, seconds};

/// A connector's name and its properties, each of which can be set to something else.
#[derive(Clone, Debug)]
pub struct Connector {
    pub name: String,
    properties: BTreeMap<String, String>,
}

impl Connector {
    fn new<const N: usize>(name: &str, class: &str, properties: [(&str, String); N]) -> Self {
        let connector = Self { name: name.to_owned(), properties: BTreeMap::new() }
            .set("name", name)
            .set("connector.class", class)
            .set("tasks.max", "1");
        properties.into_iter().fold(connector, |connector, (key, value)| connector.set(key, &value))
    }

    /// Debezium reading a database by logical replication; the cluster needs `wal_level = logical`.
    /// Its topics are `<prefix>.<schema>.<table>`, its slot and publication are called by the name.
    pub fn postgres(name: &str, port: u16, database: &str, prefix: &str) -> Self {
        Self::new(
            name,
            "io.debezium.connector.postgresql.PostgresConnector",
            [
                ("database.hostname", "127.0.0.1".into()),
                ("database.port", port.to_string()),
                ("database.user", "postgres".into()),
                ("database.password", "none".into()),
                ("database.dbname", database.into()),
                ("topic.prefix", prefix.into()),
                ("plugin.name", "pgoutput".into()),
                ("slot.name", name.into()),
                ("publication.name", name.into()),
                ("snapshot.mode", "no_data".into()),
            ],
        )
    }

    /// Debezium's JDBC sink, which keeps tables of a database equal to what topics say, by their
    /// keys. `topics` is a regular expression.
    pub fn jdbc(name: &str, port: u16, database: &str, topics: &str) -> Self {
        Self::new(
            name,
            "io.debezium.connector.jdbc.JdbcSinkConnector",
            [
                ("connection.url", format!("jdbc:postgresql://127.0.0.1:{port}/{database}")),
                ("connection.username", "postgres".into()),
                ("connection.password", "none".into()),
                ("topics.regex", topics.into()),
                ("insert.mode", "upsert".into()),
                ("delete.enabled", "true".into()),
                ("primary.key.mode", "record_key".into()),
                ("schema.evolution", "basic".into()),
            ],
        )
    }

    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.properties.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// A worker, which runs its connectors between `launch` and `stop` or `kill`, and remembers in
/// between how far they are.
pub struct Connect {
    run: PathBuf,
    name: String,
    home: PathBuf,
    rest: u16,
    jvm: Vec<String>,
    properties: BTreeMap<String, String>,
    connectors: Vec<Connector>,
    server: Option<Server>,
}

impl Connect {
    /// A worker with its files in the run folder, not started yet. Keys and values are JSON without
    /// schemas until [`Connect::schemas`] says otherwise.
    pub fn prepared(run: &Path, bootstrap: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let name = format!("connect-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let home = run.join(&name);
        fs::create_dir(&home).expect("run folder is writable");
        let rest = free_port();
        let connect = Self {
            run: run.to_owned(),
            name,
            home: home.clone(),
            rest,
            // Short-lived beside other servers: start quickly and leave them the processors.
            jvm: ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
                .map(str::to_owned)
                .to_vec(),
            properties: BTreeMap::new(),
            connectors: Vec::new(),
            server: None,
        };
        connect
            .set("bootstrap.servers", bootstrap)
            .set("listeners", &format!("http://127.0.0.1:{rest}"))
            .set("plugin.path", &jars("plugins").display().to_string())
            .set("plugin.discovery", "service_load")
            .set("key.converter", "org.apache.kafka.connect.json.JsonConverter")
            .set("value.converter", "org.apache.kafka.connect.json.JsonConverter")
            .set("offset.storage.file.filename", &home.join("offsets").display().to_string())
            .set("offset.flush.interval.ms", "1000")
            .schemas(false)
    }

    /// Whether JSON carries its schema.
    pub fn schemas(self, yes: bool) -> Self {
        self.set("key.converter.schemas.enable", &yes.to_string())
            .set("value.converter.schemas.enable", &yes.to_string())
    }

    /// Sets a property of the worker, `producer.…` and `consumer.…` included.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.properties.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Options of the Java machine in place of those that suit a test, the heap's size among them.
    pub fn jvm(mut self, options: &[&str]) -> Self {
        self.jvm = options.iter().map(|&option| option.to_owned()).collect();
        self
    }

    pub fn connector(mut self, connector: Connector) -> Self {
        self.connectors.push(connector);
        self
    }

    /// Starts the worker, and waits until all connectors run.
    pub fn start(mut self) -> Self {
        self.launch();
        self.await_running();
        self
    }

    /// Starts the worker's process, and does not wait for it.
    pub fn launch(&mut self) {
        let write = |name: &str, properties: &BTreeMap<String, String>| {
            let mut text = String::new();
            for (key, value) in properties {
                let _ = writeln!(text, "{key}={}", value.replace('\\', "\\\\"));
            }
            let path = self.home.join(format!("{name}.properties"));
            fs::write(&path, text).expect("run folder is writable");
            path
        };
        let mut command = Command::new("java");
        command
            .args(&self.jvm)
            .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
            .arg("-cp")
            .arg(jars("lib").join("*"))
            .arg("org.apache.kafka.connect.cli.ConnectStandalone")
            .arg(write("worker", &self.properties));
        for connector in &self.connectors {
            command.arg(write(&connector.name, &connector.properties));
        }
        self.server = Some(Server::spawn(&self.run, &self.name, &mut command));
    }

    /// Waits until all connectors and their tasks run. One that has failed is reported with its
    /// reason.
    pub fn await_running(&mut self) {
        let connectors = self.connectors.clone();
        let server = self.server.as_mut().expect("the worker is launched");
        let rest = self.rest;
        wait::until("the connectors to run", LIMIT, || {
            server.assert_alive();
            connectors.iter().try_for_each(|connector| running(rest, &connector.name))
        });
    }

    /// Panics where a connector's task has ended with an error.
    pub fn assert_running(&self) {
        for connector in &self.connectors {
            running(self.rest, &connector.name).unwrap_or_else(|state| panic!("{state}"));
        }
    }

    pub fn pid(&self) -> u32 {
        self.server().pid()
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("the worker is running")
    }

    /// An orderly end, with what was done written down.
    pub fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop(libc::SIGTERM, LIMIT);
        }
    }

    /// The worst end.
    pub fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop(libc::SIGKILL, LIMIT);
        }
    }
}

impl Drop for Connect {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until Debezium reads from its slot: what is committed from now on becomes an event.
pub fn await_slot(client: &mut Client, slot: &str) {
    wait::until("Debezium to read from its slot", LIMIT, || {
        let sql = "SELECT active FROM pg_replication_slots WHERE slot_name = $1";
        match client.query_opt(sql, &[&slot]) {
            Ok(Some(row)) if row.get(0) => Ok(()),
            Ok(Some(_)) => Err("the slot is not active".to_owned()),
            Ok(None) => Err("there is no slot".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    });
}

fn jars(folder: &str) -> PathBuf {
    let jars = Path::new(env!("CARGO_MANIFEST_DIR")).join(".run/connect").join(folder);
    assert!(jars.is_dir(), "no Kafka Connect in {}: run pgrx-config/install.sh", jars.display());
    jars
}

fn running(rest: u16, connector: &str) -> Result<(), String> {
    let status = get(rest, &format!("/connectors/{connector}/status"))?;
    let tasks = status["tasks"].as_array().map_or(&[][..], Vec::as_slice);
    let states: Vec<_> = std::iter::once(&status["connector"]).chain(tasks).collect();
    if let Some(failed) = states.iter().find(|state| state["state"] == "FAILED") {
        panic!(
            "connector {connector} has failed: {}",
            failed["trace"].as_str().unwrap_or_default()
        );
    }
    if states.len() > 1 && states.iter().all(|state| state["state"] == "RUNNING") {
        Ok(())
    } else {
        Err(status.to_string())
    }
}

/// The JSON that the worker answers with.
fn get(port: u16, path: &str) -> Result<Value, String> {
    let text = |e: std::io::Error| e.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(text)?;
    stream.set_read_timeout(Some(seconds(10))).map_err(text)?;
    // HTTP 1.0: the answer is neither cut into chunks nor followed by another.
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").map_err(text)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(text)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    serde_json::from_str(body).map_err(|e| format!("{e}: {head}"))
}
