//! A ledger of what was written: every change of a lead is noted in the transaction that makes it, with
//! a clock that ticks per lead. What a consumer was given can then be compared to the last change.

use postgres::{Client, GenericClient};

use crate::world::World;

/// Leads that there may be; the clock knows them all.
const LEADS: i32 = 10_000;

/// Makes an org with one table, its ledger, and a place for what consumers are given.
pub fn create(world: &mut World<'_>) {
    world.run(&format!(
        r#"CREATE SCHEMA acme;
        CREATE TABLE acme.lead (id int PRIMARY KEY, sfid varchar(18) UNIQUE, version bigint, city text, pad text);
        CREATE TABLE clock (id int PRIMARY KEY, tick bigint NOT NULL);
        INSERT INTO clock SELECT i, 0 FROM generate_series(1, {LEADS}) i;
        CREATE TABLE ledger (id int, tick bigint, op text, version bigint);
        CREATE TABLE given (n bigserial, consumer text, event_id text, id int, op text, version bigint);

        -- Does something to a lead: makes it, changes it, or (by chance) deletes it.
        CREATE FUNCTION act(who int, chance float DEFAULT 1) RETURNS void LANGUAGE plpgsql AS $$
        DECLARE
          now bigint;
          old bigint;
        BEGIN
          UPDATE clock SET tick = tick + 1 WHERE id = who RETURNING tick INTO now;
          SELECT version INTO old FROM acme.lead WHERE id = who;
          IF old IS NULL THEN
            INSERT INTO acme.lead VALUES (who, 'S' || who, now, 'v' || now, repeat(md5(now::text), 20));
            INSERT INTO ledger VALUES (who, now, 'c', now);
          ELSIF chance < 0.15 THEN
            DELETE FROM acme.lead WHERE id = who;
            INSERT INTO ledger VALUES (who, now, 'd', old);
          ELSE
            UPDATE acme.lead SET version = now, city = 'v' || now WHERE id = who;
            INSERT INTO ledger VALUES (who, now, 'u', now);
          END IF;
        END $$;

        -- The same to many leads in one statement, as far as they are there.
        CREATE FUNCTION act_on_all(first int, last int) RETURNS void LANGUAGE sql AS $$
          WITH now AS (UPDATE clock SET tick = tick + 1 FROM acme.lead l
                       WHERE clock.id = l.id AND clock.id BETWEEN first AND last RETURNING clock.id, clock.tick),
          done AS (UPDATE acme.lead l SET version = now.tick, city = 'v' || now.tick FROM now WHERE l.id = now.id
                   RETURNING l.id, l.version)
          INSERT INTO ledger SELECT id, version, 'u', version FROM done
        $$;

        -- Takes changes for a consumer; how many.
        CREATE FUNCTION take(name text, n int) RETURNS bigint LANGUAGE sql AS $$
          WITH taken AS (
            INSERT INTO given (consumer, event_id, id, op, version)
            SELECT name, event_id, (coalesce(after, before) ->> 'id')::int, op, (coalesce(after, before) ->> 'version')::bigint
            FROM manifold.next(name, n) RETURNING 1)
          SELECT count(*) FROM taken
        $$;

        SELECT manifold.add_org('acme');
        SELECT manifold.set_mapping('acme', 'lead', 'lead', '{{"fields": {{"city": "city"}}}}');
        SELECT manifold.start('acme')"#
    ));
    world.has_read("acme");
}

/// Each lead's changes as a consumer was given them are those that were committed, in order, once.
pub fn compare(client: &mut Client, consumer: &str) {
    let sql = "WITH committed AS (SELECT id, string_agg(op || version, ' ' ORDER BY tick) AS changes FROM ledger GROUP BY id), \
        given AS (SELECT id, string_agg(op || version, ' ' ORDER BY n) AS changes FROM given WHERE consumer = $1 GROUP BY id) \
        SELECT format('lead %s: %s were committed, %s were given', id, c.changes, g.changes) \
        FROM committed c FULL JOIN given g USING (id) WHERE c.changes IS DISTINCT FROM g.changes ORDER BY id";
    let wrong = client.query(sql, &[&consumer]).unwrap_or_else(|e| panic!("{e:?}"));
    let lines: Vec<String> = wrong.iter().take(5).map(|row| row.get(0)).collect();
    assert!(
        wrong.is_empty(),
        "{consumer}: {} leads are wrong, such as\n{}",
        wrong.len(),
        lines.join("\n")
    );
    let repeated = "SELECT count(*) - count(DISTINCT event_id) FROM given WHERE consumer = $1";
    let repeated: i64 = client.query_one(repeated, &[&consumer]).unwrap().get(0);
    assert_eq!(repeated, 0, "{consumer} was given event ids twice");
}

/// The canonical leads are the leads.
pub fn compare_canonical(world: &mut World<'_>) {
    world.normalized();
    let wrong = "(SELECT * FROM canonical.lead WHERE org = 'acme') c FULL JOIN acme.lead l ON c.sfid = l.sfid \
        WHERE c.city IS DISTINCT FROM l.city";
    assert_eq!(world.count(wrong), 0, "canonical leads are wrong");
}

/// Takes all that there is, each call a transaction of its own.
pub fn take_all(client: &mut impl GenericClient, consumer: &str, n: i32) {
    while take(client, consumer, n).unwrap_or_else(|e| panic!("{e:?}")) > 0 {}
}

pub fn take(
    client: &mut impl GenericClient,
    consumer: &str,
    n: i32,
) -> Result<i64, postgres::Error> {
    Ok(client.query_one("SELECT take($1, $2)", &[&consumer, &n])?.get(0))
}

/// Chance that can be had again: a linear congruential generator (Knuth's MMIX).
pub struct Chance(pub u64);

impl Chance {
    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }

    /// For `act`: one in seven deletes.
    pub fn fraction(&mut self) -> f64 {
        self.below(1000) as f64 / 1000.0
    }

    /// One in `n`.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}
