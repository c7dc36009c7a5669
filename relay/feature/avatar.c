/*
 * feature/avatar.c -- one picture for both ways of showing it: pubsub items (XEP-0084) and the vCard with its
 * hash in presence (XEP-0153), as XEP-0398 1.0.0 joins them.
 *
 * The picture is kept once, as the item of the data node. Whoever publishes metadata, directly or by a vCard,
 * changes what the account's presence says (section 4), and it is said again at once. The vCard shows the
 * picture to who may read the items (vcard.c).
 */
#include "config.h"

#include "relay/feature/avatar.h"

#include <string.h>
#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/presence.h"
#include "relay/feature/pubsub.h"
#include "relay/feature/pubsub_config.h"
#include "relay/route/account.h"
#include "relay/route/event.h"

static void
say_again(struct event *event, void *arg)
{
	(void)arg;
	presence_say_again(event->target, event->arena);
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void
avatar_published(struct event *event, const char *node, const struct xml *payload)
{
	const char *avatar;

	if (strcmp(node, NS_AVATAR) != 0)
		return;
	avatar = avatar_of_metadata(event->arena, payload);
	if (same(avatar, event->target->avatar))
		return;
	account_avatar_set(event->target, event, avatar);
	event_after(event, say_again, NULL);
}

void
avatar_retracted(struct event *event, const char *node, const char *item)
{
	const char *avatar = event->target->avatar;
	size_t len = strlen(item);

	if (avatar != NULL && strncmp(avatar, item, len) == 0 && avatar[len] == ' ')
		avatar_published(event, node, NULL);
}

/* A picture out of a vCard was world-readable by its nature (XEP-0054 5): so are its items. */
bool
avatar_publish(struct event *event, const struct avatar_image *image, const char *type)
{
	struct arena *arena = event->arena;
	struct pubsub_config open = pubsub_config_default;
	struct xml *data = xml_new(arena, "data", NS_AVATAR_DATA),
		   *metadata = xml_new(arena, "metadata", NS_AVATAR), *info;
	char id[ID_LEN + 1];

	open.access = ACCESS_OPEN;
	if (image == NULL) { /* XEP-0084 4.2.3: published that there is none */
		random_id(id);
		return pubsub_put(event, NS_AVATAR, &open, arena_strdup(arena, id), metadata);
	}
	xml_add_text(arena, data, image->base64, strlen(image->base64));
	info = xml_add(arena, metadata, "info", NULL);
	xml_setf(arena, info, "bytes", "%zu", image->bytes);
	xml_set(arena, info, "id", image->id);
	xml_set(arena, info, "type", type);
	return pubsub_put(event, NS_AVATAR_DATA, &open, arena_strdup(arena, image->id), data) &&
	       pubsub_put(event, NS_AVATAR, &open, arena_strdup(arena, image->id), metadata);
}

const struct feature feature_avatar = {
	.name = "avatar",
	.spec = "XEP-0084 1.1.4, XEP-0153 1.1.1, XEP-0398 1.0.0",
	.disco_account = (const char *const[]){ NS_VCARD_CONVERSION, NULL },
};
