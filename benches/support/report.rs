//! What a bench found out: a table for people, and `target/bench/NAME.json` for programs, an array
//! of `{figure, unit, ours, baseline, ratio, goal, met}`.

use std::fs;
use std::path::Path;

use serde::Serialize;

/// What a ratio has to be, or the figure itself where there is nothing to compare it with.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "each bench has goals of its own")]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(limit) => format!("<= {limit}"),
            Self::AtLeast(limit) => format!(">= {limit}"),
        }
    }
}

#[derive(Serialize)]
struct Figure {
    figure: String,
    unit: &'static str,
    ours: f64,
    baseline: Option<f64>,
    ratio: Option<f64>,
    goal: Option<String>,
    met: Option<bool>,
}

pub struct Report {
    name: &'static str,
    figures: Vec<Figure>,
}

#[allow(dead_code, reason = "each bench uses its own part of this")]
impl Report {
    pub fn new(name: &'static str) -> Self {
        Self { name, figures: Vec::new() }
    }

    /// A figure beside the one that it is measured against.
    pub fn compare(
        &mut self,
        figure: impl Into<String>,
        unit: &'static str,
        ours: f64,
        baseline: f64,
        goal: Option<Goal>,
    ) {
        let ratio = ours / baseline;
        let met = goal.map(|goal| goal.is_met(ratio));
        self.add(figure, unit, ours, Some(baseline), Some(ratio), goal, met);
    }

    /// A figure beside another one, with a goal for itself.
    pub fn beside(
        &mut self,
        figure: impl Into<String>,
        unit: &'static str,
        ours: f64,
        baseline: f64,
        goal: Goal,
    ) {
        let met = Some(goal.is_met(ours));
        self.add(figure, unit, ours, Some(baseline), Some(ours / baseline), Some(goal), met);
    }

    /// A figure by itself.
    pub fn value(
        &mut self,
        figure: impl Into<String>,
        unit: &'static str,
        ours: f64,
        goal: Option<Goal>,
    ) {
        let met = goal.map(|goal| goal.is_met(ours));
        self.add(figure, unit, ours, None, None, goal, met);
    }

    #[allow(clippy::too_many_arguments, reason = "the columns of the table")]
    fn add(
        &mut self,
        figure: impl Into<String>,
        unit: &'static str,
        ours: f64,
        baseline: Option<f64>,
        ratio: Option<f64>,
        goal: Option<Goal>,
        met: Option<bool>,
    ) {
        let goal = goal.map(Goal::text);
        self.figures.push(Figure { figure: figure.into(), unit, ours, baseline, ratio, goal, met });
    }

    pub fn print(&self) {
        let width = self.figures.iter().map(|f| f.figure.chars().count()).max().unwrap_or(0);
        println!(
            "\n{:<width$}  {:>10}  {:>10}  {:<10}  {:>6}  {:<8}  met",
            "figure", "ours", "baseline", "unit", "ratio", "goal"
        );
        for f in &self.figures {
            let number = |value: Option<f64>| value.map_or("".to_owned(), short);
            let ratio = f.ratio.map_or("".to_owned(), |ratio| format!("{ratio:.3}"));
            let met = f.met.map_or("", |met| if met { "yes" } else { "no" });
            let line = format!(
                "{:<width$}  {:>10}  {:>10}  {:<10}  {:>6}  {:<8}  {met}",
                f.figure,
                short(f.ours),
                number(f.baseline),
                f.unit,
                ratio,
                f.goal.as_deref().unwrap_or(""),
            );
            println!("{}", line.trim_end());
        }
    }

    pub fn write(&self) {
        // Cargo tells benches of target/tmp; what is kept stands beside it.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
        let file = folder.join(format!("{}.json", self.name));
        let json = serde_json::to_string_pretty(&self.figures).expect("numbers and texts");
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&file, json + "\n"))
            .unwrap_or_else(|e| panic!("cannot write {}: {e}", file.display()));
        println!("\nwritten to {}", file.display());
    }
}

/// Four digits or so.
pub fn short(value: f64) -> String {
    match value.abs() {
        v if v < 10.0 => format!("{value:.2}"),
        v if v < 1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
