//! Row filters: a condition on the columns of one layout, for rows that are not normalized.

use serde_json::Value as Json;

use super::MappingError;
use super::cell::Kind;
use super::condition::{self, Names, Test};
use super::nearest::did_you_mean;
use super::plan::At;
use super::source::Row;
use crate::row::image::Malformed;
use crate::row::layout::{Column, Layout};
use crate::row::value::{Server, Value};

/// What a name means in a layout.
pub enum Place<'l> {
    At(usize, &'l Column),
    /// The table has no such column yet, as far as these rows go: it is NULL.
    NotYet,
    /// It has none any more, or nobody knows what it is called.
    Gone,
}

/// A condition compiled for the rows of one layout.
#[derive(Debug)]
pub struct Filter {
    used: Vec<At>,
    test: Test,
}

impl Filter {
    /// Compiles a condition, which stands at `path`, for a layout, in which `find` finds columns.
    ///
    /// # Errors
    /// All that is wrong, canonical fields included: a filter sees columns only.
    pub fn compile<'l>(
        json: &Json,
        path: &str,
        layout: &'l Layout,
        find: impl Fn(&str) -> Place<'l>,
    ) -> Result<Filter, Vec<MappingError>> {
        let mut columns = Columns { layout, find: &find, used: Vec::new(), errors: Vec::new() };
        let condition = condition::read(json, path, &mut columns.errors);
        let test = condition.map(|condition| condition.compile(&mut columns));
        match test {
            Some(test) if columns.errors.is_empty() => Ok(Filter { used: columns.used, test }),
            _ => Err(columns.errors),
        }
    }

    /// Whether the condition holds for a row. `slots` is as long as the layout; what is missing is
    /// NULL.
    ///
    /// # Errors
    /// Only if the slots do not fit the layout.
    pub fn holds(&self, slots: &[Option<&[u8]>], server: &dyn Server) -> Result<bool, Malformed> {
        let values = self.used.iter().map(|at| at.value(slots, server));
        let values = values.collect::<Result<Vec<Value<'_>>, _>>()?;
        Ok(self.test.holds(&Row::of(&values)))
    }
}

struct Columns<'l, 'a> {
    layout: &'l Layout,
    find: &'a dyn Fn(&str) -> Place<'l>,
    used: Vec<At>,
    errors: Vec<MappingError>,
}

impl Names for Columns<'_, '_> {
    fn column(&mut self, name: &str, path: &str) -> Option<(usize, Kind)> {
        match (self.find)(name) {
            Place::At(position, column) => {
                self.used.push(At::new(position, column));
                Some((self.used.len() - 1, Kind::of_column(column)))
            }
            Place::NotYet => None,
            Place::Gone => {
                let names = self.layout.live().map(|(_, column)| column.name.as_str());
                let hint = did_you_mean(name, names, || {
                    "Heroku Connect writes column names in lower case.".into()
                });
                let message = format!("the source has no column \"{name}\"");
                self.errors.push(MappingError::new(path, message).hint(hint));
                None
            }
        }
    }

    fn field(&mut self, name: &str, path: &str) -> Option<(usize, Kind)> {
        let message = format!("the field \"{name}\" is not known here");
        let hint = "A filter sees the columns of the source only.";
        self.errors.push(MappingError::new(path, message).hint(hint));
        None
    }

