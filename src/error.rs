//! One enum for everything a caller of the SQL functions can meet, with one mapping to SQLSTATE,
//! message and hint. Errors are values up to the outermost layer; only there they are reported.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug)]
pub enum Error {
    /// Something named does not exist: what it is, its name, and what to do.
    Unknown { what: &'static str, name: String, hint: String },
    /// Something named exists already.
    Exists { what: &'static str, name: String, hint: String },
    /// An argument that makes no sense.
    Invalid { message: String, detail: Option<String>, hint: String },
    /// The object is not in the state that the call needs.
    State { message: String, hint: String },
    /// A transaction that must not write was to write.
    ReadOnly { message: String, hint: String },
    /// The caller lacks the right.
    Denied { message: String, hint: String },
    /// A lock that was not to be had in time.
    Busy { message: String, hint: String },
    /// The server was started without the library.
    NotPreloaded,
    /// A query of our own failed; the server reports its errors itself, so this is a broken promise.
    Spi(pgrx::spi::SpiError),
    /// An image or a catalog row that does not make sense.
    Corrupt(String),
}

impl Error {
    pub fn unknown(what: &'static str, name: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::Unknown { what, name: name.into(), hint: hint.into() }
    }

    pub fn invalid(message: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::Invalid { message: message.into(), detail: None, hint: hint.into() }
    }

    pub fn state(message: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::State { message: message.into(), hint: hint.into() }
    }

    fn code(&self) -> PgSqlErrorCode {
        use PgSqlErrorCode::*;
        match self {
            Error::Unknown { .. } => ERRCODE_UNDEFINED_OBJECT,
            Error::Exists { .. } => ERRCODE_DUPLICATE_OBJECT,
            Error::Invalid { .. } => ERRCODE_INVALID_PARAMETER_VALUE,
            Error::State { .. } => ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            Error::ReadOnly { .. } => ERRCODE_READ_ONLY_SQL_TRANSACTION,
            Error::Denied { .. } => ERRCODE_INSUFFICIENT_PRIVILEGE,
            Error::Busy { .. } => ERRCODE_LOCK_NOT_AVAILABLE,
            Error::NotPreloaded => ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            Error::Spi(_) => ERRCODE_INTERNAL_ERROR,
            Error::Corrupt(_) => ERRCODE_DATA_CORRUPTED,
        }
    }

    pub fn hint(&self) -> Option<&str> {
        match self {
            Error::Unknown { hint, .. }
            | Error::Exists { hint, .. }
            | Error::Invalid { hint, .. }
            | Error::State { hint, .. }
            | Error::ReadOnly { hint, .. }
            | Error::Denied { hint, .. }
            | Error::Busy { hint, .. } => Some(hint),
            Error::NotPreloaded => Some(
                "Add pg_manifold to shared_preload_libraries in postgresql.conf and restart the server.",
            ),
            Error::Spi(_) | Error::Corrupt(_) => None,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Unknown { what, name, .. } => write!(f, "{what} \"{name}\" does not exist"),
            Error::Exists { what, name, .. } => write!(f, "{what} \"{name}\" already exists"),
            Error::Invalid { message, .. }
            | Error::State { message, .. }
            | Error::ReadOnly { message, .. }
            | Error::Denied { message, .. }
            | Error::Busy { message, .. } => f.write_str(message),
            Error::NotPreloaded => {
                f.write_str("pg_manifold must be loaded by shared_preload_libraries")
            }
            Error::Spi(error) => write!(f, "pg_manifold: {error}"),
            Error::Corrupt(message) => write!(f, "pg_manifold: {message}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<pgrx::spi::SpiError> for Error {
    fn from(error: pgrx::spi::SpiError) -> Self {
        Error::Spi(error)
    }
}

impl From<crate::row::image::Malformed> for Error {
    fn from(error: crate::row::image::Malformed) -> Self {
        Error::Corrupt(error.to_string())
    }
}

impl From<Error> for ErrorReport {
    fn from(error: Error) -> Self {
        let mut report = ErrorReport::new(error.code(), error.to_string(), "pg_manifold");
        if let Error::Invalid { detail: Some(detail), .. } = &error {
            report = report.set_detail(detail.clone());
        }
        match error.hint() {
            Some(hint) => report.set_hint(hint.to_string()),
            None => report,
        }
    }
}
