//! A reader of CSV as spreadsheets write it (RFC 4180).

/// The records of a file, the header included.
pub fn records(text: &str) -> impl Iterator<Item = Vec<String>> {
    let mut rest = text.chars().peekable();
    std::iter::from_fn(move || {
        rest.peek()?;
        let mut fields = vec![String::new()];
        let mut quoted = false;
        while let Some(character) = rest.next() {
            let field = fields.last_mut()?;
            match character {
                '"' if quoted && rest.peek() == Some(&'"') => {
                    rest.next();
                    field.push('"');
                }
                '"' => quoted = !quoted,
                ',' if !quoted => fields.push(String::new()),
                '\r' if !quoted => {}
                '\n' if !quoted => break,
                other => field.push(other),
            }
        }
        Some(fields)
    })
}
