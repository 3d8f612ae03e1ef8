//! The claim: which Kafka transaction may be committed now, on disk before it is. A row beside the
//! positions, appended like them.

use serde::{Deserialize, Serialize};

use super::position;
use crate::error::{Error, Result};
use crate::pg::sql;

/// The transaction that may be committed now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The session (a publisher's life) that makes it.
    pub session: String,
    /// The session whose state this one goes on from; none where it went on from the database.
    pub previous: Option<String>,
    /// The number of the transaction. One that comes to nothing gives its number to the next.
    pub transaction: u64,
}

/// What stands for a consumer's name.
const EXACTLY_ONCE: &str = "exactly_once";

/// The claim in force; none while publishing is not exactly once.
pub fn load() -> Result<Option<Claim>> {
    let text = sql::one::<String>(
        "SELECT claim FROM manifold.position WHERE consumer = $1 AND claim IS NOT NULL",
        &[EXACTLY_ONCE.into()],
    )?;
    let broken = |error| Error::Corrupt(format!("a claim that is none: {error}"));
    text.map(|text| serde_json::from_str(&text).map_err(broken)).transpose()
}

/// Appends a claim; `None` ends exactly once.
pub fn save(claim: Option<&Claim>) -> Result<()> {
    let broken = |error| Error::Corrupt(format!("a claim that is none: {error}"));
    let text = claim.map(serde_json::to_string).transpose().map_err(broken)?;
    sql::run(
        &format!("INSERT INTO {} (consumer, lane, claim) VALUES ($1, 0, $2)", position::table()),
        &[EXACTLY_ONCE.into(), text.into()],
    )?;
    Ok(())
}
