//! `make profile-kafka`: where the publisher's time goes while it drains, by `perf` (Debian's
//! linux-perf).

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::installation::run_to_end;

/// Lines of each list.
const LINES: usize = 45;

/// What ends a recording is blocked in this program, and children inherit that.
fn hear_signals() -> io::Result<()> {
    // SAFETY: the set is initialized by sigfillset before use.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&mut set);
        libc::sigprocmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
    }
    Ok(())
}

/// A recording of all threads of a process.
pub struct Profile {
    perf: Child,
    file: PathBuf,
}

impl Profile {
    pub fn start(process: i32, name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
        std::fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let file = folder.join(format!("{name}.perf"));
        let mut command = Command::new("perf");
        // SAFETY: system calls only, between fork and exec.
        unsafe { command.pre_exec(hear_signals) };
        let perf = command
            // The clock and not a counter, which virtual machines may not have.
            .args(["record", "--event", "cpu-clock", "--freq", "1999", "--pid"])
            .arg(process.to_string())
            .arg("--output")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot run perf (Debian's linux-perf): {e}"));
        Self { perf, file }
    }

    /// Ends the recording and prints it by thread, by library, and by function.
    pub fn print(mut self) {
        // SAFETY: a system call on plain integers; the child has not been waited for.
        unsafe { libc::kill(self.perf.id() as libc::pid_t, libc::SIGINT) };
        self.perf.wait().unwrap_or_else(|e| panic!("perf: {e}"));
        for by in ["comm", "comm,dso", "comm,symbol"] {
            let report = run_to_end(
                Command::new("perf")
                    .args(["report", "--stdio", "--no-children", "--sort", by, "--input"])
                    .arg(&self.file)
                    .stderr(Stdio::null()),
            );
            println!("\nCPU time of the publisher by {by}:");
            let lines = report.lines().map(str::trim_end);
            let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines.take(LINES).for_each(|line| println!("{line}"));
        }
        println!("\nmore by perf report --input {}", self.file.display());
    }
}
