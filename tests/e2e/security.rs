//! Brokers that ask for certificates, passwords and rights: what is wrong is said, and goes on by
//! itself once it is mended.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::check;
use crate::load::under_load;
use crate::support::broker::Broker;
use crate::support::cluster::Cluster;
use crate::support::heroku_connect::literal;
use crate::support::run;
use crate::support::server::free_port;
use crate::support::tls::{Authority, Certificate, Terms, read};
use crate::support::wait;
use crate::world::{LIMIT, World, cluster_with};

/// A password that no text holds by accident.
pub const PASSWORD: &str = "hunter2-Zs9qVx";

/// A broker that can be reached in many ways, and a cluster that is told to.
pub struct Secured {
    pub broker: Broker,
    pub cluster: Cluster,
    pub folder: PathBuf,
    pub ca: PathBuf,
    pub publisher: Certificate,
    pub stranger: Certificate,
    /// The publisher's, of another time.
    pub outdated: Certificate,
    pub ports: Ports,
}

/// The listeners beside the open one, which is the administrator's.
pub struct Ports {
    /// Asks for a certificate.
    pub mutual: u16,
    /// Asks for user and password.
    pub sasl: u16,
    /// Shows a certificate that has expired.
    pub expired: u16,
    /// Shows one that was made for another host.
    pub elsewhere: u16,
}

/// Who connects as whom shows in the names: CN for certificates, the user's name for passwords.
fn properties(folder: &std::path::Path, ports: &Ports) -> (String, Authority) {
    let ca = Authority::new(folder, "ca");
    let here = |name: &str, days: i32| {
        ca.sign(name, &Terms { names: "IP:127.0.0.1,DNS:localhost", days }).store()
    };
    let (good, expired) = (here("broker", 30), here("expired", -1));
    let elsewhere =
        ca.sign("elsewhere", &Terms { names: "DNS:kafka.example.com", days: 30 }).store();
    let Ports { mutual, sasl, expired: expired_port, elsewhere: elsewhere_port } = ports;
    let mut lines = format!(
        "
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,MUTUAL:SSL,SASL:SASL_SSL,EXPIRED:SSL,ELSEWHERE:SSL
inter.broker.listener.name=PLAINTEXT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
auto.create.topics.enable=false
sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512
ssl.principal.mapping.rules=RULE:^CN=(.*?)$/$1/
ssl.truststore.type=PEM
ssl.truststore.location={ca}
ssl.keystore.type=PEM
ssl.keystore.location={good}
listener.name.mutual.ssl.client.auth=required
listener.name.elsewhere.ssl.client.auth=required
listener.name.expired.ssl.keystore.location={expired}
listener.name.elsewhere.ssl.keystore.location={elsewhere}
",
        ca = ca.certificate().display(),
        good = good.display(),
        expired = expired.display(),
        elsewhere = elsewhere.display(),
    );
    for mechanism in ["scram-sha-256", "scram-sha-512"] {
        let login = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        lines += &format!("listener.name.sasl.{mechanism}.sasl.jaas.config={login}\n");
    }
    let own = [
        ("MUTUAL", mutual),
        ("SASL", sasl),
        ("EXPIRED", expired_port),
        ("ELSEWHERE", elsewhere_port),
    ];
    let list: Vec<_> =
        own.iter().map(|(name, port)| format!("{name}://127.0.0.1:{port}")).collect();
    // The usual two first, as they are in the file that this is appended to.
    lines += &format!("listeners=@LISTENERS@,{}\n", list.join(","));
    lines += &format!("advertised.listeners=@ADVERTISED@,{}\n", list.join(","));
    (lines, ca)
}

/// The broker and the cluster, for one test at a time; new ones after a test that failed.
pub fn secured() -> MutexGuard<'static, Secured> {
    static SECURED: OnceLock<Mutex<Secured>> = OnceLock::new();
    let shared = SECURED.get_or_init(|| Mutex::new(Secured::start()));
    let stage = shared.lock().unwrap_or_else(|poisoned| {
        let mut stage = PoisonError::into_inner(poisoned);
        *stage = Secured::start();
        shared.clear_poison();
        stage
    });
    stage.reset();
    stage
}

