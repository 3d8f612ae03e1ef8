//! docs/onboarding.md: every statement in it is run, in order, on a server of its own with an org that
//! Heroku Connect syncs, and gives what the page shows. An admin runs them who is no superuser.

use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, thread};

use postgres::{Client, SimpleQueryMessage};

use crate::support::fixtures::Org;
use crate::support::heroku_connect::HerokuConnect;
use crate::world::{LIMIT, cluster_with};

/// The SQLSTATE of a lock that was not to be had in time.
const BUSY: &str = "55P03";

/// A block of statements, and the output of the last of them, if it is shown.
struct Step {
    line: usize,
    /// The heading that it stands below.
    section: String,
    sql: String,
    shown: Option<String>,
}

/// The blocks of a page; a block without a language that follows one of statements is its output.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = page.lines().enumerate().peekable();
    let mut follows = false;
    let mut section = "";
    while let Some((number, line)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            follows &= line.trim().is_empty();
            section = line.strip_prefix("## ").unwrap_or(section);
            continue;
        };
        let body: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        let body = body.join("\n");
        match language {
            "sql" => {
                let section = section.to_owned();
                steps.push(Step { line: number + 1, section, sql: body, shown: None });
                follows = true;
            }
            "" if follows => {
                steps.last_mut().expect("it follows one").shown = Some(body);
                follows = false;
            }
            _ => follows = false,
        }
    }
    steps
}

/// What stands in backticks in the text of a page.
fn inline(page: &str) -> Vec<String> {
    let mut code = false;
    let text = page.lines().filter(|line| {
        let fence = line.starts_with("```");
        code ^= fence;
        !code && !fence
    });
    let text = text.collect::<Vec<_>>().join(" ");
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A statement that tries what the text names, where that is a statement or a rule.
fn trials(inline: &str) -> Option<Vec<String>> {
    if inline.starts_with("SELECT") && inline.contains("manifold.") {
        return Some(vec![inline.to_owned()]);
    }
    // Some rules take text, and some the number that it is.
    let preview = |before: &str| {
        format!(
            "SELECT * FROM manifold.preview('acme', 'lead', 5, entity => 'lead', mapping => \
             $m${{\"fields\": {{\"answers\": {{\"column\": \"company\", \"rules\": [{before}{inline}]}}}}}}$m$)"
        )
    };
    inline.starts_with("{\"").then(|| vec![preview(""), preview("\"number\", ")])
}

/// Header and rows of the last result.
fn run(client: &mut Client, sql: &str) -> Result<Vec<Vec<String>>, String> {
    let messages = client.simple_query(sql).map_err(|e| match e.as_db_error() {
        Some(error) => format!("{}: {}", error.code().code(), error.message()),
        None => e.to_string(),
    })?;
    let mut table: Vec<Vec<String>> = Vec::new();
    for message in &messages {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                table = vec![columns.iter().map(|column| column.name().to_owned()).collect()];
            }
            SimpleQueryMessage::Row(row) => {
                table.push((0..row.len()).map(|i| row.get(i).unwrap_or("").to_owned()).collect());
            }
            _ => {}
        }
    }
    Ok(table)
}

/// A table as psql prints it: header, a line of dashes, rows, and perhaps their number.
fn read_shown(shown: &str) -> (Vec<Vec<String>>, bool) {
    let mut lines: Vec<&str> = shown.lines().filter(|line| !line.trim().is_empty()).collect();
    let counted = lines.last().is_some_and(|line| line.trim().starts_with('('));
    if counted {
        lines.pop();
    }
    lines.remove(1);
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect();
    (lines.into_iter().map(cells).collect(), counted)
}

/// `…` in the page stands for anything.
fn cell_agrees(shown: &str, found: &str) -> bool {
    let found = found.trim();
    let mut parts = shown.split('…').map(str::trim);
    let first = parts.next().unwrap_or_default();
    if !shown.contains('…') {
        return first == found;
    }
    let Some(mut rest) = found.strip_prefix(first) else { return false };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    shown.ends_with('…') || rest.is_empty()
}

fn agrees(shown: &str, found: &[Vec<String>]) -> bool {
    let (shown, _) = read_shown(shown);
    shown.len() == found.len()
        && shown.iter().zip(found).all(|(shown, found)| {
            shown.len() == found.len() && shown.iter().zip(found).all(|(s, f)| cell_agrees(s, f))
        })
}

