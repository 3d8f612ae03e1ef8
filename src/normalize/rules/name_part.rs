//! `name_part`: whole names, split.

use std::borrow::Cow;

use serde_json::Value;

use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const DEFINITION: Definition = Definition {
    name: "name_part",
    meaning: "A part of a whole name. The last word is the last name and the rest the first name, or \
              as the order says; a single word is the last name. \"Last, First\" is understood.",
    arguments: &[
        Argument { name: "name_part", kind: "text", required: true, meaning: "first or last." },
        Argument {
            name: "order",
            kind: "text",
            required: false,
            meaning: "first_last where absent; last_first for names such as Japanese and Hungarian \
                      ones, whose first word is the last name; capitals where the last name is \
                      written in capitals, wherever it stands.",
        },
        Argument {
            name: "salutations",
            kind: "true or list of texts",
            required: false,
            meaning: "Words at the front that are no part of the name; true for Mr, Mrs, Ms, Miss, \
                      Dr, Prof, Sir, M, Mme, Mlle, Herr, Frau, Sr, Sra, Sig and the like.",
        },
        Argument {
            name: "particles",
            kind: "true or list of texts",
            required: false,
            meaning: "Words that belong to the last name when they stand before it; true for van, \
                      von, de, du, da, der, den, la, le, di, dos, del, ten, zu, bin, al and the \
                      like.",
        },
        Argument {
            name: "suffixes",
            kind: "true or list of texts",
            required: false,
            meaning: "Words at the end that are no part of the name; true for Jr, Sr, II, III, IV, \
                      PhD, MD, MBA, CPA, Esq and the like.",
        },
    ],
    reasons: &[],
    accepts: &[Kind::Text],
    yields: "text",
    examples: &[
        Example {
            rules: r#"[{"name_part": "first"}]"#,
            input: "Anna Maria Meier",
            output: Yield::Text("Anna Maria"),
        },
        Example {
            rules: r#"[{"name_part": "last"}]"#,
            input: "Meier, Anna Maria",
            output: Yield::Text("Meier"),
        },
        Example {
            rules: r#"[{"name_part": "last", "salutations": true, "particles": true}]"#,
            input: "Dr. Anna van der Berg",
            output: Yield::Text("van der Berg"),
        },
        Example { rules: r#"[{"name_part": "first"}]"#, input: "Meier", output: Yield::Null },
        Example {
            rules: r#"[{"name_part": "last", "order": "last_first"}]"#,
            input: "山田　太郎",
            output: Yield::Text("山田"),
        },
        Example {
            rules: r#"[{"name_part": "first", "order": "capitals"}]"#,
            input: "DE LA TOUR Jean-Pierre",
            output: Yield::Text("Jean-Pierre"),
        },
        Example {
            rules: r#"[{"name_part": "last", "suffixes": true}]"#,
            input: "Martin King, Jr.",
            output: Yield::Text("King"),
        },
    ],
    build,
};

const SALUTATIONS: &[&str] = &[
    "mr",
    "mrs",
    "ms",
    "miss",
    "mx",
    "dr",
    "prof",
    "sir",
    "madam",
    "m",
    "mme",
    "mlle",
    "monsieur",
    "madame",
    "mademoiselle",
    "me",
    "herr",
    "hr",
    "frau",
    "fr",
    "dipl-ing",
    "ing",
    "mag",
    "sr",
    "sra",
    "srta",
    "don",
    "doña",
    "dott",
    "sig",
    "sigra",
    "sig.ra",
    "dhr",
    "mevr",
    "mw",
];
const PARTICLES: &[&str] = &[
    "van", "von", "vom", "zu", "zum", "zur", "de", "du", "des", "da", "das", "do", "dos", "der",
    "den", "del", "della", "di", "la", "le", "les", "los", "ter", "ten", "te", "bin", "ibn", "al",
    "el", "af", "av", "d'", "mac", "saint",
];
const SUFFIXES: &[&str] = &[
    "jr", "sr", "jnr", "snr", "i", "ii", "iii", "iv", "v", "phd", "ph.d", "md", "m.d", "dds",
    "mba", "cpa", "esq", "rn", "msc", "bsc", "obe", "mbe", "filho", "neto", "júnior", "junior",
];

/// Which words of a name are the last name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    FirstLast,
    LastFirst,
    /// Those in capitals.
    Capitals,
}

