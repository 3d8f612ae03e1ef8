//! A Postgres cluster of our own, and databases in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use postgres::{Client, NoTls};

use super::installation::{Installation, is_root, run_to_end};
use super::server::{Server, free_port};
use super::wait::{self, LIMIT, seconds};

const SETTINGS: &str = include_str!("../../pgrx-config/postgresql.conf");

/// Settings for tests: quick, not for a server that has to survive a power cut, and with room for as many
/// tests at once as a machine has processors.
pub const QUICK: &str = "fsync = off\nfull_page_writes = off\nautovacuum_naptime = 5s\n\
    max_worker_processes = 256\nmax_connections = 400\n";

pub struct Cluster {
    run: PathBuf,
    name: String,
    data: PathBuf,
    port: u16,
    installation: &'static Installation,
    server: Option<Server>,
}

impl Cluster {
    /// Makes a cluster in the run folder and starts it. `settings` are lines of postgresql.conf.
    pub fn start(run: &Path, settings: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let name = format!("postgres-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let home = run.join(&name);
        fs::create_dir(&home).expect("run folder is writable");
        if is_root() {
            run_to_end(Command::new("chown").arg("postgres:").arg(&home));
        }
        let data = home.join("data");
        let installation = Installation::of(run);
        run_to_end(
            installation
                .command("initdb")
                .args([
                    "--username=postgres",
                    "--auth=trust",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                ])
                .args(["--no-sync", "--no-instructions", "--pgdata"])
                .arg(&data),
        );
        let mut cluster =
            Self { run: run.to_owned(), name, data, port: free_port(), installation, server: None };
        let own = format!(
            "{SETTINGS}\nlisten_addresses = '127.0.0.1'\nport = {}\n\
             unix_socket_directories = '{}'\n{settings}\n",
            cluster.port,
            home.display()
        );
        fs::write(cluster.data.join("postgresql.conf"), own).expect("data folder is writable");
        cluster.launch();
        cluster
    }

    /// A second cluster on a copy of this one's data, which is not running; not started yet.
    pub fn copy(&self) -> Self {
        assert!(self.server.is_none(), "a running server's data cannot be copied");
        let name = format!("{}-copy", self.name);
        let home = self.run.join(&name);
        fs::create_dir(&home).expect("run folder is writable");
        let data = home.join("data");
        run_to_end(Command::new("cp").arg("-a").arg(&self.data).arg(&data));
        if is_root() {
            run_to_end(Command::new("chown").arg("postgres:").arg(&home));
        }
        let port = free_port();
        let conf = data.join("postgresql.conf");
        let filled = fs::read_to_string(&conf).expect("written by `start`");
        let (old, new) = (self.data.parent().expect("data is in a folder"), &home);
        let filled = filled
            .replace(&format!("port = {}", self.port), &format!("port = {port}"))
            .replace(&old.display().to_string(), &new.display().to_string());
        fs::write(conf, filled).expect("data folder is writable");
        let (run, installation) = (self.run.clone(), self.installation);
        Self { run, name, data, port, installation, server: None }
    }

    /// Starts the server again on the same data and port.
    pub fn launch(&mut self) {
        let mut command = self.installation.command("postgres");
        command.arg("-D").arg(&self.data);
        let mut server = Server::spawn(&self.run, &self.name, &mut command);
        wait::until("Postgres to answer", LIMIT, || {
            server.assert_alive();
            self.try_connect("postgres").map(drop)
        });
        self.server = Some(server);
    }

    /// A client program of the installation, told where the server is.
    pub fn program(&self, name: &str) -> Command {
        let mut command = self.installation.command(name);
        command.args(["--host=127.0.0.1", "--username=postgres"]);
        command.arg(format!("--port={}", self.port));
        command
    }

    /// A folder that the server's user may write to.
    pub fn folder(&self) -> &Path {
        self.data.parent().expect("data is in a folder")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("the server is running")
    }

    /// A fast shutdown, as an administrator would do it.
    pub fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop(libc::SIGINT, LIMIT);
        }
    }

    /// The worst end: the postmaster is killed, and its children notice.
    pub fn kill(&mut self) {
        let Some(server) = self.server.take() else { return };
        let pid = server.pid();
        let children =
            fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        server.stop(libc::SIGKILL, LIMIT);
        // A new postmaster refuses to start as long as a child of the old one lives.
        wait::until("the children of the killed postmaster to end", LIMIT, || {
            let alive = |pid: &&str| Path::new("/proc").join(pid).exists();
            match children.split_whitespace().find(alive) {
                Some(pid) => Err(format!("process {pid} is alive")),
                None => Ok(()),
            }
        });
    }

    pub fn restart(&mut self) {
        self.stop();
        self.launch();
    }

    /// Sets a parameter for all databases and makes the server read it.
    pub fn set(&self, name: &str, value: &str) {
        let mut client = self.connect("postgres");
        client
            .batch_execute(&format!("ALTER SYSTEM SET {name} = '{}'", value.replace('\'', "''")))
            .and_then(|()| client.batch_execute("SELECT pg_reload_conf()"))
            .unwrap_or_else(|e| panic!("cannot set {name}: {e:?}"));
    }

    pub fn try_connect(&self, database: &str) -> Result<Client, postgres::Error> {
        self.try_connect_as("postgres", database)
    }

    pub fn try_connect_as(&self, user: &str, database: &str) -> Result<Client, postgres::Error> {
        Self::connect_to(self.port, user, database)
    }

    pub fn connect_to(port: u16, user: &str, database: &str) -> Result<Client, postgres::Error> {
        postgres::Config::new()
            .host("127.0.0.1")
            .port(port)
            .user(user)
            .dbname(database)
            .connect_timeout(seconds(5))
            // The server itself may be at work in a table that is started (autovacuum, say).
            .options("-c manifold.attach_lock_timeout=60s")
            .connect(NoTls)
    }

    pub fn connect(&self, database: &str) -> Client {
        self.try_connect(database).unwrap_or_else(|e| panic!("cannot connect to {database}: {e:?}"))
    }

    /// A new, empty database, dropped with the value.
    pub fn database(&self) -> Database<'_> {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let name = format!("db{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.connect("postgres")
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .unwrap_or_else(|e| panic!("cannot create database {name}: {e:?}"));
        Database { cluster: self, name }
    }

    /// A database that was made before, dropped with the value.
    pub fn existing(&self, name: &str) -> Database<'_> {
        Database { cluster: self, name: name.to_owned() }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

/// A database that is dropped with the value.
pub struct Database<'a> {
    cluster: &'a Cluster,
    pub name: String,
}

impl Database<'_> {
    pub fn connect(&self) -> Client {
        self.cluster.connect(&self.name)
    }

    pub fn connect_as(&self, user: &str) -> Client {
        self.cluster
            .try_connect_as(user, &self.name)
            .unwrap_or_else(|e| panic!("cannot connect to {} as {user}: {e:?}", self.name))
    }

    pub fn cluster(&self) -> &Cluster {
        self.cluster
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        // After a failure the cluster may be gone; the janitor removes everything anyway.
        if let Ok(mut client) = self.cluster.try_connect("postgres") {
            let _ = client.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}
