//! Kafka Connect schemas, as its JSON converter writes them beside each payload, with Debezium's
//! names. A plan writes its schemas once; a message then copies the bytes.

use super::columns::Treated;
use super::field::Field;
use super::form::{Calendar, Form, JSON, Unit};

/// What comes before a payload with a schema; `}` comes behind it.
pub fn before_payload(schema: &str) -> String {
    format!("{{\"schema\":{schema},\"payload\":")
}

/// The schema of a topic's keys made of these columns.
pub(super) fn key(topic: &str, fields: &[Field]) -> String {
    let members: Vec<String> = fields.iter().map(column).collect();
    structure(&members, &format!("{topic}.Key"), None, false, "")
}

/// The schema of a topic's values, whose rows have these columns.
pub(super) fn envelope(topic: &str, fields: &[Field]) -> String {
    let columns: Vec<String> = fields.iter().map(column).collect();
    let row = |field| structure(&columns, &format!("{topic}.Value"), None, true, field);
    let members = [
        row("before"),
        row("after"),
        source(),
        transaction(),
        plain("string", false, "op"),
        plain("int64", true, "ts_ms"),
        plain("int64", true, "ts_us"),
        plain("int64", true, "ts_ns"),
    ];
    structure(&members, &format!("{topic}.Envelope"), Some(2), false, "")
}

fn source() -> String {
    const SNAPSHOT: &str = "{\"type\":\"string\",\"optional\":true,\"name\":\"io.debezium.data.Enum\",\
        \"version\":1,\"parameters\":{\"allowed\":\"true,first,first_in_data_collection,\
        last_in_data_collection,last,false,incremental\"},\"default\":\"false\",\
        \"field\":\"snapshot\"}";
    let members = [
        plain("string", false, "version"),
        plain("string", false, "connector"),
        plain("string", false, "name"),
        plain("int64", false, "ts_ms"),
        SNAPSHOT.to_owned(),
        plain("string", false, "db"),
        plain("string", true, "sequence"),
        plain("int64", true, "ts_us"),
        plain("int64", true, "ts_ns"),
        plain("string", false, "schema"),
        plain("string", false, "table"),
        plain("int64", true, "txId"),
        plain("int64", true, "lsn"),
        plain("int64", true, "xmin"),
        plain("string", true, "origin"),
        plain("int64", true, "origin_lsn"),
    ];
    structure(&members, "io.debezium.connector.postgresql.Source", Some(1), false, "source")
}

fn transaction() -> String {
    let members = [
        plain("string", false, "id"),
        plain("int64", false, "total_order"),
        plain("int64", false, "data_collection_order"),
    ];
    structure(&members, "event.block", Some(1), true, "transaction")
}

/// A struct; without a field name, it is the whole.
pub fn structure(
    members: &[String],
    name: &str,
    version: Option<u32>,
    optional: bool,
    field: &str,
) -> String {
    let mut out = String::from("{\"type\":\"struct\",\"fields\":[");
    out.push_str(&members.join(","));
    out.push_str(if optional { "],\"optional\":true" } else { "],\"optional\":false" });
    out.push_str(",\"name\":");
    json_string(&mut out, name);
    if let Some(version) = version {
        out.push_str(&format!(",\"version\":{version}"));
    }
    end(&mut out, field);
    out
}

/// A field of a type without a name.
pub fn plain(kind: &str, optional: bool, field: &str) -> String {
    let mut out = format!("{{\"type\":\"{kind}\",\"optional\":{optional}");
    end(&mut out, field);
    out
}

fn column(field: &Field) -> String {
    let Some((name, value)) = field.treated().map(Treated::parameter) else {
        return of(field.form(), field.nullable(), field.name());
    };
    // Whatever it was, it is text now.
    let mut out = format!("{{\"type\":\"string\",\"optional\":{}", field.nullable());
    out.push_str(&format!(",\"parameters\":{{\"{name}\":\"{value}\"}}"));
    end(&mut out, field.name());
    out
}

fn end(out: &mut String, field: &str) {
    if !field.is_empty() {
        out.push_str(",\"field\":");
        json_string(out, field);
    }
    out.push('}');
}

fn json_string(out: &mut String, text: &str) {
    crate::row::json::string(out, text);
}

