//! A private copy of the Postgres installation with the packaged extension laid over it, so that
//! nothing is written into the system's folders. Postgres finds its library and share folders
//! relative to its executable, so a copy under another root is complete.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub struct Installation {
    root: PathBuf,
    bin: PathBuf,
}

impl Installation {
    /// The copy that all clusters of a run share.
    pub fn of(run: &Path) -> &'static Self {
        static INSTALLATION: OnceLock<Installation> = OnceLock::new();
        INSTALLATION.get_or_init(|| Self::copy(run))
    }

    /// Copies what `pg_config` (or `$PG_CONFIG`) names into `<run>/postgres`.
    fn copy(run: &Path) -> Self {
        let pg_config = env::var("PG_CONFIG").unwrap_or_else(|_| "pg_config".to_owned());
        let [bin, lib, share] = ["--bindir", "--pkglibdir", "--sharedir"]
            .map(|option| run_to_end(Command::new(&pg_config).arg(option)));
        let version = run_to_end(Command::new(&pg_config).arg("--version"));
        let major = version.split(' ').nth(1).and_then(|v| v.split('.').next()).unwrap_or_default();
        let package = package(major);

        let root = run.join("postgres");
        let under_root = |path: &str| root.join(path.trim_start_matches('/'));
        let installation = Self { bin: under_root(&bin), root: root.clone() };
        fs::create_dir_all(&installation.bin).expect("run folder is writable");
        // Executables have to be files, as they look for the rest beside where they really are.
        run_to_end(
            Command::new("cp").args(["-L", "-t"]).arg(&installation.bin).args(
                ["postgres", "initdb", "pg_dump", "psql", "pgbench"]
                    .map(|name| format!("{bin}/{name}")),
            ),
        );
        // Everything else may be a link, and is one, for speed.
        for folder in [&lib, &share] {
            let target = under_root(folder);
            fs::create_dir_all(&target).expect("run folder is writable");
            run_to_end(Command::new("cp").arg("-rs").arg(format!("{folder}/.")).arg(&target));
        }
        // An older pg_manifold may be installed on the system: ours replaces the link to it.
        run_to_end(
            Command::new("cp")
                .args(["-r", "--remove-destination"])
                .arg(package.join("."))
                .arg(&root),
        );
        installation
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = as_server_user(&self.bin.join(program));
        // Not of the caller's server.
        for (name, _) in env::vars().filter(|(name, _)| name.starts_with("PG")) {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C.UTF-8").current_dir(&self.root);
        command
    }
}

/// What `cargo pgrx package` wrote.
fn package(major: &str) -> PathBuf {
    let target = env::var("CARGO_TARGET_DIR")
        .map(PathBuf::from)
        .unwrap_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"));
    let package = target.join(format!("release/pg_manifold-pg{major}"));
    assert!(
        package.is_dir(),
        "the extension is not packaged for PostgreSQL {major} ({} is missing): run make package",
        package.display()
    );
    package
}

/// Runs `program` as user postgres when we are root, whom Postgres refuses.
pub fn as_server_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
    command
}

pub fn is_root() -> bool {
    // SAFETY: a system call without arguments.
    unsafe { libc::geteuid() == 0 }
}

/// Runs a command that is expected to succeed and returns its output.
pub fn run_to_end(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?} failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
