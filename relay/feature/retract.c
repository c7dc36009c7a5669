/*
 * feature/retract.c -- says that messages which take others back are archived (XEP-0424 0.4.2 sections 2 and
 * 5).
 *
 * What the standard asks of a server is done by message.c and archive.c for everything that is not of the
 * moment: a retraction waits for who is away and is archived for both, with or without a body, as is a
 * correction (XEP-0308). What was retracted stays as it was: who takes back is told that others may have seen
 * it, and a body that can be replaced in the archive would be evidence that can be replaced (section 6).
 */
#include "config.h"

#include "relay/feature/feature_table.h"

#include <stddef.h>
#include "proto/ns.h"
#include "relay/route/feature.h"

const struct feature feature_retract = {
	.name = "retract",
	.spec = "XEP-0424 0.4.2, XEP-0308 1.2.1",
	.disco = (const char *const[]){ NS_RETRACT, NULL },
	.disco_account = (const char *const[]){ NS_RETRACT, NULL },
};