/// What a form is to Kafka Connect: its type, and what stands behind `optional`.
fn of(form: &Form, optional: bool, field: &str) -> String {
    let connect =
        |name: &str| format!(",\"name\":\"org.apache.kafka.connect.data.{name}\",\"version\":1");
    let named = |name: &str| format!(",\"name\":\"{name}\",\"version\":1");
    let time = |name: &str| named(&format!("io.debezium.time.{name}"));
    let (kind, semantics) = match form {
        Form::Boolean => ("boolean", String::new()),
        Form::Int16 => ("int16", String::new()),
        Form::Int32 => ("int32", String::new()),
        Form::Int64 => ("int64", String::new()),
        Form::Float => ("float", String::new()),
        Form::Double | Form::DecimalDouble => ("double", String::new()),
        Form::Text | Form::DecimalText | Form::Base64 | Form::Base64UrlSafe | Form::Hex => {
            ("string", String::new())
        }
        Form::Bytes => ("bytes", String::new()),
        Form::Named(name) => ("string", named(name)),
        Form::HstoreJson => ("string", named(JSON)),
        Form::Enum(labels) => {
            let mut semantics = named("io.debezium.data.Enum");
            semantics.push_str(",\"parameters\":{\"allowed\":");
            json_string(&mut semantics, &labels.join(","));
            semantics.push('}');
            ("string", semantics)
        }
        Form::Decimal { scale, precision } => {
            let mut semantics = connect("Decimal");
            semantics.push_str(&format!(",\"parameters\":{{\"scale\":\"{scale}\""));
            if let Some(precision) = precision {
                semantics.push_str(&format!(",\"connect.decimal.precision\":\"{precision}\""));
            }
            semantics.push('}');
            ("bytes", semantics)
        }
        Form::Bits(length) => {
            let parameters = format!(",\"parameters\":{{\"length\":\"{length}\"}}");
            ("bytes", named("io.debezium.data.Bits") + &parameters)
        }
        Form::Date(Calendar::Debezium) => ("int32", time("Date")),
        Form::Date(Calendar::Connect) => ("int32", connect("Date")),
        Form::Date(Calendar::Iso) => ("string", time("IsoDate")),
        Form::Time(Unit::Milliseconds) => ("int32", time("Time")),
        Form::Time(Unit::Microseconds) => ("int64", time("MicroTime")),
        Form::Time(Unit::Nanoseconds) => ("int64", time("NanoTime")),
        Form::Time(Unit::Connect) => ("int32", connect("Time")),
        Form::Time(Unit::Iso) => ("string", time("IsoTime")),
        Form::Timestamp(Unit::Milliseconds) => ("int64", time("Timestamp")),
        Form::Timestamp(Unit::Microseconds) => ("int64", time("MicroTimestamp")),
        Form::Timestamp(Unit::Nanoseconds) => ("int64", time("NanoTimestamp")),
        Form::Timestamp(Unit::Connect) => ("int64", connect("Timestamp")),
        Form::Timestamp(Unit::Iso) => ("string", time("IsoTimestamp")),
        Form::ZonedTimestamp(_) => ("string", time("ZonedTimestamp")),
        Form::ZonedTime => ("string", time("ZonedTime")),
        Form::MicroDuration => ("int64", time("MicroDuration")),
        Form::Interval => ("string", time("Interval")),
        Form::HstoreMap => {
            let mut out = String::from(
                "{\"type\":\"map\",\"keys\":{\"type\":\"string\",\"optional\":false},\
                 \"values\":{\"type\":\"string\",\"optional\":true}",
            );
            out.push_str(&format!(",\"optional\":{optional}"));
            end(&mut out, field);
            return out;
        }
        Form::Array(element) => {
            let mut out = format!("{{\"type\":\"array\",\"items\":{}", of(element, true, ""));
            out.push_str(&format!(",\"optional\":{optional}"));
            end(&mut out, field);
            return out;
        }
        Form::VariableScale => {
            let members = [plain("int32", false, "scale"), plain("bytes", false, "value")];
            let name = "io.debezium.data.VariableScaleDecimal";
            return documented(&members, name, "Variable scaled decimal", optional, field);
        }
        Form::Point => {
            let members = [
                plain("double", false, "x"),
                plain("double", false, "y"),
                plain("bytes", true, "wkb"),
                plain("int32", true, "srid"),
            ];
            let name = "io.debezium.data.geometry.Point";
            return documented(&members, name, "Geometry (POINT)", optional, field);
        }
    };
    let mut out = format!("{{\"type\":\"{kind}\",\"optional\":{optional}{semantics}");
    end(&mut out, field);
    out
}

/// A struct of version 1 with a word on it, which stands behind the version.
fn documented(members: &[String], name: &str, doc: &str, optional: bool, field: &str) -> String {
    let mut out = structure(members, name, Some(1), optional, "");
    out.pop();
    out.push_str(",\"doc\":");
    json_string(&mut out, doc);
    end(&mut out, field);
    out
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