    fn errors(&mut self) -> &mut Vec<MappingError> {
        &mut self.errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::compile_test::layout;
    use proptest::prelude::*;
    use serde_json::json;

    fn columns() -> Layout {
        layout(&[
            ("status", 1043),
            ("score__c", 701),
            ("flag__c", 16),
            ("day__c", 1082),
            ("at__c", 1114),
        ])
    }

    fn compiled(json: &Json) -> Result<Filter, Vec<MappingError>> {
        let layout = columns();
        Filter::compile(json, "when", &layout, |name| {
            layout.column(name).map_or(Place::Gone, |(at, column)| Place::At(at, column))
        })
    }

    fn holds(json: Json, values: &[Value<'_>]) -> bool {
        let filter = compiled(&json).unwrap();
        let used: Vec<_> = filter.used.iter().map(|at| values[at.position].clone()).collect();
        filter.test.holds(&Row::of(&used))
    }

    fn row(status: &str) -> [Value<'_>; 5] {
        [
            Value::Text(status.into()),
            Value::Float8(87.5),
            Value::Bool(true),
            Value::Date(0),
            Value::Timestamp(1_734_425_877_000_000),
        ]
    }

    const NULLS: [Value<'static>; 5] = [const { Value::Null }; 5];

    #[test]
    fn tests_of_every_kind() {
        let row = row("Open -  Hot");
        for (condition, expected) in [
            (json!({"column": "status", "is": "open - HOT"}), true),
            (json!({"column": "status", "not": "open - HOT"}), false),
            (json!({"column": "status", "in": ["x", "Open - Hot"]}), true),
            (json!({"column": "status", "not_in": ["x", "y"]}), true),
            (json!({"column": "status", "matches": "^Open"}), true),
            (json!({"column": "status", "matches": "^open"}), false),
            (json!({"column": "status", "is": 5}), false),
            (json!({"column": "status", "blank": true}), false),
            (json!({"column": "status", "blank": false}), true),
            (json!({"column": "status", "present": true}), true),
            (json!({"column": "score__c", "is": 87.50}), true),
            (json!({"column": "score__c", ">": 9, "<=": "87.5"}), true),
            (json!({"column": "score__c", ">=": 100}), false),
            (json!({"column": "flag__c", "is": true}), true),
            (json!({"column": "flag__c", "is": "no"}), false),
            (json!({"column": "day__c", "<": "1970-01-02"}), true),
            (json!({"column": "at__c", ">=": "2024-12-17"}), true),
            (json!({"column": "at__c", ">": "2024-12-17T08:57:57Z"}), false),
            (json!({"not": {"column": "flag__c", "is": true}}), false),
            (
                json!({"or": [{"column": "flag__c", "is": false},
                              {"and": [{"column": "status", "present": true},
                                       {"column": "score__c", "<": 100}]}]}),
                true,
            ),
        ] {
            assert_eq!(holds(condition.clone(), &row), expected, "{condition}");
        }
    }

    #[test]
    fn multi_selects() {
        let includes = |value| json!({"column": "status", "includes": value});
        let row = row("Solar; Heat  Pump");
        assert!(holds(includes(json!("heat pump")), &row));
        assert!(holds(includes(json!(["Wind", "SOLAR"])), &row));
        assert!(!holds(includes(json!("heat")), &row));
    }

    #[test]
    fn null_is_blank_and_nothing_else() {
        for (test, expected) in [
            (json!({"blank": true}), true),
            (json!({"present": true}), false),
            (json!({"is": "x"}), false),
            (json!({"not": "x"}), true),
            (json!({"not_in": ["x"]}), true),
            (json!({"matches": ""}), false),
            (json!({"<": "x"}), false),
            (json!({"includes": "x"}), false),
        ] {
            let mut condition = test;
            condition["column"] = "status".into();
            assert_eq!(holds(condition.clone(), &NULLS), expected, "{condition}");
            let mut blank = NULLS;
            blank[0] = Value::Text(" \t".into());
            assert_eq!(holds(condition.clone(), &blank), expected, "{condition}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let wrong = |json: Json| {
            let errors = compiled(&json).unwrap_err();
            assert_eq!(errors.len(), 1, "{errors:?}");
            errors[0].path.clone()
        };
        assert_eq!(wrong(json!([])), "when");
        assert_eq!(wrong(json!({"is": 1})), "when");
        assert_eq!(wrong(json!({"column": "status"})), "when");
        assert_eq!(wrong(json!({"column": "staus", "is": "x"})), "when.column");
        assert_eq!(wrong(json!({"field": "status", "is": "x"})), "when.field");
        assert_eq!(wrong(json!({"column": "status", "iz": "x", "is": "x"})), "when.iz");
        assert_eq!(wrong(json!({"column": "status", "is": null})), "when.is");
        assert_eq!(wrong(json!({"column": "status", "matches": "("})), "when.matches");
        assert_eq!(wrong(json!({"column": "score__c", "in": [1, "x"]})), "when.in[1]");
        assert_eq!(wrong(json!({"column": "day__c", "<": "1.2.1970"})), "when.<");
        assert_eq!(wrong(json!({"column": "status", "present": 1})), "when.present");
        assert_eq!(
            wrong(json!({"and": [{"not": {"or": [{"column": "x", "blank": true}]}}]})),
            "when.and[0].not.or[0].column"
        );
        let mut deep = json!({"column": "status", "blank": true});
        for _ in 0..100 {
            deep = json!({"not": deep});
        }
        assert!(wrong(deep).starts_with("when.not.not"));
    }

    #[test]
    fn a_column_that_is_not_there_yet_is_null() {
        let json = json!({"column": "later__c", "blank": true});
        let layout = columns();
        let filter = Filter::compile(&json, "when", &layout, |_| Place::NotYet).unwrap();
        assert!(filter.test.holds(&Row::of(&[])));
        assert!(Filter::compile(&json, "when", &layout, |_| Place::Gone).is_err());
    }

    proptest! {
        /// A test and its negation never agree, whatever the value.
        #[test]
        fn negation(text in any::<String>(), literal in any::<String>(), number in any::<f64>()) {
            let mut values = row(&text);
            values[1] = Value::Float8(number);
            for (test, opposite, value) in [
                ("is", "not", json!(literal)), ("blank", "present", json!(true)),
            ] {
                let of = |name: &str| {
                    let mut condition = json!({"column": "status"});
                    condition[name] = value.clone();
                    holds(condition, &values)
                };
                prop_assert_ne!(of(test), of(opposite));
            }
            let below = holds(json!({"column": "score__c", "<": 10}), &values);
            let at_least = holds(json!({"column": "score__c", ">=": 10}), &values);
            prop_assert!(below != at_least || !number.is_finite());
        }
    }
}
