//! `country`: countries as ISO 3166-1 alpha-2 codes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield, normal_key, quoted};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const DEFINITION: Definition = Definition {
    name: "country",
    meaning: "A country as ISO 3166-1 alpha-2 code: from that code, the alpha-3 code, or the English \
              short or common name, in any letter case and with or without accents.",
    arguments: &[Argument {
        name: "aliases",
        kind: "object",
        required: false,
        meaning: "The org's own names, each with its code (or null for none); they go first.",
    }],
    reasons: &["unknown_country"],
    accepts: &[Kind::Text],
    yields: "text",
    examples: &[
        Example { rules: r#"["country"]"#, input: "germany", output: Yield::Text("DE") },
        Example { rules: r#"["country"]"#, input: "GBR", output: Yield::Text("GB") },
        Example {
            rules: r#"[{"country": {"aliases": {"Allemagne": "DE", "U.S.A.": "US"}}}]"#,
            input: "allemagne",
            output: Yield::Text("DE"),
        },
        Example {
            rules: r#"["country"]"#,
            input: "Atlantis",
            output: Yield::Problem("unknown_country"),
        },
    ],
    build,
};

/// Common English names, and those that countries had until lately, beside the standard's.
const COMMON: &[(&str, &str)] = &[
    ("Bolivia", "BO"),
    ("Brunei", "BN"),
    ("Burma", "MM"),
    ("Cape Verde", "CV"),
    ("Congo, Democratic Republic of the", "CD"),
    ("Congo, The Democratic Republic of the", "CD"),
    ("Czech Republic", "CZ"),
    ("Democratic Republic of the Congo", "CD"),
    ("DR Congo", "CD"),
    ("East Timor", "TL"),
    ("Falkland Islands", "FK"),
    ("Great Britain", "GB"),
    ("Holy See", "VA"),
    ("Holy See (Vatican City State)", "VA"),
    ("Iran", "IR"),
    ("Ivory Coast", "CI"),
    ("Laos", "LA"),
    ("Macau", "MO"),
    ("Micronesia", "FM"),
    ("Moldova", "MD"),
    ("Netherlands", "NL"),
    ("North Korea", "KP"),
    ("North Macedonia", "MK"),
    ("Macedonia", "MK"),
    ("Palestine", "PS"),
    ("Republic of the Congo", "CG"),
    ("Russia", "RU"),
    ("Saint Martin", "MF"),
    ("Sint Maarten", "SX"),
    ("South Korea", "KR"),
    ("Swaziland", "SZ"),
    ("Syria", "SY"),
    ("Taiwan", "TW"),
    ("Tanzania", "TZ"),
    ("Turkey", "TR"),
    ("Türkiye", "TR"),
    ("United Kingdom", "GB"),
    ("United States", "US"),
    ("United States of America", "US"),
    ("Vatican", "VA"),
    ("Vatican City", "VA"),
    ("Venezuela", "VE"),
    ("Vietnam", "VN"),
    ("Virgin Islands, British", "VG"),
    ("British Virgin Islands", "VG"),
    ("US Virgin Islands", "VI"),
    ("Virgin Islands, U.S.", "VI"),
];

/// By folded name or code.
static COUNTRIES: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let mut countries = HashMap::new();
    let standard =
        rust_iso3166::ALL_NAME.iter().zip(rust_iso3166::ALL_ALPHA2).zip(rust_iso3166::ALL_ALPHA3);
    for ((name, alpha2), alpha3) in standard {
        for spelling in spellings(name) {
            countries.insert(fold(&spelling), *alpha2);
        }
        countries.insert(fold(alpha2), *alpha2);
        countries.insert(fold(alpha3), *alpha2);
    }
    countries.extend(COMMON.iter().map(|(name, code)| (fold(name), *code)));
    countries
});

/// `Bolivia (Plurinational State of)`, `Bolivia, Plurinational State of`, and
/// `Plurinational State of Bolivia`.
fn spellings(name: &str) -> Vec<String> {
    let mut spellings = vec![name.to_string()];
    let parts = name.strip_suffix(')').and_then(|name| name.split_once(" ("));
    if let Some((name, addition)) = parts.or_else(|| name.split_once(", ")) {
        spellings.push(format!("{name} ({addition})"));
        spellings.push(format!("{name}, {addition}"));
        spellings.push(format!("{addition} {name}"));
    }
    spellings
}

/// The key of a name: without accents and a leading article, with plain apostrophes.
fn fold(name: &str) -> String {
    let plain = name.is_ascii();
    let key = match plain {
        true => normal_key(name),
        false => {
            let letters = name.nfd().filter(|&c| !is_combining_mark(c));
            normal_key(&letters.map(|c| if c == '’' { '\'' } else { c }).collect::<String>())
        }
    };
    key.strip_prefix("the ").map_or(key.clone(), str::to_string)
}

/// The alpha-2 code of a country.
pub fn find(name: &str) -> Option<&'static str> {
    COUNTRIES.get(&fold(name)).copied()
}

#[derive(Debug)]
struct Country {
    /// By folded name; `None` for names that mean no country.
    aliases: HashMap<String, Option<&'static str>>,
}

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    let mut rule = Country { aliases: HashMap::new() };
    if arguments.spec.argument.is_some() {
        let members = arguments.object(&["aliases"], errors)?;
        match members.get("aliases") {
            None => {}
            Some(Value::Object(aliases)) => {
                for (name, code) in aliases {
                    let code = match code {
                        Value::Null => Some(None),
                        code => code.as_str().and_then(find).map(Some),
                    };
                    match code {
                        Some(code) => drop(rule.aliases.insert(fold(name), code)),
                        None => arguments.wrong(
                            &format!("aliases.{name}"),
                            "the code of a country is needed, or null",
                            errors,
                        ),
                    }
                }
            }
            Some(_) => arguments.wrong("aliases", "an object is needed: name → code", errors),
        }
    }
    (errors.len() == before).then(|| Box::new(rule) as Box<dyn Rule>)
}

impl Rule for Country {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let text = cell.into_text();
        let key = fold(&text);
        let code = match self.aliases.get(&key) {
            Some(alias) => *alias,
            None => match COUNTRIES.get(&key) {
                Some(code) => Some(*code),
                None => {
                    let message = format!("{} is not a country", quoted(&text));
                    return Err(Failure::new("unknown_country", message));
                }
            },
        };
        Ok(code.map_or(Cell::Null, |code| Cell::Text(Cow::Borrowed(code))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes() {
        for (name, code) in [
            ("us", "US"),
            ("USA", "US"),
            ("United States of America", "US"),
            (" United  Kingdom ", "GB"),
            ("Cote d’Ivoire", "CI"),
            ("CÔTE D'IVOIRE", "CI"),
            ("Bolivia, Plurinational State of", "BO"),
            ("Bolivia (Plurinational State of)", "BO"),
            ("South Korea", "KR"),
            ("Korea, Republic of", "KR"),
            ("the Netherlands", "NL"),
            ("Viet Nam", "VN"),
            ("Turkiye", "TR"),
            ("Eswatini", "SZ"),
        ] {
            assert_eq!(find(name), Some(code), "{name}");
        }
        for name in ["", "Atlantis", "UK", "XX", "Deutschland", "EU", "U.S.A."] {
            assert_eq!(find(name), None, "{name}");
        }
    }
}
