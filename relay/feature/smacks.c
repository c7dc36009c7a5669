/*
 * feature/smacks.c -- says that stream management is spoken (XEP-0198 1.6.3 section 2). The doing is in
 * stream/smacks.c and, for messages, in mailbox_confirm.c.
 */
#include "config.h"

#include "relay/feature/feature_table.h"

#include <stddef.h>
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/route/feature.h"

static void
announce(void *state, struct arena *arena, struct xml *features, bool ready)
{
	(void)state;
	if (ready) /* "not before": section 5 */
		xml_add(arena, features, "sm", NS_SM);
}

const struct feature feature_smacks = {
	.name = "smacks",
	.spec = "XEP-0198 1.6.3",
	.stream_features = announce,
};
