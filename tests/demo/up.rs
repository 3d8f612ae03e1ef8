//! Servers that outlive this program, for people and scripts.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::cluster::Cluster;
use crate::support::run;
use crate::{DATABASE, Servers};

pub fn up() {
    let env = Path::new(env!("CARGO_MANIFEST_DIR")).join(".run/env");
    if let Some(old) = left_by_an_earlier_up(&env) {
        if is_up(&env) {
            println!("Already up: see .run/env; make down stops it.");
            return;
        }
        run::clean(&old).unwrap_or_else(|e| panic!("cannot clean {}: {e}", old.display()));
    }
    let servers = Servers::start();
    let text = format!(
        "PGHOST=127.0.0.1\nPGPORT={}\nPGUSER=postgres\nPGDATABASE={DATABASE}\nKAFKA_BOOTSTRAP={}\nMANIFOLD_RUN={}\n",
        servers.cluster.port(),
        servers.broker.bootstrap(),
        run::dir().display()
    );
    fs::write(&env, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", env.display()));
    run::detach();
    std::mem::forget(servers);
    println!("Up. In a shell: set -a; . .run/env; set +a; psql");
    println!("Topics:         kcat -L -b $KAFKA_BOOTSTRAP");
    println!("Server logs:    {}/*.log", run::dir().display());
    println!("make down stops it.");
}

fn value(env: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(env).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}

fn left_by_an_earlier_up(env: &Path) -> Option<PathBuf> {
    value(env, "MANIFOLD_RUN").map(PathBuf::from)
}

fn is_up(env: &Path) -> bool {
    let port = value(env, "PGPORT").and_then(|port| port.parse().ok());
    port.is_some_and(|port| Cluster::connect_to(port, "postgres", DATABASE).is_ok())
}
