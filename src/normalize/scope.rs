//! What rules may know while they are built: the org, and the fields of the entity.

use std::cell::{Cell, RefCell};

use jiff::tz::TimeZone;

use super::entity::Field;
use super::{MappingError, Org};

pub struct Scope<'a> {
    pub org: &'a Org,
    fields: &'a [Field],
    /// The fields that were asked for.
    needs: RefCell<Vec<usize>>,
    /// Those that would help.
    wishes: RefCell<Vec<usize>>,
    /// The field whose derivation is being compiled.
    pub made: Cell<Option<usize>>,
    /// The values that mean that there is none, in the derivation that is being compiled.
    pub none: RefCell<Vec<String>>,
}

impl<'a> Scope<'a> {
    pub fn new(org: &'a Org, fields: &'a [Field]) -> Scope<'a> {
        let (needs, wishes, none) = (RefCell::default(), RefCell::default(), RefCell::default());
        Scope { org, fields, needs, wishes, made: Cell::default(), none }
    }

    /// The place of a canonical field, which is then made before the one whose rules ask for it.
    pub fn field(&self, name: &str) -> Option<usize> {
        let at = self.fields.iter().position(|field| field.name == name)?;
        self.need(at);
        Some(at)
    }

    /// As [`Scope::field`], for a field that helps where there is one and where it can be made first:
    /// not in its own derivation, and it has no value yet where it depends on the one that asks.
    pub fn wish(&self, name: &str) -> Option<usize> {
        let at = self.fields.iter().position(|field| field.name == name)?;
        if self.made.get() == Some(at) {
            return None;
        }
        self.wishes.borrow_mut().push(at);
        Some(at)
    }

    /// Notes that a field is needed.
    pub fn need(&self, field: usize) {
        self.needs.borrow_mut().push(field);
    }

    pub fn needs_nothing(&self) -> bool {
        self.needs.borrow().is_empty() && self.wishes.borrow().is_empty()
    }

    /// The fields that were asked for since the last time.
    pub fn take_needs(&self) -> Vec<usize> {
        self.needs.take()
    }

    /// The fields that were wished for since the last time.
    pub fn take_wishes(&self) -> Vec<usize> {
        self.wishes.take()
    }

    /// The time zone of this name; without one, the org's.
    pub fn zone(
        &self,
        name: Option<&str>,
        path: &str,
        errors: &mut Vec<MappingError>,
    ) -> Option<TimeZone> {
        let name = name.unwrap_or(&self.org.time_zone);
        let zone = TimeZone::get(name).ok();
        if zone.is_none() {
            let hint = "Write an IANA name, e.g. \"Europe/Paris\".";
            let message = format!("there is no time zone \"{name}\"");
            errors.push(MappingError::new(path, message).hint(hint));
        }
        zone
    }
}
