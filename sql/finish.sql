-- After everything else: what the functions are for, who may call what, and the launcher hears of it.

COMMENT ON FUNCTION manifold.add_org(text, text, text, text, jsonb, text) IS
  'Registers an org: the name that it has in topics and canonical rows, and the schema that Heroku Connect syncs it into (null: the schema of that name). phone_region is an ISO 3166-1 alpha-2 code, time_zone an IANA name (null: as the defaults say); defaults are those of its mappings, as for manifold.set_default, and class the class whose defaults it shares. Fails for a name that topics cannot have (22023), a schema or time zone that does not exist (42704), and a name or schema that is taken (42710)';
COMMENT ON FUNCTION manifold.remove_org(text, boolean) IS
  'Removes an org: its capture triggers, mappings, problems and, unless keep_canonical, its canonical rows. Its own tables and its topics stay. Waits as manifold.stop does, and for the normalizer''s turn. Fails for an org that does not exist (42704)';
COMMENT ON FUNCTION manifold.create_entity(text, jsonb) IS
  'Creates an entity: table canonical.NAME with key (org, sfid), captured and published like any source, and view qc.NAME. lead has a built-in definition; fields is a list of fields, or a definition, for any other. Returns the table. Fails for an entity or a relation that exists (42710), for a definition that is wrong, naming all that is (22023), and where schema canonical or qc belongs to a role that is no superuser (55000)';
COMMENT ON FUNCTION manifold.set_mapping(text, text, text, jsonb) IS
  'Says how a table (source, without schema) of an org feeds an entity, and returns the version. A change makes a new version; if the table is captured already and its rows come to something else by it, they are read through the log again, at the normalizer''s pace. The same mapping again changes nothing. Checked against the table''s columns and the entity''s fields: the error names all that is wrong, and where (22023). Fails for an org, table or entity that does not exist (42704)';
COMMENT ON FUNCTION manifold.preview(text, text, integer, jsonb, text) IS
  'What a mapping (or, null, the one in force) makes of n rows of a table, writing nothing: record, whether the row lands, the canonical fields and extras as they would be stored, the problems, and the same in a line. Works before manifold.start. entity is needed where the table feeds several. Fails for an org, table or entity that does not exist (42704), a mapping that is wrong (22023), and without one (55000)';
COMMENT ON FUNCTION manifold.preview_summary(text, text, integer, jsonb, text) IS
  'manifold.preview in numbers, a line a field: how many of n rows fill it, leave it empty or have a problem, how many by reason, the most frequent values that cannot be used, and the most frequent results. The line * is about whole rows. Fails as manifold.preview does';
COMMENT ON FUNCTION manifold.suggest_mapping(text, text, text) IS
  'For every field of an entity the likeliest columns and rules of a table, three at most: columns, confidence (0 to 1), the fragment of a mapping, the reason (name, type, values) and sample values. Learns from the mappings of other orgs. Writes nothing. Fails for an org, table or entity that does not exist (42704)';
COMMENT ON FUNCTION manifold.suggested_mapping(text, text, text, double precision) IS
  'The first suggestions of manifold.suggest_mapping with at least this confidence as a mapping, to look at, to preview and to give to manifold.set_mapping';
COMMENT ON FUNCTION manifold.set_default(text, text, jsonb, text, text) IS
  'Sets what is understood in the mappings of all orgs (level package, name null), of a class (class) or of an org (org), for all of them or those to an entity or of a source (table); null defaults take it away. Rows of orgs whose mappings come to something else are read again; returns these orgs. Fails for defaults that are wrong, or that a table of an org does not fit (22023), and for an org or entity that does not exist (42704)';
COMMENT ON FUNCTION manifold.explain_mapping(text, text, text) IS
  'The mapping in force with all defaults, part by part (source, rules, …), with the level that each comes from: entity (its definition), package, class, org or mapping';
COMMENT ON FUNCTION manifold.effective_mapping(text, text, text) IS
  'The mapping in force with all defaults merged into it';
COMMENT ON FUNCTION manifold.set_org_class(text, text) IS
  'Puts an org into a class, whose defaults it then shares; null takes it out. Its rows are read again where that changes what they come to. Fails for an org that does not exist (42704)';
COMMENT ON FUNCTION manifold.mapping_history(text, text, text) IS
  'The versions of a mapping, the newest first: whether it is in force, when, by whom and how it came about, what it changed against the one before, and the mapping';
COMMENT ON FUNCTION manifold.restore_mapping(text, text, text, integer) IS
  'Puts an earlier version of a mapping in force again, as a new version, which it returns; rows are read again as by manifold.set_mapping. Fails for a version that does not exist (42704) and where it does not fit the table any more (22023)';
