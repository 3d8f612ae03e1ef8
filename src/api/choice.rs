//! Which problems an admin means.

use pgrx::datum::DatumWithOid;

use crate::catalog::{self, CANONICAL_NAME};
use crate::error::{Error, Result};
use crate::normalize::nearest::did_you_mean;
use crate::normalize::outcome::reasons;
use crate::normalize::quarantine::WHOLE;
use crate::pg::sql;

/// Which problems are meant: those that are like this in all that is given.
pub struct Choice<'a> {
    pub org: Option<&'a str>,
    pub source: Option<&'a str>,
    pub field: Option<&'a str>,
    pub reason: Option<&'a str>,
    pub record: Option<&'a str>,
}

/// A condition on `p`, which stands for the quarantine or the tally.
pub const CHOSEN: &str = "($1 IS NULL OR p.org = $1) AND ($2 IS NULL OR p.source = $2) \
    AND ($3 IS NULL OR p.field = $3) AND ($4 IS NULL OR p.reason = $4)";

/// The source of `p`.
pub const SOURCE: &str = "JOIN manifold.source s \
    ON s.table_name = p.source AND coalesce(s.org, 'canonical') = p.org";

impl Choice<'_> {
    /// Refuses a choice of nothing, and of what there is not.
    pub fn check(&self, function: &str) -> Result<()> {
        match self.org {
            Some(CANONICAL_NAME) => {}
            Some(org) => {
                catalog::org(org)?;
            }
            None if self.arguments_given() => {}
            None => {
                return Err(Error::invalid(
                    format!("manifold.{function} is not told which problems"),
                    format!(
                        "Give one of org, source, field, reason and record at least: SELECT manifold.{function}(org => 'acme', reason => 'unmapped_value')"
                    ),
                ));
            }
        }
        self.check_names()
    }

    /// A misspelt name would choose nothing, and look as if there were no problems.
    fn check_names(&self) -> Result<()> {
        if let Some(source) = self.source {
            let of_org = "SELECT s.table_name::text FROM manifold.source s \
                 WHERE $1 IS NULL OR coalesce(s.org, 'canonical') = $1 \
                 UNION SELECT q.source::text FROM manifold.quarantine q WHERE $1 IS NULL OR q.org = $1";
            known("table", source, names(of_org, &[self.org.into()])?)?;
        }
        if let Some(field) = self.field.filter(|field| *field != WHOLE) {
            let fields = "SELECT f.value->>'name' FROM manifold.entity e, \
                 pg_catalog.jsonb_array_elements(e.definition->'fields') f (value) \
                 UNION SELECT q.field FROM manifold.quarantine q";
            known("field", field, names(fields, &[])?)?;
        }
        match self.reason {
            Some(reason) => known("reason", reason, reasons().map(str::to_string).collect()),
            None => Ok(()),
        }
    }

    fn arguments_given(&self) -> bool {
        [self.source, self.field, self.reason, self.record].iter().any(Option::is_some)
    }

    pub fn arguments(&self) -> Vec<DatumWithOid<'_>> {
        [self.org, self.source, self.field, self.reason, self.record]
            .into_iter()
            .map(Into::into)
            .collect()
    }
}

/// The names that a query finds.
fn names(query: &str, arguments: &[DatumWithOid<'_>]) -> Result<Vec<String>> {
    let found = sql::rows(query, arguments, |row| Ok(row.get::<String>(1)?))?;
    let mut names: Vec<String> = found.into_iter().flatten().collect();
    names.sort();
    Ok(names)
}

/// Refuses a name that is not among those known.
fn known(what: &'static str, name: &str, known: Vec<String>) -> Result<()> {
    if known.iter().any(|known| known == name) {
        return Ok(());
    }
    let all = || match known.is_empty() {
        true => "There is none.".into(),
        false => format!("There are {}.", known.join(", ")),
    };
    let hint = did_you_mean(name, known.iter().map(String::as_str), all);
    Err(Error::unknown(what, name, hint))
}
