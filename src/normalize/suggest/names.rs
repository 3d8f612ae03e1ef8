//! How much a column's name says of a field.

use std::collections::BTreeSet;

use super::words::WORDS;

/// What a column's name is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Name {
    /// What is left without namespace and Salesforce's suffixes, as one word.
    pub compact: String,
    /// Words in the dictionary's terms, what it does not know as it stands.
    pub words: BTreeSet<String>,
    /// A number at the end, as in `interest_2__c`.
    pub number: Option<u32>,
    /// Whether it is a field that the org made itself.
    pub custom: bool,
}

/// What a word as it is written means.
fn variant(written: &str) -> Option<&'static str> {
    WORDS.variants.get(written).map(String::as_str)
}

/// Whether a word says little.
pub fn is_filler(word: &str) -> bool {
    WORDS.fillers.iter().any(|filler| filler == word)
        || WORDS.currencies.0.iter().any(|(_, written)| written.iter().any(|known| known == word))
}

impl Name {
    pub fn of(column: &str) -> Name {
        let column = fold(column);
        let base = ["__c", "__pc", "__s"].iter().find_map(|suffix| column.strip_suffix(suffix));
        let custom = base.is_some();
        let mut parts: Vec<&str> = base.unwrap_or(&column).split("__").collect();
        // namespace__field__c; but relation__r__field__c, and namespace__relation__r__field__c.
        if custom && parts.len() > 1 && parts.get(1) != Some(&"r") {
            parts.remove(0);
        }
        parts.retain(|part| *part != "r" && !part.is_empty());
        let rest = parts.join("_");
        let mut words = BTreeSet::new();
        let mut number = None;
        let mut compact = String::new();
        for token in rest.split('_').filter(|token| !token.is_empty()) {
            let letters = token.trim_end_matches(|c: char| c.is_ascii_digit());
            if letters.len() < token.len() {
                number = token[letters.len()..].parse().ok();
            }
            compact.push_str(letters);
        }
        match variant(&compact) {
            Some(meaning) => words.extend(meaning.split(' ').map(str::to_string)),
            None => {
                for token in rest.split('_') {
                    let letters = token.trim_end_matches(|c: char| c.is_ascii_digit());
                    for word in segments(letters) {
                        let meaning = variant(&word).unwrap_or(&word);
                        words.extend(meaning.split(' ').map(str::to_string));
                    }
                }
            }
        }
        Name { compact, words, number, custom }
    }
}

/// Lower case without accents, as API names are written.
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.to_lowercase().chars() {
        match c {
            'ä' | 'æ' => out.push_str("ae"),
            'ö' | 'ø' => out.push_str("oe"),
            'ü' => out.push_str("ue"),
            'ß' => out.push_str("ss"),
            'á' | 'à' | 'â' | 'ã' | 'å' => out.push('a'),
            'é' | 'è' | 'ê' | 'ë' => out.push('e'),
            'í' | 'ì' | 'î' | 'ï' => out.push('i'),
            'ó' | 'ò' | 'ô' | 'õ' => out.push('o'),
            'ú' | 'ù' | 'û' => out.push('u'),
            'ç' => out.push('c'),
            'ñ' => out.push('n'),
            c => out.push(c),
        }
    }
    out
}

/// Splits what Heroku Connect wrote together (`fechanacimiento`) into known words, with as little
/// left over as can be; long known words win.
fn segments(token: &str) -> Vec<String> {
    if token.is_empty() {
        return Vec::new();
    }
    if variant(token).is_some() || is_filler(token) {
        return vec![token.to_string()];
    }
    let letters: Vec<char> = token.chars().collect();
    // (letters left over, words, where the last word begins and whether it is known)
    let mut best: Vec<(usize, usize, usize, bool)> = vec![(0, 0, 0, true)];
    for end in 1..=letters.len() {
        let mut here = (usize::MAX, 0, 0, false);
        for start in 0..end {
            let word: String = letters[start..end].iter().collect();
            let known = end - start >= 3 && (variant(&word).is_some() || is_filler(&word))
                || end - start == 2
                    && ["de", "di", "in", "an", "id", "nr", "no"].contains(&word.as_str());
            let left = if known { 0 } else { end - start };
            let (before, words, ..) = best[start];
            let candidate = (before + left, words + 1, start, known);
            if (candidate.0, candidate.1) < (here.0, here.1) || here.0 == usize::MAX {
                here = candidate;
            }
        }
        best.push(here);
    }
    let mut words = Vec::new();
    let mut end = letters.len();
    let (left, ..) = best[end];
    // Mostly letters that mean nothing: no compound of known words, unless the last one is, which says
    // what the whole is.
    let (.., last, known) = best[end];
    if left * 2 > letters.len() && !(known && end - last >= 5) {
        return vec![token.to_string()];
    }
    while end > 0 {
        let (_, _, start, _) = best[end];
        words.push(letters[start..end].iter().collect());
        end = start;
    }
    words.reverse();
    words
}

fn weight(word: &str) -> f64 {
    // A letter between the parts of a compound.
    if is_filler(word) || word.chars().nth(1).is_none() {
        0.1
    } else if WORDS.weak.iter().any(|weak| weak == word) {
        0.5
    } else {
        1.0
    }
}

/// How well the name fits a field, 0 to 1, by the words that the field goes by.
pub fn fit(name: &Name, field: &str) -> f64 {
    if !name.custom
        && let Some(standard) = WORDS.standard.get(&name.compact)
    {
        return if standard == field { 1.0 } else { 0.2 * words_fit(name, field) };
    }
    words_fit(name, field)
}

