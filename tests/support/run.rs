//! A run: one temporary folder for everything that a program starts, and the janitor that stops the
//! servers and removes the folder when the program is gone, whether it returned, panicked or was
//! killed. The janitor is a process of its own, which waits for the end of a pipe.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

const JANITOR: &str = include_str!("janitor.sh");

static RUN: OnceLock<PathBuf> = OnceLock::new();
static WATCH: Mutex<Option<Child>> = Mutex::new(None);

/// The folder of this run. The first call makes it and sets the janitor to watch this program.
pub fn dir() -> &'static Path {
    RUN.get_or_init(|| {
        let dir = create();
        let janitor = Command::new("sh")
            .args(["-c", JANITOR, "janitor"])
            .arg(&dir)
            .stdin(Stdio::piped())
            // Out of reach of the terminal's Ctrl-C: it has to outlive the program.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start sh: {e}"));
        *WATCH.lock().expect("never held in a panic") = Some(janitor);
        // SAFETY: `finish` is a plain function without arguments and does not unwind.
        unsafe { libc::atexit(finish) };
        dir
    })
}

/// Lets the servers outlive this program, until somebody calls [`clean`].
pub fn detach() {
    fs::write(dir().join("detached"), "").expect("run folder is writable");
}

/// Stops what was started in a run folder and removes it.
pub fn clean(dir: &Path) -> io::Result<()> {
    let status =
        Command::new("sh").args(["-c", JANITOR, "janitor"]).arg(dir).arg("now").status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("janitor: {status}"))) }
}

/// Ends the whole program in order at Ctrl-C and SIGTERM. To be called before any thread is started.
pub fn end_at_signal() {
    // SAFETY: the set is initialized by sigemptyset before use and lives on this thread's stack or is
    // copied into the new thread.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut set);
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            libc::sigaddset(&mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        std::thread::spawn(move || {
            let mut signal = 0;
            libc::sigwait(&set, &mut signal);
            println!();
            std::process::exit(0)
        });
    }
}

/// At exit: let the janitor see the end of the pipe, and wait until all is clean.
extern "C" fn finish() {
    if let Ok(mut watch) = WATCH.lock()
        && let Some(mut janitor) = watch.take()
    {
        drop(janitor.stdin.take());
        let _ = janitor.wait();
    }
}

fn create() -> PathBuf {
    let dir = tempfile::Builder::new()
        .prefix("pg_manifold.")
        .tempdir()
        .unwrap_or_else(|e| panic!("cannot make a temporary folder: {e}"))
        .keep();
    // Servers may run as another user, who has to get through.
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755))
        .and_then(|()| fs::create_dir(dir.join("pids")))
        .unwrap_or_else(|e| panic!("cannot prepare {}: {e}", dir.display()));
    dir
}
