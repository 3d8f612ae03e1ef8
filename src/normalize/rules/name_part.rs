//! `name_part`: whole names, split.

use std::borrow::Cow;
use std::collections::VecDeque;

use serde_json::Value;

use super::name_words::{
    ADDITIONS, FIRST_NAMES, KINDRED, PARTICLES, POINTED, SALUTATIONS, SUFFIXES,
};
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
            meaning: "Words at the front that are no part of the name, with or without points; true \
                      for Mr, Mrs, Ms, Dr, Prof, Dr. med., Dipl.-Ing., Sir, M, Mme, Mlle, Herr, Frau, \
                      Sr, Sra, Sig, Dott.ssa, Mevrouw and the like.",
        },
        Argument {
            name: "particles",
            kind: "true or list of texts",
            required: false,
            meaning: "Words that belong to the last name when they stand before it; true for van, \
                      von, de, du, da, der, den, la, le, di, dos, del, ten, 't, zu, bin, al, y and \
                      the like. A name that begins with them has no first name: van Beethoven.",
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
    additions: Vec<String>,
    pointed: Vec<String>,
    particles: Vec<String>,
    suffixes: Vec<String>,
    kindred: Vec<String>,
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
    let mut words = |option: &str, usual: &str| match arguments.spec.options.get(option) {
        None | Some(Value::Bool(false)) => Vec::new(),
        Some(Value::Bool(true)) => list(usual),
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
    let usual = |option: &str, words: &str| match arguments.spec.options.get(option) {
        Some(Value::Bool(true)) => list(words),
        _ => Vec::new(),
    };
    let (additions, pointed) = (usual("salutations", ADDITIONS), usual("salutations", POINTED));
    let kindred = usual("suffixes", KINDRED);
    let rule =
        NamePart { first, order, salutations, additions, pointed, particles, suffixes, kindred };
    (errors.len() == before).then(|| Box::new(rule) as Box<dyn Rule>)
}

fn list(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_string).collect()
}

/// A word as it is compared: in lower case, without points, and a comma at its end.
fn plain(word: &str) -> String {
    let word = word.trim().trim_end_matches([',', '.']).chars().filter(|c| *c != '.');
    let straight = word.map(|c| if matches!(c, '’' | '‘') { '\'' } else { c });
    straight.flat_map(char::to_lowercase).collect()
}

fn is_in(words: &str, word: &str) -> bool {
    let word = plain(word);
    words.split_whitespace().any(|known| known == word)
}

/// Whether a word joins two last names to one.
fn is_joint(word: &str) -> bool {
    matches!(word, "y" | "e")
}

/// Whether a word is written in capitals; a single letter is an initial.
fn is_capital(word: &str) -> bool {
    // There is no capital sharp s in most fonts.
    let small = |c: char| c.is_lowercase() && c != 'ß';
    word.chars().filter(|c| c.is_alphabetic()).count() > 1 && !word.chars().any(small)
}

impl NamePart {
    /// First and last name; either may be empty.
    fn split(&self, name: &str) -> (String, String) {
        let name = self.without_suffixes(name);
        let (last, first) = match name.split_once(',') {
            Some((last, first)) => (Some(last), first),
            None => (None, name),
        };
        let is_title = |text: &str| self.without_salutations(text).is_empty();
        // "Anna Meier, Dr."
        let (last, first) = match last {
            Some(last) if is_title(first) && !is_title(last) => (None, last),
            last => (last, first),
        };
        let first = match first.rsplit_once(',') {
            Some((first, title)) if is_title(title) => first,
            _ => first,
        };
        let mut words = self.without_salutations(first);
        if let Some(last) = last {
            let last = self.without_salutations(last);
            if !last.is_empty() {
                return (words.join(" "), last.join(" "));
            }
        }
        if self.order == Order::Capitals && words.iter().any(|word| !is_capital(word)) {
            let mut belongs = false;
            let mut parts: (Vec<&str>, Vec<&str>) = Default::default();
            for word in words.iter().rev() {
                belongs = is_capital(word) || belongs && self.is_particle(word);
                if belongs { parts.1.insert(0, word) } else { parts.0.insert(0, word) }
            }
            let (first, last) = parts;
            if !last.is_empty() {
                return (first.join(" "), last.join(" "));
            }
        }
        if self.order == Order::LastFirst {
            let particles = words.iter().take_while(|word| self.is_particle(word)).count();
            let end = (particles + 1).min(words.len());
            let first = words.split_off(end);
            return (first.join(" "), words.join(" "));
        }
        if self.is_last_alone(&words, || words.first().copied() != first.split_whitespace().next())
        {
            return (String::new(), words.join(" "));
        }
        let mut start = words.len().saturating_sub(1);
        // A name does not consist of particles alone: the first word stays the first name.
        while start > 1 && self.is_particle(words[start - 1]) {
            start -= 1;
            // "Ortega y Gasset" is one name, "Maria y Garcia" is not.
            if start > 1 && is_joint(words[start]) {
                start -= 1;
            }
        }
        let last = words.split_off(start);
        (words.join(" "), last.join(" "))
    }

