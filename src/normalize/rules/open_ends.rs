//! Words that leave one end of a range open, in the languages that picklists are written in.

use unicode_normalization::UnicodeNormalization;

use super::squeeze::squeeze;

/// They make a single number the upper end.
const UP_TO: &[&str] = &[
    "<, ≤, ≦, ＜",
    // English
    "up to, under, below, less, fewer, lower than, or lower, and lower, smaller than, max, maximum, \
     at most, at the most, until, limit, limited to, no more, not more, no greater, no higher, \
     not over, not above, not exceeding, not to exceed",
    // German
    "bis, unter, unterhalb, darunter, weniger, kleiner als, geringer als, höchstens, hoechstens, maximal, \
     nicht mehr, nicht über, nicht ueber",
    // French
    "moins, jusqu'à, jusqu'au, au plus, inférieur à, inférieure à, en dessous, pas plus",
    // Spanish
    "hasta, menos, a lo sumo, máximo, inferior a, menor de, menor que, por debajo, no más",
    // Italian
    "fino a, meno, massimo, sotto, inferiore a, minore di, non oltre, non più",
    // Portuguese
    "até, abaixo de, não mais",
    // Dutch
    "tot, t/m, minder, maximaal, hooguit, hoogstens, ten hoogste, onder, lager dan, niet meer",
    // Swedish, Danish and Norwegian
    "upp till, op til, opp til, mindre, färre, færre, högst, højst, høyst",
    // Japanese, Chinese and Korean
    "以下, 未満, 未满, まで, 以内, 不超过, 少于, 低于, 最多, 이하, 미만",
];

/// They make it the lower end.
const FROM: &[&str] = &[
    ">, ≥, ≧, ＞, +, ∞",
    // English
    "over, above, more, greater, larger than, bigger than, higher, and up, or up, upwards, plus, from, \
     min, minimum, at least, at the least, starting at, beyond, exceeding, in excess of, no less, not less, \
     no fewer, not under, not below, unlimited, no limit, no upper limit, open end, open ended, open-ended",
    // German
    "ab, über, ueber, oberhalb, darüber, mehr, größer als, groesser als, höher als, hoeher als, \
     oder höher, oder hoeher, und höher, und hoeher, aufwärts, \
     mindestens, mind., wenigstens, minimal, nicht weniger, nicht unter, unbegrenzt",
    // French
    "à partir de, à partir d', dès, dès la, dès le, au moins, supérieur à, supérieure à, au-dessus, \
     au dessus, au-delà, au delà, pas moins, illimité",
    // Spanish
    "desde, más de, más que, o más, y más, a partir de, al menos, por lo menos, mínimo, superior a, \
     mayor de, mayor que, por encima, en adelante, no menos, sin límite",
    // Italian
    "oltre, più, almeno, a partire da, sopra, da, superiore a, maggiore di, non meno",
    // Portuguese
    "mais de, mais que, mais do que, ou mais, e mais, acima de, pelo menos, não menos",
    // Dutch
    "vanaf, meer, hoger, boven, minstens, ten minste, tenminste, minimaal, niet minder",
    // Swedish, Danish and Norwegian
    "mer än, mer enn, mere end, eller mer, eller mere, eller fler, eller flere, och uppåt, derover, minst, \
     mindst, över",
    // Japanese, Chinese and Korean
    "以上, 超, から, 超过, 多于, 高于, 至少, 不少于, 이상, 초과",
];

/// They look like such and are none.
const NEITHER: &[&str] = &[
    "+/-, +-, ±",
    "more or less, mehr oder weniger, plus ou moins, más o menos, più o meno, mais ou menos, \
     meer of minder, min of meer, mer eller mindre, mere eller mindre",
];

/// What comes on top of an amount: "5000 plus VAT", "5000 + VAT".
const ADDED: &str = "vat, gst, tax, taxes, mwst, mehrwertsteuer, ust, umsatzsteuer, tva, iva, btw, moms, \
                     expenses, costs, fees, spesen, nebenkosten, frais, gastos, spese";

/// Stands for words that have been found.
const FOUND: &str = "\u{1}";

/// The words of a rule, folded, the longest first: "no more than" is not "more than".
#[derive(Debug)]
pub struct OpenEnds(Vec<(String, Open)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Below,
    Above,
    Neither,
}

/// What a text says of the ends.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub up_to: bool,
    pub from: bool,
}

impl OpenEnds {
    /// Of the words that a mapping gives, the usual ones where it gives none.
    pub fn of(up_to: Option<Vec<String>>, from: Option<Vec<String>>) -> OpenEnds {
        let mut words = Vec::new();
        let all = [
            (up_to.unwrap_or_else(|| usual(UP_TO)), Open::Below),
            (from.unwrap_or_else(|| usual(FROM)), Open::Above),
            (usual(NEITHER), Open::Neither),
            (added(), Open::Neither),
        ];
        for (list, open) in all {
            let folded = list.iter().map(|word| (fold(word), open));
            words.extend(folded.filter(|(word, _)| !word.is_empty()));
        }
        words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        OpenEnds(words)
    }

