/*
 * feature/csi.c -- a client says whether somebody looks at it (XEP-0352).
 *
 * While nobody does, presence and chat states wait in the relay (route/quiet.h); messages never do.
 */
#include "config.h"

#include <stddef.h>
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/feature/feature_table.h"
#include "relay/route/quiet.h"

static bool
on_nonza(void *state, struct session *session, const struct xml *element)
{
	(void)state;
	if (!xml_is(element, "active", NS_CSI) && !xml_is(element, "inactive", NS_CSI))
		return false;
	quiet_set(session, xml_is(element, "inactive", NS_CSI));
	return true;
}

static void
on_inline(void *state, struct session *session, const struct xml *element)
{
	(void)on_nonza(state, session, element);
}

static void
add_stream_feature(void *state, struct arena *arena, struct xml *features, bool ready)
{
	(void)state;
	if (ready)
		xml_add(arena, features, "csi", NS_CSI);
}

const struct feature feature_csi = {
	.name = "csi",
	.spec = "XEP-0352 1.0.0",
	.stream_features = add_stream_feature,
	.nonza = on_nonza,
	.inline_name = NS_CSI,
	.inline_ask = on_inline,
};
