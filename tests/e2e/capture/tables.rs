//! Types and values for them. A value is an SQL expression in which `$` stands for a number.

/// Each type with values that are at the edge of what it holds, or stored in a way of their own.
pub const TYPES: &[(&str, &[&str])] = &[
    ("bool", &["true", "false"]),
    ("int2", &["0", "-32768", "32767", "$ % 30000"]),
    ("int4", &["0", "-2147483648", "2147483647", "$ % 2000000000"]),
    ("int8", &["0", "-9223372036854775808", "9223372036854775807", "$"]),
    (
        "float4",
        &[
            "'-0'",
            "'NaN'",
            "'Infinity'",
            "'-Infinity'",
            "3.4028235e38",
            "1e-45",
            "0.1",
            "1e15",
            "16777217",
            "$ / 3e9",
        ],
    ),
    (
        "float8",
        &[
            "'-0'",
            "'NaN'",
            "'Infinity'",
            "'-Infinity'",
            "1.7976931348623157e308",
            "5e-324",
            "0.1",
            "1e15",
            "1e-5",
            "$ / 3e9",
        ],
    ),
    (
        "numeric",
        &[
            "0",
            "0.00",
            "'NaN'",
            "'Infinity'",
            "'-Infinity'",
            "-1e-20",
            "1e200",
            "'1e131000'",
            "1.5000",
            "'1e-16000'",
            "$ / 7.0",
        ],
    ),
    ("numeric(12,2)", &["0", "-9999999999.99", "0.01", "'NaN'", "$ % 1000000 / 3.0"]),
    ("numeric(3,-2)", &["0", "99900", "-100", "$ % 90000"]),
    ("money", &["0", "'-92233720368547758.08'", "12.34", "($ % 1000000)::int::money"]),
    (
        "text",
        &[
            "''",
            "'NULL'",
            "'null'",
            "' '",
            "E'\\t\\n\\r\\b\\\\ \"'",
            "'{}'",
            "'Zoë 漢字 😀'",
            "E'\\u0001\\u2028'",
            "repeat('x', 126)",
            "repeat('x', 127)",
            "repeat('pglz', 5000)",
            "repeat(md5('$'), 300)",
            "md5('$')",
        ],
    ),
    (
        "varchar(10)",
        &["''", "'0123456789'", "'漢字漢字漢字漢字漢字'", "'  a  '", "left(md5('$'), 10)"],
    ),
    ("char(5)", &["''", "'ab'", "'  ab'", "'漢'", "left(md5('$'), 3)"]),
    ("\"char\"", &["'x'", "''", "'\\'", "'('"]),
    ("name", &["''", "repeat('n', 63)", "'Ünï \"q\"'", "left(md5('$'), 20)"]),
    (
        "bytea",
        &[
            "''",
            "'\\x00ff'",
            "decode(repeat('ab', 5000), 'hex')",
            "decode(repeat(md5('$'), 200), 'hex')",
        ],
    ),
    (
        "date",
        &[
            "'-infinity'",
            "'infinity'",
            "'4713-11-24 BC'",
            "'5874897-12-31'",
            "'0001-01-01'",
            "'1970-01-01'",
            "date '2000-01-01' + ($ % 3000000)::int",
        ],
    ),
    (
        "time",
        &["'00:00'", "'24:00'", "'23:59:59.999999'", "time '00:00' + ($ % 86400) * interval '1 s'"],
    ),
    ("time(3)", &["'00:00:00.0005'", "'12:00:00.120'"]),
    ("timetz", &["'00:00+15:59:59'", "'24:00-15:59'", "'12:34:56.7+00'", "'12:00+05:30'"]),
    (
        "timestamp",
        &[
            "'-infinity'",
            "'infinity'",
            "'4713-11-24 BC'",
            "'294276-12-31 23:59:59.999999'",
            "'0044-03-15 12:00 BC'",
            "timestamp '1800-01-01' + ($ % 20000000000) * interval '1 s'",
        ],
    ),
    ("timestamp(0)", &["'1969-12-31 23:59:59.5'"]),
    (
        "timestamptz",
        &[
            "'-infinity'",
            "'infinity'",
            "'4713-11-24 00:00 BC'",
            "'294276-12-31 23:59:59.999999+00'",
            "'2024-03-31 01:30 Europe/Paris'",
            "to_timestamp($ % 20000000000 / 7.0)",
        ],
    ),
    (
        "interval",
        &[
            "'0'",
            "'178000000 years -2147483648 days 2562047788:00:54.775807'",
            "'-1 mon +2 days -00:00:01'",
            "'1 year -1 mon'",
            "'-0.5 s'",
            "$ % 100000000 * interval '1.1 s'",
        ],
    ),
    ("interval year to month", &["'1-2'", "'-13 mons'"]),
    ("interval(2)", &["'1.005 s'"]),
    ("uuid", &["'00000000-0000-0000-0000-000000000000'", "md5('$')::uuid"]),
    (
        "json",
        &[
            "'null'",
            "'{\"a\":  1, \"a\": 2}'",
            "' [1] '",
            "('\"' || repeat('x', 20000) || '\"')::json",
        ],
    ),
    (
        "jsonb",
        &[
            "'null'",
            "'{}'",
            "'[]'",
            "'{\"b\": [1, 2.50, null, true, {\"x\": \"y\\n\"}], \"a\": -0.0}'",
            "'1e1000'",
            "jsonb_build_object('k', $, 'm', md5('$'), 'l', repeat('y', 9000))",
        ],
    ),
    ("jsonpath", &["'$.a[*] ? (@ > 1)'", "'strict $'"]),
    (
        "xml",
        &[
            "'<a b=\"c\">d &amp; e</a>'",
            "'just text'",
            "('<a>' || repeat('x', 9000) || '</a>')::xml",
        ],
    ),
    ("bit(11)", &["B'10101010101'", "B'00000000000'"]),
    ("varbit", &["B''", "B'1'", "repeat('10', 5000)::varbit"]),
    ("inet", &["'10.1.2.3/8'", "'::1'", "'192.168.0.1'", "'2001:db8::/32'"]),
    ("cidr", &["'10.0.0.0/8'", "'::/0'"]),
    ("macaddr", &["'08:00:2b:01:02:03'"]),
    ("macaddr8", &["'08:00:2b:01:02:03:04:05'"]),
    ("point", &["'(1,-2.5)'", "'(NaN,Infinity)'", "point($ / 3e9, 0.1)"]),
    ("line", &["'{1,-1,0}'"]),
    ("lseg", &["'[(1,2),(3,4)]'"]),
    ("box", &["'(3,4),(1,2)'"]),
    ("path", &["'[(1,2),(3,4)]'", "'((1,2),(3,4))'"]),
    ("polygon", &["'((0,0),(1,1),(2,0))'"]),
    ("circle", &["'<(1,2),3>'"]),
    ("int4range", &["'empty'", "'[1,5)'", "'(,)'", "'(,3]'"]),
    ("numrange", &["'[1.10,2.200]'", "'(,-Infinity)'"]),
    (
        "tstzrange",
        &[
            "'[2024-01-01 00:00+00,infinity)'",
            "tstzrange('2000-01-01+00', to_timestamp($ % 20000000000 + 1000000000))",
        ],
    ),
    ("daterange", &["'[2024-01-01,2024-12-31]'"]),
    ("int4multirange", &["'{}'", "'{[1,3),[5,9)}'"]),
    ("tsmultirange", &["'{[2024-01-01,2024-01-02),[2024-03-01,)}'"]),
    (
        "tsvector",
        &["''", "'a:1A fat:2B,4C cat:5D'", "to_tsvector('simple', repeat(md5('$') || ' ', 200))"],
    ),
    ("tsquery", &["''", "'fat & (rat | !cat:*) <2> dog'"]),
    ("oid", &["0", "4294967295"]),
    ("xid", &["'4294967295'"]),
    ("xid8", &["'18446744073709551615'"]),
    ("cid", &["'7'"]),
    ("tid", &["'(4294967295,65535)'"]),
    ("pg_lsn", &["'FFFFFFFF/FFFFFFFF'"]),
    ("pg_snapshot", &["'10:20:10,14,15'"]),
    ("txid_snapshot", &["'10:20:10,14,15'"]),
    ("regclass", &["'pg_catalog.pg_class'", "0"]),
    ("regtype", &["'pg_catalog.int4'", "'varchar'"]),
    ("regproc", &["'pg_catalog.now'"]),
    ("regprocedure", &["'pg_catalog.abs(int4)'"]),
    ("regoper", &["'pg_catalog.!!'"]),
    ("regoperator", &["'pg_catalog.+(int4,int4)'"]),
    ("regrole", &["'postgres'"]),
    ("regnamespace", &["'pg_catalog'"]),
    ("regconfig", &["'pg_catalog.english'"]),
    ("regdictionary", &["'pg_catalog.simple'"]),
    ("regcollation", &["'pg_catalog.\"C\"'"]),
    ("oidvector", &["'1 2 3'", "''"]),
    ("int2vector", &["'1 2 3'", "''"]),
    ("aclitem", &["'postgres=r/postgres'"]),
    ("refcursor", &["'here'"]),
    (
        "hstore",
        &["''", "'a=>NULL, \"b c\"=>\"\\\"\"'", "hstore('k' || ($ % 10), repeat(md5('$'), 100))"],
    ),
    ("citext", &["'MiXed'", "''", "repeat('Ci', 5000)"]),
    // Arrays.
    (
        "int4[]",
        &[
            "'{}'",
            "'{NULL}'",
            "'{1,NULL,-3}'",
            "'[2:4]={1,2,3}'",
            "'{{1,2},{3,NULL}}'",
            "'[-1:0][5:6]={{1,2},{3,4}}'",
            "array_fill($ % 1000, ARRAY[3000])",
        ],
    ),
    ("int8[]", &["'{}'", "ARRAY[$, NULL, -$]"]),
    ("bool[]", &["'{t,f,NULL}'"]),
    ("float8[]", &["'{NaN,-0,1e30,0.1}'", "'[0:1]={1,2}'"]),
    ("numeric(8,3)[]", &["'{1.5,NaN,NULL}'"]),
    (
        "text[]",
        &[
            "'{}'",
            "ARRAY['', 'NULL', 'null', NULL, 'a b', 'a,b', 'a{}', 'q\"', E'b\\\\s', E'\\t', 'x']",
            "'{{a,b},{c,d}}'",
            "'[5:5]={x}'",
            "ARRAY[repeat('long', 5000), md5('$')]",
        ],
    ),
    ("varchar(3)[]", &["'{abc,\" a\"}'"]),
    ("char(3)[]", &["'{a,NULL,abc}'"]),
    ("bytea[]", &["ARRAY['\\x01'::bytea, '']"]),
    ("name[]", &["'{a,b c}'"]),
    ("date[]", &["'{2024-01-01,infinity,0044-03-15 BC}'"]),
    ("timestamptz[]", &["'{2024-01-01 10:00:00+02,-infinity}'"]),
    ("timetz[]", &["'{10:00+01,NULL}'"]),
    ("interval[]", &["'{1 day,-2 mons}'"]),
    ("uuid[]", &["ARRAY[md5('$')::uuid]"]),
    ("json[]", &["ARRAY['{\"a\": 1}'::json, 'null']"]),
    ("jsonb[]", &["ARRAY['{\"a\": [1, \"x\"]}'::jsonb, NULL]"]),
    ("xml[]", &["ARRAY['<a/>'::xml]"]),
    ("box[]", &["'{(3,4),(1,2);(1,1),(0,0)}'"]),
    ("point[]", &["'{\"(1,2)\",NULL}'"]),
    ("inet[]", &["'{10.0.0.1,::1}'"]),
    ("int4range[]", &["'{\"[1,3)\",empty}'"]),
    ("bit(3)[]", &["'{101,000}'"]),
    ("\"char\"[]", &["'{x,NULL}'"]),
    ("oid[]", &["'{1,4294967295}'"]),
    ("int2vector[]", &["ARRAY['1 2'::int2vector, '3']"]),
    ("money[]", &["'{$1.00}'::money[]"]),
    ("hstore[]", &["ARRAY['a=>1'::hstore, NULL]"]),
    ("citext[]", &["'{A,b}'"]),
    ("refcursor[]", &["'{a}'"]),
];

