//! Templates: text with columns in braces, `{firstname} {lastname}`, and canonical fields,
//! `{field.country}`. A brace itself is written twice.

/// One part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Text(String),
    Column(String),
    /// A canonical field: `{field.country}`.
    Field(String),
}

/// What stands before the name of a canonical field.
const FIELD: &str = "field.";

/// Splits a template into its parts.
///
/// # Errors
/// What is wrong, and where: the position counts characters from 1.
pub fn parse(template: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut characters = template.chars().enumerate().peekable();
    while let Some((at, character)) = characters.next() {
        let doubled = matches!(character, '{' | '}')
            && characters.next_if(|&(_, next)| next == character).is_some();
        match character {
            '{' if !doubled => {
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                let mut name = String::new();
                loop {
                    match characters.next() {
                        Some((_, '}')) => break,
                        Some((_, '{')) | None => {
                            return Err(format!("the brace at {} is never closed", at + 1));
                        }
                        Some((_, character)) => name.push(character),
                    }
                }
                match name.trim() {
                    "" => return Err(format!("the braces at {} name no column", at + 1)),
                    name => parts.push(match name.strip_prefix(FIELD) {
                        Some(field) => Part::Field(field.into()),
                        None => Part::Column(name.into()),
                    }),
                }
            }
            '}' if !doubled => return Err(format!("the brace at {} was never opened", at + 1)),
            character => text.push(character),
        }
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    match parts.iter().any(|part| !matches!(part, Part::Text(_))) {
        true => Ok(parts),
        false => Err("no column in braces; text alone is a \"constant\"".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str) -> Part {
        Part::Column(name.into())
    }

    fn text(text: &str) -> Part {
        Part::Text(text.into())
    }

    #[test]
    fn parts() {
        assert_eq!(
            parse("{firstname} { lastname }").unwrap(),
            [column("firstname"), text(" "), column("lastname")]
        );
        assert_eq!(parse("{field.city}").unwrap(), [Part::Field("city".into())]);
        assert_eq!(parse("{{{a}}}!").unwrap(), [text("{"), column("a"), text("}!")]);
    }

    #[test]
    fn syntax_errors() {
        assert!(parse("{a} {b").unwrap_err().contains("at 5 is never closed"));
        assert!(parse("{a{b}").unwrap_err().contains("never closed"));
        assert!(parse("a}").unwrap_err().contains("at 2 was never opened"));
        assert!(parse("{ }").unwrap_err().contains("name no column"));
        assert!(parse("Hello").unwrap_err().contains("constant"));
        assert!(parse("").is_err());
    }
}