    /// Whether words that begin with a particle have no first name: "van Beethoven", "Van der Berg" and,
    /// behind a title, "De Souza" have none; "Van Morrison", "Al De Luca" and "al gore" have.
    fn is_last_alone(&self, words: &[&str], titled: impl Fn() -> bool) -> bool {
        let small = |word: &str| word.starts_with(char::is_lowercase);
        let [word, next, ..] = words else { return false };
        if !self.is_particle(word) {
            return false;
        }
        let last_is_small = words.last().is_some_and(|last| small(last));
        let begins = small(word) || small(next) && self.is_particle(next);
        begins && !last_is_small || words.len() == 2 && !is_in(FIRST_NAMES, word) && titled()
    }

    /// The words of a name without those at its front that are no part of it.
    fn without_salutations<'t>(&self, name: &'t str) -> Vec<&'t str> {
        if self.salutations.is_empty() {
            return name.split_whitespace().collect();
        }
        let mut words: VecDeque<&str> = name.split_whitespace().collect();
        let mut titled = false;
        while let Some(word) = words.pop_front() {
            let joins = matches!(word, "&" | "and" | "und" | "et" | "y" | "e" | "/");
            // Eng Lim has a first name, Eng. Lim and PD Dr. Meier have titles.
            let before_another =
                || words.front().is_some_and(|next| self.is_salutation(next, titled));
            if self.is_salutation(word, titled) && (!self.is_perhaps_name(word) || before_another())
            {
                titled = true;
            // "Dr.med. Anna", "Dr.-Ing. Anna", "Herr/Frau Meier"
            } else if let Some((head, rest)) = word.split_once(['.', '/'])
                && head.chars().nth(1).is_some()
                && self.is_salutation(head, titled)
            {
                titled = true;
                let rest = rest.trim_start_matches(['-', '.', '/']);
                if !rest.is_empty() {
                    words.push_front(rest);
                }
            } else if !(titled
                && joins
                && words.front().is_some_and(|w| self.is_salutation(w, false)))
            {
                words.push_front(word);
                break;
            }
        }
        words.into()
    }

    fn is_salutation(&self, word: &str, behind_another: bool) -> bool {
        let plain = plain(word);
        // Nat is a name, nat. and h.c. are none.
        let small = word.contains(['.', '(']) || word.chars().all(char::is_lowercase);
        // Behind a title, "M." is an initial.
        let initial = behind_another && plain.chars().nth(1).is_none();
        self.salutations.contains(&plain) && !initial
            || behind_another && small && self.additions.contains(&plain)
    }

    fn is_perhaps_name(&self, salutation: &str) -> bool {
        !salutation.contains('.') && self.pointed.contains(&plain(salutation))
    }

    fn is_particle(&self, word: &str) -> bool {
        if self.particles.is_empty() {
            return false;
        }
        // E. and Y. are initials.
        let plain = plain(word);
        self.particles.contains(&plain) && (!is_joint(&plain) || is_joint(word))
    }

    /// The name without the words at its end that are no part of it; a name is left of any.
    fn without_suffixes<'t>(&self, name: &'t str) -> &'t str {
        let mut rest = name.trim_end();
        if self.suffixes.is_empty() {
            return rest;
        }
        while let Some((before, word)) = rest.rsplit_once([' ', '\u{a0}', ',']) {
            let before = before.trim_end().trim_end_matches(',').trim_end();
            let initial = word.ends_with('.');
            let word = plain(word);
            let initial = initial && word.chars().nth(1).is_none();
            let kindred =
                !initial && self.kindred.contains(&word) && before.contains(char::is_whitespace);
            if before.is_empty() || !(kindred || self.suffixes.contains(&word)) {
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
        let words = |words: &str| if all { list(words) } else { Vec::new() };
        NamePart {
            first: true,
            order: Order::FirstLast,
            salutations: words(SALUTATIONS),
            additions: words(ADDITIONS),
            pointed: words(POINTED),
            particles: words(PARTICLES),
            suffixes: words(SUFFIXES),
            kindred: words(KINDRED),
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
            ("Frau von der Leyen", "", "von der Leyen"),
            ("Mr. de Souza", "", "de Souza"),
            ("Ms. La Toya Jackson", "La Toya", "Jackson"),
            ("Drs. M. Jansen", "M.", "Jansen"),
            ("M. et Mme Dupont", "", "Dupont"),
            ("van Beethoven", "", "van Beethoven"),
            ("von der Leyen", "", "von der Leyen"),
            ("al gore", "al", "gore"),
            ("san lee", "san", "lee"),
            ("mac miller", "mac", "miller"),
            ("Al De Luca", "Al", "De Luca"),
            ("Le Van Anh", "Le", "Van Anh"),
            ("Do Van Nam", "Do", "Van Nam"),
            ("Mr. Al Gore", "Al", "Gore"),
            ("Ms. Van Nguyen", "Van", "Nguyen"),
            ("Herr van Dijk", "", "van Dijk"),
            ("frau von leyen", "", "von leyen"),
            ("Eng Lim", "Eng", "Lim"),
            ("Eng. Anna Lim", "Anna", "Lim"),
            ("PD Dr. Anna Meier", "Anna", "Meier"),
            ("Dr. Eng", "", "Eng"),
            ("Eng, Lim", "Lim", "Eng"),
            ("Van der Berg", "", "Van der Berg"),
            ("Familie Meier", "", "Meier"),
            ("Dr./Prof. Anna Meier", "Anna", "Meier"),
            ("Mag.a Dr.in Anna Meier", "Anna", "Meier"),
            ("Mag. (FH) Anna Meier", "Anna", "Meier"),
            ("Univ.-Prof. Dr. Anna Meier", "Anna", "Meier"),
            ("Don Smith", "Don", "Smith"),
            ("Nat King Cole", "Nat King", "Cole"),
            ("Dipl.-Ing. Max Muster", "Max", "Muster"),
            ("Dr.-Ing. Max Muster", "Max", "Muster"),
            ("Dr. med. Anna Meier", "Anna", "Meier"),
            ("Dr.med. Anna Meier", "Anna", "Meier"),
            ("Dr. Nat Meier", "Nat", "Meier"),
            ("Prof. Dr. Dr. h.c. mult. Anna Meier", "Anna", "Meier"),
            ("Dr. rer. nat. Anna Meier", "Anna", "Meier"),
            ("Dr.Anna Meier", "Anna", "Meier"),
            ("Anna Meier, Dr. med.", "Anna", "Meier"),
            ("Meier, Anna, Dr. med.", "Anna", "Meier"),
            ("Herrn Max Muster", "Max", "Muster"),
            ("Herr/Frau Meier", "", "Meier"),
            ("Mr. & Mrs. John Smith", "John", "Smith"),
            ("Dra. María Pérez", "María", "Pérez"),
            ("Señora María Pérez", "María", "Pérez"),
            ("Signora Anna Rossi", "Anna", "Rossi"),
            ("Dott.ssa Anna Rossi", "Anna", "Rossi"),
            ("Avv. Anna Rossi", "Anna", "Rossi"),
            ("Mevrouw Anna de Vries", "Anna", "de Vries"),
            ("Drs. ir. Jan de Vries", "Jan", "de Vries"),
            ("M.A. Smith", "M.A.", "Smith"),
            ("Jan van 't Hoff", "Jan", "van 't Hoff"),
            ("Jan van ’t Hoff", "Jan", "van ’t Hoff"),
            ("Jan op den Berg", "Jan", "op den Berg"),
            ("Anna in der Au", "Anna", "in der Au"),
            ("José Ortega y Gasset", "José", "Ortega y Gasset"),
            ("Ana de Souza e Silva", "Ana", "de Souza e Silva"),
            ("John E. Smith", "John E.", "Smith"),
            ("Marco dalla Chiesa", "Marco", "dalla Chiesa"),
            ("Marco Lo Russo", "Marco", "Lo Russo"),
            ("Karl von und zu Berg", "Karl", "von und zu Berg"),
            ("Anna St. Clair", "Anna", "St. Clair"),
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
            (Order::FirstLast, "Maria Neto", "Maria", "Neto"),
            (Order::FirstLast, "Anna V.", "Anna", "V."),
            (Order::FirstLast, "Anna V", "Anna", "V"),
            (Order::FirstLast, "Anna Maria V.", "Anna Maria", "V."),
            (Order::FirstLast, "John Smith V", "John", "Smith"),
            (Order::FirstLast, "Henry I", "Henry", "I"),
            (Order::FirstLast, "Jane Doe, Ph.D.", "Jane", "Doe"),
            (Order::Capitals, "van der BERG Jan", "Jan", "van der BERG"),
            (Order::Capitals, "Jan van der BERG", "Jan", "van der BERG"),
            (Order::Capitals, "Jörg GROßMANN", "Jörg", "GROßMANN"),
        ] {
            let rule = NamePart { order, ..rule(true) };
            assert_eq!(rule.split(name), (first.into(), last.into()), "{name}");
        }
    }
}
