-- Each statement is a change, or one a row.
SET TimeZone = 'UTC';

-- One of each.
INSERT INTO acme.kinds VALUES (1, '00Q1',
  true, B'1', B'00000011', B'1010101010101010101010101010101010101010101010101010101010101010101011', B'1011', B'1', B'100000001',
  -5, 100000, 9000000000, 4000000000, 1.1, 120,
  E'Zo\u00eb "q" \\ \n\t\u2028', 'vv', 'ab', 'CiText', 'a name', 'z',
  10.1111, 1.10, -7, 12300, -1234.11, 1234.11,
  '2016-11-04', '13:51:30.123456', '13:51:30', '13:51:30.123', '13:51:30.1234', '13:51:30.123789+02', '13:51:30.120+02',
  '2016-11-04 13:51:30.123456', '2016-11-04 13:51:30', '2016-11-04 13:51:30.123', '2016-11-04 13:51:30.1234',
  '2016-11-04 13:51:30.123456+02', '2020-04-01 13:51:02+02', '2016-11-04 13:51:30.120+02',
  '1 year 2 months 3 days 04:05:06.78', '3 days 04:05:06.789',
  '\x010203fbff', '{"a":  1}', '{"b": [1, 2.50], "a": {}}', '<a>b</a>', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'happy',
  'key1=>val1, key2=>NULL', 'Top.Sub',
  'a fat cat', 'fat & cat', '10.1.2.3/8', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05',
  '[1,5)', '[1,5)', '(1.5,2.5]', '["2019-03-31 15:30:00",infinity)', '["2019-03-31 15:30:00+00",)',
  '[2019-01-01,2019-02-01)', '{[1,3),[5,7)}',
  '(1,2.5)', '((1,2),(3,4))', '{1,2,3}', '((0,0),(1,1))', '((0,0),(1,1),(2,0))', '((0,0),(1,1),(2,0))', '<(1,2),3>',
  'abc', 'def', '(1,x)',
  'pg_class', '16/B374D848', '123', '$.a', '10:20:10,14,15',
  '{t,f,null}', '{1,2}', '{1,2,null}', '{1,9000000000}', '{1,4000000000}', '{1.5,1.1}',
  '{1.5,NaN}', '{a,"b c",null,"null"}', '{x,yy}', '{a,abc}', '{Ab}',
  '{1.10,-3,20.5}', '{1.1,-2.25}', '{2016-11-04,1969-12-31}', '{13:51:30.123456,00:00}', '{13:51:30.123}',
  '{13:51:30.123789+02}', '{2016-11-04 13:51:30.123456}', '{2016-11-04 13:51:30.123}', '{2016-11-04 13:51:30.123456+02}', array['\x010203'::bytea],
  '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', array['{"a":  1}'::json], array['{"a": 1}'::jsonb], '{10.1.2.3/8,::1}', '{08:00:2b:01:02:03}',
  '{"[1,5)"}', '{sad,ok}', array['a=>1'::hstore], '{Top.Sub}', '{1.5}',
  '{n}', '{1 day}', '{101}', '{1011}', array['<a/>'::xml], array['(1,2)'::point],
  '{1.50}', '{{1,2},{3,4}}',
  DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'all');

-- Nothing but nulls.
INSERT INTO acme.kinds (id, sfid, x_plain) VALUES (2, '00Q2', 'nulls');

-- The lowest, the smallest, the empty.
INSERT INTO acme.kinds (id, sfid, bool, bit1, bit8, bit70, varbit, varbit1, int2, int4, int8, oid, float4, float8,
  text, char, numeric, numeric_12_2, numeric_10, money, date, time, timetz, ts, ts0, ts3, tstz, tstz0, interval,
  bytea, json, jsonb, hstore, ltree, int4range, point, circle, a_int4, a_text, a_float8, a_date, a_ts, a_tstz, x_plain)
