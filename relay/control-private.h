/*
 * control-private.h -- what the files of the operator's socket share: control.c (callers, sessions), control_queue.c (queue and peers).
 *
 * A verb takes a request and returns the answer, or NULL: then it has called control_later(), and the answer comes by
 * control_answer(), exactly once, in a later turn of the loop; until then nothing more is heard of the caller.
 */
#ifndef RELAY_CONTROL_PRIVATE_H
#define RELAY_CONTROL_PRIVATE_H

#include <jansson.h>
#include <stdint.h>
#include "relay/control.h"

struct caller;
struct later;

struct control {
	struct router *router;
	struct local *local;
	struct callers *callers;
	struct later *laters;
	int64_t started; /* ms monotonic */
};

typedef json_t *control_verb_fn(struct control *control, struct caller *caller, const json_t *request);

json_t *control_failure(const char *why);
struct later *control_later(struct control *control, struct caller *caller);
void control_answer(struct later *later, json_t *reply); /* takes both; also when the caller or the socket is gone */

control_verb_fn control_queue, control_queue_retry, control_queue_cancel, control_queue_expire;
void control_count_peers(struct control *control, json_t *status); /* adds peers, queued */

#endif
