//! What words and letters beside a number multiply it by: thousands, millions and the like, in the
//! languages that amounts are written in.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::open_ends::is_unspaced;

/// Factor → its words in lower case, without accents.
const WORDS: &[(&str, &str)] = &[
    ("100", "hundred hundert"),
    (
        "1000",
        "k t thousand thousands tsd tausend mille milliers mil miles milhares mila migliaia duizend \
         tusen tusind tkr kkr tys tis тыс тысяч 千 천",
    ),
    ("10000", "万 萬 만"),
    ("100000", "lakh lakhs lac lacs"),
    (
        "1000000",
        "m mm mn mln mio mill million millions millionen millon millones milione milioni milhao \
         milhoes miljoen miljoenen miljon miljoner millioner mkr milion miliony milionow млн 百万",
    ),
    ("10000000", "crore crores cr"),
    ("100000000", "億 亿 억"),
    (
        "1000000000",
        "b bn billion billions mrd mld md mds milliard milliards milliarde milliarden miliardo \
         miliardi miljard miljarden bilhao bilhoes млрд",
    ),
    ("1000000000000", "billionen billon billones biljoen trillion trillions"),
];

/// Currencies whose signs and codes are written together with a factor: k€, TEUR.
const CURRENCIES: &str =
    "€ $ £ ¥ eur usd gbp chf sek nok dkk pln czk huf jpy inr brl mxn cad aud nzd zar";

/// The factor of a word in lower case and without accents, where it has one.
pub fn of(word: &str) -> Option<&'static str> {
    if word.is_empty() {
        return None;
    }
    known(word).or_else(|| {
        let alone = |sign| word.strip_suffix(sign).or_else(|| word.strip_prefix(sign));
        known(CURRENCIES.split(' ').find_map(alone)?)
    })
}

fn known(word: &str) -> Option<&'static str> {
    static FACTORS: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| all().collect());
    FACTORS.get(word).copied()
}

/// Every word with its factor.
fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    WORDS.iter().flat_map(|(factor, words)| words.split(' ').map(|word| (word, *factor)))
}

/// The word that a text begins with, in a script without spaces, and its factor.
pub fn at_front(text: &str) -> Option<(&'static str, &'static str)> {
    if !text.chars().next().is_some_and(|c| is_unspaced(c.encode_utf8(&mut [0; 4]))) {
        return None;
    }
    let unspaced = |(word, _): &(&str, &str)| is_unspaced(word) && text.starts_with(*word);
    all().filter(unspaced).max_by_key(|(word, _)| word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_beside_currencies() {
        for (word, factor) in [
            ("tsd", Some("1000")),
            ("teur", Some("1000")),
            ("k€", Some("1000")),
            ("$m", Some("1000000")),
            ("mrd", Some("1000000000")),
            ("eur", None),
            ("€", None),
            ("", None),
            ("employees", None),
        ] {
            assert_eq!(of(word), factor, "{word}");
        }
        assert_eq!(at_front("万円"), Some(("万", "10000")));
        assert_eq!(at_front("円"), None);
    }

    #[test]
    fn no_word_has_two_factors() {
        let words: Vec<_> = all().map(|(word, _)| word).collect();
        for (index, word) in words.iter().enumerate() {
            assert!(!words[..index].contains(word), "{word}");
        }
    }
}