VALUES (3, '00Q3', false, B'0', B'00000000', repeat('0', 70)::bit(70), B'', B'0', -32768, -2147483648, -9223372036854775808, 0, '-Infinity', 'NaN',
  '', '', 0.000, 0, 0, -92233720368547758.08, '4713-11-24 BC', '24:00', '24:00-15:59', '4713-11-24 BC', '0001-01-01', '0044-03-15 BC',
  '4713-11-24 BC', '0044-03-15 BC', '-178000000 years', '', 'null', 'null', '', '', 'empty', '(-Infinity,NaN)', '<(0,0),Infinity>',
  '{}', '{}', '{}', '{}', '{}', '{}', 'low');

-- The highest and the longest.
INSERT INTO acme.kinds (id, sfid, bit8, bit70, int2, int4, int8, oid, float4, float8, text, numeric, numeric_12_2, money,
  date, time, timetz, ts, ts0, ts3, tstz, tstz0, tstz3, interval, a_date, a_ts, a_tstz, daterange, tsrange, x_plain)
VALUES (4, '00Q4', B'10000000', repeat('1', 70)::bit(70), 32767, 2147483647, 9223372036854775807, 4294967295, 3.4028235e38, 1.7976931348623157e308,
  repeat('é', 3000), 12345678901234567890.1234567890, 9999999999.99, 92233720368547758.07, '5874897-12-31', '00:00:00.000001', '00:00+15:59',
  '294246-12-31 23:59:59.999999', '9999-12-31 23:59:59', '20000-01-01 00:00:00.001', '294246-12-31 23:59:59.999999+00',
  '12024-01-01 00:00:00+00', '9999-12-31 23:59:59.999+00', '178000000 years', '{5874897-12-31,infinity,-infinity}',
  '{infinity,-infinity}', '{infinity,-infinity}', '[2019-01-01,infinity)', '(,)', 'high');

-- Without end.
INSERT INTO acme.kinds (id, sfid, float4, float8, date, ts, ts0, ts3, tstz, tstz0, interval, numeric, a_float4, x_plain)
VALUES (5, '00Q5', 'Infinity', '-Infinity', 'infinity', 'infinity', 'infinity', 'infinity', 'infinity', 'infinity', '-1 mons +2 days -00:00:01', 1e20, '{NaN,Infinity}', 'inf'),
       (6, '00Q6', 'NaN', '-0', '-infinity', '-infinity', '-infinity', '-infinity', '-infinity', '-infinity', '-3 days', 1e-20, NULL, '-inf');
INSERT INTO acme.kinds (id, sfid, numeric, numeric_12_2, x_plain)
VALUES (7, '00Q7', 'NaN', 'NaN', 'nan'), (8, '00Q8', 'Infinity', NULL, 'inf'), (9, '00Q9', '-Infinity', NULL, '-inf');

-- Before 1970, beyond the numbers; a default that is not taken.
INSERT INTO acme.kinds (id, sfid, ts, ts0, ts3, tstz, tstz3, date, interval, a_ts, bytea, hstore, with_default, x_plain)
VALUES (10, '00QA', '1969-12-31 23:59:59.9999', '294276-12-31 23:59:59', '3000-01-01 00:00:00.001', '294276-12-31 23:59:59.999999+00',
        '294276-12-31 23:59:59.9+00', '1500-03-01', '100:00:10.5', '{1969-12-31 23:59:59.9999}', '\x00', '"q\"uo"=>"a\\b", "é"=>""', NULL, 'odd'),
       (11, '00QB', NULL, NULL, NULL, NULL, NULL, NULL, '-00:00:00.5', NULL, '\x', NULL, 'other', 'odd'),
       (12, '00QC', NULL, NULL, NULL, NULL, NULL, NULL, '10 seconds', NULL, NULL, NULL, DEFAULT, 'odd');

UPDATE acme.kinds SET text = 'changed', numeric = 100 WHERE sfid = '00Q1';
UPDATE acme.kinds SET a_int4 = '{7}', x_plain = 'other' WHERE sfid = '00Q4';
-- Another key; another id, which is not the key.
UPDATE acme.kinds SET sfid = '00QX' WHERE sfid = '00Q2';
UPDATE acme.kinds SET id = 1000 WHERE sfid = '00Q1';
DELETE FROM acme.kinds WHERE sfid = '00Q3';
-- The same key again.
INSERT INTO acme.kinds (sfid, text, x_plain) VALUES ('00Q3', '😀😀😀', 'again');
