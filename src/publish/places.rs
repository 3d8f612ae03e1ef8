//! Where the columns that a source's options name are in the rows of one of its tables.
//!
//! A column is known by its attribute number, as the options meant it when they were set: what it is
//! called later changes nothing, and neither does what it was called when a row was written that waits
//! to be published. A name still means the column that has it, too: one that was dropped and added again.

use std::collections::BTreeMap;

use crate::normalize::filter::Place;
use crate::row::layout::{Column, Layout};

/// Zero-based positions by name. Without them, names alone are known: the table was made after the
/// options were set.
#[derive(Debug, Clone, Default)]
pub struct Places(Option<BTreeMap<String, usize>>);

impl Places {
    pub fn new(known: Option<BTreeMap<String, usize>>) -> Places {
        Places(known)
    }

    /// Whether it is known which columns the options mean.
    pub fn are_known(&self) -> bool {
        self.0.is_some()
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.0.as_ref()?.get(name).copied()
    }

    /// The column that is meant by a name.
    pub fn find<'l>(&self, layout: &'l Layout, name: &str) -> Place<'l> {
        let position = self.position(name);
        let meant = position.and_then(|at| Some((at, layout.columns.get(at)?)));
        match meant.filter(|(_, column)| !column.dropped).or_else(|| layout.column(name)) {
            Some((at, column)) => Place::At(at, column),
            None if self.are_known() && position.is_none_or(|at| at >= layout.columns.len()) => {
                Place::NotYet
            }
            None => Place::Gone,
        }
    }

    /// Whether the options mean a column by a name that the layout has no more.
    pub fn have_lost(&self, layout: &Layout, name: &str) -> bool {
        self.are_known() && matches!(self.find(layout, name), Place::Gone)
    }

    /// A column that was dropped may have been added again under its name, and been renamed then:
    /// `former` is a layout of the same table that has the name.
    pub fn follow(&mut self, former: &Layout, name: &str) {
        if let (Some(known), Some((at, _))) = (&mut self.0, former.column(name)) {
            known.insert(name.to_owned(), at);
        }
    }

    /// Whether a name means a column, by its number or as it is called.
    pub fn means(&self, name: &str, position: usize, column: &Column) -> bool {
        self.position(name) == Some(position) || column.name == name
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::column;
    use super::*;
    use crate::row::oid;

    fn layout(names: &[&str]) -> Layout {
        let columns = names.iter().map(|name| {
            let mut column = column(name, oid::TEXT, -1, 'i');
            column.dropped = name.is_empty();
            column
        });
        Layout { columns: columns.collect() }
    }

    fn told(places: &Places, names: &[&str], name: &str) -> String {
        match places.find(&layout(names), name) {
            Place::At(at, column) => format!("{at} {}", column.name),
            Place::NotYet => "not yet".into(),
            Place::Gone => "gone".into(),
        }
    }

    #[test]
    fn a_column_is_known_by_its_number_then_by_its_name() {
        let places = Places::new(Some([("email".to_owned(), 1)].into()));
        for (names, expected) in [
            (&["id", "email"][..], "1 email"),
            (&["id", "email__c"], "1 email__c"),
            (&["id", "old", "email"], "1 old"),
            (&["id", "", "email"], "2 email"),
            (&["id", "", "phone"], "gone"),
            (&["id"], "not yet"),
        ] {
            assert_eq!(told(&places, names, "email"), expected, "{names:?}");
        }
        assert_eq!(told(&places, &["id", "email"], "notes"), "not yet");
    }

    #[test]
    fn a_column_that_was_added_again_and_renamed_is_followed() {
        let mut places = Places::new(Some([("email".to_owned(), 1)].into()));
        let renamed = ["id", "", "mail"];
        assert!(places.have_lost(&layout(&renamed), "email"));
        assert!(!places.have_lost(&layout(&["id", "", "email"]), "email"));
        places.follow(&layout(&["id", "", "email"]), "email");
        assert_eq!(told(&places, &renamed, "email"), "2 mail");
        assert_eq!(told(&places, &["id", "", ""], "email"), "gone");
    }

    #[test]
    fn in_a_table_that_nobody_knew_names_are_all() {
        let places = Places::default();
        assert_eq!(told(&places, &["email", "id"], "email"), "0 email");
        assert_eq!(told(&places, &["id", "email__c"], "email"), "gone");
    }
}
