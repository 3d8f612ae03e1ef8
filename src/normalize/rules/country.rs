//! `country`: countries as ISO 3166-1 alpha-2 codes.

use std::collections::HashMap;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::names::{self, Aliases, Standard};
use super::{
    Argument, Arguments, Definition, Example, Failure, Rule, Yield, normal_key, quoted,
    text_or_list,
};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const DEFINITION: Definition = Definition {
    name: "country",
    meaning: "A country as ISO 3166-1 alpha-2 code: from that code, the alpha-3 code, or the English \
              short, common or official name, in any letter case and with or without accents.",
    arguments: &[
        names::ALIASES,
        Argument {
            name: "languages",
            kind: "list of texts",
            required: false,
            meaning: "Languages whose names of countries (the Unicode CLDR's) are known as well: ar, \
                      cs, da, de, el, es, fi, fr, hu, it, ja, ko, nb, nl, pl, pt, ro, ru, sv, tr, uk, \
                      zh.",
        },
    ],
    reasons: &["unknown_country"],
    accepts: &[Kind::Text],
    yields: "text",
    examples: &[
        Example { rules: r#"["country"]"#, input: "germany", output: Yield::Text("DE") },
        Example { rules: r#"["country"]"#, input: "GBR", output: Yield::Text("GB") },
        Example {
            rules: r#"["country"]"#,
            input: "Federal Republic of Germany",
            output: Yield::Text("DE"),
        },
        Example {
            rules: r#"[{"country": {"aliases": {"Allemagne": "DE", "U.S.A.": "US"}}}]"#,
            input: "allemagne",
            output: Yield::Text("DE"),
        },
        Example {
            rules: r#"[{"country": {"languages": ["de", "fr", "it"], "aliases": {"UK": "GB"}}}]"#,
            input: "SUISSE",
            output: Yield::Text("CH"),
        },
        Example {
            rules: r#"["country"]"#,
            input: "Atlantis",
            output: Yield::Problem("unknown_country"),
        },
    ],
    build,
};

const STANDARD: Standard =
    Standard { what: "country", unknown: "unknown_country", fold, find: by_key };

/// A line a country: alpha-2 code, official English name, and the names in other languages (Unicode
/// CLDR, several separated by `|`) in the order of the first line.
const TABLE: &str = include_str!("countries.tsv");

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
    for (code, official) in column("official") {
        countries.entry(fold(official)).or_insert(code);
    }
    countries.extend(COMMON.iter().map(|(name, code)| (fold(name), *code)));
    countries
});

/// By language, by folded name.
static LANGUAGES: LazyLock<HashMap<&'static str, HashMap<String, &'static str>>> =
    LazyLock::new(|| {
        let header = TABLE.lines().next().unwrap_or_default();
        let languages = header.split('\t').skip(2);
        languages
            .map(|language| {
                let mut names = HashMap::new();
                for (code, name) in column(language) {
                    // "Myanmar (Birma)" is known by its first part alone, too.
                    let short = name.split_once(" (").map_or(name, |(short, _)| short);
                    for spelling in [name, short] {
                        names.entry(fold(spelling)).or_insert(code);
                    }
                    names.entry(fold(&without_umlauts(name))).or_insert(code);
                }
                (language, names)
            })
            .collect()
    });

/// The names in a column of the table, each with its code.
fn column(name: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let header = TABLE.lines().next().unwrap_or_default();
    let at = header.split('\t').position(|column| column == name);
    TABLE.lines().skip(1).flat_map(move |line| {
        let code = line.split('\t').next().unwrap_or_default();
        let names = at.and_then(|at| line.split('\t').nth(at)).unwrap_or_default();
        names.split('|').filter(|name| !name.is_empty()).map(move |name| (code, name))
    })
}

/// As German is written where there are no umlauts.
fn without_umlauts(name: &str) -> String {
    let pairs = [("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("Ö", "Oe"), ("Ä", "Ae"), ("ß", "ss")];
    pairs.iter().fold(name.to_string(), |name, (from, to)| name.replace(from, to))
}

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

fn by_key(key: &str) -> Option<&'static str> {
    COUNTRIES.get(key).copied()
}

/// The alpha-2 code of a country by its name in any language that is known; none where two languages mean
/// two countries by it.
pub fn in_any_language(name: &str) -> Option<&'static str> {
    let key = fold(name);
    let mut codes = LANGUAGES.values().filter_map(|names| names.get(&key)).copied();
    let code = codes.next()?;
    codes.all(|other| other == code).then_some(code)
}

#[derive(Debug, Default)]
struct Country {
    aliases: Aliases,
    /// Names in other languages, after the standard's.
    languages: Vec<&'static HashMap<String, &'static str>>,
}

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&[], errors);
    let mut rule = Country::default();
    if arguments.spec.argument.is_some() {
        let members = arguments.object(&[names::ALIASES.name, "languages"], errors)?;
        rule.aliases = STANDARD.aliases(members, arguments, errors);
        let given = members.get("languages").map(text_or_list);
        if given == Some(None) {
            arguments.wrong("languages", "a list of languages is needed, e.g. [\"fr\"]", errors);
        }
        for language in given.flatten().unwrap_or_default() {
            match LANGUAGES.get(language.to_ascii_lowercase().as_str()) {
                Some(names) => rule.languages.push(names),
                None => {
                    let mut known: Vec<_> = LANGUAGES.keys().copied().collect();
                    known.sort_unstable();
                    let message = format!("no names are known in \"{language}\"");
                    let path = format!("{}.languages", arguments.argument_path());
                    let hint = format!("Known are {}; others need \"aliases\".", known.join(", "));
                    errors.push(MappingError::new(path, message).hint(hint));
                }
            }
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
        if let Some(alias) = self.aliases.get(&key) {
            return Ok(names::cell(*alias));
        }
        let in_language = || self.languages.iter().find_map(|names| names.get(&key)).copied();
        match by_key(&key).or_else(in_language) {
            Some(code) => Ok(names::cell(Some(code))),
            None => {
                let message = format!("{} is not a country", quoted(&text));
                Err(Failure::new(STANDARD.unknown, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(name: &str) -> Option<&'static str> {
        by_key(&fold(name))
    }

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
            ("Kingdom of the Netherlands", "NL"),
            ("French Republic", "FR"),
            ("People's Republic of China", "CN"),
            ("United Kingdom of Great Britain and Northern Ireland", "GB"),
        ] {
            assert_eq!(find(name), Some(code), "{name}");
        }
        for name in ["", "Atlantis", "UK", "XX", "Deutschland", "EU", "U.S.A."] {
            assert_eq!(find(name), None, "{name}");
        }
    }

    #[test]
    fn names_in_other_languages() {
        for (name, code) in [
            ("Deutschland", "DE"),
            ("Oesterreich", "AT"),
            ("ÉTATS-UNIS", "US"),
            ("Espana", "ES"),
            ("日本", "JP"),
            ("米国", "US"),
            ("Россия", "RU"),
            ("대한민국", "KR"),
            ("Mjanma", "MM"),
        ] {
            assert_eq!(in_any_language(name), Some(code), "{name}");
        }
        assert_eq!(in_any_language("Atlantis"), None);
        // One of the two in Norwegian, the other in Polish.
        assert_eq!(in_any_language("Kongo"), None);
        // Every name that a language has is that of one country.
        for (language, names) in LANGUAGES.iter() {
            for (code, name) in column(language) {
                assert_eq!(names.get(&fold(name)), Some(&code), "{language}: {name}");
            }
        }
        assert_eq!(LANGUAGES.len(), 22);
    }
}
