//! The last step of every chain: a value becomes the text that the server casts to the field's type
//! without an error.

use std::borrow::Cow;
use std::collections::HashSet;

use super::cell::Cell;
use super::field_type::FieldType;
use super::json;
use super::rules::{self, Failure};
use crate::row::time;

/// `numeric` holds this many digits before and after the point.
const WHOLE: usize = 131_072;
const FRACTION: usize = 16_383;

/// Appends the cell as text of the type to `out`. The cell is not NULL.
///
/// # Errors
/// `too_long`, `unmapped_value`, `invalid_number`, `out_of_range`, `invalid_date`,
/// `invalid_timestamp` and `invalid_json`. What `out` then holds has no meaning.
pub fn push(cell: Cell<'_>, target: FieldType, out: &mut String) -> Result<(), Failure> {
    match (target, cell) {
        (FieldType::Text, cell) => cell.push_text(out),
        (FieldType::Char2, cell) => return push_code(&cell, 2, out),
        (FieldType::Char3, cell) => return push_code(&cell, 3, out),
        (FieldType::Boolean, Cell::Text(text)) => {
            let value = rules::boolean::standard_word(&text)?;
            Cell::Boolean(value).push_text(out);
        }
        (FieldType::Integer, cell) => {
            return push_integer(cell, i32::MIN.into(), i32::MAX.into(), out);
        }
        (FieldType::Bigint, cell) => return push_integer(cell, i64::MIN, i64::MAX, out),
        (FieldType::Numeric, cell) => {
            let number = rules::number::of_cell(cell)?;
            let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
            if whole.len() > WHOLE || fraction.len() > FRACTION {
                return Err(Failure::new("out_of_range", "the number has too many digits"));
            }
            out.push_str(&number);
        }
        (FieldType::Date, Cell::Text(text)) => time::date(out, rules::date::iso(&text)?),
        (FieldType::Timestamptz, Cell::Text(text)) => {
            time::timestamp(out, rules::timestamp::iso(&text)?, "T", "+00:00");
        }
        (FieldType::TextArray, Cell::List(items)) => push_array(out, &items),
        (FieldType::Jsonb, cell) => return push_jsonb(&cell, out),
        (FieldType::Boolean, cell @ Cell::Boolean(_))
        | (FieldType::Date, cell @ Cell::Date(_))
        | (FieldType::Timestamptz, cell @ Cell::Timestamp(_)) => cell.push_text(out),
        // Compiling a mapping lets no chain end like this. A value may still differ from what its
        // column's type promised (an array of several dimensions has but its text).
        (target, _) => {
            return Err(Failure::new(
                "invalid_value",
                format!("the value cannot become {}", target.sql()),
            ));
        }
    }
    Ok(())
}

fn push_code(cell: &Cell<'_>, width: usize, out: &mut String) -> Result<(), Failure> {
    let text = cell.text();
    let length = text.chars().count();
    if length > width {
        let message = format!("{length} characters do not fit char({width})");
        return Err(Failure::new("too_long", message));
    }
    out.push_str(&text);
    Ok(())
}

fn push_integer(cell: Cell<'_>, min: i64, max: i64, out: &mut String) -> Result<(), Failure> {
    let number: Cow<'_, str> = match cell {
        Cell::Integer(value) if (min..=max).contains(&value) => {
            Cell::Integer(value).push_text(out);
            return Ok(());
        }
        cell => rules::number::of_cell(cell)?,
    };
    if number.contains('.') {
        return Err(Failure::new("invalid_number", "a whole number is needed"));
    }
    match number.parse::<i64>() {
        Ok(value) if (min..=max).contains(&value) => out.push_str(&number),
        _ => {
            let message = format!("the number is not between {min} and {max}");
            return Err(Failure::new("out_of_range", message));
        }
    }
    Ok(())
}

/// Appends an array literal, each item once, as a multi-select has them. Every element is quoted, so
/// that none reads as NULL.
fn push_array(out: &mut String, items: &[Cow<'_, str>]) {
    out.push('{');
    let mut known = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        // A few are compared more quickly than hashed.
        let once = match items.len() {
            ..=16 => !items[..index].contains(item),
            _ => known.insert(&**item),
        };
        if !once {
            continue;
        }
        if index > 0 {
            out.push(',');
        }
        out.push('"');
        for character in item.chars() {
            if matches!(character, '"' | '\\') {
                out.push('\\');
            }
            out.push(character);
        }
        out.push('"');
    }
    out.push('}');
}

