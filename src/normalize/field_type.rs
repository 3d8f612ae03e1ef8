//! The types that a canonical field can have.

use super::cell::Kind;

/// The type of a canonical field, one for one a type of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldType {
    Text,
    /// char(2), for codes of two characters
    Char2,
    /// char(3)
    Char3,
    Boolean,
    Integer,
    Bigint,
    Numeric,
    Date,
    Timestamptz,
    TextArray,
    Jsonb,
}

impl FieldType {
    pub const ALL: &'static [FieldType] = &[
        FieldType::Text,
        FieldType::Char2,
        FieldType::Char3,
        FieldType::Boolean,
        FieldType::Integer,
        FieldType::Bigint,
        FieldType::Numeric,
        FieldType::Date,
        FieldType::Timestamptz,
        FieldType::TextArray,
        FieldType::Jsonb,
    ];

    /// The type's name, in definitions and in SQL alike.
    pub fn sql(self) -> &'static str {
        match self {
            FieldType::Text => "text",
            FieldType::Char2 => "char(2)",
            FieldType::Char3 => "char(3)",
            FieldType::Boolean => "boolean",
            FieldType::Integer => "integer",
            FieldType::Bigint => "bigint",
            FieldType::Numeric => "numeric",
            FieldType::Date => "date",
            FieldType::Timestamptz => "timestamptz",
            FieldType::TextArray => "text[]",
            FieldType::Jsonb => "jsonb",
        }
    }

    /// The type of this name, in any letter case.
    pub fn from_name(name: &str) -> Option<FieldType> {
        FieldType::ALL.iter().copied().find(|kind| kind.sql().eq_ignore_ascii_case(name.trim()))
    }

    /// The kind of the field's values, for what depends on the field.
    pub fn kind(self) -> Kind {
        match self {
            FieldType::Text | FieldType::Char2 | FieldType::Char3 => Kind::Text,
            FieldType::Boolean => Kind::Boolean,
            FieldType::Integer | FieldType::Bigint | FieldType::Numeric => Kind::Number,
            FieldType::Date => Kind::Date,
            FieldType::Timestamptz => Kind::Timestamp,
            FieldType::TextArray => Kind::List,
            FieldType::Jsonb => Kind::Json,
        }
    }

    /// Whether a chain that ends with this kind of value can fill a field of this type; if not,
    /// what to do about it.
    pub fn accepts(self, kind: Kind) -> Result<(), &'static str> {
        let fits = match self {
            FieldType::Text | FieldType::Char2 | FieldType::Char3 => kind != Kind::List,
            FieldType::Boolean => matches!(kind, Kind::Text | Kind::Boolean),
            FieldType::Integer | FieldType::Bigint | FieldType::Numeric => {
                matches!(kind, Kind::Text | Kind::Number)
            }
            FieldType::Date => matches!(kind, Kind::Text | Kind::Date),
            FieldType::Timestamptz => matches!(kind, Kind::Text | Kind::Timestamp),
            FieldType::TextArray => kind == Kind::List,
            FieldType::Jsonb => true,
        };
        match (fits, self) {
            (true, _) => Ok(()),
            (_, FieldType::Boolean) => Err("The rules \"boolean\" and \"map\" yield booleans."),
            (_, FieldType::Integer | FieldType::Bigint | FieldType::Numeric) => {
                Err("The rules \"number\" and \"map\" yield numbers.")
            }
            (_, FieldType::Date) => Err("The rule \"date\" makes a date of text."),
            (_, FieldType::Timestamptz) => Err("The rule \"timestamp\" makes a moment of text."),
            _ => Err("Map it to a field of type jsonb, or leave it in extras."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for &kind in FieldType::ALL {
            assert_eq!(FieldType::from_name(kind.sql()), Some(kind));
        }
        assert_eq!(FieldType::from_name("TEXT"), Some(FieldType::Text));
        assert_eq!(FieldType::from_name("money"), None);
    }
}
