//! The known value that is most like one that is not known. Pure.

use crate::normalize::rules::normal_key;

/// How alike two values have to be, from 0 to 1.
const ALIKE: f64 = 0.75;

/// The known value, or the meaning, that is most like a value, with its meaning.
pub fn nearest(value: &str, known: &[(String, String)]) -> Option<(String, String)> {
    let wanted = normal_key(value);
    let candidates = known.iter().flat_map(|(key, meaning)| [(key, meaning), (meaning, meaning)]);
    candidates
        .map(|(key, meaning)| (likeness(&wanted, &normal_key(key)), key, meaning))
        .filter(|(likeness, ..)| *likeness >= ALIKE)
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, key, meaning)| (key.clone(), meaning.clone()))
}

/// Misspellings are alike, and so is a value that is another one with words added.
fn likeness(a: &str, b: &str) -> f64 {
    let whole = strsim::normalized_damerau_levenshtein(a, b);
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_string).collect()
    };
    let (a, b) = (words(a), words(b));
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let letters: usize = short.iter().map(|word| word.chars().count()).sum();
    let within = letters >= 4 && short.iter().all(|word| long.contains(word));
    if within { whole.max(0.8) } else { whole }
}
