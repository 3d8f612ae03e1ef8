//! `phone` and `phone_country`: telephone numbers.

use std::borrow::Cow;
use std::str::FromStr;

use rlibphonenumber::enums::{PhoneNumberType, Region};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat};
use serde_json::Value;

use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield, quoted};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const PHONE: Definition = Definition {
    name: "phone",
    meaning: "A telephone number as E.164. It has to be a valid number of its region, not only a \
              possible one. Numbers without a country code are of the country in the field country, \
              where the entity has such a field and it has a value, else of the org's phone region; \
              an extension is left out.",
    arguments: &[
        Argument {
            name: "region",
            kind: "text",
            required: false,
            meaning: "The country (ISO 3166 alpha-2) of all numbers without a country code, whatever \
                      the field country says; with region_of, in place of the org's phone region.",
        },
        Argument {
            name: "region_of",
            kind: "text",
            required: false,
            meaning: "Another canonical field with such a code, which goes first where it has a value.",
        },
        Argument {
            name: "kind",
            kind: "text",
            required: false,
            meaning: "mobile or fixed: NULL for a valid number of the other kind. Where a country does \
                      not tell them apart, as the US, a number is both.",
        },
        Argument {
            name: "letters",
            kind: "text",
            required: false,
            meaning: "digits where absent: letters stand for digits, as in 1-800-FLOWERS. end: the \
                      number ends before them, as where (mobile) or another number follows it.",
        },
    ],
    reasons: &["invalid_phone"],
    accepts: &[Kind::Text, Kind::Number],
    yields: "text",
    examples: &[
        Example {
            rules: r#"[{"phone": {"region": "US"}}]"#,
            input: "(201) 555-8096 ext. 12",
            output: Yield::Text("+12015558096"),
        },
        Example {
            rules: r#"["phone"]"#,
            input: "+33 6 12 34 98 58",
            output: Yield::Text("+33612349858"),
        },
        Example {
            rules: r#"[{"phone": {"region": "US"}}]"#,
            input: "000-000-0000",
            output: Yield::Problem("invalid_phone"),
        },
        Example {
            rules: r#"[{"split": "/"}, {"first": [{"phone": {"kind": "mobile"}}]}]"#,
            input: "+44 20 7946 0958 / +44 7400 123456",
            output: Yield::Text("+447400123456"),
        },
        Example {
            rules: r#"[{"phone": {"letters": "end"}}]"#,
            input: "Tel. +49 30 1234567 (privat)",
            output: Yield::Text("+49301234567"),
        },
    ],
    build: build_phone,
};

