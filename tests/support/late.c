/* A session that stands still just after its transaction has become visible to others: callbacks are called
 * from the last registered to the first, so this one comes before all that were preloaded. */
#include "postgres.h"

#include <unistd.h>

#include "access/xact.h"
#include "fmgr.h"

PG_MODULE_MAGIC;

void _PG_init(void);

static void
wait_for_the_gate(XactEvent event, void *arg)
{
	while (event == XACT_EVENT_COMMIT && access(GATE, F_OK) == 0)
		pg_usleep(10000L);
}

void
_PG_init(void)
{
	RegisterXactCallback(wait_for_the_gate, NULL);
}
