-- After everything else: who may call what, and the launcher hears of it.
-- The functions for admins may be called by anybody and check the role themselves, so that they can
-- say which one is missing. The workers' own are for nobody else.
-- Whoever could put the capture trigger on a table of his own could write any org's changes.
REVOKE ALL ON FUNCTION manifold.capture, manifold.log_needed, manifold.empty_position_log, manifold.lag, manifold.installed FROM PUBLIC;
GRANT EXECUTE ON FUNCTION manifold.lag TO manifold_reader;

SELECT manifold.installed();
