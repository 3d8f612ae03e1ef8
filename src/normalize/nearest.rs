//! The name that was probably meant.

/// The candidate most like `name`, if one is near enough to be a misspelling of it.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&name, candidate), candidate))
        .min()
        .filter(|&(distance, candidate)| distance <= name.len().max(candidate.len()).div_ceil(3))
        .map(|(_, candidate)| candidate)
}

/// `Did you mean "…"?`, or what else to say where nothing is near.
pub fn did_you_mean<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
    otherwise: impl FnOnce() -> String,
) -> String {
    match nearest(name, candidates) {
        Some(candidate) => format!("Did you mean \"{candidate}\"?"),
        None => otherwise(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_misspellings_and_nothing_far() {
        let columns = ["firstname", "lastname", "email"];
        assert_eq!(nearest("first_name", columns.into_iter()), Some("firstname"));
        assert_eq!(nearest("EMIAL", columns.into_iter()), Some("email"));
        assert_eq!(nearest("budget__c", columns.into_iter()), None);
    }
}
