-- What every object is for, as \d+ and \df+ show it; what stands beside a definition in the other
-- files is not repeated here. Functions that are written in Rust have theirs in finish.sql.

COMMENT ON FUNCTION manifold.capture() IS
  'The capture triggers'' function: appends what was written to the log. Its arguments: the number of the source, and a second one on tables that are only a part of it';

-- ---------------------------------------------------------------- definitions

COMMENT ON SEQUENCE manifold.org_org_id_seq IS 'Numbers of orgs';
COMMENT ON SEQUENCE manifold.source_source_id_seq IS 'Numbers of sources';
COMMENT ON SEQUENCE manifold.mapping_mapping_id_seq IS 'Numbers of mappings';

COMMENT ON COLUMN manifold.org.org_id IS 'Number of the org: its lane in manifold.position and manifold.consumer_error; never given again';
COMMENT ON COLUMN manifold.org.created_at IS 'When the org was added';

COMMENT ON COLUMN manifold.entity.entity IS 'Name of the entity: of its tables canonical.NAME and qc.NAME and, as canonical.NAME, of its topic';
COMMENT ON COLUMN manifold.entity.definition IS 'The fields with their types, default rules, whether they are required, and comments; docs/reference.md describes the format';
COMMENT ON COLUMN manifold.entity.created_at IS 'When the entity was created';

COMMENT ON COLUMN manifold.source.source_id IS 'Number of the source, which chunks in the log and capture triggers carry; never given again';
COMMENT ON COLUMN manifold.source.org IS 'The org that the table belongs to; null for canonical tables';
COMMENT ON COLUMN manifold.source.schema_name IS 'Schema of the captured table';
COMMENT ON COLUMN manifold.source.table_name IS 'Name of the captured table; the last part of its topic';
COMMENT ON COLUMN manifold.source.entity IS 'The entity whose canonical table this is; null for an org''s tables, where manifold.mapping says what they feed';

COMMENT ON COLUMN manifold.mapping.mapping_id IS 'Number of this version of the mapping';
COMMENT ON COLUMN manifold.mapping.source_id IS 'The source that feeds';
COMMENT ON COLUMN manifold.mapping.entity IS 'The entity that is fed';
COMMENT ON COLUMN manifold.mapping.version IS '1, 2, … for each source and entity, as manifold.set_mapping returns it';
COMMENT ON COLUMN manifold.mapping.mapping IS 'The mapping as it was given; docs/reference.md describes the format';
COMMENT ON COLUMN manifold.mapping.active IS 'Whether this is the version in force; one at most for each source and entity';
COMMENT ON COLUMN manifold.mapping.created_at IS 'When this version was set';
COMMENT ON COLUMN manifold.mapping.created_by IS 'The session''s user who set it';
COMMENT ON INDEX manifold.mapping_active IS 'One version at most is in force';

COMMENT ON COLUMN manifold.mapping.note IS 'How it came about where it was not given by hand: restored, copied, promoted';

COMMENT ON COLUMN manifold.mapping_default.level IS 'package: all orgs; class: the orgs of a class; org: one org. Each has the last word over those before it, and a mapping over all';
COMMENT ON COLUMN manifold.mapping_default.name IS 'The class or the org; empty for the package';
COMMENT ON COLUMN manifold.mapping_default.entity IS 'The entity whose mappings are meant; null: all';
COMMENT ON COLUMN manifold.mapping_default.source IS 'The table whose mappings are meant; null: all';
COMMENT ON COLUMN manifold.mapping_default.defaults IS 'The defaults; docs/reference.md describes the format';
COMMENT ON COLUMN manifold.mapping_default.set_at IS 'When they were set';
COMMENT ON COLUMN manifold.mapping_default.set_by IS 'The session''s user who set them';
COMMENT ON INDEX manifold.mapping_default_key IS 'One document for each level, name, entity and source';

COMMENT ON COLUMN manifold.pause.org IS 'The org whose changes wait';
COMMENT ON COLUMN manifold.pause.consumer IS 'The consumer that leaves them waiting: normalizer or publisher';
COMMENT ON COLUMN manifold.pause.since IS 'When manifold.pause was called';
COMMENT ON COLUMN manifold.publication.source_id IS 'The source that is published so';
COMMENT ON COLUMN manifold.publication.options IS 'The options as they were given; docs/reference.md describes the format';
COMMENT ON COLUMN manifold.publication.set_at IS 'When they were set';
COMMENT ON COLUMN manifold.publication.set_by IS 'The session''s user who set them';
COMMENT ON COLUMN manifold.publication_table.source_id IS 'The source that is published so';
COMMENT ON COLUMN manifold.publication_table.relation IS 'One of its tables: the one that it is now, a partition, or one that it was before, of which rows may wait';
COMMENT ON COLUMN manifold.publication_table.columns IS 'Attribute numbers by the names that the options have';

