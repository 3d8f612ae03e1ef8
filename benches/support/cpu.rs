//! CPU time, which tells more than the clock where other programs want the processors too.
#![allow(dead_code, reason = "each bench uses its own part of this")]

use std::fs;
use std::path::Path;

/// Milliseconds of CPU that a process has had, without its other threads.
pub fn milliseconds(process: i32) -> f64 {
    nanoseconds(Path::new(&format!("/proc/{process}/schedstat"))) / 1e6
}

/// Microseconds of CPU that a process has had, with all threads that it has or had.
pub fn process_microseconds(process: i32) -> f64 {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    // See proc(5): utime and stime, the 14th and 15th field; the second ends with a parenthesis.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    // SAFETY: a question to the C library.
    ticks * 1e6 / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64
}

/// Nanoseconds of CPU that the threads of a process have had, by their names; those that have ended
/// are not among them.
pub fn threads(process: u32) -> Vec<(String, f64)> {
    let tasks = format!("/proc/{process}/task");
    let tasks = fs::read_dir(&tasks).unwrap_or_else(|e| panic!("{tasks}: {e}"));
    tasks
        .flatten()
        .filter_map(|task| {
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            Some((name.trim().to_owned(), nanoseconds(&task.path().join("schedstat"))))
        })
        .collect()
}

fn nanoseconds(path: &Path) -> f64 {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let nanoseconds = text.split(' ').next().and_then(|text| text.parse().ok());
    nanoseconds.unwrap_or_else(|| panic!("{}: {text}", path.display()))
}
