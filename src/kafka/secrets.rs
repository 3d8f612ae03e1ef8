//! Which values must not be seen, and how to take them out of a text.

/// Whether the value of an option must not be seen.
pub(super) fn is_secret(name: &str) -> bool {
    const PUBLIC: &[&str] = &[
        "sasl.mechanism",
        "sasl.mechanisms",
        "sasl.oauthbearer.method",
        "sasl.oauthbearer.grant.type",
        "sasl.kerberos.service.name",
    ];
    let name = name.to_ascii_lowercase();
    let telling = ["password", "passphrase", "secret", "token", ".key", "_key", ".pem", "sasl"];
    !PUBLIC.contains(&name.as_str()) && telling.iter().any(|word| name.contains(word))
}

/// The text without the secret, nor any of its lines. What is very short is no secret worth the
/// harm that replacing it everywhere would do to the text.
pub(super) fn redact(text: &str, secret: &str) -> String {
    let parts = std::iter::once(secret).chain(secret.lines());
    parts
        .map(str::trim)
        .filter(|part| part.len() >= 4 && !part.starts_with("-----"))
        .fold(text.to_owned(), |text, part| text.replace(part, "(hidden)"))
}
