//! `span`: the ends of a range in words and figures.

use std::borrow::Cow;

use serde_json::Value;

use super::notation::Notation;
use super::open_ends::{OpenEnds, fold, is_unspaced};
use super::{
    Argument, Arguments, Definition, Example, Failure, Rule, Yield, factors, number, quoted,
    text_or_list,
};
use crate::normalize::cell::{Cell, Kind};
use crate::normalize::source::Row;
use crate::normalize::{MappingError, decimal};

pub const DEFINITION: Definition = Definition {
    name: "span",
    meaning: "The lower or the upper end of a range in text, such as 5k-10k, between 10,000 and \
              20,000 EUR, up to 5000, 20k+. A single number is both ends; an open end is NULL. What \
              separates groups of digits has to be given: 1,500 is none of one number. A dash for \
              no cents is passed over (1.234,-); a single letter right behind a number that is no \
              unit is a problem: 5x.",
    arguments: &[
        Argument { name: "span", kind: "text", required: true, meaning: "min or max." },
        Argument { name: "decimal", kind: "text", required: false, meaning: "As for number." },
        Argument { name: "group", kind: "text", required: false, meaning: "As for number." },
        Argument {
            name: "units",
            kind: "object",
            required: false,
            meaning: "Words behind a number → factor. They go before the usual ones for thousands, \
                      millions and the like (k, Tsd., mil, M, Mio., million, Mrd., 万, …; with a \
                      currency, too: TEUR, k€). Other words are passed over.",
        },
        Argument {
            name: "up_to",
            kind: "list of texts",
            required: false,
            meaning: "Words that make a single number the upper end; where absent, usual ones of \
                      English, German, French, Spanish, Italian, Portuguese, Dutch and others, and \
                      < and ≤. The longest that is found counts: no more than, and not more than.",
        },
        Argument {
            name: "from",
            kind: "list of texts",
            required: false,
            meaning: "Words that make it the lower end; where absent, usual ones, and >, ≥ and +.",
        },
    ],
    reasons: &["invalid_number"],
    accepts: &[Kind::Text, Kind::Number],
    yields: "a number",
    examples: &[
        Example { rules: r#"[{"span": "min"}]"#, input: "5k-10k", output: Yield::Text("5000") },
        Example {
            rules: r#"[{"span": "max", "group": " "}]"#,
            input: "between 10 000 and 20 000 EUR",
            output: Yield::Text("20000"),
        },
        Example {
            rules: r#"[{"span": "max"}]"#,
            input: "10,000 - 20,000",
            output: Yield::Problem("invalid_number"),
        },
        Example { rules: r#"[{"span": "min"}]"#, input: "less than 5k", output: Yield::Null },
        Example { rules: r#"[{"span": "max"}]"#, input: "500 oder mehr", output: Yield::Null },
        Example {
            rules: r#"[{"span": "max", "decimal": ","}]"#,
            input: "1-2,5 Mio. €",
            output: Yield::Text("2500000"),
        },
        Example {
            rules: r#"[{"span": "max"}]"#,
            input: "to be seen",
            output: Yield::Problem("invalid_number"),
        },
    ],
    build,
};

#[derive(Debug)]
struct Span {
    lower: bool,
    notation: Notation,
    /// Whether the mapping says what points and commas are.
    notation_given: bool,
    /// The mapping's own, the longest first; they go before those that everybody knows.
    units: Vec<(String, String)>,
    open_ends: OpenEnds,
}

fn build(arguments: &Arguments<'_>, errors: &mut Vec<MappingError>) -> Option<Box<dyn Rule>> {
    let before = errors.len();
    arguments.options(&["decimal", "group", "units", "up_to", "from"], errors);
    let options = &arguments.spec.options;
    let lower = match arguments.spec.argument.as_ref().and_then(Value::as_str) {
        Some("min") => true,
        Some("max") => false,
        _ => {
            arguments.wrong("", "the end is \"min\" or \"max\"", errors);
            false
        }
    };
    let mut notation = Notation::read(options, arguments.path, errors);
    // As folded texts have them.
    notation.group = notation.group.map(|group| match group {
        '\u{2019}' => '\'',
        group if group.is_whitespace() => ' ',
        group => group,
    });
    let units = match options.get("units") {
        None => Vec::new(),
        Some(units) => number::units(units, arguments.path, errors),
    };
    let units = units.into_iter().map(|(unit, factor)| (fold(&unit), factor)).collect();
    let mut words = |option: &str| {
        let words = text_or_list(options.get(option)?);
        if words.is_none() {
            let path = format!("{}.{option}", arguments.path);
            errors.push(MappingError::new(path, "a list of words is needed"));
        }
        words
    };
    let open_ends = OpenEnds::of(words("up_to"), words("from"));
    let notation_given = options.contains_key("decimal") || options.contains_key("group");
    let rule = Span { lower, notation, notation_given, units, open_ends };
    (errors.len() == before).then(|| Box::new(rule) as Box<dyn Rule>)
}

/// A number in a text, with the factor of its unit where it has one.
struct Figure<'a> {
    number: String,
    factor: Option<&'a str>,
}

impl Span {
    /// The lower and the upper end. A text that may mean several things is none: a wrong amount does
    /// not show, a problem does.
    fn read(&self, text: &str) -> Option<(Option<String>, Option<String>)> {
        let (said, text) = self.open_ends.said(&fold(text));
        let (figures, gaps) = self.figures(&text)?;
        let value = |figure: &Figure<'_>, factor: Option<&str>| match factor {
            Some(factor) => decimal::multiply(&figure.number, factor),
            None => figure.number.clone(),
        };
        // Is it a sign, or an open end?
        if is_dash(gaps.first()?) {
            return None;
        }
        match figures.as_slice() {
            [one] => {
                let number = value(one, one.factor);
                if ends_in_dash(gaps.last()?) {
                    return None;
                }
                match (said.up_to, said.from) {
                    (true, false) => Some((None, Some(number))),
                    (false, true) => Some((Some(number), None)),
                    (false, false) => Some((Some(number.clone()), Some(number))),
                    (true, true) => None,
                }
            }
            [one, other] => {
                let high = value(other, other.factor);
                let is_low = |low: &String| decimal::compare(low, &high).is_le();
                // In "5-10k" the unit goes for both, in "500-1k" it cannot.
                let low =
                    Some(value(one, one.factor.or(other.factor))).filter(is_low).or_else(|| {
                        let thousands = one.factor.is_none() && other.factor == Some("1000");
                        Some(value(one, None)).filter(|low| thousands && is_low(low))
                    })?;
                Some((Some(low), Some(high)))
            }
            _ => None,
        }
    }

    /// The numbers of a folded text, and what stands before, between and behind them.
    fn figures<'a>(&'a self, text: &'a str) -> Option<(Vec<Figure<'a>>, Vec<&'a str>)> {
        let mut figures = Vec::new();
        let mut gaps = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let gap = &rest[..start];
            // Half a number, in another notation.
            if !figures.is_empty() && matches!(gap.trim(), "" | "." | "," | "'") {
                return None;
            }
            // A fraction alone, ".5M", but not "Rs.500".
            let point = gap.strip_suffix(['.', ',']);
            if point.is_some_and(|before| !before.ends_with(char::is_alphabetic)) {
                return None;
            }
            gaps.push(gap);
            rest = &rest[start..];
            let length = self.notation.length(rest);
            if !self.notation_given && is_group_or_fraction(&rest[..length]) {
                return None;
            }
            let number = self.notation.read_number(&rest[..length])?;
            rest = &rest[length..];
            let unit = self.unit(rest);
            // A letter that nobody knows may multiply the number, as in "5T".
            if unit.is_none() && word(rest).chars().count() == 1 && !is_unspaced(word(rest)) {
                return None;
            }
            let factor = unit.map(|(length, factor)| {
                rest = &rest[length..];
                factor
            });
            figures.push(Figure { number, factor });
        }
        gaps.push(rest);
        let astray = gaps.iter().enumerate().any(|(at, gap)| self.is_astray(gap, at == 0));
        (!astray).then_some((figures, gaps))
    }

    /// Whether a gap, perhaps that at the front, has a word that may multiply a number, too: "k€: 5-10",
    /// "1.5 million thousand".
    fn is_astray(&self, gap: &str, front: bool) -> bool {
        let (mut rest, mut before) = (gap, None);
        loop {
            let end = rest.find(|c: char| !c.is_alphabetic() && c != '\'');
            let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
            let after = behind.chars().next();
            // A letter is none in "€ p.M.", "€/m²", "M (51-250)".
            let beside = |c: Option<char>| matches!(c, Some('.' | '/' | '²' | '³'));
            let begins = front && before.is_none() && matches!(after, Some(':' | '(' | ' '));
            let letter = word.chars().count() == 1
                && !is_unspaced(word)
                && (beside(before) || beside(after) || begins);
            let own = || self.units.iter().any(|(unit, _)| unit == word);
            if !letter && factors::of(word).is_some() && !own() {
                return true;
            }
            let Some(next) = after else { return false };
            rest = &behind[next.len_utf8()..];
            before = after;
        }
    }

    /// How many bytes behind a number are its unit, and the factor of it.
    fn unit<'a>(&'a self, rest: &str) -> Option<(usize, &'a str)> {
        let spaces = rest.len() - rest.trim_start().len();
        let rest = &rest[spaces..];
        let given = self.units.iter().find(|(unit, _)| {
            // Scripts without spaces have no whole words: 万円以上.
            let ends = |rest: &str| is_unspaced(unit) || !rest.starts_with(char::is_alphabetic);
            rest.strip_prefix(unit.as_str()).is_some_and(ends)
        });
        if let Some((unit, factor)) = given {
            return Some((spaces + unit.len(), factor));
        }
        let word = word(rest);
        // Square metres are no millions.
        let usual = factors::of(word).filter(|_| !rest[word.len()..].starts_with(['²', '³']));
        let usual = usual.map(|factor| (word, factor)).or_else(|| factors::at_front(word));
        usual.map(|(word, factor)| (spaces + word.len(), factor))
    }
}