pub const PHONE_COUNTRY: Definition = Definition {
    name: "phone_country",
    meaning: "The country of a telephone number that begins with its country code, as ISO 3166 \
              alpha-2; nothing for other numbers.",
    arguments: &[],
    reasons: &[],
    accepts: &[Kind::Text],
    yields: "text",
    examples: &[
        Example {
            rules: r#"["phone_country"]"#,
            input: "+33 6 12 34 98 58",
            output: Yield::Text("FR"),
        },
        Example { rules: r#"["phone_country"]"#, input: "06 12 34 98 58", output: Yield::Null },
        Example { rules: r#"["phone_country"]"#, input: "+800 1234 5678", output: Yield::Null },
    ],
    build: build_country,
};

#[derive(Debug)]
struct Phone {
    /// A field whose value goes first.
    field: Option<usize>,
    region: Option<Region>,
    kind: Option<Line>,
    /// What follows the first digits from the first letter on is no part of the number.
    cut: bool,
}

/// What a number is a number of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Mobile,
    Fixed,
}

impl Line {
    fn is_of(self, number: &PhoneNumber) -> bool {
        match PHONE_NUMBER_UTIL.get_number_type(number) {
            PhoneNumberType::FixedLineOrMobile => true,
            PhoneNumberType::Mobile => self == Line::Mobile,
            PhoneNumberType::FixedLine => self == Line::Fixed,
            _ => false,
        }
    }
}

#[derive(Debug)]
struct PhoneCountry;

fn region(code: &str) -> Option<Region> {
    let region = Region::from_str(code).ok()?;
    PHONE_NUMBER_UTIL.get_country_code_for_region(region).map(|_| region)
}

fn build_phone(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    let org = arguments.scope.org.phone_region.as_deref();
    let mut rule = Phone { field: None, region: org.and_then(region), kind: None, cut: false };
    let mut placed = false;
    if arguments.spec.argument.is_some() {
        let members = arguments.object(&["region", "region_of", "kind", "letters"], errors)?;
        placed = members.contains_key("region") || members.contains_key("region_of");
        if let Some(code) = members.get("region") {
            rule.region = code.as_str().and_then(|code| region(&code.to_ascii_uppercase()));
            if rule.region.is_none() {
                arguments.wrong("region", "a code like \"FR\" is needed", errors);
            }
        }
        rule.kind = match members.get("kind").map(Value::as_str) {
            None => None,
            Some(Some("mobile")) => Some(Line::Mobile),
            Some(Some("fixed")) => Some(Line::Fixed),
            Some(_) => {
                arguments.wrong("kind", "\"mobile\" or \"fixed\" is needed", errors);
                None
            }
        };
        rule.cut = match members.get("letters").map(Value::as_str) {
            None | Some(Some("digits")) => false,
            Some(Some("end")) => true,
            Some(_) => {
                arguments.wrong("letters", "\"digits\" or \"end\" is needed", errors);
                false
            }
        };
        match members.get("region_of") {
            None => {}
            Some(Value::String(name)) => {
                rule.field = arguments.scope.field(name);
                if rule.field.is_none() {
                    let message = format!("the entity has no field \"{name}\"");
                    arguments.wrong("region_of", message, errors);
                }
            }
            Some(_) => arguments.wrong("region_of", "the name of a field is needed", errors),
        }
    }
    if !placed {
        rule.field = arguments.scope.wish("country");
    }
    (errors.len() == before).then(|| Box::new(rule) as Box<dyn Rule>)
}

fn build_country(
    arguments: &Arguments<'_>,
    errors: &mut Vec<MappingError>,
) -> Option<Box<dyn Rule>> {
    arguments.none(errors)?;
    Some(Box::new(PhoneCountry))
}

/// A text up to the first letter that comes after a digit.
fn before_letters(text: &str) -> &str {
    let digit = text.find(char::is_numeric).unwrap_or(0);
    let letter = text[digit..].find(char::is_alphabetic);
    letter.map_or(text, |letter| &text[..digit + letter])
}

fn valid(text: &str, region: Option<Region>) -> Option<PhoneNumber> {
    let number = PHONE_NUMBER_UTIL.parse(text, region).ok()?;
    PHONE_NUMBER_UTIL.is_valid_number(&number).then_some(number)
}

impl Rule for Phone {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, row: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let code = self.field.and_then(|field| row.field_text(field));
        let region = code.and_then(region).or(self.region);
        let text = cell.text();
        match valid(if self.cut { before_letters(&text) } else { &text }, region) {
            Some(number) if self.kind.is_some_and(|kind| !kind.is_of(&number)) => Ok(Cell::Null),
            Some(number) => {
                let e164 = number.format_as(PhoneNumberFormat::E164);
                Ok(Cell::Text(Cow::Owned(e164.to_string())))
            }
            None => {
                let place = region.map_or("international".into(), |region| format!("{region:?}"));
                let message = format!("{} is not a valid number ({place})", quoted(&text));
                Err(Failure::new("invalid_phone", message))
            }
        }
    }
}

impl Rule for PhoneCountry {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let region = valid(&cell.text(), None)
            .and_then(|number| PHONE_NUMBER_UTIL.get_region_for_number(&number))
            // Numbers of the world, such as +800, are of no country.
            .filter(|region| *region != Region::World);
        Ok(region.map_or(Cell::Null, |region| Cell::Text(Cow::Owned(format!("{region:?}")))))
    }
}
