-- Makes golden.json: tables, their layouts, the bytes of their tuples, and what the server prints
-- for each value. Run in an empty UTF-8 database of PostgreSQL 15:
--   psql -XqAt -f golden.sql > golden.json
set timezone = 'UTC';
set client_min_messages = warning;
create extension pageinspect;
create extension hstore;
create domain amount as numeric(12, 2);
create domain code as text;
\o /dev/null
select setseed(0.5);

create table everything (
    b bool, i2 int2, gone int4, i4 int4 not null, i8 int8, o oid, f4 float4, f8 float8, n numeric,
    a amount, t text, v varchar(40), c char(8), c1 "char", nm name, co code, ba bytea, d date,
    tm time, tm3 time(3), tz timetz, ts timestamp, ts0 timestamp(0), tstz timestamptz,
    iv interval, u uuid, j json, jb jsonb, ip inet, r int4range, bits bit(3), h hstore);
insert into everything values
    (true, 1, 1, 1, 1, 1, 1.5, 120, 1.10, 3.30, 'plain', 'Zoë "q" \ back', 'pad', 'x', 'name', 'k',
     '\x00ff10', '1987-07-26', '13:51:30.123789', '13:51:30.5', '13:51:30.123789+02',
     '2024-12-17 08:57:57', '2024-12-17 08:57:57.9', '2024-12-17 08:57:57.25+00',
     '1 year 2 mons 3 days 04:05:06.78', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a":  1}',
     '{"b": [1, 2.50, null, true, {"x": "y\n"}], "a": {}}', '10.1.2.3/8', '[1,5)', '101', 'a=>1'),
    (null, null, null, 2, null, null, null, null, null, null, null, null, null, null, null, null,
     null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
     null),
    (false, -32768, null, -2147483648, -9223372036854775808, 4294967295, '-Infinity', 'NaN', 'NaN',
     -9999999999.99, '', e'tab\t', '', null, '', e'\u2028', '', '-infinity', '24:00', '00:00',
     '24:00-15:59', '-infinity', 'infinity', 'infinity', '-1 mons +2 days -00:00:01',
     '00000000-0000-0000-0000-000000000000', 'null', 'null', '::1', 'empty', '000', ''),
    (true, 32767, 5, 2147483647, 9223372036854775807, 0, 3.4028235e38, 1.7976931348623157e308,
     'Infinity', 0, repeat('long ', 60), 'é', null, 'y', repeat('n', 63), repeat('é', 90),
     decode(repeat('ab', 200), 'hex'), '5874897-12-31', '00:00:00.000001', '23:59:59.999',
     '00:00:00+00:00:01', '294246-12-31 23:59:59.999999', '4713-11-24 BC', '0044-03-15 BC',
     '-178000000 years -2147483648 days 2562047788:00:54.775807', md5('x')::uuid, '[1,2]', '[]',
     null, '(,)', '111', '"a b"=>NULL, c=>"\"\\"'),
    (true, 0, 6, 0, 0, 7, 1e-5, 1e23, '-Infinity', 12345678.9, 'null', 'NULL', 'x', null, null, 'x',
     null, '0001-12-31 BC', '12:00', null, '12:00-03:30', '0001-01-01', '9999-12-31',
     '12024-01-01 00:00:00.1+00', '2 days -01:00', null, '"s"', '"esc\u0001\"\\\/\b\f\r\t"', null,
     null, null, null);
alter table everything drop column gone;
insert into everything (i4, b) values (6, true);
alter table everything add column late text;
insert into everything (i4, late) values (7, 'late');

create table numbers (n numeric);
insert into numbers
select (case when random() < 0.5 then -1 else 1 end)
       * round((random() * 10 ^ (random() * 30 - 12))::numeric, (random() * 24)::int)
from generate_series(1, 60);
insert into numbers values
    (0), (0.00), (1e-20), (-1e40), (10000), (100000000), (0.0001), (0.00010), (1234567.00000000001),
    (9999.9999), (1e-150), (1e300), (123456789012345678901234567890.123456789), ('1e-1000'),
    (-0.00000000000000000001), (64.0e63), (round(1, 63)), (round(1, 64)), (1e252), (1e256), (1e260);

create table floats (f8 float8, f4 float4);
insert into floats
select f, f::float4
from (select (random() - 0.5) * 10 ^ (random() * 70 - 35) as f from generate_series(1, 40)) as random
union all
select f, f::float4
from unnest('{1e22,1e23,1e-5,0.0001,999999,1000000,1e14,1e15,123456789012345680,9007199254740993,
              16777216,16777217,33554432,8589934592,-0,1e-37,3e37,18014398509481984,7e22}'::float8[]) f;

