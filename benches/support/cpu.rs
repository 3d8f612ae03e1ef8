//! CPU time, which tells more than the clock where other programs want the processors too.

use std::fs;

/// Milliseconds of CPU that a process has had.
pub fn milliseconds(process: i32) -> f64 {
    let path = format!("/proc/{process}/schedstat");
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let nanoseconds = text.split(' ').next().and_then(|text| text.parse().ok());
    nanoseconds.map_or_else(|| panic!("{path}: {text}"), |time: f64| time / 1e6)
}
