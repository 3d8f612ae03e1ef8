//! The extension's SQL, as its documentation teaches it.

use std::time::Duration;

use postgres::{Client, SimpleQueryMessage};
use serde_json::Value;

use super::heroku_connect::literal;
use super::wait;

/// The statements that onboard a fixture org, in order.
pub fn onboarding(org: &str, mapping: &Value) -> Vec<String> {
    let place = match org {
        "acme" => "phone_region => 'US', time_zone => 'UTC'",
        "globex" => "phone_region => 'GB', time_zone => 'Europe/London'",
        "initech" => "phone_region => 'FR', time_zone => 'Europe/Paris'",
        other => panic!("{other} is no fixture org"),
    };
    vec![
        format!("SELECT manifold.add_org('{org}', schema => '{org}', {place})"),
        format!(
            "SELECT manifold.set_mapping('{org}', 'lead', entity => 'lead', mapping => {})",
            literal(Some(&mapping.to_string()))
        ),
        format!("SELECT manifold.start('{org}')"),
    ]
}

/// A row of `manifold.status`, as text.
#[derive(Clone, Debug)]
pub struct Status {
    pub org: String,
    pub source: String,
    pub consumer: String,
    pub state: String,
    pub lag_changes: i64,
    pub last_error: Option<String>,
    pub detail: String,
}

impl Status {
    /// Whether there is something left to do. A backfill counts no changes; it says when it is done.
    pub fn is_behind(&self) -> bool {
        self.lag_changes > 0 || self.consumer == "backfill" && !self.detail.starts_with("finished")
    }
}

pub fn status(client: &mut Client) -> Vec<Status> {
    let rows = client
        .query(
            "SELECT coalesce(org::text, ''), coalesce(source::text, ''), consumer::text, state::text, \
                    coalesce(lag_changes, 0)::bigint, last_error::text, coalesce(detail::text, '') \
             FROM manifold.status ORDER BY 1, 2, 3",
            &[],
        )
        .unwrap_or_else(|e| panic!("manifold.status: {e:?}"));
    rows.iter()
        .map(|row| Status {
            org: row.get(0),
            source: row.get(1),
            consumer: row.get(2),
            state: row.get(3),
            lag_changes: row.get(4),
            last_error: row.get(5),
            detail: row.get(6),
        })
        .collect()
}

/// Waits until `consumers` (of all orgs) have nothing left to do.
pub fn settled(client: &mut Client, consumers: &[&str], limit: Duration) {
    settled_where(client, consumers, limit, |_| true);
}

/// The same for one org.
pub fn settled_of(client: &mut Client, org: &str, consumers: &[&str], limit: Duration) {
    settled_where(client, consumers, limit, |status| status.org == org);
}

fn settled_where(
    client: &mut Client,
    consumers: &[&str],
    limit: Duration,
    wanted: impl Fn(&Status) -> bool,
) {
    wait::until(&format!("{consumers:?} to have caught up"), limit, || {
        let behind: Vec<_> = status(client)
            .into_iter()
            .filter(|s| wanted(s) && consumers.contains(&s.consumer.as_str()) && s.is_behind())
            .collect();
        if behind.is_empty() { Ok(()) } else { Err(format!("{behind:#?}")) }
    });
}

/// The result of a query as lines of aligned text, with a header.
pub fn table(client: &mut Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    let mut rows: Vec<Vec<String>> = Vec::new();
    for message in &messages {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                rows.push(columns.iter().map(|column| column.name().to_owned()).collect());
            }
            SimpleQueryMessage::Row(row) => {
                rows.push((0..row.len()).map(|i| row.get(i).unwrap_or("").to_owned()).collect());
            }
            _ => {}
        }
    }
    let Some(header) = rows.first() else { return Vec::new() };
    let width = |i: usize| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..header.len()).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells: Vec<_> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect()
}
