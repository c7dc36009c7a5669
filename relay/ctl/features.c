/*
 * ctl/features.c -- what this relay implements, from the same table that it runs and announces.
 */
#include "config.h"

#include "relay/ctl/ctl.h"

#include "relay/route/feature.h"

static json_t *
namespaces(const struct feature *feature)
{
	json_t *list = json_array();

	for (const char *const *at = feature->disco; at != NULL && *at != NULL; at++)
		json_array_append_new(list, json_string(*at));
	return list;
}

int
ctl_features(struct ctl *ctl, char **args, int count)
{
	static const char *const columns[] = { "name", "spec", NULL };

	(void)args;
	(void)count;
	for (const struct feature *const *at = feature_table; *at != NULL; at++)
		ctl_print(ctl,
			  json_pack("{s:s, s:s, s:o}", "name", (*at)->name, "spec", (*at)->spec, "announced",
				    namespaces(*at)),
			  columns, false);
	return EX_OK;
}
