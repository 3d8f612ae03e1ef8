//! Transactions of one row, as many as pgbench gets done.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Duration;

use crate::place::{Place, ROWS, Way};
use crate::statements::CHANGES;
use crate::support::heroku_connect::{ident, literal};
use crate::support::installation::{Installation, run_to_end};
use crate::support::run;

pub const CLIENTS: [usize; 2] = [1, 8];
/// Runs of a second in a round: short ones, so that the ways take turns often.
const RUNS: usize = 4;
/// In which sessions end, and their CPU time is added up.
const REST: Duration = Duration::from_millis(100);

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

/// What one run of pgbench came to.
pub struct Run {
    pub tps: f64,
    /// Microseconds of CPU of the sessions' processes, per transaction.
    pub cpu: f64,
}

pub type Runs = BTreeMap<(Way, Kind, usize), Vec<Run>>;

pub fn measure(place: &mut Place, rounds: usize) -> Runs {
    place.restart("replica");
    let mut runs = Runs::new();
    let mut ways = Way::WITH_TRIGGER;
    for round in 1..=rounds {
        println!("Single rows, round {round} of {rounds} …");
        for kind in Kind::ALL {
            for clients in CLIENTS {
                for _ in 0..RUNS {
                    ways.rotate_left(1);
                    for way in ways {
                        let run = pgbench(place, way, kind, clients);
                        runs.entry((way, kind, clients)).or_default().push(run);
                    }
                }
                place.tidy();
            }
        }
    }
    runs
}

fn pgbench(place: &Place, way: Way, kind: Kind, clients: usize) -> Run {
    let before = cpu_seconds(place);
    let script = run::dir().join("script.sql");
    fs::write(&script, sql(place, way, kind)).expect("run folder is writable");
    let (clients, port) = (clients.to_string(), place.cluster.port().to_string());
    let output = run_to_end(
        Installation::of(run::dir())
            .command("pgbench")
            .env("PGOPTIONS", "-c xmlbinary=hex")
            .args(["-h", "127.0.0.1", "-U", "postgres", "-p", &port, "-n", "-M", "prepared"])
            .args(["-c", &clients, "-T", "1", "-f"])
            .arg(&script)
            .arg(place.database()),
    );
    thread::sleep(REST);
    let cpu = cpu_seconds(place) - before;
    let number = |start: &str| {
        let rest = output.lines().find_map(|line| line.strip_prefix(start));
        let number = rest.and_then(|rest| rest.split(' ').next()?.parse::<f64>().ok());
        number.unwrap_or_else(|| panic!("pgbench said no \"{start}\": {output}"))
    };
    let transactions = number("number of transactions actually processed: ");
    Run { tps: number("tps = "), cpu: cpu * 1e6 / transactions }
}

/// CPU time of the server's sessions that have ended.
fn cpu_seconds(place: &Place) -> f64 {
    let path = format!("/proc/{}/stat", place.cluster.server().pid());
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    // See proc(5): cutime and cstime, the 16th and 17th field; the second ends with a parenthesis.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(13).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    // SAFETY: a question to the C library.
    ticks / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64
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
