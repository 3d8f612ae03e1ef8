//! How much memory a process takes at most.
#![allow(dead_code, reason = "each bench uses its own part of this")]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const OFTEN: Duration = Duration::from_millis(20);

/// Watches a process until asked for the result.
pub struct Watch {
    process: i32,
    done: Arc<AtomicBool>,
    thread: JoinHandle<[u64; 2]>,
}

/// Megabytes.
pub struct Peak {
    /// Memory of its own (RssAnon), as often as it was looked at.
    pub own: f64,
    /// The same and what it had touched of programs' files: all but shared memory.
    pub unshared: f64,
    /// All that it had touched at once (VmHWM), shared buffers and the program's file among it.
    pub resident: f64,
}

impl Watch {
    pub fn start(process: i32) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let seen = done.clone();
        let thread = thread::spawn(move || {
            let mut most = [0, 0];
            while !seen.load(Ordering::Relaxed) {
                let own = kilobytes(process, "RssAnon:");
                let unshared = own + kilobytes(process, "RssFile:");
                most = [most[0].max(own), most[1].max(unshared)];
                thread::sleep(OFTEN);
            }
            most
        });
        Self { process, done, thread }
    }

    pub fn peak(self) -> Peak {
        let resident = kilobytes(self.process, "VmHWM:") as f64 / 1024.0;
        self.done.store(true, Ordering::Relaxed);
        let most = self.thread.join().expect("the process has lived on");
        let [own, unshared] = most.map(|kilobytes| kilobytes as f64 / 1024.0);
        Peak { own, unshared, resident }
    }
}

fn kilobytes(process: i32, name: &str) -> u64 {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or_else(|| panic!("{path} has no {name}"))
}