-- ---------------------------------------------------------------- capture

COMMENT ON COLUMN manifold.layout.source_id IS 'The source whose rows have this layout';
COMMENT ON COLUMN manifold.layout.fingerprint IS 'Hash of the columns, by which capture finds the layout; means nothing elsewhere';
COMMENT ON COLUMN manifold.layout.layout_id IS 'Number of the layout, which chunks in the log carry';
COMMENT ON COLUMN manifold.layout.relation IS 'The table that the rows are of: a column''s number means the same in all its layouts';
COMMENT ON COLUMN manifold.layout.created_at IS 'When rows with this layout were first captured';
COMMENT ON COLUMN manifold.layout.columns IS 'The columns by attribute number, dropped ones included: name, type, length and alignment';
COMMENT ON INDEX manifold.layout_lookup IS 'Capture finds a table''s layout by it';

COMMENT ON COLUMN manifold.capture.source_id IS 'A source that has been started and not been stopped';
COMMENT ON COLUMN manifold.capture.started_at IS 'When manifold.start or manifold.resync was last called for it';

COMMENT ON COLUMN manifold.gap.source_id IS 'The source that misses something';
COMMENT ON COLUMN manifold.gap.reason IS 'Why';
COMMENT ON COLUMN manifold.gap.at IS 'Since when it is known';
COMMENT ON COLUMN manifold.backfill.source_id IS 'The source whose rows are read into the log';
COMMENT ON COLUMN manifold.backfill.requested_at IS 'When manifold.start, manifold.resync or manifold.set_mapping asked for it';
COMMENT ON COLUMN manifold.backfill.finished_at IS 'When the last row was read; null while there are rows left';

-- ---------------------------------------------------------------- the log

COMMENT ON COLUMN manifold.change.seq IS 'Sequence number of the chunk; for one record it grows with every change. seq.ordinal is the event id of a row';
COMMENT ON COLUMN manifold.change.xid IS 'The transaction that wrote it: full id of the top-level transaction';
COMMENT ON COLUMN manifold.change.at IS 'When the statement''s capture began (wall-clock time)';
COMMENT ON COLUMN manifold.change.source_id IS 'The source, as in manifold.source';
COMMENT ON COLUMN manifold.change.layout_id IS 'The layout that the images are read with, as in manifold.layout';
COMMENT ON COLUMN manifold.change.rows IS 'Number of rows in the chunk; 0 for t and g';
COMMENT ON COLUMN manifold.change.op IS 'c insert, u update, d delete, r read by a backfill, t truncate';
COMMENT ON COLUMN manifold.change.origin IS 'Who wrote: h Heroku Connect (xmlbinary is hex), a an application, w one of this extension''s workers, k the keeper, which looked for the record by its key';
COMMENT ON COLUMN manifold.change.images IS 'The row images, in binary; for updates each is followed by what leads back to the old row';

DO $$
BEGIN
  FOR i IN 0..2 LOOP
    EXECUTE format($sql$COMMENT ON INDEX manifold.change_%s_xid IS 'By it consumers find what they have not read yet, and whose it is'$sql$, i);
  END LOOP;
END $$;

-- ---------------------------------------------------------------- consumers

COMMENT ON COLUMN manifold.consumer.consumer IS 'Name of the consumer';
COMMENT ON COLUMN manifold.consumer.org IS 'The org whose changes it takes, canonical for the canonical tables; null for all of them';
COMMENT ON COLUMN manifold.consumer.created_at IS 'When it was created; it takes what was committed after that';

COMMENT ON COLUMN manifold.consumer.dropped IS 'Where it goes on if it is not there yet: it held the log beyond manifold.drop_log_size, and what came before was dropped. Null where that was never so';

