/* show_elsewhere.c -- where a message is that goes to another relay, for people and as JSON: see show.h. */
#include "config.h"

#include "client/cmd/show.h"

#include "client/cmd/cmd.h"
#include "client/db/elsewhere.h"
#include "client/text.h"

static const char *
when(struct app *app, int64_t time)
{
	return time > 0 ? text_when_full(app->arena, time) : "?";
}

const char *
show_elsewhere(struct app *app, int64_t message)
{
	struct elsewhere at;
	const char *where;

	if (!elsewhere_get(app->db, app->arena, message, &at))
		return NULL;
	where = text_line(app->arena, at.where);
	switch (at.state) {
	case ELSEWHERE_HELD:
		return arena_printf(app->arena, _("waits at %s (%s), tries: %lld, next %s, at most until %s"), where,
		    at.reason[0] == '\0' ? "?" : text_line(app->arena, show_reason(at.reason)), (long long)at.tries, when(app, at.next),
		    when(app, at.until));
	case ELSEWHERE_HANDED:
		return arena_printf(app->arena, _("with the relay of %s"), where);
	case ELSEWHERE_UNCONFIRMED:
		return arena_printf(app->arena,
		    _("perhaps with the relay of %s: the line broke before its answer, and it is not sent again by itself"), where);
	case ELSEWHERE_STATES:
		break;
	}
	return NULL;
}

json_t *
show_elsewhere_json(struct app *app, int64_t message)
{
	struct elsewhere at;
	json_t *object;

	if (!elsewhere_get(app->db, app->arena, message, &at))
		return NULL;
	object = json_pack("{s:s, s:o, s:s}", "state", elsewhere_word(at.state), "at", out_json_text(at.where), "time",
	    text_rfc3339(app->arena, at.time));
	if (at.state != ELSEWHERE_HELD)
		return object;
	json_object_set_new(object, "tries", json_integer(at.tries));
	if (at.reason[0] != '\0')
		json_object_set_new(object, "reason", out_json_text(at.reason));
	if (at.next > 0)
		json_object_set_new(object, "next", json_string(text_rfc3339(app->arena, at.next)));
	if (at.until > 0)
		json_object_set_new(object, "until", json_string(text_rfc3339(app->arena, at.until)));
	return object;
}