/// Whether a statement may be run again until it shows what it is to show.
fn only_reads(sql: &str) -> bool {
    sql.trim_start().starts_with("SELECT")
        && sql.contains("FROM ")
        && !["copy_mapping", "promote_field"].iter().any(|writes| sql.contains(writes))
}

#[test]
fn every_statement_of_the_onboarding_page_does_what_it_shows() {
    let cluster = cluster_with("");
    let database = cluster.database();
    for name in ["globex", "acme"] {
        let org = Org::load(name);
        let mut connect = HerokuConnect::provision(database.connect(), name);
        let lead = connect.map_table(&org.table, &org.columns);
        connect.load(&lead, &org.columns, &org.leads);
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/onboarding.md");
    let page = fs::read_to_string(&page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
    let steps = steps(&page);
    assert!(
        steps.iter().filter(|step| step.shown.is_some()).count() >= 12,
        "the page shows little"
    );
    let (first, later): (Vec<Step>, Vec<Step>) =
        steps.into_iter().partition(|step| step.section == "Before the first org");
    let admin = first.iter().find_map(|step| step.sql.split("GRANT manifold_admin TO ").nth(1));
    let admin = admin.expect("the page makes an admin").trim_end_matches(';').to_owned();
    let mut superuser = database.connect();
    let mut wrong: Vec<String> =
        first.iter().filter_map(|step| differs(&mut superuser, step)).collect();
    let mut client = database.connect_as(&admin);
    wrong.extend(later.iter().filter_map(|step| differs(&mut client, step)));
    let mut tried = 0;
    for text in inline(&page) {
        let Some(trials) = trials(&text) else { continue };
        tried += 1;
        let mut attempt = |sql: &String| {
            run(&mut client, "BEGIN")?;
            let outcome = run(&mut client, sql);
            run(&mut client, "ROLLBACK").and(outcome)
        };
        let outcomes: Vec<_> = trials.iter().map(&mut attempt).collect();
        if outcomes.iter().all(Result::is_err) {
            wrong.push(format!("docs/onboarding.md: `{text}`: {:?}", outcomes[0]));
        }
    }
    assert!(tried >= 12, "the text names little");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What is wrong with a step; a statement that only reads has some time to show what it is to show, and one
/// that a lock was not to be had for (autovacuum's, say) is tried again.
fn differs(client: &mut Client, step: &Step) -> Option<String> {
    let waits = step.shown.is_some() && only_reads(&step.sql);
    let deadline = Instant::now() + LIMIT;
    loop {
        let (found, again) = match (run(client, &step.sql), &step.shown) {
            (Err(error), _) => (error.clone(), error.starts_with(BUSY)),
            (Ok(found), Some(shown)) if !agrees(shown, &found) => {
                let rows: Vec<String> = found.iter().map(|row| row.join(" | ")).collect();
                (format!("this came:\n{}", rows.join("\n")), waits)
            }
            (Ok(_), _) => return None,
        };
        if !again || Instant::now() >= deadline {
            return Some(format!("docs/onboarding.md:{}: {}\n{found}", step.line, step.sql));
        }
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_page_is_read_as_it_is_meant() {
    let page = "a\n## B `x\ny` z\n```sql\nSELECT 1\n```\n\n```\n x \n---\n 1\n```\n```sql\nSELECT 2;\n```\ntext\n```\nno\n```\n";
    let steps = steps(page);
    assert_eq!(steps.len(), 2);
    assert_eq!((steps[0].line, steps[0].sql.as_str()), (4, "SELECT 1"));
    assert_eq!(steps[0].section, "B `x");
    assert_eq!(inline(page), ["x y"]);
    assert!(steps[1].shown.is_none());
    let shown = steps[0].shown.as_deref().unwrap();
    assert!(agrees(shown, &[vec!["x".into()], vec!["1".into()]]));
    assert!(!agrees(shown, &[vec!["x".into()], vec!["2".into()]]));
    assert!(cell_agrees("finished at …", "finished at 2026"));
    assert!(cell_agrees("a … c …", "a b c d"));
    assert!(!cell_agrees("a … x", "a b c"));
}