    /// What a folded text says of the ends, and the text with a mark in the place of each such word.
    pub fn said(&self, text: &str) -> (Said, String) {
        let (mut said, mut text) = (Said::default(), text.to_string());
        // Most words have a letter that the text has not: these need no search.
        let mut there = [false; 256];
        text.bytes().for_each(|byte| there[usize::from(byte)] = true);
        let possible = |word: &str| word.bytes().all(|byte| there[usize::from(byte)]);
        for (word, open) in self.0.iter().filter(|(word, _)| possible(word)) {
            // Behind a number, these may mean either: "5k <".
            let sign = word.starts_with(['<', '>', '≤', '≥', '≦', '≧', '＜', '＞']);
            let number = sign.then(|| text.find(|c: char| c.is_ascii_digit())).flatten();
            let (mut marked, mut rest) = (String::new(), 0);
            for at in find(word, &text) {
                let unclear = number.is_some_and(|number| number < at);
                said.up_to |= *open == Open::Below || unclear;
                said.from |= *open == Open::Above || unclear;
                marked.push_str(&text[rest..at]);
                marked.push_str(FOUND);
                rest = at + word.len();
            }
            if rest > 0 {
                marked.push_str(&text[rest..]);
                text = marked;
            }
        }
        (said, text)
    }
}

fn usual(lists: &[&str]) -> Vec<String> {
    lists.iter().flat_map(|list| list.split(", ")).map(str::to_string).collect()
}

fn added() -> Vec<String> {
    let words = ADDED.split(", ");
    words.flat_map(|word| ["plus ", "+ ", "+"].map(|plus| format!("{plus}{word}"))).collect()
}

/// Where all a text says a word: as a whole one, if it is one of letters.
fn find<'t>(word: &'t str, text: &'t str) -> impl Iterator<Item = usize> + 't {
    let letters = word.starts_with(char::is_alphabetic) && !is_unspaced(word);
    let alone = move |c: Option<char>| !letters || c.is_none_or(|c| !c.is_alphabetic());
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        // "Dès 500" is an end, "budget des travaux" is none.
        let ends = word != "des" || begins_with_number(&text[at + word.len()..]);
        alone(before) && (word.ends_with(['\'', '.']) || alone(after)) && ends
    })
}

fn begins_with_number(rest: &str) -> bool {
    rest.trim_start_matches([' ', '€', '$', '£']).starts_with(|c: char| c.is_ascii_digit())
}

/// Whether a word is of a script that puts no spaces between words, such as Chinese and Japanese, or
/// puts words behind others without one, as Korean.
pub fn is_unspaced(word: &str) -> bool {
    word.chars().all(|c| matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}'))
}

/// A text as words are found in it: in lower case, without accents, with plain apostrophes, and with
/// single spaces of one kind.
pub fn fold(text: &str) -> String {
    let plain: String =
        text.to_lowercase().nfd().filter(|c| !matches!(c, '\u{300}'..='\u{36f}')).nfc().collect();
    squeeze(plain.replace('’', "'").replace('ß', "ss").into()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_word_counts() {
        let usual = OpenEnds::of(None, None);
        for (text, up_to, from) in [
            ("no more than 5k", true, false),
            ("Nicht  mehr als 5k", true, false),
            ("pas plus de 5k", true, false),
            ("no less than 5k", false, true),
            ("5 000 ou plus", false, true),
            ("5 000 au plus", true, false),
            ("500 O MAS", false, true),
            ("jusqu’à 5k", true, false),
            ("mind. 5k", false, true),
            ("never mind 5k", false, false),
            ("1 t/m 50", true, false),
            ("budget/month 50", false, false),
            ("5k plus VAT", false, false),
            ("5k + MwSt.", false, false),
            ("5000 plus expenses", false, false),
            ("5000 plus", false, true),
            ("mehr oder weniger 5k", false, false),
            ("plus ou moins 5k", false, false),
            ("5k min of meer", false, false),
            ("meer of minder 5k", false, false),
            ("mer eller mindre 5k", false, false),
            ("più o meno 5k", false, false),
            ("Budget des travaux : 5000 €", false, false),
            ("Dès 5000 €", false, true),
            ("dès la 2e année", false, true),
            ("hoher Betrag 5000", false, false),
            ("5000 oder höher", false, true),
            ("höher als 5000", false, true),
            ("within 3 months", false, false),
            ("entro 3 mesi", false, false),
            ("+/- 5k", false, false),
            ("> 5k", false, true),
            ("5k >", true, true),
            ("100名以上", false, true),
            ("100명 이상", false, true),
            ("about 5k", false, false),
        ] {
            assert_eq!(usual.said(&fold(text)).0, Said { up_to, from }, "{text}");
        }
    }

    #[test]
    fn a_word_many_times() {
        let (said, rest) = OpenEnds::of(None, None).said(&"<".repeat(1_000_000));
        assert_eq!(said, Said { up_to: true, from: false });
        assert_eq!(rest.len(), 1_000_000);
    }

    #[test]
    fn no_word_opens_both_ends() {
        for word in usual(UP_TO) {
            assert!(!usual(FROM).iter().any(|other| fold(other) == fold(&word)), "{word}");
        }
    }
}
