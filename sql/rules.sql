-- What mappings can be made of.

CREATE VIEW manifold.rules AS
  SELECT name, meaning, arguments, takes, yields, reasons, example, examples
  FROM manifold.rule_catalogue();
COMMENT ON VIEW manifold.rules IS
  'The rules that mappings can name, in the order of docs/reference.md';
COMMENT ON COLUMN manifold.rules.name IS 'As a mapping names it';
COMMENT ON COLUMN manifold.rules.meaning IS 'What it does';
COMMENT ON COLUMN manifold.rules.arguments IS 'A list of its arguments and options: name, kind, whether it is required, meaning. One with the rule''s own name is what stands there; a rule without any is written as its mere name';
COMMENT ON COLUMN manifold.rules.takes IS 'The kinds of values that it takes';
COMMENT ON COLUMN manifold.rules.yields IS 'The kind of value that it yields';
COMMENT ON COLUMN manifold.rules.reasons IS 'The reasons of the problems that it can cause';
COMMENT ON COLUMN manifold.rules.example IS 'A chain, a value, and what becomes of it';
COMMENT ON COLUMN manifold.rules.examples IS 'The same as JSON, all of them: rules, input, and output or problem';

GRANT SELECT ON manifold.rules TO PUBLIC;