COMMENT ON COLUMN manifold.position.consumer IS 'normalizer, publisher, exactly_once (its claim), backfill, or one of manifold.consumer';
COMMENT ON COLUMN manifold.position.lane IS '0: all orgs without a lane of their own; otherwise an org_id, -1 for the canonical tables, or manifold.source_lane(source_id) for one source. For backfill: the source_id';
COMMENT ON COLUMN manifold.position.seen IS 'All changes of transactions that this snapshot sees are consumed. Null: the lane is no more, or this is a backfill';
COMMENT ON COLUMN manifold.position.upto IS 'In the middle of a batch, where the batch ends; else null';
COMMENT ON COLUMN manifold.position.last_seq IS 'In the middle of a batch, its chunks up to this sequence number are consumed; else null';
COMMENT ON COLUMN manifold.position.request IS 'Backfill: which one, by backfill.requested_at';
COMMENT ON COLUMN manifold.position.file IS 'Backfill: the file (relfilenode) of the table that the blocks belong to';
COMMENT ON COLUMN manifold.position.progress IS 'Backfill: all blocks before this one have been read';
COMMENT ON COLUMN manifold.position.claim IS 'exactly_once: the Kafka transaction that may be committed now; null while manifold.exactly_once is off';
COMMENT ON COLUMN manifold.position.total IS 'Backfill: the number of blocks when it began; rows beyond come by the triggers';

COMMENT ON COLUMN manifold.consumer_error.consumer IS 'keeper, normalizer, publisher, backfill or retry';
COMMENT ON COLUMN manifold.consumer_error.lane IS 'Whom it concerns: 0 all orgs, -1 the canonical tables, an org_id that org, manifold.source_lane(source_id) one source. For backfill and retry: the source_id';
COMMENT ON COLUMN manifold.consumer_error.severity IS 'warn or error, as manifold.status shows it';
COMMENT ON COLUMN manifold.consumer_error.message IS 'What went wrong; never holds a secret option of Kafka';
COMMENT ON COLUMN manifold.consumer_error.hint IS 'What to do about it; null where there is nothing to say';
COMMENT ON COLUMN manifold.consumer_error.since IS 'When this error was first met without a break';
COMMENT ON COLUMN manifold.consumer_error.at IS 'When it was last met';
COMMENT ON COLUMN manifold.consumer_error.cleared_at IS 'When it was over; null while it lasts';


COMMENT ON SEQUENCE manifold.reread_reread_id_seq IS 'Order in which records are read once more';
COMMENT ON COLUMN manifold.reread.reread_id IS 'The next to be read is the lowest; a row that somebody has locked goes to the end';
COMMENT ON COLUMN manifold.reread.source_id IS 'The source whose record it is';
COMMENT ON COLUMN manifold.reread.requested_at IS 'When manifold.retry asked for it';
COMMENT ON COLUMN manifold.quarantine.digest IS 'Changes with reason, value and image, whether there was room for it or not: by it a dismissal knows its problem again';
COMMENT ON COLUMN manifold.quarantine.bytes IS 'Size of the image';
COMMENT ON COLUMN manifold.dismissal.digest IS 'What was dismissed: quarantine.digest at that time';
COMMENT ON COLUMN manifold.dismissal.dismissed_at IS 'When';
COMMENT ON COLUMN manifold.dismissal.dismissed_by IS 'The session''s user who dismissed it';
COMMENT ON COLUMN manifold.problem_tally.kept IS 'Problems of this kind in the quarantine, dismissed ones included';
COMMENT ON COLUMN manifold.problem_tally.dropped IS 'How often such a problem was met and only counted, since the source was last read as a whole';
COMMENT ON COLUMN manifold.problem_tally.bytes IS 'Size of the images that are kept of such problems';

COMMENT ON COLUMN manifold.problem.org IS 'The org of the row; canonical for a canonical row that could not be published';
COMMENT ON COLUMN manifold.problem.source IS 'The table of the row, within its schema';
COMMENT ON COLUMN manifold.problem.entity IS 'The entity that the value was for; kafka for a change that could not be published, a consumer for one that could not be given to it';
COMMENT ON COLUMN manifold.problem.record IS 'The key of the row (sfid), or id:N where it has none yet; the message''s key where entity is kafka; event:ID where the row cannot be read';
COMMENT ON COLUMN manifold.problem.field IS 'The canonical field that is null therefore; * where the whole row is held back, was not published or not given';
COMMENT ON COLUMN manifold.problem.path IS 'Which part of the field it is whose rules failed, such as first_of[0]; empty for the field''s own rules';
COMMENT ON COLUMN manifold.problem.input IS 'What the rule was given, as the rules before it left it; null where it is longer than 255 characters or no text';
COMMENT ON COLUMN manifold.problem.value IS 'The offending value, cut to 200 characters';
COMMENT ON COLUMN manifold.problem.rule IS 'The rule that failed; type for the conversion to the field''s type, key or required where something is missing, decode for a row that cannot be read, null where the database or Kafka refused';
COMMENT ON COLUMN manifold.problem.reason IS 'Reason code; docs/onboarding.md says what to do about each';
COMMENT ON COLUMN manifold.problem.message IS 'The reason in words';
COMMENT ON COLUMN manifold.problem.event_id IS 'Id of the change that brought the value last';
COMMENT ON COLUMN manifold.problem.image IS 'Where the row is held back whole: the source row, or the canonical values that the database refused';
COMMENT ON COLUMN manifold.problem.since IS 'When this was first met, with this reason';
COMMENT ON COLUMN manifold.problem.last_at IS 'When it was last met';
COMMENT ON COLUMN manifold.problem.times IS 'How often it was met';

