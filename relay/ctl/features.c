/*
 * ctl/features.c -- what this relay implements, from the same table that it runs and announces.
 */
#include "config.h"

#include "relay/ctl/ctl.h"

#include "proto/ns.h"
#include "relay/route/feature.h"

/* What lies beneath the features and is no feature: the streams themselves. */
static const struct {
	const char *name, *spec, *ns;
} streams[] = {
	{ "stream", "RFC 6120, RFC 7590", NS_STREAM },
	{ "direct TLS", "XEP-0368 1.1.0", NULL },
	{ "limits", "XEP-0478 0.2.0", "urn:xmpp:stream-limits:0" },
	{ "sasl", "RFC 5802, RFC 7677, RFC 9266, XEP-0440 1.0.0, XEP-0474 0.5.0", "urn:ietf:params:xml:ns:xmpp-sasl" },
	{ "sasl2", "XEP-0388 1.0.4, XEP-0386 1.1.0, XEP-0484 0.2.0", "urn:xmpp:sasl:2" },
};

static json_t *
namespaces(const char *const *at)
{
	json_t *list = json_array();

	for (; at != NULL && *at != NULL; at++)
		json_array_append_new(list, json_string(*at));
	return list;
}

static void
print(struct ctl *ctl, const char *name, const char *spec, const char *const *host, const char *const *account)
{
	static const char *const columns[] = { "name", "spec", NULL };

	ctl_print(ctl,
		  json_pack("{s:s, s:s, s:o, s:o}", "name", name, "spec", spec, "announced", namespaces(host),
			    "announced_account", namespaces(account)),
		  columns, false);
}

int
ctl_features(struct ctl *ctl, char **args, int count)
{
	(void)args;
	(void)count;
	for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
		print(ctl, streams[i].name, streams[i].spec, (const char *const[]){ streams[i].ns, NULL }, NULL);
	for (const struct feature *const *at = feature_table; *at != NULL; at++)
		print(ctl, (*at)->name, (*at)->spec, (*at)->disco, (*at)->disco_account);
	return EX_OK;
}
