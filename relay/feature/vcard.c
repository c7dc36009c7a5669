/*
 * feature/vcard.c -- the old vCards (XEP-0054 1.3.0), their picture shared with the published one
 * (XEP-0398 1.0.0).
 *
 * Kept as one item of a hidden node, without a picture that could be published; asked for, it shows the
 * picture that the account publishes to who may read that (6.2). The words of a vCard are for everybody, as
 * section 5 says. DIAGNOSTICS: somebody else's: forbidden to set; none there, no such account:
 * service-unavailable (3.3), one's own: item-not-found.
 */
#include "config.h"

#include <string.h>
#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/feature/avatar.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/pubsub-private.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/store/read.h"

#define NODE PUBSUB_HIDDEN "vcard"
#define ITEM "current"

/* ---- get ---- */

struct showing {
	struct event *event;
	struct xml *vcard;  /* NULL: none so far */
	const char *avatar; /* "SHA-1 type" */
};

static void
finish(struct showing *showing)
{
	struct event *event = showing->event;
	struct xml *result;

	if (showing->vcard == NULL) {
		event_finish(event, event_reject(event,
						 event->target == event->sender ? STANZA_ITEM_NOT_FOUND
										: STANZA_SERVICE_UNAVAILABLE,
						 NULL));
		return;
	}
	result = event_result(event);
	xml_append(result, showing->vcard);
	event_reply(event, result);
	event_finish(event, HANDLED);
}

static void
fail(struct showing *showing)
{
	event_finish(showing->event, event_reject(showing->event, STANZA_INTERNAL_SERVER_ERROR, NULL));
}

static void
remove_photos(struct xml *vcard)
{
	struct xml *photo;

	while ((photo = xml_find(vcard, "PHOTO", NS_VCARD)) != NULL)
		xml_remove(vcard, photo);
}

/* Only the picture that hashes to what the account said (XEP-0398 3.1). */
static void
add_photo(struct showing *showing, const struct item_row *row)
{
	struct arena *arena = showing->event->arena;
	struct xml *data = pubsub_payload(arena, row->body, row->len), *photo;
	struct avatar_image image;

	if (data == NULL || !avatar_image_read(arena, xml_text(arena, data), &image) ||
	    strncmp(image.id, showing->avatar, 2 * SHA1_LEN) != 0)
		return;
	if (showing->vcard == NULL)
		showing->vcard = xml_new(arena, "vCard", NS_VCARD);
	remove_photos(showing->vcard);
	photo = xml_add(arena, showing->vcard, "PHOTO", NULL);
	xml_add_leaf(arena, photo, "TYPE", NULL, showing->avatar + 2 * SHA1_LEN + 1);
	xml_add_leaf(arena, photo, "BINVAL", NULL, image.base64);
}

static void
photo_read(void *arg, bool failed, const struct item_row *rows, size_t count)
{
	struct showing *showing = arg;

	if (failed) {
		fail(showing);
		return;
	}
	if (count > 0)
		add_photo(showing, &rows[0]);
	finish(showing);
}

static bool
may_read(struct event *event, const char *name)
{
	struct pubsub_node *node = account_node_find(event->target, name);

	return node != NULL && pubsub_event_right(event, node) == RIGHT_READ;
}

static void
vcard_read(void *arg, bool failed, const struct item_row *rows, size_t count)
{
	struct showing *showing = arg;
	struct event *event = showing->event;
	char id[2 * SHA1_LEN + 1];

	if (failed) {
		fail(showing);
		return;
	}
	if (count > 0)
		showing->vcard = pubsub_payload(event->arena, rows[0].body, rows[0].len);
	if (event->target->avatar == NULL || !may_read(event, NS_AVATAR) ||
	    !may_read(event, NS_AVATAR_DATA)) {
		finish(showing);
		return;
	}
	showing->avatar = arena_strdup(event->arena, event->target->avatar);
	memcpy(id, showing->avatar, sizeof id - 1);
	id[sizeof id - 1] = '\0';
	read_items(router_store(event->router), event->target->node, NS_AVATAR_DATA, id, 1, photo_read,
		   showing);
}

static void
look(struct event *event, void *arg)
{
	read_items(router_store(event->router), event->target->node, NODE, ITEM, 1, vcard_read, arg);
}

static enum verdict
get(struct event *event, void *state)
{
	struct showing *showing;

	(void)state;
	if (event->target == NULL)
		return event_reject(event, STANZA_SERVICE_UNAVAILABLE, NULL);
	showing = arena_alloc(event->arena, sizeof *showing);
	showing->event = event;
	event_when_first(event, look, showing);
	return LATER;
}

/* ---- set ---- */

/* True: the vCard's picture is published, or (an empty PHOTO) that there is none. A vCard without one leaves
 * the picture alone: XEP-0398 3.2 speaks of photos that are there, and who writes a vCard anew need not know
 * of the picture. */
static bool
convert(struct event *event, const struct xml *vcard, bool *room_r)
{
	struct arena *arena = event->arena;
	const struct xml *photo = xml_find(vcard, "PHOTO", NS_VCARD);
	const char *binval = photo == NULL ? NULL : xml_child_text(arena, photo, "BINVAL", NS_VCARD);
	const char *type = photo == NULL ? NULL : xml_child_text(arena, photo, "TYPE", NS_VCARD);
	struct avatar_image image;

	*room_r = true;
	if (photo == NULL)
		return true;
	if (xml_first(photo) == NULL || (binval != NULL && *binval == '\0')) {
		if (event->target->avatar != NULL)
			*room_r = avatar_publish(event, NULL, NULL);
		return true;
	}
	if (binval == NULL ||
	    !avatar_image_read(arena, binval, &image)) /* by reference, or none that we could show */
		return false;
	if (event->target->avatar != NULL && strncmp(event->target->avatar, image.id, 2 * SHA1_LEN) == 0)
		return true;
	if (type == NULL || !avatar_type_valid(type))
		type = image.type != NULL ? image.type : "image/png";
	*room_r = avatar_publish(event, &image, type);
	return true;
}

static enum verdict
set(struct event *event, void *state)
{
	struct pubsub_config hidden = pubsub_config_default;
	struct xml *vcard = xml_copy(event->arena, event->payload);
	bool room;

	(void)state;
	if (event->sender == NULL || event->target != event->sender)
		return event_reject(event, STANZA_FORBIDDEN, NULL);
	hidden.access = ACCESS_WHITELIST;
	hidden.send_last = SEND_LAST_NEVER;
	if (convert(event, vcard, &room))
		remove_photos(vcard);
	if (!room || !pubsub_put(event, NODE, &hidden, ITEM, vcard))
		return event_reject(event, STANZA_RESOURCE_CONSTRAINT, NULL);
	event_reply_result(event);
	return HANDLED;
}

static const struct iq_handler handlers[] = {
	{ "vCard", NS_VCARD, ON_GET, TO_SELF | TO_ACCOUNT, get },
	{ "vCard", NS_VCARD, ON_SET, TO_SELF | TO_ACCOUNT, set },
	{ 0 },
};

const struct feature feature_vcard = {
	.name = "vcard",
	.spec = "XEP-0054 1.3.0",
	.disco = (const char *const[]){ NS_VCARD, NULL },
	.disco_account = (const char *const[]){ NS_VCARD, NULL },
	.iq = handlers,
};
