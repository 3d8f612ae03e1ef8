//! How values are written: settings after Debezium's properties, with its words for the answers.

use pgrx::guc::{GucContext, GucEnum, GucFlags, GucRegistry, GucSetting};
use pgrx::pg_sys;

use crate::publish::modes::{Binaries, Decimals, Hstores, Intervals, Modes, Times};

static DECIMAL: GucSetting<Decimals> = GucSetting::<Decimals>::new(Decimals::String);
static BINARY: GucSetting<Binaries> = GucSetting::<Binaries>::new(Binaries::Bytes);
static TIME: GucSetting<Times> = GucSetting::<Times>::new(Times::Adaptive);
static INTERVAL: GucSetting<Intervals> = GucSetting::<Intervals>::new(Intervals::Numeric);
static HSTORE: GucSetting<Hstores> = GucSetting::<Hstores>::new(Hstores::Json);
static SCHEMAS: GucSetting<bool> = GucSetting::<bool>::new(false);

pub(super) fn define() {
    let open = GucFlags::default();
    GucRegistry::define_enum_guc(
        c"manifold.decimal_handling_mode",
        c"How numeric and money are published: string, precise or double.",
        c"string (the default) is exact and needs no schema to be read; precise, Debezium's default, is bytes with the scale in the schema; double loses digits beyond the 15th or so.",
        &DECIMAL,
        GucContext::Sighup,
        open,
    );
    GucRegistry::define_enum_guc(
        c"manifold.binary_handling_mode",
        c"How bytea is published: bytes, base64, base64-url-safe or hex.",
        c"bytes and base64 are the same text; only the schema tells them apart.",
        &BINARY,
        GucContext::Sighup,
        open,
    );
    GucRegistry::define_enum_guc(
        c"manifold.time_precision_mode",
        c"How dates, times and timestamps without zone are published: adaptive, adaptive_time_microseconds, connect, isostring, microseconds or nanoseconds.",
        c"adaptive (the default): milliseconds for a precision of 0 to 3, else microseconds. connect cuts to milliseconds; nanoseconds end in the year 2262.",
        &TIME,
        GucContext::Sighup,
        open,
    );
    GucRegistry::define_enum_guc(
        c"manifold.interval_handling_mode",
        c"How intervals are published: numeric or string.",
        c"numeric (the default): microseconds, a month being 365.25 / 12 days. string: ISO 8601, exact.",
        &INTERVAL,
        GucContext::Sighup,
        open,
    );
    GucRegistry::define_enum_guc(
        c"manifold.hstore_handling_mode",
        c"How hstore is published: json or map.",
        c"json (the default): a string of JSON. map: an object.",
        &HSTORE,
        GucContext::Sighup,
        open,
    );
    GucRegistry::define_bool_guc(
        c"manifold.schemas_enable",
        c"Whether each key and value carries its Kafka Connect schema.",
        c"Off by default: consumers that need it, as Kafka Connect's sinks do, pay for it with messages several times as large.",
        &SCHEMAS,
        GucContext::Sighup,
        open,
    );
}

pub fn modes() -> Modes {
    Modes {
        decimal: DECIMAL.get(),
        binary: BINARY.get(),
        time: TIME.get(),
        interval: INTERVAL.get(),
        hstore: HSTORE.get(),
        schemas: SCHEMAS.get(),
    }
}

/// Makes an enum of the pure rooms a setting: its first answer is what an impossible number means.
macro_rules! setting {
    ($kind:ident { $first:ident = $first_name:literal $(, $variant:ident = $name:literal)* $(,)? }) => {
        // SAFETY: the entry is the first of an array that lives for ever and ends with one without
        // a name.
        unsafe impl GucEnum for $kind {
            fn from_ordinal(ordinal: i32) -> Self {
                match ordinal {
                    $(n if n == $kind::$variant as i32 => $kind::$variant,)*
                    _ => $kind::$first,
                }
            }

            fn to_ordinal(&self) -> i32 {
                *self as i32
            }

            const CONFIG_ENUM_ENTRY: *const pg_sys::config_enum_entry = [
                pg_sys::config_enum_entry {
                    name: $first_name.as_ptr(),
                    val: $kind::$first as i32,
                    hidden: false,
                },
                $(pg_sys::config_enum_entry {
                    name: $name.as_ptr(),
                    val: $kind::$variant as i32,
                    hidden: false,
                },)*
                pg_sys::config_enum_entry { name: std::ptr::null(), val: 0, hidden: false },
            ]
            .as_ptr();
        }
    };
}

setting!(Decimals { String = c"string", Precise = c"precise", Double = c"double" });
setting!(Binaries {
    Bytes = c"bytes",
    Base64 = c"base64",
    Base64UrlSafe = c"base64-url-safe",
    Hex = c"hex",
});
setting!(Times {
    Adaptive = c"adaptive",
    AdaptiveTimeMicroseconds = c"adaptive_time_microseconds",
    Connect = c"connect",
    IsoString = c"isostring",
    Microseconds = c"microseconds",
    Nanoseconds = c"nanoseconds",
});
setting!(Intervals { Numeric = c"numeric", String = c"string" });
setting!(Hstores { Json = c"json", Map = c"map" });
