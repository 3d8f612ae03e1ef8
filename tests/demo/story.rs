//! The story that `make demo` tells: three orgs, from a Salesforce row to the canonical lead and Kafka.

use std::time::Instant;

use postgres::Client;

use crate::support::consumer::Topic;
use crate::support::fixtures::{ORGS, Org};
use crate::support::heroku_connect::{HerokuConnect, Mapped};
use crate::support::manifold::{self, table};
use crate::support::mapping::Mapping;
use crate::support::wait::{self, LIMIT};
use crate::{DATABASE, Servers};

pub fn tell(servers: &Servers) {
    let mut client = servers.cluster.connect(DATABASE);

    chapter("Heroku Connect syncs three Salesforce orgs into a schema each");
    let mut synced = sync(servers);

    chapter("The database's admin onboards them");
    statement(&mut client, "SELECT manifold.create_entity('lead')");
    for org in ORGS {
        for sql in manifold::onboarding(org, &Mapping::load(org).json) {
            statement(&mut client, &sql);
        }
    }

    chapter("The rows that were there already are captured and normalized");
    follow(&mut client);
    show(
        &mut client,
        "SELECT org, count(*) AS leads, count(email) AS with_email, count(DISTINCT status) AS statuses, \
                min(created_at)::date AS oldest, max(created_at)::date AS newest \
         FROM qc.lead GROUP BY org ORDER BY org",
    );
    show(
        &mut client,
        "(SELECT org, sfid, full_name, status, source, left(city, 18) AS city, left(extras::text, 40) || ' …' AS extras \
          FROM qc.lead WHERE org = 'acme' ORDER BY sfid LIMIT 2) UNION ALL \
         (SELECT org, sfid, full_name, status, source, left(city, 18), left(extras::text, 40) || ' …' \
          FROM qc.lead WHERE org = 'globex' ORDER BY sfid LIMIT 2) UNION ALL \
         (SELECT org, sfid, full_name, status, source, left(city, 18), left(extras::text, 40) || ' …' \
          FROM qc.lead WHERE org = 'initech' ORDER BY sfid LIMIT 2)",
    );
    println!("Values that could not be used are NULL there, and kept here:");
    show(
        &mut client,
        "SELECT org, field, reason, count(*) AS values, min(value) AS such_as \
         FROM manifold.problem GROUP BY org, field, reason ORDER BY org, count(*) DESC, field LIMIT 10",
    );

    chapter("A lead changes in Salesforce");
    change(servers, &mut client, &mut synced);

    chapter("All is published");
    manifold::settled(&mut client, &["normalizer", "publisher"], LIMIT);
    show(
        &mut client,
        "SELECT org, source, consumer, state, lag_changes, lag_bytes, lag_ms FROM manifold.status \
         ORDER BY org, source, consumer",
    );
    events(servers);

    chapter("Look further");
    let (port, bootstrap) = (servers.cluster.port(), servers.broker.bootstrap());
    println!("  psql -h 127.0.0.1 -p {port} -U postgres {DATABASE}");
    println!("      TABLE manifold.status;");
    println!("      SELECT * FROM qc.lead LIMIT 5;");
    println!("      SELECT * FROM manifold.problem LIMIT 5;");
    println!(
        "      SET xmlbinary = 'hex'; UPDATE globex.lead SET company = 'Yours' WHERE id = 1;   -- as Heroku Connect"
    );
    println!("  kcat -b {bootstrap} -L");
    println!("  kcat -b {bootstrap} -t {DATABASE}.globex.lead -o -2 -f '%k %h\\n%s\\n'");
    println!();
}

fn chapter(title: &str) {
    println!("\n── {title}\n");
}

