//! A server process: started, signalled and stopped by its process id, which the janitor knows too.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::wait;

pub struct Server {
    name: String,
    child: Child,
    pid_file: PathBuf,
    log: PathBuf,
}

impl Server {
    /// Starts `command`, with what it writes in `<run>/<name>.log`.
    pub fn spawn(run: &Path, name: &str, command: &mut Command) -> Self {
        let log = run.join(format!("{name}.log"));
        let output =
            File::options().create(true).append(true).open(&log).expect("run folder is writable");
        let errors = output.try_clone().expect("file handle");
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            // Ctrl-C is for the program; servers are stopped in order.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {name}: {command:?}: {e}"));
        let pid_file = run.join("pids").join(name);
        fs::write(&pid_file, format!("{}\n", child.id())).expect("run folder is writable");
        Self { name: name.to_owned(), child, pid_file, log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: a system call on plain integers. The child has not been waited for as long as
        // `self` lives, so the id is still its own.
        unsafe { libc::kill(self.pid() as libc::pid_t, signal) };
    }

    /// Panics with the end of the log when the server has ended by itself.
    pub fn assert_alive(&mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            panic!("{} ended ({status}); its log ends with:\n{}", self.name, self.log_tail());
        }
    }

    /// Asks the server to end and waits until it has.
    pub fn stop(mut self, signal: libc::c_int, limit: Duration) {
        self.signal(signal);
        self.wait_for_end(limit);
        let _ = fs::remove_file(&self.pid_file);
    }

    pub fn wait_for_end(&mut self, limit: Duration) {
        let what = format!("{} (process {}) to end", self.name, self.pid());
        wait::until(&what, limit, || match self.child.try_wait() {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err("still running".to_owned()),
            Err(e) => Err(e.to_string()),
        });
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    // Below those that the system gives to clients: one of these could take a server's port while it is
    // down, and would, since clients that try to connect to it are given ports all the time.
    const LOWEST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Programs that run side by side begin apart.
    let start = std::process::id().wrapping_mul(127);
    let port = (0..COUNT).find_map(|_| {
        let n = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(LOWEST + n % COUNT).ok()?;
        TcpListener::bind(("127.0.0.1", port)).is_ok().then_some(port)
    });
    port.expect("a free port on 127.0.0.1")
}