create table documents (jb jsonb);
insert into documents values
    ('1'), ('"s"'), ('true'), ('false'), ('null'), ('[]'), ('{}'), ('[[]]'), ('{"a": {}}'), ('-0.0'),
    ('[1, [2, [3, [4, {"deep": [{"er": null}]}]]]]'), ('{"": ""}'), ('1.50e3'),
    ('{"long key with é": "\u00e9\u6f22", "b": false, "a": true, "ccc": 1.25}');
insert into documents select jsonb_agg(i) from generate_series(1, 70) i;
insert into documents select jsonb_agg(repeat('x', i % 5)) from generate_series(1, 100) i;
insert into documents select jsonb_object_agg('k' || i, case i % 4
    when 0 then to_jsonb(i) when 1 then to_jsonb(i::text) when 2 then to_jsonb(array[i, null])
    else jsonb_build_object('i', i) end) from generate_series(1, 60) i;
insert into documents select (repeat('[', 100) || repeat(']', 100))::jsonb;

create table arrays (
    i int4[], l int8[], s int2[], t text[], v varchar(10)[], b bool[], n numeric[], f float8[],
    d date[], ts timestamp[], u uuid[], j jsonb[], ba bytea[], iv interval[], ip inet[],
    tz timetz[], nm name[], c char(3)[]);
insert into arrays values
    ('{1,2,3}', '{1,null,-5}', '{1,2,3}', '{a,"b c",null,"null","","q\"uo",ba\\ck,"{x}","a,b"}',
     '{x,yy,zzz}', '{t,f,null}', '{1.10,-3,NaN}', '{1.5,1e30}', '{2024-01-01,infinity}',
     '{"2024-01-01 10:00:00"}', array[md5('a')::uuid], array['{"a": 1}'::jsonb, '[1, 2]'],
     array['\x01'::bytea], '{1 day,-2 mons}', '{10.0.0.1,::1}', '{10:00+01}', '{n}', '{a}'),
    ('{}', '{}', null, '{}', null, '{null,null,null,null,null,null,null,null,null}', null, null,
     null, null, null, null, null, null, '{}', null, null, null),
    ('{{1,2},{3,4}}', null, '{null,7}', array[repeat('long', 50), 'é'], null, null,
     array[1e20, 0.0001], null, null, null, null, null, null, null, null,
     '{10:00:00+01,null,11:00-02}', '{a,b}', '{a,null,abc}');

create table figures (b bit(3), v varbit, pt point, bs bit(3)[], vs varbit[], pts point[]);
insert into figures values
    ('101', '1011', '(1,2.5)', '{101,null,000}', '{1011,"",1}', array['(1,2)'::point, null]),
    ('000', '', '(-Infinity,NaN)', '{}', '{{{1010,null}},{{1,0}}}', '{}'),
    ('111', repeat('110', 33)::varbit, '(1e23,-0)', null, null, null);

create function images(of regclass) returns json language plpgsql as $$
declare result json;
begin
    execute format($sql$
        with columns as (
            select attnum, json_strip_nulls(json_build_object(
                'name', attname, 'dropped', attisdropped, 'not_null', attnotnull,
                'type_name', case when attisdropped then '' else format_type(atttypid, atttypmod) end,
                'type_oid', atttypid::int8,
                'base_oid', case when t.typbasetype > 0 then t.typbasetype else atttypid end::int8,
                'typmod', case when t.typtypmod >= 0 then t.typtypmod else atttypmod end,
                'length', attlen, 'align', attalign,
                'element', case when t.typcategory = 'A' then json_build_object(
                    'type_oid', e.oid::int8, 'base_oid', e.oid::int8, 'length', e.typlen,
                    'align', e.typalign) end)) as description
            from pg_attribute
            left join pg_type t on t.oid = atttypid
            left join pg_type e on e.oid = t.typelem
            where attrelid = %1$L::regclass and attnum > 0),
        rows as (
            select item.t_ctid, item.t_infomask2 & 2047 as natts, item.t_bits, item.t_data,
                   hstore(whole) as text, to_json(whole) as json
            from generate_series(0, pg_relation_size(%1$L::regclass) / 8192 - 1) page,
                 heap_page_items(get_raw_page(%2$L, page::int)) item
            join %1$s whole on whole.ctid = item.t_ctid)
        select json_build_object(
            'layout', json_build_object('columns',
                (select json_agg(description order by attnum) from columns)),
            'rows', (select json_agg(json_build_object(
                'natts', natts, 'bits', t_bits, 'data', encode(t_data, 'hex'),
                'text', hstore_to_json(text), 'json', json) order by t_ctid) from rows))
    $sql$, of, of::text) into result;
    return result;
end $$;
\o
select json_agg(images(name))
from unnest('{everything,numbers,floats,documents,arrays,figures}'::regclass[]) name;