/// Runs a statement and shows it, shortened where it is long.
fn statement(client: &mut Client, sql: &str) {
    let shown = match sql.char_indices().nth(110) {
        Some((end, _)) => format!("{} …", &sql[..end]),
        None => sql.to_owned(),
    };
    println!("  {shown};");
    client.batch_execute(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
}

fn show(client: &mut Client, sql: &str) {
    for line in table(client, sql) {
        println!("  {line}");
    }
    println!();
}

fn sync(servers: &Servers) -> Vec<(Org, HerokuConnect, Mapped)> {
    ORGS.iter()
        .map(|name| {
            let org = Org::load(name);
            let mut connect = HerokuConnect::provision(servers.cluster.connect(DATABASE), name);
            let lead = connect.map_table(&org.table, &org.columns);
            connect.load(&lead, &org.columns, &org.leads);
            println!("  {name}.lead: {} leads in {} columns", org.leads.len(), org.columns.len());
            (org, connect, lead)
        })
        .collect()
}

/// Says how far the work is until there is none left.
fn follow(client: &mut Client) {
    let started = Instant::now();
    let mut last = String::new();
    wait::until("all leads to be canonical", LIMIT, || {
        let counts: Vec<(String, i64)> = client
            .query("SELECT org::text, count(*) FROM canonical.lead GROUP BY 1 ORDER BY 1", &[])
            .unwrap_or_else(|e| panic!("canonical.lead: {e:?}"))
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        let line =
            counts.iter().map(|(org, n)| format!("{org} {n}")).collect::<Vec<_>>().join(", ");
        if line != last {
            println!("  {:5.1} s  {line}", started.elapsed().as_secs_f64());
            last.clone_from(&line);
        }
        let behind: i64 = manifold::status(client)
            .iter()
            .filter(|s| s.consumer != "publisher")
            .map(|s| s.lag_changes)
            .sum();
        let total: i64 = counts.iter().map(|(_, n)| n).sum();
        if total == 6000 && behind == 0 {
            Ok(())
        } else {
            Err(format!("{line}; {behind} changes behind"))
        }
    });
    println!();
}

fn change(servers: &Servers, client: &mut Client, synced: &mut [(Org, HerokuConnect, Mapped)]) {
    let (org, connect, lead) = &mut synced[0];
    let sfid = org.sfid(0).to_owned();
    // A consumer that is there before the change, as real ones are.
    let name = format!("{DATABASE}.{}.lead", org.name);
    let mut topic = Topic::new(&servers.broker.bootstrap(), &name);
    topic.at_least(org.leads.len(), LIMIT);

    let started = Instant::now();
    connect.update(
        lead,
        &[&sfid],
        &[("company", Some("  Manifold   Works ")), ("status", Some("closed - converted"))],
    );
    println!(
        "  UPDATE {}.lead SET company = '  Manifold   Works ', status = 'closed - converted' …",
        org.name
    );
    let sql = "SELECT company, status FROM qc.lead WHERE org = $1 AND sfid = $2 AND company = 'Manifold Works'";
    let row = wait::until("the change to be canonical", LIMIT, || {
        let row = client.query_opt(sql, &[&org.name, &sfid]).map_err(|e| e.to_string())?;
        row.ok_or_else(|| "the old company".to_owned())
    });
    let (company, status): (String, String) = (row.get(0), row.get(1));
    println!(
        "  canonical after {:.0} ms: company = '{company}', status = '{status}'",
        millis(started)
    );
    let events = topic.until("the change", LIMIT, |events| {
        let arrived = events.iter().any(|e| e.op() == Some("u") && e.key["sfid"] == sfid.as_str());
        if arrived { Ok(()) } else { Err("not yet".to_owned()) }
    });
    let event = events.iter().rfind(|e| e.op() == Some("u")).expect("it has just arrived");
    println!(
        "  in {name} after {:.0} ms: {}, company = {}",
        millis(started),
        event.key_text,
        event.after()["company"]
    );
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

fn events(servers: &Servers) {
    for name in ORGS
        .map(|org| format!("{DATABASE}.{org}.lead"))
        .into_iter()
        .chain([format!("{DATABASE}.canonical.lead")])
    {
        let mut topic = Topic::new(&servers.broker.bootstrap(), &name);
        let events = topic.all();
        println!("  {name}: {} events, the last of which is", events.len());
        if let Some(event) =
            events.iter().max_by_key(|e| e.value.as_ref().and_then(|v| v["ts_us"].as_i64()))
        {
            let headers: Vec<_> = event.headers.iter().map(|(k, v)| format!("{k}={v}")).collect();
            println!("    {} [{}]", event.key_text, headers.join(" "));
            let after = event.after().to_string();
            let op = event.op().unwrap_or("tombstone");
            println!("    op {op}, after {} …", after.chars().take(130).collect::<String>());
        }
    }
}
