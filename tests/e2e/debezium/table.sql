-- Columns of every type that the server has, and of types of one's own; x_ are never null.
CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree;
CREATE SCHEMA acme;
CREATE TYPE acme.mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN acme.amount AS numeric(12,2);
CREATE DOMAIN acme.code AS varchar(8);
CREATE DOMAIN acme.longer_code AS acme.code;
CREATE TYPE acme.pair AS (a int, b text);
CREATE TABLE acme.kinds (
  id serial PRIMARY KEY, sfid varchar(18) UNIQUE,
  bool bool, bit1 bit(1), bit8 bit(8), bit70 bit(70), varbit varbit, varbit1 varbit(1), varbit9 varbit(9),
  int2 int2, int4 int4, int8 int8, oid oid, float4 float4, float8 float8,
  text text, varchar varchar(20), char char(5), citext citext, name name, xchar "char",
  numeric numeric, numeric_12_2 numeric(12,2), numeric_10 numeric(10), numeric_negative numeric(5,-2),
  amount acme.amount, money money,
  date date, time time, time0 time(0), time3 time(3), time4 time(4), timetz timetz, timetz3 timetz(3),
  ts timestamp, ts0 timestamp(0), ts3 timestamp(3), ts4 timestamp(4),
  tstz timestamptz, tstz0 timestamptz(0), tstz3 timestamptz(3),
  interval interval, interval_days interval day to second(3),
  bytea bytea, json json, jsonb jsonb, xml xml, uuid uuid, mood acme.mood, hstore hstore, ltree ltree,
  tsvector tsvector, tsquery tsquery, inet inet, cidr cidr, macaddr macaddr, macaddr8 macaddr8,
  int4range int4range, int8range int8range, numrange numrange, tsrange tsrange, tstzrange tstzrange,
  daterange daterange, int4multirange int4multirange,
  point point, box box, line line, lseg lseg, path path, polygon polygon, circle circle,
  code acme.code, longer_code acme.longer_code, pair acme.pair,
  regclass regclass, pg_lsn pg_lsn, xid xid, jsonpath jsonpath, pg_snapshot pg_snapshot,
  a_bool bool[], a_int2 int2[], a_int4 int4[], a_int8 int8[], a_oid oid[], a_float4 float4[],
  a_float8 float8[], a_text text[], a_varchar varchar(20)[], a_char char(3)[], a_citext citext[],
  a_numeric numeric[], a_numeric_12_2 numeric(12,2)[], a_date date[], a_time time[], a_time3 time(3)[],
  a_timetz timetz[], a_ts timestamp[], a_ts3 timestamp(3)[], a_tstz timestamptz[], a_bytea bytea[],
  a_uuid uuid[], a_json json[], a_jsonb jsonb[], a_inet inet[], a_macaddr macaddr[],
  a_int4range int4range[], a_mood acme.mood[], a_hstore hstore[], a_ltree ltree[], a_money money[],
  a_name name[], a_interval interval[], a_bit bit(3)[], a_varbit varbit[], a_xml xml[], a_point point[],
  a_amount acme.amount[], a_square int4[],
  x_text text NOT NULL DEFAULT 'x', x_int int NOT NULL DEFAULT 7, x_numeric numeric(8,3) NOT NULL DEFAULT 1.5,
  x_ts timestamp NOT NULL DEFAULT '2026-01-01', x_bool bool NOT NULL DEFAULT true,
  x_tstz timestamptz NOT NULL DEFAULT '2020-01-02 03:04:05+00', x_array int[] NOT NULL DEFAULT '{}',
  x_plain text NOT NULL, with_default text DEFAULT 'dd'
);
-- Without it, Debezium would know no old rows.
ALTER TABLE acme.kinds REPLICA IDENTITY FULL;
