-- A table of the usual types, and a function that changes it at random, the same for the same number.
CREATE SCHEMA acme;
CREATE TABLE acme.item (
    id serial PRIMARY KEY, sfid varchar(18) NOT NULL UNIQUE, name text, amount numeric(12,2),
    any_amount numeric, ratio float8, small int, big bigint, flag bool, born date, at timestamp,
    at_second timestamp(0), seen timestamptz, clock time, raw bytea, doc jsonb, uid uuid, tags text[],
    numbers int[]
);
CREATE TABLE acme.tally (deleted int NOT NULL, moved int NOT NULL, rows int NOT NULL);
INSERT INTO acme.tally VALUES (0, 0, 0);

CREATE FUNCTION acme.maybe(chance float8, value anyelement) RETURNS anyelement
LANGUAGE sql AS $$ SELECT CASE WHEN random() < chance THEN value END $$;

-- A row of random values, some of them null.
CREATE FUNCTION acme.random_item(of_id int, of_sfid text) RETURNS acme.item LANGUAGE sql AS $$
SELECT of_id, of_sfid,
    acme.maybe(0.9, md5(random()::text) || E' \u00e9 "quoted" \\ \n'),
    acme.maybe(0.8, ((random() - 0.5) * 1e9)::numeric(12,2)),
    -- The sink gives numbers of any scale a column of six decimals.
    acme.maybe(0.8, round(((random() - 0.5) * 1e9)::numeric, (random() * 6)::int)),
    acme.maybe(0.8, (random() - 0.5) * 1e12),
    acme.maybe(0.8, (random() * 2e9)::int),
    acme.maybe(0.8, (random() * 9e18)::bigint),
    acme.maybe(0.8, random() < 0.5),
    acme.maybe(0.8, '1900-01-01'::date + (random() * 60000)::int),
    acme.maybe(0.8, '1950-01-01'::timestamp + random() * interval '40000 days'),
    acme.maybe(0.8, ('1950-01-01'::timestamp + random() * interval '40000 days')::timestamp(0)),
    acme.maybe(0.8, '1950-01-01'::timestamptz + random() * interval '40000 days'),
    acme.maybe(0.8, '00:00'::time + random() * interval '86000 seconds'),
    acme.maybe(0.8, decode(md5(random()::text), 'hex')),
    acme.maybe(0.8, jsonb_build_object('a', random(), 'b', md5(random()::text))),
    acme.maybe(0.8, md5(random()::text)::uuid),
    acme.maybe(0.8, ARRAY[md5(random()::text), 'with "quotes", commas', '']),
    acme.maybe(0.8, ARRAY[(random() * 100)::int, (random() * 100)::int])
$$;

CREATE FUNCTION acme.change(step int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one text;
    other text;
BEGIN
    PERFORM setseed(step / 1000.0);
    FOR i IN 1..20 LOOP
        one := 's' || (random() * 100)::int;
        other := 's' || (random() * 100)::int;
        CASE (random() * 9)::int
        WHEN 0, 1, 2, 3 THEN
            INSERT INTO acme.item
            SELECT * FROM acme.random_item(nextval('acme.item_id_seq')::int, one)
            ON CONFLICT DO NOTHING;
        WHEN 4, 5 THEN
            UPDATE acme.item SET name = 'changed ' || i, amount = amount + 1, tags = tags || 'more'::text
            WHERE sfid = one;
        WHEN 6 THEN
            UPDATE acme.item SET name = NULL, at = at + interval '1 microsecond' WHERE id % 7 = i % 7;
        WHEN 7 THEN
            DELETE FROM acme.item WHERE sfid = one;
            UPDATE acme.tally SET deleted = deleted + 1 WHERE FOUND;
        ELSE
            UPDATE acme.item SET sfid = other
            WHERE sfid = one AND NOT EXISTS (SELECT FROM acme.item WHERE sfid = other);
            UPDATE acme.tally SET moved = moved + 1 WHERE FOUND;
        END CASE;
    END LOOP;
    UPDATE acme.tally SET rows = (SELECT count(*) FROM acme.item);
END $$;
