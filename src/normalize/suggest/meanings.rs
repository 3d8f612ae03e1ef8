//! What the values of a picklist mean: a table of those that a field knows.

use serde_json::{Map, Value as Json, json};

use super::chains::Chain;
use super::known::Knowledge;
use super::names::fold;
use super::trial::Profile;
use super::words::WORDS;
use crate::normalize::cell::Kind;
use crate::normalize::entity::Field;

/// For a field with a table of values: a table of the values that there are.
pub fn table(field: &Field, profile: &Profile<'_>, known: &Knowledge) -> Option<Chain> {
    let targets = targets(field)?;
    if profile.kind != Kind::Text || !profile.is_picklist() {
        return None;
    }
    let (mut entries, mut unknown) = (Map::new(), Vec::new());
    for (value, _) in &profile.values {
        let learned = known.value(&field.name, value).cloned();
        match learned.or_else(|| meaning(&field.name, value, &targets).map(Json::String)) {
            // Letter case and white space do not matter.
            Some(_) if entries.keys().any(|known| fold(known) == fold(value)) => {}
            Some(to) => {
                entries.insert(value.clone(), to);
            }
            None => unknown.push(value.clone()),
        }
    }
    if entries.is_empty() {
        return None;
    }
    Some(Chain { unknown, ..Chain::of(json!(["squeeze", {"map": entries}])) })
}

/// What the table of a field's own chain yields, if it has one.
fn targets(field: &Field) -> Option<Vec<String>> {
    let spec = field.rules.iter().find(|rule| rule.name == "map")?;
    let mut targets: Vec<String> = Vec::new();
    for value in spec.argument.as_ref()?.as_object()?.values() {
        if let Some(text) = value.as_str()
            && !targets.iter().any(|known| known == text)
        {
            targets.push(text.into());
        }
    }
    (!targets.is_empty()).then_some(targets)
}

/// Which of the targets a value means, by words in several languages.
fn meaning(field: &str, value: &str, targets: &[String]) -> Option<String> {
    let value = fold(&value.split_whitespace().collect::<Vec<_>>().join(" "));
    if let Some(target) = targets.iter().find(|target| fold(target) == value) {
        return Some(target.clone());
    }
    let meanings = WORDS.meanings.get(field)?;
    let mut best: Option<(usize, &str)> = None;
    for (target, words) in &meanings.0 {
        for word in words.iter().filter(|word| is_in(word, &value)) {
            // The longest word that is found says most; among equals the first.
            if best.is_none_or(|(length, _)| word.len() > length) {
                best = Some((word.len(), target));
            }
        }
    }
    best.map(|(_, target)| target.to_string()).filter(|target| targets.contains(target))
}

/// Whether a value is one that a picklist of this field may have.
pub fn is_meant_for(field: &str, value: &str) -> bool {
    let targets = WORDS.meanings.get(field).map(|meanings| &meanings.0);
    let targets: Vec<String> =
        targets.into_iter().flatten().map(|(target, _)| target.clone()).collect();
    meaning(field, value, &targets).is_some()
}

/// Whether the words stand in a text as whole words.
pub fn is_in(words: &str, text: &str) -> bool {
    let bounded = |at: usize| {
        let before = text[..at].chars().next_back();
        let after = text[at + words.len()..].chars().next();
        before.is_none_or(|c| !c.is_alphanumeric()) && after.is_none_or(|c| !c.is_alphanumeric())
    };
    text.match_indices(words).any(|(at, _)| bounded(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_picklist_values_mean() {
        let targets = ["new", "working", "qualified", "unqualified", "converted"].map(String::from);
        let mean = |value: &str| meaning("status", value, &targets);
        for (value, target) in [
            ("Open - Not Contacted", "new"),
            ("Working - Contacted", "working"),
            ("Closed - Not Converted", "unqualified"),
            ("Closed - Converted", "converted"),
            ("Nicht qualifiziert", "unqualified"),
            ("In Bearbeitung", "working"),
            ("Qualifié", "qualified"),
            ("Perdu", "unqualified"),
            ("Nuevo", "new"),
            ("Contattato", "working"),
            ("GEWONNEN", "converted"),
        ] {
            assert_eq!(mean(value).as_deref(), Some(target), "{value}");
        }
        assert_eq!(mean("Parked"), None);
        assert_eq!(
            meaning("source", "Word of Mouth", &["referral".into()]).as_deref(),
            Some("referral")
        );
    }

    #[test]
    fn whole_words_only() {
        assert!(is_in("won", "closed won"));
        assert!(!is_in("won", "wonder"));
    }
}