/// Words are in lower case, without points.
#[derive(Debug)]
struct NamePart {
    first: bool,
    order: Order,
    salutations: Vec<String>,
    particles: Vec<String>,
    suffixes: Vec<String>,
}

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&["order", "salutations", "particles", "suffixes"], errors);
    let first = match arguments.spec.argument.as_ref().and_then(Value::as_str) {
        Some("first") => true,
        Some("last") => false,
        _ => {
            arguments.wrong("", "the part is \"first\" or \"last\"", errors);
            false
        }
    };
    let order = match arguments.spec.options.get("order").map(Value::as_str) {
        None | Some(Some("first_last")) => Order::FirstLast,
        Some(Some("last_first")) => Order::LastFirst,
        Some(Some("capitals")) => Order::Capitals,
        Some(_) => {
            let message = "the order is \"first_last\", \"last_first\" or \"capitals\"";
            errors.push(MappingError::new(format!("{}.order", arguments.path), message));
            Order::FirstLast
        }
    };
    let mut words = |option: &str, usual: &[&str]| match arguments.spec.options.get(option) {
        None | Some(Value::Bool(false)) => Vec::new(),
        Some(Value::Bool(true)) => usual.iter().map(ToString::to_string).collect(),
        Some(value) => match super::text_or_list(value) {
            Some(words) => words.iter().map(|word| plain(word)).collect(),
            None => {
                let path = format!("{}.{option}", arguments.path);
                errors.push(MappingError::new(path, "true or a list of words is needed"));
                Vec::new()
            }
        },
    };
    let salutations = words("salutations", SALUTATIONS);
    let particles = words("particles", PARTICLES);
    let suffixes = words("suffixes", SUFFIXES);
    let rule = NamePart { first, order, salutations, particles, suffixes };
    (errors.len() == before).then(|| Box::new(rule) as Box<dyn Rule>)
}

/// A word as it is compared: in lower case, without a point or comma at its end.
fn plain(word: &str) -> String {
    word.trim().trim_end_matches(['.', ',']).to_lowercase()
}

/// Whether a word is written in capitals; a single letter is an initial.
fn is_capital(word: &str) -> bool {
    word.chars().filter(|c| c.is_alphabetic()).count() > 1 && !word.chars().any(char::is_lowercase)
}

impl NamePart {
    /// First and last name; either may be empty.
    fn split(&self, name: &str) -> (String, String) {
        let name = self.without_suffixes(name);
        let (last, first) = match name.split_once(',') {
            Some((last, first)) => (Some(last), first),
            None => (None, name),
        };
        let is_salutation = |word: &&str| self.salutations.contains(&plain(word));
        let first = match first.rsplit_once(',') {
            Some((first, title)) if title.split_whitespace().all(|w| is_salutation(&w)) => first,
            _ => first,
        };
        let mut words: Vec<&str> = first.split_whitespace().skip_while(is_salutation).collect();
        if let Some(last) = last {
            let last: Vec<_> = last.split_whitespace().skip_while(is_salutation).collect();
            if !last.is_empty() {
                return (words.join(" "), last.join(" "));
            }
        }
        if self.order == Order::Capitals && words.iter().any(|word| !is_capital(word)) {
            let (last, first): (Vec<&str>, Vec<&str>) = words.iter().partition(|w| is_capital(w));
            if !last.is_empty() {
                return (first.join(" "), last.join(" "));
            }
        }
        let is_particle = |word: &&str| self.particles.contains(&plain(word));
        if self.order == Order::LastFirst {
            let particles = words.iter().take_while(|word| is_particle(word)).count();
            let end = (particles + 1).min(words.len());
            let first = words.split_off(end);
            return (first.join(" "), words.join(" "));
        }
        let mut start = words.len().saturating_sub(1);
        // A name does not consist of particles alone: the first word stays the first name.
        while start > 1 && is_particle(&words[start - 1]) {
            start -= 1;
        }
        let last = words.split_off(start);
        (words.join(" "), last.join(" "))
    }

