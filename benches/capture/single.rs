//! Transactions of one row, as many as pgbench gets done.

use std::collections::BTreeMap;
use std::fs;

use crate::place::{Place, ROWS, Way};
use crate::statements::CHANGES;
use crate::support::heroku_connect::{ident, literal};
use crate::support::installation::{Installation, run_to_end};
use crate::support::run;

pub const CLIENTS: [usize; 2] = [1, 8];
const SECONDS: &str = "4";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Insert,
    Update,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Insert, Self::Update];

    pub fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
        }
    }
}

/// Transactions per second, of each round.
pub type Rates = BTreeMap<(Way, Kind, usize), Vec<f64>>;

pub fn measure(place: &mut Place, rounds: usize) -> Rates {
    place.restart("replica");
    let mut rates = Rates::new();
    let mut ways = Way::WITH_TRIGGER;
    for round in 1..=rounds {
        println!("Single rows, round {round} of {rounds} …");
        ways.rotate_left(1);
        for kind in Kind::ALL {
            for clients in CLIENTS {
                for way in ways {
                    let rate = pgbench(place, way, kind, clients);
                    rates.entry((way, kind, clients)).or_default().push(rate);
                }
                place.tidy();
            }
        }
    }
    rates
}

fn pgbench(place: &Place, way: Way, kind: Kind, clients: usize) -> f64 {
    let script = run::dir().join("script.sql");
    fs::write(&script, sql(place, way, kind)).expect("run folder is writable");
    let (clients, port) = (clients.to_string(), place.cluster.port().to_string());
    let output = run_to_end(
        Installation::of(run::dir())
            .command("pgbench")
            .env("PGOPTIONS", "-c xmlbinary=hex")
            .args(["-h", "127.0.0.1", "-U", "postgres", "-p", &port, "-n", "-M", "prepared"])
            .args(["-c", &clients, "-T", SECONDS, "-f"])
            .arg(&script)
            .arg(place.database()),
    );
    let tps = output.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
    tps.and_then(|tps| tps.parse().ok()).unwrap_or_else(|| panic!("pgbench said: {output}"))
}

fn sql(place: &Place, way: Way, kind: Kind) -> String {
    let schema = way.schema();
    match kind {
        Kind::Insert => {
            let names: Vec<_> = place.lead.iter().map(|(name, _)| ident(name)).collect();
            let values = place.lead.iter().map(|(name, value)| match name.as_str() {
                // One that no other row has: 18 characters.
                "sfid" => "'9Q' || lpad(:n::text, 16, '0')".to_owned(),
                _ => literal(value.as_deref()),
            });
            let values: Vec<_> = values.collect();
            format!(
                "\\set n random(1, 1000000000000000)\nINSERT INTO {schema}.lead ({}) VALUES ({});\n",
                names.join(", "),
                values.join(", ")
            )
        }
        Kind::Update => format!(
            "\\set id random(1, {ROWS})\nUPDATE {schema}.lead SET {CHANGES} WHERE id = :id;\n"
        ),
    }
}
