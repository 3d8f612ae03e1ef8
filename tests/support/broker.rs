//! A real Kafka broker: one node, its own data folder and ports.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::admin::Admin;
use super::installation::run_to_end;
use super::server::{Server, free_port};
use super::wait::{self, LIMIT, seconds};

const PROPERTIES: &str = include_str!("../../pgrx-config/server.properties");

pub struct Broker {
    run: PathBuf,
    name: String,
    properties: PathBuf,
    port: u16,
    jvm: &'static [&'static str],
    guarded_port: u16,
    controller_port: u16,
    format: Vec<String>,
    server: Option<Server>,
}

/// Short-lived beside other servers: start quickly and leave them the processors.
const QUICK: &[&str] = &["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
/// As a broker is run that has work to do.
const MEASURED: &[&str] = &["-Xmx512m"];

impl Broker {
    /// Starts a broker on an empty data folder in the run folder.
    pub fn start(run: &Path) -> Self {
        let mut broker = Self::prepared(run);
        broker.launch();
        broker
    }

    /// One for measuring: a partition a topic, and no saving on the compiler.
    pub fn measured(run: &Path) -> Self {
        let mut broker = Self::prepared(run);
        broker.jvm = MEASURED;
        let filled = fs::read_to_string(&broker.properties).expect("written by `prepared`");
        let filled = filled.replace("num.partitions=3", "num.partitions=1");
        fs::write(&broker.properties, filled).expect("run folder is writable");
        broker.launch();
        broker
    }

    /// A broker with its ports, not started yet.
    pub fn prepared(run: &Path) -> Self {
        Self::with(run, "", &[])
    }

    /// The same with further properties, which win over the usual ones, and arguments for formatting
    /// its data folder.
    pub fn with(run: &Path, properties: &str, format: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let name = format!("kafka-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let home = run.join(&name);
        fs::create_dir(&home).expect("run folder is writable");
        let (port, controller_port) = (free_port(), free_port());
        let filled = PROPERTIES
            .replace("@PORT@", &port.to_string())
            .replace("@CONTROLLER_PORT@", &controller_port.to_string())
            .replace("@DATA@", &home.join("data").display().to_string());
        let file = home.join("server.properties");
        fs::write(&file, filled + properties).expect("run folder is writable");
        let format = format.iter().map(|&argument| argument.to_owned()).collect();
        Self {
            run: run.to_owned(),
            name,
            properties: file,
            port,
            jvm: QUICK,
            guarded_port: 0,
            controller_port,
            format,
            server: None,
        }
    }

    /// The same with further listeners: in `properties`, @LISTENERS@ and @ADVERTISED@ are the usual.
    pub fn with_listeners(run: &Path, properties: &str, format: &[&str]) -> Self {
        let mut broker = Self::with(run, "", &[]);
        let client = format!("PLAINTEXT://127.0.0.1:{}", broker.port);
        let controller = format!("CONTROLLER://127.0.0.1:{}", broker.controller_port);
        let lines = properties
            .replace("@LISTENERS@", &format!("{client},{controller}"))
            .replace("@ADVERTISED@", &client);
        broker.append(&lines);
        broker.format = format.iter().map(|&argument| argument.to_owned()).collect();
        broker
    }

    /// A second broker of the same cluster, which the first one controls; not started yet.
    pub fn beside(&self) -> Self {
        let first = self.controller_port;
        // A broker alone has no controller's listener.
        let own = "\nprocess.roles=broker\nnode.id=2\nlisteners=PLAINTEXT://127.0.0.1:@OWN@\n";
        let mut second = Self::with(&self.run, "", &[]);
        let own = own.replace("@OWN@", &second.port.to_string());
        second.append(&format!("{own}controller.quorum.voters=1@127.0.0.1:{first}\n"));
        second.controller_port = first;
        second
    }

    /// Empties the data folder of a broker that is stopped, as a new disk is.
    pub fn wipe(&self) {
        assert!(self.server.is_none(), "{} is running", self.name);
        fs::remove_dir_all(self.data()).expect("the data folder can be removed");
    }

    fn data(&self) -> PathBuf {
        self.properties.with_file_name("data")
    }

    fn format(&self) {
        run_to_end(
            java(QUICK)
                // Any 16 bytes in base64: one cluster is like another here.
                .args(["kafka.tools.StorageTool", "format", "-t", "cGdfbWFuaWZvbGQxMjM0NQ", "-c"])
                .arg(&self.properties)
                .args(&self.format),
        );
    }

    /// Adds lines to the properties, for the next launch.
    pub fn append(&self, lines: &str) {
        let properties = fs::read_to_string(&self.properties).expect("written before");
        fs::write(&self.properties, properties + lines).expect("run folder is writable");
    }

    /// Starts the broker on its data, and waits until it answers.
    pub fn launch(&mut self) {
        if !self.data().exists() {
            self.format();
        }
        let mut server = Server::spawn(
            &self.run,
            &self.name,
            java(self.jvm).arg("kafka.Kafka").arg(&self.properties),
        );
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap())
            // Refused connections are what we wait through, and no news.
            .set("log_level", "0")
            .create()
            .expect("a consumer needs no broker to be made");
        wait::until("Kafka to answer", LIMIT, || {
            server.assert_alive();
            TcpStream::connect(("127.0.0.1", self.port)).map_err(|e| e.to_string())?;
            client.fetch_metadata(None, seconds(5)).map(drop).map_err(|e| e.to_string())
        });
        self.server = Some(server);
    }

    /// A broker with a second listener, for user `manifold` with password `manifold-secret`, who may do
    /// nothing but what [`allow`](Self::allow) says. On the first, everything is allowed.
    pub fn guarded(run: &Path) -> Self {
        let mut broker = Self::prepared(run);
        let filled = fs::read_to_string(&broker.properties).expect("written by `prepared`");
        let port = free_port();
        let plain = format!("PLAINTEXT://127.0.0.1:{}", broker.port);
        let both = format!("{plain},SASL_PLAINTEXT://127.0.0.1:{port}");
        let filled = filled.replace(&plain, &both)
            + "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
               super.users=User:ANONYMOUS\n\
               inter.broker.listener.name=PLAINTEXT\n\
               listener.security.protocol.map=\
               CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT\n\
               listener.name.sasl_plaintext.sasl.enabled.mechanisms=PLAIN\n\
               listener.name.sasl_plaintext.plain.sasl.jaas.config=\
               org.apache.kafka.common.security.plain.PlainLoginModule required \
               user_manifold=\"manifold-secret\";\n";
        fs::write(&broker.properties, filled).expect("run folder is writable");
        broker.guarded_port = port;
        broker.launch();
        broker
    }

    /// Host and port of the listener of a [`guarded`](Self::guarded) broker.
    pub fn guarded_bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.guarded_port)
    }

    /// Allows a user something on a topic.
    pub fn allow(&self, user: &str, operations: &[&str], topic: &str) {
        let principal = format!("User:{user}");
        let mut arguments = vec!["--add", "--allow-principal", &principal, "--topic", topic];
        arguments.extend(operations.iter().flat_map(|operation| ["--operation", *operation]));
        self.rule(&arguments);
    }

    /// Denies a user something on a topic, whatever else allows it, or no longer.
    pub fn deny(&self, user: &str, operation: &str, topic: &str, yes: bool) {
        let principal = format!("User:{user}");
        let mut arguments = vec!["--deny-principal", &principal, "--operation", operation];
        arguments.extend(["--topic", topic]);
        arguments.extend(if yes { &["--add"][..] } else { &["--remove", "--force"] });
        self.rule(&arguments);
    }

    /// Allows a user something on all that is called by a prefix: `--topic`, `--transactional-id`.
    pub fn allow_prefixed(&self, user: &str, operations: &[&str], kind: &str, prefix: &str) {
        let principal = format!("User:{user}");
        let mut arguments = vec!["--add", "--allow-principal", &principal, kind, prefix];
        arguments.extend(["--resource-pattern-type", "prefixed"]);
        arguments.extend(operations.iter().flat_map(|operation| ["--operation", *operation]));
        self.rule(&arguments);
    }

    /// Changes the rules of who may do what, and waits until they are in force.
    pub fn rule(&self, arguments: &[&str]) {
        self.tool("org.apache.kafka.tools.AclCommand", arguments);
        Admin::new(&self.bootstrap()).await_force();
    }

    /// One of Kafka's own tools, told where the broker is.
    pub fn tool_command(&self, class: &str) -> Command {
        let mut command = java(QUICK);
        command.arg(class).args(["--bootstrap-server", &self.bootstrap()]);
        command
    }

    /// Says whether topics come into being when something is sent to them, from the next launch on.
    pub fn creates_topics(&self, yes: bool) {
        self.append(&format!("\nauto.create.topics.enable={yes}\n"));
    }

    /// Host and port, as clients want them.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs one of Kafka's own tools against the broker; returns what it prints.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> String {
        let output = self.tool_command(class).args(arguments).output().expect("java can be run");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{class} {arguments:?}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        text
    }

    /// The most bytes that the broker may write to one file, as a disk quota that is used up: of the
    /// soft limit, so that it can be raised again.
    pub fn limit_files(&self, bytes: libc::rlim_t) {
        let pid = self.server().pid() as libc::pid_t;
        // SAFETY: system calls on plain data that lives on this stack; the child has not been waited for.
        unsafe {
            let mut limit = std::mem::zeroed::<libc::rlimit>();
            let none = std::ptr::null_mut();
            assert_eq!(libc::prlimit(pid, libc::RLIMIT_FSIZE, std::ptr::null(), &mut limit), 0);
            limit.rlim_cur = bytes.min(limit.rlim_max);
            assert_eq!(libc::prlimit(pid, libc::RLIMIT_FSIZE, &limit, none), 0);
        }
    }

    /// Gives a property another value, from the next launch on.
    pub fn set(&self, name: &str, value: &str) {
        self.append(&format!("\n{name}={value}\n"));
    }

    /// Waits until a broker that cannot go on has ended by itself.
    pub fn await_end(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.wait_for_end(LIMIT);
        }
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("the broker is running")
    }

    /// Freezes the broker: connections stand, nothing is answered.
    pub fn freeze(&self) {
        self.server().signal(libc::SIGSTOP);
    }

    pub fn thaw(&self) {
        self.server().signal(libc::SIGCONT);
    }

    /// A controlled shutdown; the data stay.
    pub fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop(libc::SIGTERM, LIMIT);
        }
    }

    /// The worst end; the data stay.
    pub fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop(libc::SIGKILL, LIMIT);
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn java(options: &[&str]) -> Command {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join(".run/kafka/lib");
    assert!(lib.is_dir(), "no Kafka in {}: run pgrx-config/install.sh", lib.display());
    let mut command = Command::new("java");
    command
        .args(options)
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
        .arg("-cp")
        .arg(lib.join("*"));
    command
}
