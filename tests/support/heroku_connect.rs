//! A Heroku Connect simulator: makes a schema with its mapped tables, functions and triggers as Heroku
//! Connect does, and then writes there as it writes: in batches, by sfid, with `xmlbinary = hex`.
//! Salesforce itself is the caller.

use std::io::Write as _;

use postgres::{Client, Transaction};

use super::fixtures::{Column, Row};

const CONNECTION: &str = include_str!("heroku_connect.sql");
const MAPPED_TABLE: &str = include_str!("mapped_table.sql");

/// Columns that Heroku Connect fills by itself.
const OWN: [&str; 3] = ["id", "_hc_lastop", "_hc_err"];

/// One connection: one Salesforce org, one schema.
pub struct HerokuConnect {
    client: Client,
    pub schema: String,
}

/// A mapped table as the simulator knows it.
#[derive(Clone)]
pub struct Mapped {
    pub table: String,
    pub columns: Vec<Column>,
}

impl HerokuConnect {
    /// Sets up the schema. `client` becomes Heroku Connect's own connection.
    pub fn provision(mut client: Client, schema: &str) -> Self {
        let sql = CONNECTION
            .replace("@schema@", &ident(schema))
            .replace("@literal@", &literal(Some(schema)));
        run(&mut client, &sql);
        Self::attach(client, schema)
    }

    /// Goes on with a schema that is set up already.
    pub fn attach(mut client: Client, schema: &str) -> Self {
        run(&mut client, "SET xmlbinary = 'hex'");
        Self { client, schema: schema.to_owned() }
    }

    /// Makes a mapped table. Columns without which there is no mapping are added when not named.
    pub fn map_table(&mut self, table: &str, columns: &[Column]) -> Mapped {
        let mut columns = columns.to_vec();
        for (name, sql_type) in [
            ("sfid", "varchar(18)"),
            ("systemmodstamp", "timestamp"),
            ("isdeleted", "boolean"),
            ("_hc_lastop", "varchar(32)"),
            ("_hc_err", "text"),
        ] {
            if !columns.iter().any(|column| column.name == name) {
                columns.push(Column::new(name, sql_type));
            }
        }
        columns.retain(|column| column.name != "id");
        let list: Vec<_> = columns
            .iter()
            .map(|column| format!("{} {}", ident(&column.name), column.sql_type))
            .collect();
        let sql = MAPPED_TABLE
            .replace("@schema@", &ident(&self.schema))
            .replace("@table@", &ident(table))
            .replace("@name@", table)
            .replace("@columns@", &list.join(",\n    "));
        run(&mut self.client, &sql);
        Mapped { table: table.to_owned(), columns }
    }

    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// The first load of a mapping, or a Bulk API read: COPY, in one transaction.
    pub fn load(&mut self, mapped: &Mapped, columns: &[Column], rows: &[Row]) {
        let mut transaction = begin(&mut self.client);
        copy(&mut transaction, &self.schema, mapped, columns, rows);
        commit(transaction);
    }

    /// A small load: multi-row INSERTs of `batch` rows, each a transaction, as one sees in its log.
    pub fn insert(&mut self, mapped: &Mapped, columns: &[Column], rows: &[Row], batch: usize) {
        for rows in rows.chunks(batch) {
            let sql = insert_sql(&self.schema, mapped, columns, rows);
            run(&mut self.client, &sql);
        }
    }

    /// Rows that changed in Salesforce: found by sfid. Returns how many there were.
    pub fn update(
        &mut self,
        mapped: &Mapped,
        sfids: &[&str],
        changes: &[(&str, Option<&str>)],
    ) -> u64 {
        let set: Vec<_> = changes
            .iter()
            .map(|(column, value)| format!("{} = {}", ident(column), literal(*value)))
            .collect();
        let sql = format!(
            "UPDATE {} SET {}, systemmodstamp = now() AT TIME ZONE 'UTC' WHERE sfid IN ({})",
            self.name(mapped),
            set.join(", "),
            literals(sfids)
        );
        self.execute(&sql)
    }

    /// The poll that reads rows again which have not changed.
    pub fn touch(&mut self, mapped: &Mapped, sfids: &[&str]) -> u64 {
        let sql = format!(
            "UPDATE {} SET sfid = sfid WHERE sfid IN ({})",
            self.name(mapped),
            literals(sfids)
        );
        self.execute(&sql)
    }

    /// Rows that were deleted in Salesforce: physically, by sfid.
    pub fn delete(&mut self, mapped: &Mapped, sfids: &[&str]) -> u64 {
        let sql = format!("DELETE FROM {} WHERE sfid IN ({})", self.name(mapped), literals(sfids));
        self.execute(&sql)
    }

    pub fn truncate(&mut self, mapped: &Mapped) {
        let sql = format!("TRUNCATE {}", self.name(mapped));
        run(&mut self.client, &sql);
    }

    /// RELOAD TABLE: cleared, then loaded again; every row gets a new id.
    pub fn reload(&mut self, mapped: &Mapped, columns: &[Column], rows: &[Row]) {
        self.truncate(mapped);
        self.load(mapped, columns, rows);
    }

    /// Leads merged in Salesforce: the losers are deleted, the winner is updated, and nothing says so.
    pub fn merge(
        &mut self,
        mapped: &Mapped,
        winner: &str,
        losers: &[&str],
        changes: &[(&str, Option<&str>)],
    ) {
        self.delete(mapped, losers);
        self.update(mapped, &[winner], changes);
    }

