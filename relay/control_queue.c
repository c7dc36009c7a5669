/*
 * control_queue.c -- the operator's words about what is held for other relays (queue/operator.h), of which a part is only in memory.
 *
 * {"verb":"queue"}                                     domains: domain, phase (resting, trying, up), tries, next (ms; 0: none), sent
 * {"verb":"queue-retry"}                               all; with "domain" or "id": that one
 * {"verb":"queue-cancel","id":7}
 * {"verb":"queue-expire"}
 *
 * The last three are answered with what came of it: {"ok":true,"done":"done","count":1}; done, none (no such message), busy (it is
 * on its way) or failed.
 */
#include "config.h"

#include "relay/control-private.h"

#include "relay/queue/operator.h"
#include "relay/route/router.h"

static void
describe(void *arg, const struct queue_view *view)
{
	static const char *const phases[] = { [QUEUE_RESTING] = "resting", [QUEUE_TRYING] = "trying", [QUEUE_UP] = "up" };

	json_array_append_new(arg,
	    json_pack("{s:s, s:s, s:I, s:I, s:I}", "domain", view->domain, "phase", phases[view->phase], "tries",
		(json_int_t)view->tries, "next", (json_int_t)view->next, "sent", (json_int_t)view->sent));
}

json_t *
control_queue(struct control *control, struct caller *caller, const json_t *request)
{
	json_t *list = json_array();

	(void)caller;
	(void)request;
	queue_each(router_queue(control->router), describe, list);
	return json_pack("{s:b, s:o}", "ok", 1, "domains", list);
}

struct sum {
	json_int_t peers, queued;
};

static void
add(void *arg, const struct queue_view *view)
{
	struct sum *sum = arg;

	sum->peers += view->phase == QUEUE_UP;
	sum->queued += (json_int_t)view->sent;
}

void
control_count_peers(struct control *control, json_t *status)
{
	struct sum sum = { 0 };

	queue_each(router_queue(control->router), add, &sum);
	json_object_update_new(status, json_pack("{s:I, s:I}", "peers", sum.peers, "queued", sum.queued));
}

static json_t *
outcome(enum queue_done done, size_t count)
{
	static const char *const words[] = { [QUEUE_DONE] = "done", [QUEUE_NONE] = "none", [QUEUE_BUSY] = "busy", [QUEUE_FAILED] = "failed" };

	return json_pack("{s:b, s:s, s:I}", "ok", 1, "done", words[done], "count", (json_int_t)count);
}

static void
over(void *arg, enum queue_done done, size_t count)
{
	control_answer(arg, outcome(done, count));
}

json_t *
control_queue_retry(struct control *control, struct caller *caller, const json_t *request)
{
	struct queue *queue = router_queue(control->router);
	const json_t *id = json_object_get(request, "id"), *domain = json_object_get(request, "domain");

	if (id != NULL && domain == NULL && json_is_integer(id)) {
		queue_retry_one(queue, json_integer_value(id), over, control_later(control, caller));
		return NULL;
	}
	if (id != NULL || (domain != NULL && !json_is_string(domain)))
		return control_failure("not a message or domain");
	queue_retry(queue, json_string_value(domain));
	return outcome(QUEUE_DONE, 0);
}

json_t *
control_queue_cancel(struct control *control, struct caller *caller, const json_t *request)
{
	const json_t *id = json_object_get(request, "id");

	if (!json_is_integer(id))
		return control_failure("no id");
	queue_cancel(router_queue(control->router), json_integer_value(id), over, control_later(control, caller));
	return NULL;
}

json_t *
control_queue_expire(struct control *control, struct caller *caller, const json_t *request)
{
	(void)request;
	queue_expire(router_queue(control->router), over, control_later(control, caller));
	return NULL;
}