fn push_jsonb(cell: &Cell<'_>, out: &mut String) -> Result<(), Failure> {
    match cell {
        Cell::Text(text) | Cell::Json(text) => {
            if !json::is_jsonb(text) {
                return Err(Failure::new("invalid_json", "the text is no JSON"));
            }
            out.push_str(text);
        }
        Cell::Null | Cell::Boolean(_) | Cell::Integer(_) | Cell::Number(_) | Cell::List(_) => {
            cell.push_text(out);
        }
        Cell::Date(_) | Cell::Time(_) | Cell::Timestamp(_) => {
            out.push('"');
            cell.push_text(out);
            out.push('"');
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(cell: Cell<'_>, target: FieldType) -> Result<String, &'static str> {
        let mut out = String::new();
        push(cell, target, &mut out).map(|()| out).map_err(|failure| failure.reason)
    }

    fn text(text: &str) -> Cell<'_> {
        Cell::Text(text.into())
    }

    #[test]
    fn to_text_and_codes() {
        assert_eq!(convert(Cell::Boolean(true), FieldType::Text).unwrap(), "true");
        assert_eq!(convert(Cell::Number("1094".into()), FieldType::Text).unwrap(), "1094");
        assert_eq!(convert(text("EUR"), FieldType::Char3).unwrap(), "EUR");
        assert_eq!(convert(text("EUR"), FieldType::Char2), Err("too_long"));
        assert_eq!(convert(text("éé"), FieldType::Char2).unwrap(), "éé");
    }

    #[test]
    fn to_numbers() {
        assert_eq!(convert(Cell::Integer(7), FieldType::Integer).unwrap(), "7");
        assert_eq!(convert(text("007"), FieldType::Integer).unwrap(), "7");
        assert_eq!(convert(text("7.0"), FieldType::Bigint).unwrap(), "7");
        assert_eq!(convert(text("7.5"), FieldType::Integer), Err("invalid_number"));
        assert_eq!(convert(Cell::Integer(1 << 31), FieldType::Integer), Err("out_of_range"));
        assert_eq!(convert(text("99999999999999999999"), FieldType::Bigint), Err("out_of_range"));
        assert_eq!(convert(text(" 1.50 "), FieldType::Numeric).unwrap(), "1.5");
        assert_eq!(convert(text("NaN"), FieldType::Numeric), Err("invalid_number"));
        assert_eq!(convert(text(&"9".repeat(200_000)), FieldType::Numeric), Err("out_of_range"));
    }

    #[test]
    fn to_booleans_dates_and_times() {
        assert_eq!(convert(text("Yes"), FieldType::Boolean).unwrap(), "true");
        assert_eq!(convert(text("maybe"), FieldType::Boolean), Err("unmapped_value"));
        assert_eq!(convert(Cell::Date(0), FieldType::Date).unwrap(), "1970-01-01");
        assert_eq!(convert(text("1980-12-31"), FieldType::Date).unwrap(), "1980-12-31");
        assert_eq!(convert(text("31/12/1980"), FieldType::Date), Err("invalid_date"));
        assert_eq!(
            convert(Cell::Timestamp(1_500_000), FieldType::Timestamptz).unwrap(),
            "1970-01-01T00:00:01.5+00:00"
        );
        assert_eq!(convert(text("soon"), FieldType::Timestamptz), Err("invalid_timestamp"));
    }

    #[test]
    fn to_lists_and_json() {
        let list = || Cell::List(vec!["a".into(), "b \"c\\".into(), "NULL".into()]);
        assert_eq!(convert(list(), FieldType::TextArray).unwrap(), r#"{"a","b \"c\\","NULL"}"#);
        let twice =
            |count: usize| Cell::List((0..count).map(|at| (at / 2).to_string().into()).collect());
        assert_eq!(convert(twice(4), FieldType::TextArray).unwrap(), r#"{"0","1"}"#);
        let many = convert(twice(40), FieldType::TextArray).unwrap();
        assert_eq!(many.matches(',').count(), 19, "{many}");
        assert_eq!(convert(list(), FieldType::Jsonb).unwrap(), r#"["a","b \"c\\","NULL"]"#);
        assert_eq!(convert(text("{\"a\": 1}"), FieldType::Jsonb).unwrap(), "{\"a\": 1}");
        assert_eq!(convert(text("{a"), FieldType::Jsonb), Err("invalid_json"));
        assert_eq!(convert(Cell::Date(0), FieldType::Jsonb).unwrap(), "\"1970-01-01\"");
        assert_eq!(convert(text("a"), FieldType::TextArray), Err("invalid_value"));
    }
}
