//! `name_part`: whole names, split.

use std::borrow::Cow;

use serde_json::Value;

use super::{Argument, Arguments, Definition, Example, Failure, Rule, Yield};
use crate::normalize::MappingError;
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;

pub const DEFINITION: Definition = Definition {
    name: "name_part",
    meaning: "A part of a whole name. The last word is the last name and the rest the first name; a \
              single word is the last name. \"Last, First\" is understood.",
    arguments: &[
        Argument { name: "name_part", kind: "text", required: true, meaning: "first or last." },
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

#[derive(Debug)]
struct NamePart {
    first: bool,
    /// In lower case, without points.
    salutations: Vec<String>,
    particles: Vec<String>,
}

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&["salutations", "particles"], errors);
    let first = match arguments.spec.argument.as_ref().and_then(Value::as_str) {
        Some("first") => true,
        Some("last") => false,
        _ => {
            arguments.wrong("", "the part is \"first\" or \"last\"", errors);
            false
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
    (errors.len() == before)
        .then(|| Box::new(NamePart { first, salutations, particles }) as Box<dyn Rule>)
}

/// A word as it is compared: in lower case, without a point at its end.
fn plain(word: &str) -> String {
    word.trim().trim_end_matches('.').to_lowercase()
}

impl NamePart {
    /// First and last name; either may be empty.
    fn split(&self, name: &str) -> (String, String) {
        let (last, first) = match name.split_once(',') {
            Some((last, first)) => (Some(last), first),
            None => (None, name),
        };
        let is_salutation = |word: &&str| self.salutations.contains(&plain(word));
        let mut words: Vec<&str> = first.split_whitespace().skip_while(is_salutation).collect();
        if let Some(last) = last {
            let last: Vec<_> = last.split_whitespace().skip_while(is_salutation).collect();
            if !last.is_empty() {
                return (words.join(" "), last.join(" "));
            }
        }
        let mut start = words.len().saturating_sub(1);
        // A name does not consist of particles alone: the first word stays the first name.
        while start > 1 && self.particles.contains(&plain(words[start - 1])) {
            start -= 1;
        }
        let last = words.split_off(start);
        (words.join(" "), last.join(" "))
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
        NamePart { first: true, salutations: words(SALUTATIONS), particles: words(PARTICLES) }
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
        ] {
            assert_eq!(rule(true).split(name), (first.into(), last.into()), "{name}");
        }
    }
}