impl Secured {
    fn start() -> Self {
        static COUNT: Mutex<u32> = Mutex::new(0);
        let mut count = COUNT.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        let folder = run::dir().join(format!("tls-{count}"));
        let ports = Ports {
            mutual: free_port(),
            sasl: free_port(),
            expired: free_port(),
            elsewhere: free_port(),
        };
        let (lines, ca) = properties(&folder, &ports);
        let strangers = Authority::new(&folder, "strangers");
        let terms = Terms { names: "DNS:client", days: 30 };
        let user =
            |mechanism: &str, name: &str| format!("{mechanism}=[name={name},password={PASSWORD}]");
        let users = [
            user("SCRAM-SHA-256", "app"),
            user("SCRAM-SHA-512", "app"),
            user("SCRAM-SHA-512", "nobody"),
        ];
        let format: Vec<&str> =
            users.iter().flat_map(|user| ["--add-scram", user.as_str()]).collect();
        let mut broker = Broker::with_listeners(run::dir(), &lines, &format);
        broker.launch();
        Self {
            broker,
            // What is loaded last is asked first, and so can hide statements from what came before.
            cluster: cluster_with(
                "log_min_messages = info\nlog_min_error_statement = error\n\
                 shared_preload_libraries = 'pg_stat_statements, pg_manifold'",
            ),
            ca: ca.certificate(),
            publisher: ca.sign("publisher", &terms),
            stranger: strangers.sign("stranger", &terms),
            outdated: ca.sign("outdated", &Terms { days: -1, ..terms }),
            folder,
            ports,
        }
    }

    fn reset(&self) {
        let mut client = self.cluster.connect("postgres");
        client.batch_execute("ALTER SYSTEM RESET ALL").unwrap_or_else(|e| panic!("{e:?}"));
    }

    pub fn allow(&self, user: &str, prefix: &str, yes: bool) {
        let change = if yes { ["--add", "--force"] } else { ["--remove", "--force"] };
        let principal = format!("User:{user}");
        let what = ["--operation", "Write", "--operation", "Describe", "--topic", prefix];
        let pattern = ["--resource-pattern-type", "prefixed", "--allow-principal", &principal];
        let arguments: Vec<&str> = change.into_iter().chain(what).chain(pattern).collect();
        self.broker.tool("org.apache.kafka.tools.AclCommand", &arguments);
    }

    /// A database whose leads have topics, which these users may write.
    pub fn world(&self, users: &[&str]) -> World<'_> {
        let world = World::in_cluster(&self.cluster);
        let admin = crate::support::admin::Admin::new(&self.broker.bootstrap());
        for table in ["acme", "globex", "canonical"] {
            admin.create(&format!("{}.{table}.lead", world.prefix), 2, &[]);
        }
        users.iter().for_each(|user| self.allow(user, &world.prefix, true));
        world
    }

    /// Tells the cluster where and how to publish, at one reload that it has seen then.
    pub fn publish_to(&self, port: u16, options: &str) {
        let mut client = self.cluster.connect("postgres");
        let options = options.replace('\n', "\\n");
        for sql in [
            &format!("ALTER SYSTEM SET manifold.kafka_options = {}", literal(Some(&options))),
            &format!("ALTER SYSTEM SET manifold.kafka_brokers = '127.0.0.1:{port}'"),
            "SELECT pg_reload_conf()",
        ] {
            client.batch_execute(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        }
        let now = "SELECT current_setting('manifold.kafka_brokers') || '; ' || current_setting('manifold.kafka_options')";
        let told = format!("127.0.0.1:{port}; {options}");
        wait::until("the server to know it", LIMIT, || {
            let row = client.query_one(now, &[]).unwrap_or_else(|e| panic!("{now}: {e:?}"));
            if row.get::<_, &str>(0) == told { Ok(()) } else { Err("not yet") }
        });
    }

    pub fn mutual_tls(&self, with: Option<&Certificate>) -> String {
        let own = with.map_or(String::new(), |with| {
            format!(
                "; ssl.certificate.pem={}; ssl.key.pem={}",
                read(&with.certificate),
                read(&with.key)
            )
        });
        format!("security.protocol=ssl; ssl.ca.pem={}{own}", read(&self.ca))
    }

    pub fn scram(&self, mechanism: &str, user: &str, password: &str) -> String {
        format!(
            "security.protocol=sasl_ssl; ssl.ca.pem={}; sasl.mechanism={mechanism}; \
             sasl.username={user}; sasl.password={password}",
            read(&self.ca)
        )
    }
}

/// Waits until the status tells of an error and says what to do.
pub fn says(world: &mut World<'_>, what: &str, error: &str, todo: &str) {
    world.await_status("acme", "publisher", &format!("{what}: {error:?}, {todo:?}"), |s| {
        s.state == "error"
            && s.last_error.as_deref().is_some_and(|e| e.contains(error))
            && s.detail.contains(todo)
    });
}

pub fn well(world: &mut World<'_>) {
    world.published();
    world.await_status("acme", "publisher", "well", |s| s.state == "ok" && s.lag_changes == 0);
}