/// Types of one's own, for a schema that is first in the search path; with what makes them.
pub const OWN_TYPES: &str = "\
    CREATE TYPE mood AS ENUM ('sad', 'so so', 'happy'); \
    CREATE DOMAIN code AS text CHECK (VALUE <> 'bad'); CREATE DOMAIN short_code AS code CHECK (length(VALUE) < 9000); \
    CREATE DOMAIN amount AS numeric(12, 2) NOT NULL; CREATE DOMAIN price AS amount; \
    CREATE DOMAIN codes AS code[]; CREATE DOMAIN moods AS mood[]; CREATE DOMAIN tag AS hstore; \
    CREATE TYPE inner_row AS (a int, gone text, b text, m mood); \
    ALTER TYPE inner_row DROP ATTRIBUTE gone; \
    CREATE TYPE outer_row AS (f float8, \"in\" inner_row, list inner_row[], at timestamptz, c code); \
    CREATE TYPE floats AS RANGE (subtype = float8); \
    CREATE DOMAIN some_row AS outer_row; CREATE DOMAIN one_digit AS int4range CHECK (VALUE <@ '[0,9]')";

pub const OWN: &[(&str, &[&str])] = &[
    ("mood", &["'sad'", "'so so'"]),
    ("mood[]", &["'{happy,\"so so\",NULL}'", "'[0:0]={sad}'"]),
    ("moods", &["'{happy}'"]),
    ("code", &["''", "repeat('c', 5000)", "md5('$')"]),
    ("short_code", &["'x'", "md5('$')"]),
    ("price", &["1.5", "-0.01"]),
    ("codes", &["'{a,NULL,\"b c\"}'", "'{{a},{b}}'"]),
    ("short_code[]", &["'{a,\"\"}'", "ARRAY[repeat('z', 4000)]::short_code[]"]),
    ("price[]", &["'{1,2.345}'"]),
    ("tag", &["'a=>1'"]),
    ("tag[]", &["ARRAY['a=>1'::tag]"]),
    (
        "inner_row",
        &[
            "ROW(1, 'x y', 'sad')",
            "ROW(NULL, NULL, NULL)",
            "ROW(2, repeat('in', 5000), NULL)",
            "ROW(3, md5('$'), 'happy')",
        ],
    ),
    (
        "outer_row",
        &[
            "ROW(0.1, ROW(1, '\"', 'sad')::inner_row, ARRAY[ROW(2, NULL, 'happy')::inner_row, NULL], '2024-01-01 00:00+00', 'k')",
            "ROW('NaN', NULL, '{}', 'infinity', repeat('o', 9000))",
        ],
    ),
    ("some_row", &["ROW(1e15, NULL, NULL, NULL, NULL)::outer_row"]),
    ("inner_row[]", &["ARRAY[ROW(1, 'x', 'sad')::inner_row]"]),
    ("floats", &["'[0.1,1e15)'", "floats(0, $ / 3e9, '[]')"]),
    ("floats[]", &["ARRAY['[0.1,0.2]'::floats]"]),
    ("floats_multirange", &["'{[0.1,0.2],(3,)}'"]),
    ("one_digit", &["'[1,3)'"]),
    ("int4[]", &["'{1}'"]),
];

/// Draws numbers, the same from the same seed (Steele, Lea, Flood: SplitMix64).
pub struct Draw(pub u64);

impl Draw {
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.number() % n as u64) as usize
    }

    pub fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// A value of a type, as SQL; NULL now and then, unless the type refuses it.
    pub fn value(&mut self, &(sql_type, values): &(&str, &[&str])) -> String {
        if self.below(8) == 0 && !sql_type.starts_with("price") {
            return format!("NULL::{sql_type}");
        }
        let value = self.pick(values);
        literal(sql_type, value, self.number())
    }
}

/// The expression as a value of the type.
pub fn literal(sql_type: &str, value: &str, number: u64) -> String {
    let number = (number >> 20).to_string();
    // jsonpath has dollars of its own, and so has money.
    let dollars = sql_type == "jsonpath" || sql_type.starts_with("money");
    let value = if dollars && value.starts_with('\'') {
        value.to_owned()
    } else {
        value.replace('$', &number)
    };
    format!("({value})::{sql_type}")
}
