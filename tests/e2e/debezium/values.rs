//! Our values in columns where Debezium has others or none.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Modes;

/// Column, the words of the modes that it depends on (none: in all), and our values that are not null.
const VALUES: [(&str, &[&str], &[&str]); 37] = [
    ("name", &[], &[r#""a name""#]),
    ("tsquery", &[], &[r#""'fat' & 'cat'""#]),
    ("int4multirange", &[], &[r#""{[1,3),[5,7)}""#]),
    ("box", &[], &[r#""(3,4),(1,2)""#]),
    ("line", &[], &[r#""{1,2,3}""#]),
    ("lseg", &[], &[r#""[(0,0),(1,1)]""#]),
    ("path", &[], &[r#""((0,0),(1,1),(2,0))""#]),
    ("polygon", &[], &[r#""((0,0),(1,1),(2,0))""#]),
    ("circle", &[], &[r#""<(1,2),3>""#, r#""<(0,0),Infinity>""#]),
    ("pair", &[], &[r#""(1,x)""#]),
    ("regclass", &[], &[r#""pg_class""#]),
    ("pg_lsn", &[], &[r#""16/B374D848""#]),
    ("xid", &[], &[r#""123""#]),
    ("jsonpath", &[], &[r#""$.\"a\"""#]),
    ("pg_snapshot", &[], &[r#""10:20:10,14,15""#]),
    ("a_money", &[], &[r#"["$1.50"]"#]),
    ("a_name", &[], &[r#"["n"]"#]),
    ("a_interval", &["interval numeric"], &["[86400000000]"]),
    ("a_interval", &["interval string"], &[r#"["P0Y0M1DT0H0M0S"]"#]),
    ("a_varbit", &[], &[r#"["Cw=="]"#]),
    ("a_xml", &[], &[r#"["<a/>"]"#]),
    ("a_point", &[], &[r#"[{"x":1.0,"y":2.0,"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAABA","srid":null}]"#]),
    ("a_amount", &["decimal precise"], &[r#"[{"scale":1,"value":"Dw=="}]"#]),
    ("a_amount", &["decimal string"], &[r#"["1.50"]"#]),
    ("a_amount", &["decimal double"], &["[1.5]"]),
    ("a_bit", &[], &[r#"["BQ=="]"#]),
    ("a_square", &[], &["[1,2,3,4]"]),
    ("a_time", &["time adaptive", "time microseconds"], &["[49890123456,0]"]),
    ("a_time", &["time nanoseconds"], &["[49890123456000,0]"]),
    ("a_time", &["time isostring"], &[r#"["13:51:30.123456Z","00:00:00Z"]"#]),
    ("a_timetz", &[], &[r#"["11:51:30.123789Z"]"#]),
    (
        "a_date",
        &["time adaptive", "time connect", "time microseconds", "time nanoseconds"],
        &["[2145042905,-2147472692,-2147472691]"],
    ),
    (
        "a_date",
        &["time isostring"],
        &[r#"["+5874897-12-31Z","-5877611-06-21Z","-5877611-06-22Z"]"#],
    ),
    ("a_tstz", &[], &[r#"["infinity","-infinity"]"#]),
    ("numeric_negative", &["decimal string"], &[r#""12300""#]),
    ("numeric_negative", &["decimal precise"], &[r#""MAw=""#]),
    // The number is the same.
    ("numeric_negative", &["decimal double"], &[]),
];

/// What the modes are, each by its first word, those that are not set included.
fn words(modes: Modes) -> [String; 3] {
    [("decimal", "precise"), ("time", "adaptive"), ("interval", "numeric")].map(|(mode, usual)| {
        let of = |(name, _): &&(&str, &str)| name.split('.').next() == Some(mode);
        format!("{mode} {}", modes.iter().find(of).map_or(usual, |(_, word)| word))
    })
}

/// All values but null that a combination of modes has to show, by column.
pub fn expected(modes: Modes) -> BTreeSet<(String, String)> {
    let words = words(modes);
    let counts =
        |of: &[&str]| of.is_empty() || words.iter().any(|word| of.contains(&word.as_str()));
    let of_modes = VALUES.iter().filter(|(_, of, _)| counts(of));
    of_modes
        .flat_map(|(column, _, values)| values.iter().map(|value| (*column, *value)))
        .map(|(column, value)| (column.to_owned(), value.to_owned()))
        .collect()
}

/// How a column that Debezium leaves out, or describes otherwise, is described.
pub fn described(column: &str, modes: Modes) -> Value {
    let [decimal, _, interval] = words(modes);
    let named = |kind: &str, name: &str| json!({"type": kind, "name": name, "version": 1});
    let bits = |length: &str| {
        let mut bits = named("bytes", "io.debezium.data.Bits");
        bits["parameters"] = json!({"length": length});
        bits
    };
    let plain = |kind: &str| json!({"type": kind});
    let member = |kind: &str, optional: bool, field: &str| json!({"type": kind, "optional": optional, "field": field});
    let mut items = match column {
        "numeric_negative" => {
            let mut decimal = named("bytes", "org.apache.kafka.connect.data.Decimal");
            decimal["parameters"] = json!({"scale": "0", "connect.decimal.precision": "5"});
            decimal["optional"] = true.into();
            decimal["field"] = column.into();
            return decimal;
        }
        "a_amount" if decimal == "decimal precise" => {
            let mut variable = named("struct", "io.debezium.data.VariableScaleDecimal");
            variable["fields"] =
                json!([member("int32", false, "scale"), member("bytes", false, "value")]);
            variable["doc"] = "Variable scaled decimal".into();
            variable
        }
        "a_amount" if decimal == "decimal double" => plain("double"),
        "a_amount" | "a_money" | "a_name" => plain("string"),
        "a_interval" if interval == "interval string" => {
            named("string", "io.debezium.time.Interval")
        }
        "a_interval" => named("int64", "io.debezium.time.MicroDuration"),
        "a_varbit" => bits("2147483647"),
        "a_bit" => bits("3"),
        "a_xml" => named("string", "io.debezium.data.Xml"),
        "a_point" => {
            let mut point = named("struct", "io.debezium.data.geometry.Point");
            point["fields"] = json!([
                member("double", false, "x"),
                member("double", false, "y"),
                member("bytes", true, "wkb"),
                member("int32", true, "srid")
            ]);
            point["doc"] = "Geometry (POINT)".into();
            point
        }
        _ => return json!({"type": "string", "optional": true, "field": column}),
    };
    items["optional"] = true.into();
    json!({"type": "array", "items": items, "optional": true, "field": column})
}
