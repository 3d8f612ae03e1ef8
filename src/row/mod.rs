//! Rows as the log holds them: a [`layout::Layout`] (the column list a row was written with), an
//! [`image`] (its bytes), and the typed [`value::Value`]s they yield together. Pure: no server.

mod array;
pub mod decode;
pub mod float;
#[cfg(test)]
pub(crate) mod golden;
pub mod image;
pub mod json;
mod jsonb;
pub mod layout;
pub mod name;
mod numeric;
pub mod oid;
pub mod record;
pub mod text;
pub mod time;
pub mod value;

pub use decode::{Kind, decode};
