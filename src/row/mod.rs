//! Rows as the log holds them: a [`layout::Layout`] (the column list a row was written with), an
//! [`image`] (its bytes), and the typed [`value::Value`]s they yield together. Pure: no server.

pub mod image;
pub mod layout;
pub mod value;