#[test]
fn each_way_in_that_is_barred_is_told_and_opens_without_a_restart() {
    let secured = secured();
    let mut world = secured.world(&["publisher", "app"]);
    let Ports { mutual, sasl, expired, elsewhere } = secured.ports;
    secured.publish_to(mutual, &secured.mutual_tls(Some(&secured.publisher)));
    let mut acme = world.running("acme", 20);
    well(&mut world);
    let ca = read(&secured.ca);
    let stranger = |s: &Secured| s.mutual_tls(Some(&s.stranger));
    // What is wrong, where, with which options; what the status says of it, and what to do.
    let mutual_options = secured.mutual_tls(Some(&secured.publisher));
    let cases: Vec<(&str, u16, String, &str, &str)> = vec![
        ("no certificate", mutual, secured.mutual_tls(None), "TLS", "ssl.certificate"),
        ("a stranger's certificate", mutual, stranger(&secured), "TLS", "ssl.certificate"),
        (
            "a CA that signed nothing",
            mutual,
            mutual_options.replace(&ca, &read(&secured.folder.join("strangers.pem"))),
            "TLS",
            "ssl.ca.",
        ),
        ("a broker's expired certificate", expired, mutual_options.clone(), "expired", "valid now"),
        (
            "a broker's certificate for another host",
            elsewhere,
            mutual_options.clone(),
            "TLS",
            "ssl.endpoint.identification.algorithm",
        ),
        ("no TLS", mutual, "security.protocol=plaintext".to_owned(), "", "security.protocol"),
        (
            "a wrong password",
            sasl,
            secured.scram("SCRAM-SHA-512", "app", "not-it"),
            "credentials",
            "sasl.password",
        ),
        (
            "a mechanism that is not offered",
            sasl,
            secured.scram("PLAIN", "app", PASSWORD),
            "PLAIN",
            "sasl.mechanism",
        ),
    ];
    for (n, (what, port, options, error, todo)) in cases.iter().enumerate() {
        secured.publish_to(*port, options);
        acme.load(20 + n * 10, 10);
        says(&mut world, what, error, todo);
        // Nothing of it is left, to be taken for what the next one is told.
        secured.publish_to(mutual, &mutual_options);
        well(&mut world);
    }
    // Each of the right ones, one after another; a certificate for another host where that is meant.
    let lenient = format!("{mutual_options}; ssl.endpoint.identification.algorithm=none");
    let mut rows = 20 + cases.len() * 10;
    for (port, options) in [
        (mutual, mutual_options.clone()),
        (elsewhere, lenient),
        (sasl, secured.scram("SCRAM-SHA-256", "app", PASSWORD)),
        (sasl, secured.scram("SCRAM-SHA-512", "app", PASSWORD)),
    ] {
        secured.publish_to(port, &options);
        acme.load(rows, 10);
        rows += 10;
        well(&mut world);
    }
    let mut topic = world.topic_on(&secured.broker, "acme.lead");
    let events = topic.all().to_vec();
    check::topic_tells_table(&mut world.client, "acme", "lead", &events);
}

#[test]
fn rights_that_are_missing_or_withdrawn_under_load_are_told_and_work_when_they_are_given() {
    let secured = secured();
    let mut world = secured.world(&[]);
    let options = secured.scram("SCRAM-SHA-512", "nobody", PASSWORD);
    secured.publish_to(secured.ports.sasl, &options);
    let mut acme = world.running("acme", 20);
    // No rights at all: not even the producer's own number is to be had.
    says(&mut world, "without rights", "not allowed", "kafka-acls.sh");
    let (one, other) = (format!("{}.acme", world.prefix), format!("{}.globex", world.prefix));
    secured.allow("nobody", &other, true);
    let mut globex = world.running("globex", 20);
    world.topic_on(&secured.broker, "globex.lead").at_least(20, LIMIT);
    says(&mut world, "without one right", &format!("{one}.lead"), "kafka-acls.sh");
    secured.allow("nobody", &one, true);
    secured.allow("nobody", &format!("{}.canonical", world.prefix), true);
    well(&mut world);

    under_load(&mut acme, || {
        let before = world.topic_on(&secured.broker, "acme.lead").all().len();
        world.topic_on(&secured.broker, "acme.lead").at_least(before + 100, LIMIT);
        secured.allow("nobody", &one, false);
        says(&mut world, "with a right withdrawn", &format!("{one}.lead"), "kafka-acls.sh");
        globex.load(20, 20);
        world.topic_on(&secured.broker, "globex.lead").at_least(40, LIMIT);
    });
    world.await_status("globex", "publisher", "well", |s| s.state == "ok");
    secured.allow("nobody", &one, true);
    well(&mut world);
    let mut topic = world.topic_on(&secured.broker, "acme.lead");
    let events = topic.all().to_vec();
    check::topic_tells_table(&mut world.client, "acme", "lead", &events);
}