    /// A row comes back from the recycle bin: same sfid, new id.
    pub fn undelete(&mut self, mapped: &Mapped, columns: &[Column], row: &Row) {
        self.insert(mapped, columns, std::slice::from_ref(row), 1);
    }

    /// Sends what applications wrote to Salesforce, which accepts it: inserted rows get the sfid that
    /// `new_sfid` makes from their id (INSERTED), are read back (SYNCED), and the log moves to the
    /// archive. Returns the number of log rows.
    pub fn write_back(&mut self, mapped: &Mapped, mut new_sfid: impl FnMut(i32) -> String) -> u64 {
        let schema = ident(&self.schema);
        let waiting = self
            .client
            .query(
                &format!(
                    "UPDATE {schema}._trigger_log SET state = 'PENDING', processed_at = now() \
                     WHERE state = 'NEW' AND table_name = $1 RETURNING id, action::text, record_id"
                ),
                &[&mapped.table],
            )
            .unwrap_or_else(|e| panic!("cannot read the trigger log: {e:?}"));
        for row in &waiting {
            let (action, record): (String, i32) = (row.get(1), row.get(2));
            if action == "INSERT" {
                self.accept(mapped, record, &new_sfid(record));
            }
            if action != "DELETE" {
                let sql = format!(
                    "UPDATE {} SET _hc_lastop = 'SYNCED' WHERE id = {record}",
                    self.name(mapped)
                );
                self.execute(&sql);
            }
        }
        self.execute(&format!(
            "WITH sent AS (DELETE FROM {schema}._trigger_log WHERE state IN ('PENDING', 'IGNORE') RETURNING *) \
             INSERT INTO {schema}._trigger_log_archive SELECT * FROM sent"
        ));
        self.execute(&format!(
            "UPDATE {schema}._trigger_log_archive SET state = CASE state WHEN 'PENDING' THEN 'SUCCESS' \
             ELSE 'IGNORED' END WHERE state IN ('PENDING', 'IGNORE')"
        ));
        waiting.len() as u64
    }

    /// Salesforce has accepted an inserted row: its sfid is known, fields that it derives are not yet.
    pub fn accept(&mut self, mapped: &Mapped, id: i32, sfid: &str) {
        let sql = format!(
            "UPDATE {} SET sfid = {}, _hc_lastop = 'INSERTED' WHERE id = {id}",
            self.name(mapped),
            literal(Some(sfid))
        );
        self.execute(&sql);
    }

    fn name(&self, mapped: &Mapped) -> String {
        format!("{}.{}", ident(&self.schema), ident(&mapped.table))
    }

    fn execute(&mut self, sql: &str) -> u64 {
        self.client.execute(sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e:?}"))
    }
}

/// COPY within a transaction that the caller ends, to test long and aborted loads.
pub fn copy(
    transaction: &mut Transaction<'_>,
    schema: &str,
    mapped: &Mapped,
    columns: &[Column],
    rows: &[Row],
) {
    let (names, picked) = written(columns);
    let sql = format!(
        "COPY {}.{} ({names}) FROM STDIN (FORMAT csv)",
        ident(schema),
        ident(&mapped.table)
    );
    let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    for row in rows {
        csv.write_record(picked.iter().map(|&i| row[i].as_deref().unwrap_or_default()))
            .expect("writes to memory");
    }
    let text = csv.into_inner().expect("writes to memory");
    transaction
        .copy_in(&sql)
        .and_then(|mut writer| {
            writer.write_all(&text).expect("the connection takes data");
            writer.finish()
        })
        .unwrap_or_else(|e| panic!("{sql}: {e:?}"));
}

fn insert_sql(schema: &str, mapped: &Mapped, columns: &[Column], rows: &[Row]) -> String {
    let (names, picked) = written(columns);
    let tuples: Vec<_> = rows
        .iter()
        .map(|row| {
            let values: Vec<_> = picked.iter().map(|&i| literal(row[i].as_deref())).collect();
            format!("({})", values.join(", "))
        })
        .collect();
    format!(
        "INSERT INTO {}.{} ({names}) VALUES {}",
        ident(schema),
        ident(&mapped.table),
        tuples.join(", ")
    )
}

/// The columns that a load writes: their names as SQL, and their positions in a row.
fn written(columns: &[Column]) -> (String, Vec<usize>) {
    let picked: Vec<usize> =
        (0..columns.len()).filter(|&i| !OWN.contains(&columns[i].name.as_str())).collect();
    let names: Vec<_> = picked.iter().map(|&i| ident(&columns[i].name)).collect();
    (names.join(", "), picked)
}

pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub fn literal(value: Option<&str>) -> String {
    value.map_or("NULL".to_owned(), |value| format!("'{}'", value.replace('\'', "''")))
}

fn literals(values: &[&str]) -> String {
    values.iter().map(|value| literal(Some(value))).collect::<Vec<_>>().join(", ")
}

fn run(client: &mut Client, sql: &str) {
    client
        .batch_execute(sql)
        .unwrap_or_else(|e| panic!("{}: {e:?}", sql.chars().take(300).collect::<String>()));
}

fn begin(client: &mut Client) -> Transaction<'_> {
    client.transaction().unwrap_or_else(|e| panic!("cannot begin: {e:?}"))
}

fn commit(transaction: Transaction<'_>) {
    transaction.commit().unwrap_or_else(|e| panic!("cannot commit: {e:?}"));
}