COMMENT ON FUNCTION manifold.mapping_diff(text, text, text, text) IS
  'What differs between the mappings of two orgs with all their defaults, for all tables or one: field, part, and both values; null where a side has none';
COMMENT ON FUNCTION manifold.mapping_diff(text, text, text, integer, integer) IS
  'What differs between two versions of a mapping';
COMMENT ON FUNCTION manifold.copy_mapping(text, text, text) IS
  'Gives an org the mappings of another, of all its tables or of one, as new versions. Fields whose columns the org''s table lacks, or has in another type, are left out and reported with the reason; version is null where nothing was copied';
COMMENT ON FUNCTION manifold.promote_field(text, text, text, jsonb, jsonb, text) IS
  'Makes a field of an entity, with a column in canonical.ENTITY and qc.ENTITY, of what was in extras: columns says from which column (or field of a mapping) in each org, or in each table of an org, or names the column to look for in all; null looks for the field''s name. The mappings of these tables get a new version, and their rows are read again; version is null for a table that feeds the entity and lacks the column that its org was given. Waits for the canonical table for manifold.attach_lock_timeout, then fails (55P03): call it again. Fails for a field that exists (42710), and for a definition or column that is wrong (22023)';
COMMENT ON FUNCTION manifold.set_publication(text, text, jsonb) IS
  'Says what of a source is published (org canonical: of an entity''s canonical table): its key columns, and columns that are left out, masked, hashed or cut; {} for all of it as it is. Holds for what is published from then on; manifold.resync publishes the rows again. Checked against the table''s columns: the error names all that is wrong, and where (22023). Fails for an org, source or entity that does not exist (42704), and where columns are to be hashed and manifold.hash_salt is not set (55000)';
COMMENT ON FUNCTION manifold.start(text, text) IS
  'Begins to capture an org''s mapped tables, or the one named: attaches the triggers and has the rows that are there read through the log, while the sync goes on. Called again, it attaches what is missing and reads all rows afresh. Canonical rows that the table has no more, since they were deleted while it was not captured, are deleted at the end. Waits for the tables'' writers for manifold.attach_lock_timeout, then fails (55P03); fails for an org, source or table that does not exist (42704), for an org without a mapping, for what is no table, or a temporary, unlogged or foreign one, for a part of another source, and for a source whose topic would be another''s too (55000)';
COMMENT ON FUNCTION manifold.resync(text, text) IS
  'Captures an org''s tables, or the one named, afresh: attaches what is missing of the triggers, has all rows read through the log, and then deletes, through the log as well, canonical rows that the table has no more. Ends the gaps that are known by now. For canonical tables give canonical as the org: their rows are published again. Waits and fails as manifold.start does';
COMMENT ON FUNCTION manifold.stop(text, text) IS
  'Ends the capture of an org''s tables, or of the one named: takes the triggers off. What is in the log is still normalized and published. Waits, for readers too, and fails as manifold.start does';
COMMENT ON FUNCTION manifold.pause(text, text) IS
  'Has a consumer (normalizer or publisher) leave an org''s changes in the log, which keeps them until manifold.resume; the other orgs go on. Fails for an org or a consumer that does not exist (42704)';
COMMENT ON FUNCTION manifold.resume(text, text) IS
  'Has a paused consumer go on with an org, from where it was. Fails as manifold.pause does';
COMMENT ON FUNCTION manifold.peek(text, integer) IS
  'The next n messages of an org (or of canonical) that wait to be published, oldest first: event_id, topic, key, value (null: a tombstone) and headers, as they will be sent but for the time of sending. In place of one that cannot be made, and of all that follow of a table that cannot be published, headers say error and hint. Takes nothing away. Fails for an org that does not exist (42704) and for a negative n (22023)';
COMMENT ON FUNCTION manifold.create_consumer(text, text) IS
  'Creates a consumer for manifold.next: it takes the changes of an org, of the canonical tables (canonical) or of all (null) that are committed from now on; in a REPEATABLE READ transaction, all that this transaction cannot read of the tables themselves. The log keeps what it has not taken. Fails for a name that is none (22023) or is taken (42710), for an org that does not exist (42704), and where the log has been emptied since the transaction began (55000)';
COMMENT ON FUNCTION manifold.drop_consumer(text) IS
  'Drops a consumer of manifold.next, after a call of it that is under way; the log keeps nothing for it any more. Fails for one that does not exist (42704)';
