//! The known value that is most like one that is not known. Pure.

use crate::normalize::rules::normal_key;

/// How alike two values have to be, from 0 to 1.
const ALIKE: f64 = 0.75;
/// How alike a value is to one that is the same with words added.
const WITHIN: f64 = 0.8;

/// Known values that are most like another one, each with its meaning.
#[derive(Debug, PartialEq, Eq)]
pub enum Alike {
    No,
    One(String, String),
    /// With different meanings, or more or less than the value says: which one is meant is for people to say.
    Perhaps(Vec<(String, String)>),
}

/// The known values, or meanings, that are most like a value. Among names, words that are added make another
/// name: Northern Ireland is not Ireland.
pub fn nearest(value: &str, known: &[(String, String)], are_names: bool) -> Alike {
    let wanted = normal_key(value);
    let candidates = known.iter().flat_map(|(key, meaning)| [(key, meaning), (meaning, meaning)]);
    let candidates: Vec<_> = candidates
        .map(|(key, meaning)| (likeness(&wanted, &normal_key(key)), key, meaning))
        .filter(|((likeness, _), ..)| *likeness >= ALIKE)
        .collect();
    let most = candidates.iter().map(|((likeness, _), ..)| *likeness).fold(0.0, f64::max);
    let mut best: Vec<(String, String)> = Vec::new();
    let mut longer = false;
    for ((likeness, adds), key, meaning) in candidates {
        if likeness == most {
            longer |= adds;
            if best.iter().all(|(_, known)| known != meaning) {
                best.push((key.clone(), meaning.clone()));
            }
        }
    }
    match best.len() {
        0 => Alike::No,
        1 if !(longer && are_names) => {
            best.pop().map_or(Alike::No, |(key, meaning)| Alike::One(key, meaning))
        }
        _ => Alike::Perhaps(best),
    }
}

/// Misspellings are alike, and so is a value that is another one with words added; whether it is the first
/// that has more.
fn likeness(value: &str, known: &str) -> (f64, bool) {
    let whole = strsim::normalized_damerau_levenshtein(value, known);
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_string).collect()
    };
    let (value, known) = (words(value), words(known));
    let adds = value.len() > known.len();
    let (short, long) = if adds { (known, value) } else { (value, known) };
    let letters: usize = short.iter().map(|word| word.chars().count()).sum();
    let within = letters >= 4 && short.iter().all(|word| long.contains(word));
    match within && whole <= WITHIN {
        true => (WITHIN, adds),
        false => (whole, within && adds),
    }
}
