/*
 * feature/pubsub-private.h -- what the files of pubsub share: the request under way and its answers. Nobody
 * else includes this.
 */
#ifndef RELAY_FEATURE_PUBSUB_PRIVATE_H
#define RELAY_FEATURE_PUBSUB_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include "proto/error.h"
#include "relay/feature/pubsub.h"
#include "relay/feature/pubsub_access.h"
#include "relay/feature/pubsub_config.h"
#include "relay/route/account.h"
#include "relay/route/event.h"

enum {
	PUBSUB_NODES_MAX = 1000,        /* an account */
	PUBSUB_NODE_NAME_MAX = 1023,    /* bytes */
	PUBSUB_ITEM_NAME_MAX = 3071,    /* bytes: bookmarks (XEP-0402) use JIDs as ids */
	PUBSUB_CONFIG_MAX = 8 * 1024,   /* bytes of a stored configuration */
	PUBSUB_ANSWER_MAX = 512 * 1024, /* bytes of items in one answer, half of what a session may let lie */
};

/* One iq for event->target, checked as far as its row in the verb table says. Lives in the event's arena. */
struct pubsub_request {
	struct event *event;
	struct account *account;  /* event->target */
	const struct xml *verb;   /* <publish/>, <items/>... */
	const char *name;         /* of the node; NULL: none given */
	struct pubsub_node *node; /* NULL: none such. Never kept over a wait: look it up again */
	bool owner;
};

/* Refusals: an error that echoes the request, with the XEP's own condition. Nothing may have been added to
 * the event yet. feature: of <unsupported/>, else NULL. condition NULL: none. */
enum verdict pubsub_refuse(struct event *event, enum stanza_error error, const char *condition,
			   const char *feature);
enum verdict pubsub_refuse_config(struct event *event, enum config_result why, const char *var);

/* What event->from may do with a node of event->target, or of any account. */
enum pubsub_right pubsub_right_of(const struct account *account, struct pubsub_node *node, const char *bare,
				  bool owner);
enum pubsub_right pubsub_event_right(struct event *event, struct pubsub_node *node);

/* A result with an empty <pubsub/> of the request's namespace. */
struct xml *pubsub_result(struct event *event, struct xml **pubsub_r);

/* Make or change a node. False: the configuration is too long; the event has been refused. */
bool pubsub_node_write(struct event *event, const char *name, const struct pubsub_config *config);
/* May one more node be made under this name: else refuses. */
bool pubsub_may_create(struct event *event, const char *name);
/* The submitted form of this FORM_TYPE in `parent`; NULL: none there. */
const struct xml *pubsub_form(const struct xml *parent, const char *form_type);

/* An item's payload as a tree in the arena; NULL: unreadable (cannot be, it was one when stored). */
struct xml *pubsub_payload(struct arena *arena, const char *body, size_t len);

/* Verbs. */
enum verdict pubsub_publish(struct pubsub_request *request);
enum verdict pubsub_retract(struct pubsub_request *request);
enum verdict pubsub_items(struct pubsub_request *request);
enum verdict pubsub_create(struct pubsub_request *request);
enum verdict pubsub_delete(struct pubsub_request *request);
enum verdict pubsub_purge(struct pubsub_request *request);
enum verdict pubsub_configure(struct pubsub_request *request);
enum verdict pubsub_configure_set(struct pubsub_request *request);
enum verdict pubsub_default(struct pubsub_request *request);
enum verdict pubsub_affiliations_own(struct pubsub_request *request);
enum verdict pubsub_affiliations(struct pubsub_request *request);
enum verdict pubsub_affiliations_set(struct pubsub_request *request);
enum verdict pubsub_subscriptions_own(struct pubsub_request *request);
enum verdict pubsub_subscriptions(struct pubsub_request *request);
enum verdict pubsub_subscriptions_set(struct pubsub_request *request);
enum verdict pubsub_subscribe(struct pubsub_request *request);
enum verdict pubsub_unsubscribe(struct pubsub_request *request);

/* Notifications. `change` is the child of <event/>: <items/>, <purge/>, <delete/>, <configuration/>. Sent
 * after the event's commit to every available session that may read the node and announced an interest in it
 * (XEP-0163 4.3). */
void pubsub_notify(struct event *event, struct account *account, const char *node,
		   const struct pubsub_config *config, const struct xml *change);

/* The same to clients of contacts at other relays (pubsub_far.c). */
void pubsub_notify_far(struct event *event, struct account *account, const char *node, const struct pubsub_config *config,
    const struct xml *change);
/* The message around a change (NULL: to be filled in); its `to` is set for each recipient. */
struct xml *pubsub_message(struct arena *arena, const char *from, const struct xml *change);

/* A contact may now see the account's presence: send its sessions the last items (XEP-0163 4.3.4). */
void pubsub_greet_contact(struct account *account, const char *contact);

#endif
