/*
 * feature/feature_table.c -- all that the relay does for its users. Order decides only between hooks of the same point and hook_order.
 */
#include "config.h"

#include "relay/feature/feature_table.h"

#include <stddef.h>

const struct feature *const feature_table[] = {
	&feature_archive,
	&feature_avatar,
	&feature_blocking, /* before all other guards */
	&feature_bookmarks,
	&feature_caps,
	&feature_caps_far, /* uses its cache */
	&feature_carbons,
	&feature_contact,
	&feature_csi,
	&feature_custody,
	&feature_disco,
	&feature_expiry,
	&feature_strangers, /* before hold, which remembers what is taken */
	&feature_hold, /* before message, which removes what it reads */
	&feature_invite,
	&feature_keys,
	&feature_last,
	&feature_mailbox,
	&feature_message,
	&feature_ping,
	&feature_presence,
	&feature_presence_again,
	&feature_private,
	&feature_pubsub,
	&feature_register,
	&feature_retract,
	&feature_roster,
	&feature_services,
	&feature_smacks,
	&feature_subscription,
	&feature_time,
	&feature_vcard,
	&feature_unsent,
	&feature_version,
	&feature_words,
	&feature_ask, /* behind all who ask */
	NULL,
};
