//! A row as a JSON object that the server turns into the row again (`jsonb_populate_record`).

use super::decode::{Kind, decode};
use super::image::Malformed;
use super::json;
use super::layout::Layout;
use super::text::Out;
use super::value::{Server, Value};

/// Appends the row: each column's value as its text, json and jsonb as they stand, NULL as null.
pub fn object(
    out: &mut String,
    layout: &Layout,
    slots: &[Option<&[u8]>],
    server: &dyn Server,
) -> Result<(), Malformed> {
    let mut text = String::new();
    out.put("{");
    for (number, (at, column)) in layout.live().enumerate() {
        if number > 0 {
            out.put(",");
        }
        json::string(out, &column.name);
        out.put(":");
        let slot = slots.get(at).copied().flatten();
        text.clear();
        match slot {
            // Decoded, an array has lost its lower bound.
            Some(slot) if Kind::of(column) == Kind::Array => {
                text = server.text(column.type_oid, column.typmod, slot)?;
            }
            _ => match decode(column, slot, server)? {
                Value::Null => {
                    out.put("null");
                    continue;
                }
                // As a string it would be taken for a JSON string.
                Value::Json(value) => {
                    out.put(&value);
                    continue;
                }
                value => value.display(&mut text),
            },
        }
        json::string(out, &text);
    }
    out.put("}");
    Ok(())
}
