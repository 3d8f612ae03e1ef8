//! Layouts: immutable, numbered column lists. A row image is read with the layout it was written
//! with, so ALTER TABLE never changes the meaning of what the log already holds.

use serde::{Deserialize, Serialize};

/// The columns of a table at one moment, in attribute-number order, dropped ones included: an
/// image holds their place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Layout {
    pub columns: Vec<Column>,
}

impl Layout {
    /// The live column of this name with its zero-based position.
    pub fn column(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns.iter().enumerate().find(|(_, column)| !column.dropped && column.name == name)
    }

    /// The live columns with their zero-based positions.
    pub fn live(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns.iter().enumerate().filter(|(_, column)| !column.dropped)
    }
}

/// One column, with what is needed to find its bytes in an image and to understand them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dropped: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_null: bool,
    /// Declared type as SQL writes it, e.g. `character varying(80)`.
    pub type_name: String,
    /// OID of the declared type; a domain's own OID.
    pub type_oid: u32,
    /// OID of the type below all domains; equal to `type_oid` for anything else.
    pub base_oid: u32,
    /// Type modifier as in pg_attribute (for domains that of the base type), -1 where there is none.
    pub typmod: i32,
    /// Length in bytes, -1 for varlena, -2 for a C string (as `pg_type.typlen`).
    pub length: i16,
    /// `c`, `s`, `i` or `d` (as `pg_type.typalign`).
    pub align: char,
    /// For arrays: what the elements are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<Element>,
}

/// The element type of an array column.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Element {
    pub type_oid: u32,
    pub base_oid: u32,
    pub length: i16,
    pub align: char,
}
