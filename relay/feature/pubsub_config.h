/*
 * feature/pubsub_config.h -- the configuration of a pubsub node: one typed table of the fields of
 * XEP-0060 16.4.4, and what follows from it.
 *
 * Stored as the text of a data form (struct pubsub_node.config); kept parsed as one flat block (struct
 * pubsub_node.parsed, freed by free()).
 */
#ifndef RELAY_FEATURE_PUBSUB_CONFIG_H
#define RELAY_FEATURE_PUBSUB_CONFIG_H

#include <stdbool.h>
#include "relay/feature/pubsub_list.h"
#include "relay/route/account.h"

struct arena;
struct xml;

enum { PUBSUB_ITEMS_MAX = 1000 }; /* what max_items=max means */

enum pubsub_access { ACCESS_OPEN, ACCESS_PRESENCE, ACCESS_ROSTER, ACCESS_WHITELIST };
enum pubsub_send_last { SEND_LAST_NEVER, SEND_LAST_ON_SUB, SEND_LAST_ON_SUB_AND_PRESENCE };

struct pubsub_config {
	int access;                                                          /* enum pubsub_access */
	int send_last;                                                       /* enum pubsub_send_last */
	int persist, payloads, notify_config, notify_delete, notify_retract; /* 0 or 1 */
	int max_items;                                                       /* 1..PUBSUB_ITEMS_MAX */
	/* Lists: each entry followed by '\n'. Never NULL. */
	const char *title, *description, *type;
	const char *groups; /* roster groups allowed by ACCESS_ROSTER */
	const char *
	    members; /* bare JIDs allowed by ACCESS_WHITELIST: affiliation member (or publisher-only lists) */
	const char *outcasts; /* bare JIDs that may do nothing: affiliation outcast */
};
extern const struct pubsub_config pubsub_config_default; /* XEP-0163 section 5 */

enum config_result {
	CONFIG_OK,
	CONFIG_UNKNOWN,    /* a field that is not ours (only when strict) */
	CONFIG_BAD_ACCESS, /* an access model that is not offered */
	CONFIG_BAD_VALUE,
};

/* Set from a submitted form; the strings are borrowed from the arena. Unknown fields are ignored unless
 * strict. *var_r: the field in fault. */
enum config_result pubsub_config_apply(struct arena *arena, struct pubsub_config *config,
				       const struct xml *form, bool strict, const char **var_r);
/* With its texts: outlives the node. */
struct pubsub_config pubsub_config_copy(struct arena *arena, const struct pubsub_config *config);
bool pubsub_config_equal(const struct pubsub_config *a, const struct pubsub_config *b);
/* A form of `type` (form: with labels and options) and FORM_TYPE node_config, appended to parent. */
struct xml *pubsub_config_form(struct arena *arena, struct xml *parent, const struct pubsub_config *config,
			       const char *type);

/* The stored text; NUL-terminated, arena's. */
const char *pubsub_config_text(struct arena *arena, const struct pubsub_config *config);
/* One block for free(). A text that is not ours gives a configuration that lets only the owner in. */
struct pubsub_config *pubsub_config_parse(const char *text);
/* The node's, parsed at first need. */
const struct pubsub_config *pubsub_config_of(struct pubsub_node *node);

#endif
