-- SECURITY INVOKER would do: the function touches the log below the level where rights are checked.
CREATE FUNCTION manifold.capture() RETURNS trigger
  LANGUAGE c AS '@MODULE_PATHNAME@', 'manifold_capture';
