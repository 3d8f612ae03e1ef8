//! Names of months in the languages of Western Europe.

use unicode_normalization::UnicodeNormalization;

/// English, German, French, Spanish, Italian, Portuguese and Dutch, without accents. No two months
/// share a name, nor an abbreviation that is listed.
const NAMES: [&[&str]; 12] = [
    &["january", "januar", "janner", "janvier", "enero", "gennaio", "janeiro", "januari"],
    &["february", "februar", "feber", "fevrier", "febrero", "febbraio", "fevereiro", "februari"],
    &["march", "marz", "maerz", "mars", "marzo", "marco", "maart", "mrt", "mrz"],
    &["april", "avril", "abril", "aprile"],
    &["may", "mai", "mayo", "maggio", "maio", "mei"],
    &["june", "juni", "juin", "junio", "giugno", "junho"],
    &["july", "juli", "juillet", "julio", "luglio", "julho"],
    &["august", "aout", "agosto", "augustus"],
    &["september", "septembre", "septiembre", "settembre", "setembro", "setiembre"],
    &["october", "oktober", "octobre", "octubre", "ottobre", "outubro"],
    &["november", "novembre", "noviembre", "novembro"],
    &["december", "dezember", "decembre", "diciembre", "dicembre", "dezembro"],
];

const ENGLISH: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A text with the first word that names a month, in full or by three letters or more (and perhaps a
/// point), replaced by the English name. `None` where no word does, or one could be several.
pub fn in_english(text: &str) -> Option<String> {
    let mut rest = text;
    let mut before = 0;
    loop {
        let start = rest.find(char::is_alphabetic)?;
        let word = &rest[start..];
        let length = word.find(|c: char| !c.is_alphabetic()).unwrap_or(word.len());
        if let Some(month) = month(&word[..length]) {
            let after = &word[length..];
            // A point that ends an abbreviation; one between digits separates.
            let point = after.starts_with(". ") && length < 9;
            let after = if point { &after[1..] } else { after };
            return Some(format!("{}{}{after}", &text[..before + start], ENGLISH[month]));
        }
        before += start + length;
        rest = &word[length..];
    }
}

/// A format for what [`in_english`] makes; `None` for one without the name of a month.
pub fn in_full(format: &str) -> Option<String> {
    (format.contains("%b") || format.contains("%B")).then(|| format.replace("%b", "%B"))
}

fn month(word: &str) -> Option<usize> {
    let plain: String =
        word.nfd().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase();
    if plain.len() < 3 {
        return None;
    }
    let mut found = (0..12).filter(|&at| NAMES[at].iter().any(|name| name.starts_with(&plain)));
    found.next().filter(|_| found.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_abbreviations() {
        for (text, english) in [
            ("3 févr. 2001", "3 February 2001"),
            ("12. März 1980", "12. March 1980"),
            ("1 de agosto de 1999", "1 de August de 1999"),
            ("31-DEZ-1980", "31-December-1980"),
            ("15 Sept 1980", "15 September 1980"),
            ("Mai 3", "May 3"),
            ("4 août 1990", "4 August 1990"),
        ] {
            assert_eq!(in_english(text).as_deref(), Some(english), "{text}");
        }
        assert_eq!(in_english("1 jui 1990"), None);
        assert_eq!(in_english("12/12/2020"), None);
    }

    #[test]
    fn every_name_is_of_one_month() {
        for (at, names) in NAMES.iter().enumerate() {
            for name in *names {
                assert_eq!(month(name), Some(at), "{name}");
            }
        }
    }
}