COMMENT ON COLUMN manifold.problem_summary.org IS 'As in manifold.problem, like the next four';
COMMENT ON COLUMN manifold.problem_summary.source IS 'The table of the rows';
COMMENT ON COLUMN manifold.problem_summary.entity IS 'The entity that the value was for, kafka, or a consumer';
COMMENT ON COLUMN manifold.problem_summary.field IS 'The canonical field, or * for whole rows';
COMMENT ON COLUMN manifold.problem_summary.reason IS 'Reason code';
COMMENT ON COLUMN manifold.problem_summary.value IS 'The value that could not be used; null where rows are held whole';
COMMENT ON COLUMN manifold.problem_summary.message IS 'The reason in words';
COMMENT ON COLUMN manifold.problem_summary.records IS 'How many records have it';
COMMENT ON COLUMN manifold.problem_summary.times IS 'How often it was met in them';
COMMENT ON COLUMN manifold.problem_summary.first_seen IS 'When it was first met';
COMMENT ON COLUMN manifold.problem_summary.last_seen IS 'When it was last met';
COMMENT ON COLUMN manifold.problem_summary.examples IS 'Up to three of the records';
COMMENT ON COLUMN manifold.problem_summary.suggestion IS 'What to do about it: a statement that can be run as it is, or a word; null where there is nothing to say';
COMMENT ON COLUMN manifold.problem_count.org IS 'The org; canonical for canonical rows that could not be published';
COMMENT ON COLUMN manifold.problem_count.source IS 'The table of the rows, within its schema';
COMMENT ON COLUMN manifold.problem_count.entity IS 'As in manifold.problem';
COMMENT ON COLUMN manifold.problem_count.field IS 'As in manifold.problem';
COMMENT ON COLUMN manifold.problem_count.reason IS 'Reason code';
COMMENT ON COLUMN manifold.problem_count.kept IS 'Problems that manifold.problem shows';
COMMENT ON COLUMN manifold.problem_count.dismissed IS 'Problems that were dismissed and whose value is still the same';
COMMENT ON COLUMN manifold.problem_count.dropped IS 'How often one was met and only counted, since the org has manifold.max_problems; manifold.retry reads the whole table again for them';
COMMENT ON COLUMN manifold.problem_count.bytes IS 'Size of the row images that are kept of such problems';

COMMENT ON COLUMN manifold.status.org IS 'The org; canonical for the canonical tables; null for what concerns all';
COMMENT ON COLUMN manifold.status.source IS 'The captured table, within its schema';
COMMENT ON COLUMN manifold.status.consumer IS 'normalizer, publisher, one of manifold.consumer, backfill where one was asked for, retry while records wait to be read again, or keeper where it has something to say of the log';
COMMENT ON COLUMN manifold.status.state IS 'paused, error (nothing moves until it is over), warn (something has to be done about it), or ok';
COMMENT ON COLUMN manifold.status.lag_changes IS 'Row changes that the consumer has still to take; a truncate counts as one';
COMMENT ON COLUMN manifold.status.lag_bytes IS 'Bytes of their row images in the log';
COMMENT ON COLUMN manifold.status.lag_ms IS 'Milliseconds since the oldest of them was captured; 0 where nothing waits';
COMMENT ON COLUMN manifold.status.last_error IS 'The last error, also when it is over; null if there has been none';
COMMENT ON COLUMN manifold.status.last_error_at IS 'When the last error was last met';
COMMENT ON COLUMN manifold.status.detail IS 'What to do about the state, or how far a backfill is';

COMMENT ON COLUMN manifold.log_status.log_table IS 'The table';
COMMENT ON COLUMN manifold.log_status.state IS 'current: it is written to; resting: it is emptied when nobody needs it; empty';
COMMENT ON COLUMN manifold.log_status.bytes IS 'Its size on disk, with index and out-of-line values';
COMMENT ON COLUMN manifold.log_status.oldest_needed IS 'When the oldest change in it was captured that somebody has still to take; null where all is taken';
COMMENT ON COLUMN manifold.log_status.held_by IS 'Who has still to take something in it, and of which org where that is apart from the others';