    /// The name without the words at its end that are no part of it; a name is left of any.
    fn without_suffixes<'t>(&self, name: &'t str) -> &'t str {
        let mut rest = name.trim_end();
        while let Some((before, word)) = rest.rsplit_once([' ', '\u{a0}', ',']) {
            let before = before.trim_end().trim_end_matches(',').trim_end();
            if before.is_empty() || !self.suffixes.contains(&plain(word)) {
                break;
            }
            rest = before;
        }
        rest
    }
}

impl Rule for NamePart {
    fn output(&self) -> Kind {
        Kind::Text
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        let (first, last) = self.split(&cell.text());
        Ok(Cell::Text(Cow::Owned(if self.first { first } else { last })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(all: bool) -> NamePart {
        let words = |words: &[&str]| match all {
            true => words.iter().map(ToString::to_string).collect(),
            false => Vec::new(),
        };
        NamePart {
            first: true,
            order: Order::FirstLast,
            salutations: words(SALUTATIONS),
            particles: words(PARTICLES),
            suffixes: words(SUFFIXES),
        }
    }

    #[test]
    fn names() {
        for (name, first, last) in [
            ("Cécile Le Gall", "Cécile Le", "Gall"),
            ("Barre", "", "Barre"),
            ("Stéphane  Zoé Caron", "Stéphane Zoé", "Caron"),
            ("Meier, Anna", "Anna", "Meier"),
            ("Meier,", "", "Meier"),
            (", Anna", "", "Anna"),
            ("", "", ""),
            (",", "", ""),
        ] {
            assert_eq!(rule(false).split(name), (first.into(), last.into()), "{name}");
        }
        for (name, first, last) in [
            ("Prof. Dr. Anna Meier", "Anna", "Meier"),
            ("Mme Cécile Le Gall", "Cécile", "Le Gall"),
            ("van der Berg, Frau Anna", "Anna", "van der Berg"),
            ("Van Morrison", "Van", "Morrison"),
            ("Dr. Meier", "", "Meier"),
            ("Dr.", "", ""),
            ("Meier, Anna, Dr.", "Anna", "Meier"),
            ("Meier, Anna, Maria", "Anna, Maria", "Meier"),
        ] {
            assert_eq!(rule(true).split(name), (first.into(), last.into()), "{name}");
        }
    }

    #[test]
    fn orders_and_suffixes() {
        for (order, name, first, last) in [
            (Order::LastFirst, "Nagy Anna Mária", "Anna Mária", "Nagy"),
            (Order::LastFirst, "鈴木", "", "鈴木"),
            (Order::LastFirst, "van der Berg Anna", "Anna", "van der Berg"),
            (Order::LastFirst, "Suzuki, Ichiro", "Ichiro", "Suzuki"),
            (Order::Capitals, "Jean DUPONT", "Jean", "DUPONT"),
            (Order::Capitals, "M. LE GALL Yann", "Yann", "LE GALL"),
            (Order::Capitals, "J. R. TOLKIEN", "J. R.", "TOLKIEN"),
            (Order::Capitals, "JEAN DUPONT", "JEAN", "DUPONT"),
            (Order::Capitals, "Jean Dupont", "Jean", "Dupont"),
            (Order::FirstLast, "Dr. John Smith Jr., MD", "John", "Smith"),
            (Order::FirstLast, "Smith, John, Jr.", "John", "Smith"),
            (Order::FirstLast, "Smith III, John", "John", "Smith III"),
            (Order::FirstLast, "Jr.", "", "Jr."),
            (Order::FirstLast, "João Silva Filho", "João", "Silva"),
        ] {
            let rule = NamePart { order, ..rule(true) };
            assert_eq!(rule.split(name), (first.into(), last.into()), "{name}");
        }
    }
}