/// The letters at the front.
fn word(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len())]
}

/// Whether a number's point may as well separate groups: "1.500", but not "0.500".
fn is_group_or_fraction(number: &str) -> bool {
    let parts = number.split_once('.');
    parts
        .is_some_and(|(whole, rest)| rest.len() == 3 && whole.len() <= 3 && !whole.starts_with('0'))
}

const DASHES: [char; 8] = ['～', '-', '\u{2010}', '\u{2012}', '–', '—', '\u{2212}', '〜'];

fn is_dash(gap: &str) -> bool {
    !gap.trim().is_empty() && gap.trim().trim_matches(DASHES).is_empty()
}

/// "5k -", but not "5.000,-", which has no cents.
fn ends_in_dash(gap: &str) -> bool {
    let gap = gap.trim();
    let before = gap.trim_end_matches(DASHES).trim_end_matches('~');
    before.len() < gap.len() && !before.ends_with(['.', ','])
}

impl Rule for Span {
    fn output(&self) -> Kind {
        Kind::Number
    }

    fn apply<'a>(&'a self, cell: Cell<'a>, _: &Row<'a>) -> Result<Cell<'a>, Failure> {
        if matches!(cell, Cell::Number(_) | Cell::Integer(_)) {
            return Ok(cell);
        }
        let text = cell.text();
        let Some((low, high)) = self.read(&text) else {
            let message = format!("{} is not a range of numbers", quoted(&text));
            return Err(Failure::new("invalid_number", message));
        };
        let end = if self.lower { low } else { high };
        Ok(end.map_or(Cell::Null, |number| Cell::Number(Cow::Owned(number))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(options: &str) -> Span {
        let options: serde_json::Map<_, _> = serde_json::from_str(options).unwrap();
        let mut errors = Vec::new();
        let units = options.get("units").map(|units| number::units(units, "", &mut errors));
        let span = Span {
            lower: true,
            notation: Notation::read(&options, "", &mut errors),
            notation_given: !options.is_empty(),
            units: units.unwrap_or_default(),
            open_ends: OpenEnds::of(None, None),
        };
        assert_eq!(errors, []);
        span
    }

    const NONE: &str = "{}";
    const POINT: &str = r#"{"group": "."}"#;
    const COMMA: &str = r#"{"group": ","}"#;
    const SPACE: &str = r#"{"decimal": ",", "group": " "}"#;

    #[test]
    fn ranges() {
        let rules = [NONE, POINT, COMMA, SPACE].map(|options| (options, span(options)));
        for (text, options, low, high) in [
            ("5k-10k", NONE, "5000", "10000"),
            ("5-10k", NONE, "5000", "10000"),
            ("500-1k", NONE, "500", "1000"),
            ("5000 – 10k", NONE, "5000", "10000"),
            ("5 – 10 k€", NONE, "5000", "10000"),
            ("EUR 5.000 bis 10.000", POINT, "5000", "10000"),
            ("1,5k to 2,5k", SPACE, "1500", "2500"),
            ("1.5k", NONE, "1500", "1500"),
            ("0.500", NONE, "0.5", "0.5"),
            ("Plus de 20k", NONE, "20000", ""),
            ("Moins de 5k", NONE, "", "5000"),
            ("20k+", NONE, "20000", ""),
            ("> $1,000,000", COMMA, "1000000", ""),
            ("7500", NONE, "7500", "7500"),
            ("from 5k up to 10k", NONE, "5000", "10000"),
            ("between 10,000 and 20,000 EUR", COMMA, "10000", "20000"),
            ("5.000,- €", POINT, "5000", "5000"),
            ("5000.-", NONE, "5000", "5000"),
            ("100k or more", NONE, "100000", ""),
            ("500 oder mehr", NONE, "500", ""),
            ("500 et plus", NONE, "500", ""),
            ("500 o más", NONE, "500", ""),
            ("500 ou mais", NONE, "500", ""),
            ("500 o più", NONE, "500", ""),
            ("500 en meer", NONE, "500", ""),
            ("500 and up", NONE, "500", ""),
            ("mindestens 500", NONE, "500", ""),
            ("nicht weniger als 500", NONE, "500", ""),
            ("no less than 5k", NONE, "5000", ""),
            ("au moins 5k", NONE, "5000", ""),
            ("al menos 5 mil", NONE, "5000", ""),
            ("a partir de 5 mil", NONE, "5000", ""),
            ("5k or less", NONE, "", "5000"),
            ("10 or fewer", NONE, "", "10"),
            ("5k oder weniger", NONE, "", "5000"),
            ("5k ou moins", NONE, "", "5000"),
            ("5 mil ou menos", NONE, "", "5000"),
            ("no more than 5k", NONE, "", "5000"),
            ("nicht mehr als 5k", NONE, "", "5000"),
            ("pas plus de 5k", NONE, "", "5000"),
            ("höchstens 5k", NONE, "", "5000"),
            ("au plus 5k", NONE, "", "5000"),
            ("bis 5k", NONE, "", "5000"),
            ("1 t/m 50 medewerkers", NONE, "1", "50"),
            ("50 employees", NONE, "50", "50"),
            ("11-50 Mitarbeiter", NONE, "11", "50"),
            ("5k per year", NONE, "5000", "5000"),
            ("20 à 50 salariés", NONE, "20", "50"),
            ("de 10 a 20 empleados", NONE, "10", "20"),
            ("10EUR", NONE, "10", "10"),
            ("1-2 Mio. €", NONE, "1000000", "2000000"),
            ("5 million", NONE, "5000000", "5000000"),
            ("10 Tsd.", NONE, "10000", "10000"),
            ("TEUR 5", NONE, "?", "?"),
            ("5 TEUR", NONE, "5000", "5000"),
            ("1,5 Mrd. €", SPACE, "1500000000", "1500000000"),
            ("₹5 lakh - 1 crore", NONE, "500000", "10000000"),
            ("500万円以上", NONE, "5000000", ""),
            ("don't know, 5k", NONE, "5000", "5000"),
            ("50 m²", NONE, "50", "50"),
            ("10k-5k", NONE, "?", "?"),
            ("1-2-3", NONE, "?", "?"),
            ("à voir", NONE, "?", "?"),
            ("", NONE, "?", "?"),
            ("1,500", NONE, "?", "?"),
            ("1 500", NONE, "?", "?"),
            ("1\u{a0}500", NONE, "?", "?"),
            ("1'500", NONE, "?", "?"),
            ("1.500", NONE, "?", "?"),
            ("10.000 - 20.000", NONE, "?", "?"),
            ("1,5k", NONE, "?", "?"),
            ("between 10,000 and 20,000 EUR", NONE, "?", "?"),
            ("5T", NONE, "5000", "5000"),
            ("5x", NONE, "?", "?"),
            ("mil a 5 mil", NONE, "?", "?"),
            ("5-10 (k€)", NONE, "?", "?"),
            ("k€: 5-10", NONE, "?", "?"),
            ("5-10 in K", NONE, "?", "?"),
            ("1.000 - 2.000 € p.M.", POINT, "1000", "2000"),
            ("500 € p.m.", NONE, "500", "500"),
            ("10-20 €/m²", NONE, "10", "20"),
            ("M (51-250)", NONE, "51", "250"),
            ("B: 1-10 employees", NONE, "1", "10"),
            ("T: 10-50", NONE, "10", "50"),
            ("más o menos 5000", NONE, "5000", "5000"),
            ("mais ou menos 5 mil", NONE, "5000", "5000"),
            ("more or less 5k", NONE, "5000", "5000"),
            ("Budget des travaux : 5000 €", NONE, "5000", "5000"),
            ("dès 5000 €", NONE, "5000", ""),
            ("-5k", NONE, "?", "?"),
            ("5k -", NONE, "?", "?"),
            ("100人～", NONE, "?", "?"),
            ("5k ~", NONE, "?", "?"),
            ("~5k", NONE, "5000", "5000"),
            ("$.5M", NONE, "?", "?"),
            ("Rs.500", NONE, "500", "500"),
            ("5k <", NONE, "?", "?"),
            ("max. 5k, ab sofort", NONE, "?", "?"),
        ] {
            let (_, rule) = rules.iter().find(|(known, _)| *known == options).unwrap();
            let end = |text: &str| (!text.is_empty()).then(|| text.to_string());
            let expected = (low != "?").then(|| (end(low), end(high)));
            assert_eq!(rule.read(text), expected, "{text}");
        }
    }

    #[test]
    fn units_of_its_own_go_first() {
        let rule = span(r#"{"units": {"k€": 1000, "t": 1, "m²": 1, "Sack": 50}}"#);
        for (text, number) in [
            ("5 k€", "5000"),
            ("5 k", "5000"),
            ("5 t", "5"),
            ("5 m²", "5"),
            ("3 Sack", "150"),
            ("1 Mio.", "1000000"),
        ] {
            assert_eq!(rule.read(text), Some((Some(number.into()), Some(number.into()))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text(text in any::<String>(), figures in "[0-9 .,k€<>+-]{0,12}") {
            let rule = span(POINT);
            let _ = rule.read(&text);
            if let Some((Some(low), Some(high))) = rule.read(&figures) {
                prop_assert!(decimal::compare(&low, &high).is_le());
            }
        }
    }
}