COMMENT ON FUNCTION manifold.next(text, integer) IS
  'The next changes for a consumer in the order of their event ids, n of them and a few more, since whole chunks are given; none if there is nothing new. They are consumed when the transaction commits, all that the call gave, and given again if it does not. before and after are objects that jsonb_populate_record turns into the row: text as the server prints it, json and jsonb as they stand; op is c insert, u update, d delete, r read by a backfill, t truncate. A second session waits for the first one''s transaction. Fails for a consumer that does not exist (42704), in a transaction that is read only (25006) or has a higher isolation level than READ COMMITTED (55000), and for n below 1 (22023)';
COMMENT ON FUNCTION manifold.retry(text, text, text, text, text) IS
  'Tries problems again, those of an org, table, field, reason or record, one of these at least: their records are read into the log once more, a few hundred at a time, and manifold.status shows how many are left. Where some were only counted or cannot be named, the whole table is read. A record that its table has no more is deleted through the log. Returns the number of problems. Fails for an org, table, field or reason that does not exist (42704) and where nothing is chosen (22023)';
COMMENT ON FUNCTION manifold.dismiss(text, text, text, text, text) IS
  'Puts problems out of sight, those of an org, table, field, reason or record, one of these at least, until their value or their reason changes; manifold.problem_count counts them. Returns the number of problems. Fails as manifold.retry does';
COMMENT ON FUNCTION manifold.undismiss(text, text, text, text, text) IS
  'Brings problems that were dismissed back into sight, those of an org, table, field, reason or record, one of these at least. Returns the number of problems. Fails as manifold.retry does';
COMMENT ON FUNCTION manifold.map_value(text, text, text, text, text, text, text) IS
  'Gives a value, as the rule gets it that does not know it, a meaning, and returns the version of the mapping that has it among its meanings: an entry in the field''s table of values (map), a word for true or false (boolean), another name for a country or currency, which is given by its code. Null: the value means that there is none. path: in which part of the field, such as first_of[0]; null: in all that have such rules. Fails for an org, entity, field or part that does not exist (42704), for a table without a mapping (55000), and where no rule has such meanings, or the part is not the mapping''s own (22023)';
COMMENT ON FUNCTION manifold.remedy(text, text, text, text, text, text, text, text) IS
  'What to do about a kind of problem, for manifold.problem_summary: a statement, or a word; null where there is nothing to say';
COMMENT ON FUNCTION manifold.rule_catalogue() IS
  'Every rule, for manifold.rules';
COMMENT ON FUNCTION manifold.log_table() IS
  'Number of the table of the log that is written to now';
COMMENT ON FUNCTION manifold.installed() IS
  'Called by the extension''s script alone: refuses an installation without shared_preload_libraries (55000), and has the launcher start the workers at commit';

-- What a row looks like does not depend on the session that asks.
DO $$
DECLARE
  setting text;
BEGIN
  FOREACH setting IN ARRAY ARRAY['datestyle = iso', 'intervalstyle = postgres', 'timezone = utc',
    'extra_float_digits = 1', 'bytea_output = hex']
  LOOP
    EXECUTE 'ALTER FUNCTION manifold.next(text, integer) SET ' || setting;
    EXECUTE 'ALTER FUNCTION manifold.peek(text, integer) SET ' || setting;
    EXECUTE 'ALTER FUNCTION manifold.preview(text, text, integer, jsonb, text) SET ' || setting;
    EXECUTE 'ALTER FUNCTION manifold.preview_summary(text, text, integer, jsonb, text) SET ' || setting;
    EXECUTE 'ALTER FUNCTION manifold.suggest_mapping(text, text, text) SET ' || setting;
    EXECUTE 'ALTER FUNCTION manifold.suggested_mapping(text, text, text, double precision) SET ' || setting;
  END LOOP;
END $$;

-- The functions for admins may be called by anybody and check the role themselves, so that they can
-- say which one is missing. The workers' own are for nobody else.
-- Whoever could put the capture trigger on a table of his own could write any org's changes.
REVOKE ALL ON FUNCTION manifold.capture, manifold.capture_trouble, manifold.log_oldest, manifold.keeps_batches, manifold.log_needed, manifold.log_size,
  manifold.log_holders, manifold.log_table, manifold.empty_position_log, manifold.lag, manifold.installed,
  manifold.remedy FROM PUBLIC;
GRANT EXECUTE ON FUNCTION manifold.lag, manifold.remedy, manifold.capture_trouble, manifold.log_size, manifold.log_holders, manifold.log_table TO manifold_reader;

SELECT manifold.installed();