fn words_fit(name: &Name, field: &str) -> f64 {
    let own = Name::of(field);
    let mut best = phrase_fit(name, &own.words);
    if let Some(phrases) = WORDS.fields.get(field) {
        // What a field is called tells less than what it goes by, where that is known.
        best = 0.0;
        for (phrase, sure) in &phrases.0 {
            let words = phrase.split(' ').map(str::to_string).collect();
            best = f64::max(best, sure * phrase_fit(name, &words));
        }
    }
    let spelt = strsim::jaro_winkler(&name.compact, &own.compact);
    if spelt > 0.93 { best.max(0.85 * spelt) } else { best }
}

/// The words that both have, against all of both.
fn phrase_fit(name: &Name, phrase: &BTreeSet<String>) -> f64 {
    let sum =
        |words: &mut dyn Iterator<Item = &String>| words.map(|word| weight(word)).sum::<f64>();
    let common = sum(&mut name.words.intersection(phrase));
    let all = sum(&mut name.words.iter()) + sum(&mut phrase.iter());
    if all == 0.0 { 0.0 } else { 2.0 * common / all }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(column: &str) -> (&'static str, f64) {
        let name = Name::of(column);
        WORDS
            .fields
            .0
            .iter()
            .map(|(field, _)| (field.as_str(), fit(&name, field)))
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap()
    }

    #[test]
    fn names_in_several_languages() {
        let wrong: Vec<String> = [
            ("vorname__c", "first_name"),
            ("nachname__c", "last_name"),
            ("acme__vorname__c", "first_name"),
            ("apellidos__c", "last_name"),
            ("cognome__c", "last_name"),
            ("achternaam__c", "last_name"),
            ("firma__c", "company"),
            ("ragione_sociale__c", "company"),
            ("bedrijfsnaam__c", "company"),
            ("strasse__c", "street"),
            ("straße__c", "street"),
            ("plz__c", "postal_code"),
            ("codigo_postal__c", "postal_code"),
            ("codigopostal__c", "postal_code"),
            ("citta__c", "city"),
            ("woonplaats__c", "city"),
            ("bundesland__c", "state"),
            ("pais__c", "country"),
            ("telefono_movil__c", "mobile_phone"),
            ("handynummer__c", "mobile_phone"),
            ("telefonnummer__c", "phone"),
            ("correo_electronico__c", "email"),
            ("emailadres__c", "email"),
            ("geburtsdatum__c", "birth_date"),
            ("fecha_nacimiento__c", "birth_date"),
            ("fechanacimiento__c", "birth_date"),
            ("data_di_nascita__c", "birth_date"),
            ("geboortedatum__c", "birth_date"),
            ("date_of_birth__c", "birth_date"),
            ("jahresumsatz__c", "annual_revenue"),
            ("fatturato_annuo__c", "annual_revenue"),
            ("jaaromzet__c", "annual_revenue"),
            ("facturacion_anual__c", "annual_revenue"),
            ("chiffre_affaires__c", "annual_revenue"),
            ("mitarbeiterzahl__c", "employees"),
            ("numero_empleados__c", "employees"),
            ("aantal_medewerkers__c", "employees"),
            ("umfrage_id__c", "survey_id"),
            ("encuesta__c", "survey_id"),
            ("teilnehmer_nr__c", "respondent_id"),
            ("dsgvo_einwilligung__c", "consent"),
            ("consenso_privacy__c", "consent"),
            ("einwilligung_am__c", "consent_at"),
            ("fecha_consentimiento__c", "consent_at"),
            ("punteggio__c", "score"),
            ("waehrung__c", "budget_currency"),
            ("rueckruf_am__c", "callback_at"),
            ("leadquelle__c", "source"),
            ("origen__c", "source"),
            ("branche__c", "industry"),
            ("sitio_web__c", "website"),
            ("webseite__c", "website"),
            ("respondent__r__guid__c", "respondent_id"),
            ("fm__survey__c", "survey_id"),
            ("antworten__c", "answers"),
            ("personemail", "email"),
            ("personmobilephone", "mobile_phone"),
            ("presupuesto_min__c", "budget_min"),
            ("budget_bis__c", "budget_max"),
            ("job_title__c", "title"),
            ("work_email__c", "email"),
            ("leadsource", "source"),
            ("systemmodstamp", "modified_at"),
            ("bearbeitungsstatus__c", "status"),
            ("einwilligungsdatum__c", "consent_at"),
            ("befragungs_id__c", "survey_id"),
            ("geboren_am__c", "birth_date"),
            ("umsatz_eur__c", "annual_revenue"),
            ("anzahl_mitarbeiter__c", "employees"),
            ("datenschutz_akzeptiert__c", "consent"),
            ("numero_dipendenti__c", "employees"),
            ("tel_movil__c", "mobile_phone"),
            ("aantal_werknemers__c", "employees"),
            ("data_richiamo__c", "callback_at"),
            ("terugbeldatum__c", "callback_at"),
            ("budget_massimo__c", "budget_max"),
            ("presupuesto_desde__c", "budget_min"),
        ]
        .iter()
        .filter(|(column, field)| best(column).0 != *field || best(column).1 < 0.5)
        .map(|(column, field)| {
            format!("{column}: {:?} {:?}, not {field}", best(column), Name::of(column).words)
        })
        .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn other_names_say_nothing() {
        for column in [
            "description",
            "ownerid",
            "territory__c",
            "hasoptedoutofemail",
            "isconverted",
            "age_band__c",
            "fax",
        ] {
            assert!(best(column).1 < 0.5, "{column}: {:?}", best(column));
        }
    }

    #[test]
    fn numbers_at_the_end() {
        assert_eq!(Name::of("interest_2__c").number, Some(2));
        assert_eq!(Name::of("q12__c").number, Some(12));
        assert_eq!(Name::of("q12__c").compact, "q");
        assert_eq!(Name::of("email").number, None);
    }
}
