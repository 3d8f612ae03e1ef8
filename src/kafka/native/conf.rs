//! The library's configuration object.

use super::{buffer, text};
use rdkafka::bindings as rd;
use std::ffi::{CString, c_char};
use std::ptr::NonNull;

/// Why the library refused an option.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::kafka) enum Refusal {
    /// There is no option of that name.
    Unknown,
    /// The value is not one of those allowed; the library's words, which may repeat the value.
    Invalid(String),
}

/// An rd_kafka_conf_t.
pub(in crate::kafka) struct Conf(pub(super) NonNull<rd::rd_kafka_conf_t>);

impl Conf {
    pub(in crate::kafka) fn new() -> Option<Conf> {
        // SAFETY: no preconditions.
        NonNull::new(unsafe { rd::rd_kafka_conf_new() }).map(Conf)
    }

    pub(in crate::kafka) fn set(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let name = CString::new(name).map_err(|_| Refusal::Unknown)?;
        let value =
            CString::new(value).map_err(|_| Refusal::Invalid("a NUL character".to_owned()))?;
        let mut text = [0u8; 512];
        // SAFETY: the strings end in NUL, the buffer is as long as said.
        let result = unsafe {
            rd::rd_kafka_conf_set(
                self.0.as_ptr(),
                name.as_ptr(),
                value.as_ptr(),
                text.as_mut_ptr().cast(),
                text.len(),
            )
        };
        match result {
            rd::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK => Ok(()),
            rd::rd_kafka_conf_res_t::RD_KAFKA_CONF_UNKNOWN => Err(Refusal::Unknown),
            rd::rd_kafka_conf_res_t::RD_KAFKA_CONF_INVALID => Err(Refusal::Invalid(buffer(&text))),
        }
    }

    /// The value that is in force, if there is an option of that name that has one.
    pub(in crate::kafka) fn get(&self, name: &str) -> Option<String> {
        let name = CString::new(name).ok()?;
        let mut text = vec![0u8; 4096];
        let mut size = text.len();
        // SAFETY: as for `set`; the library writes no more than `size` bytes.
        let result = unsafe {
            rd::rd_kafka_conf_get(
                self.0.as_ptr(),
                name.as_ptr(),
                text.as_mut_ptr().cast(),
                &mut size,
            )
        };
        (result == rd::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK).then(|| buffer(&text))
    }

    /// The names of all options but aliases.
    pub(in crate::kafka) fn names(&self) -> Vec<String> {
        let (mut globals, mut per_topic) = (0, 0);
        // SAFETY: the configuration lives; a null default topic configuration is left out.
        unsafe {
            let all = rd::rd_kafka_conf_dump(self.0.as_ptr(), &mut globals);
            let mut names = take_names(all, globals);
            let topic = rd::rd_kafka_conf_get_default_topic_conf(self.0.as_ptr());
            if !topic.is_null() {
                let all = rd::rd_kafka_topic_conf_dump(topic, &mut per_topic);
                names.extend(take_names(all, per_topic));
            }
            names
        }
    }
}

/// # Safety
/// `all` is what a dump function of the library returned, with this count; it is freed here.
unsafe fn take_names(all: *mut *const c_char, count: usize) -> Vec<String> {
    // SAFETY: by this function's contract; names and values take turns.
    unsafe {
        let names = (0..count).step_by(2).map(|i| text(*all.add(i)).into_owned()).collect();
        rd::rd_kafka_conf_dump_free(all, count);
        names
    }
}

impl Drop for Conf {
    fn drop(&mut self) {
        // SAFETY: owned, and not given to a client (which forgets it).
        unsafe { rd::rd_kafka_conf_destroy(self.0.as_ptr()) }
    }
}
