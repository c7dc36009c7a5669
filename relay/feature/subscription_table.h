/*
 * feature/subscription_table.h -- every cell of RFC 6121 appendix A: what a subscription stanza does in
 * each state, for the user who sends it (A.2) and for the one who gets it (A.3), with pre-approval (3.4) as
 * three more states.
 *
 * A cell: what is done with the stanza and the state after. IGNORE: neither routed nor delivered. PASS_ON:
 * routed to the contact, or delivered to the user. AUTO: not delivered, `subscribed` is answered on the
 * user's behalf. A pre-approval is spent by the request that it answers: who cancels later and asks again
 * is asked about again.
 */
#ifndef RELAY_FEATURE_SUBSCRIPTION_TABLE_H
#define RELAY_FEATURE_SUBSCRIPTION_TABLE_H

/* OUT: we asked and wait; IN: they asked and wait; OK: they may, whenever they ask (pre-approved). */
enum subscription_state {
	S_NONE, S_NONE_OUT, S_NONE_IN, S_NONE_OUT_IN, S_TO, S_TO_IN, S_FROM, S_FROM_OUT, S_BOTH,
	S_NONE_OK, S_NONE_OUT_OK, S_TO_OK,
	SUBSCRIPTION_STATES
};
enum subscription_way { WAY_OUT, WAY_IN, WAYS };
enum subscription_type { T_SUBSCRIBE, T_SUBSCRIBED, T_UNSUBSCRIBE, T_UNSUBSCRIBED, TYPES };
enum subscription_action { ACTION_IGNORE, ACTION_PASS_ON, ACTION_AUTO };

struct subscription_cell {
	enum subscription_action action;
	enum subscription_state next;
};

#define IGNORE(state)  { ACTION_IGNORE, S_##state }
#define PASS_ON(state) { ACTION_PASS_ON, S_##state }
#define AUTO(state)    { ACTION_AUTO, S_##state }

/* Columns in the order of enum subscription_state. */
static const struct subscription_cell subscription_cells[WAYS][TYPES][SUBSCRIPTION_STATES] = {
	[WAY_OUT] = {
		[T_SUBSCRIBE] = { /* A.2.1 */
			PASS_ON(NONE_OUT), PASS_ON(NONE_OUT), PASS_ON(NONE_OUT_IN), PASS_ON(NONE_OUT_IN),
			PASS_ON(TO), PASS_ON(TO_IN), PASS_ON(FROM_OUT), PASS_ON(FROM_OUT), PASS_ON(BOTH),
			PASS_ON(NONE_OUT_OK), PASS_ON(NONE_OUT_OK), PASS_ON(TO_OK) },
		[T_UNSUBSCRIBE] = { /* A.2.2 */
			PASS_ON(NONE), PASS_ON(NONE), PASS_ON(NONE_IN), PASS_ON(NONE_IN),
			PASS_ON(NONE), PASS_ON(NONE_IN), PASS_ON(FROM), PASS_ON(FROM), PASS_ON(FROM),
			PASS_ON(NONE_OK), PASS_ON(NONE_OK), PASS_ON(NONE_OK) },
		[T_SUBSCRIBED] = { /* A.2.3: without a request it is a pre-approval */
			IGNORE(NONE_OK), IGNORE(NONE_OUT_OK), PASS_ON(FROM), PASS_ON(FROM_OUT),
			IGNORE(TO_OK), PASS_ON(BOTH), IGNORE(FROM), IGNORE(FROM_OUT), IGNORE(BOTH),
			IGNORE(NONE_OK), IGNORE(NONE_OUT_OK), IGNORE(TO_OK) },
		[T_UNSUBSCRIBED] = { /* A.2.4: takes a pre-approval back */
			IGNORE(NONE), IGNORE(NONE_OUT), PASS_ON(NONE), PASS_ON(NONE_OUT),
			IGNORE(TO), PASS_ON(TO), PASS_ON(NONE), PASS_ON(NONE_OUT), PASS_ON(TO),
			IGNORE(NONE), IGNORE(NONE_OUT), IGNORE(TO) },
	},
	[WAY_IN] = {
		[T_SUBSCRIBE] = { /* A.3.1 */
			PASS_ON(NONE_IN), PASS_ON(NONE_OUT_IN), IGNORE(NONE_IN), IGNORE(NONE_OUT_IN),
			PASS_ON(TO_IN), IGNORE(TO_IN), AUTO(FROM), AUTO(FROM_OUT), AUTO(BOTH),
			AUTO(FROM), AUTO(FROM_OUT), AUTO(BOTH) },
		[T_UNSUBSCRIBE] = { /* A.3.2 */
			IGNORE(NONE), IGNORE(NONE_OUT), PASS_ON(NONE), PASS_ON(NONE_OUT),
			IGNORE(TO), PASS_ON(TO), PASS_ON(NONE), PASS_ON(NONE_OUT), PASS_ON(TO),
			IGNORE(NONE_OK), IGNORE(NONE_OUT_OK), IGNORE(TO_OK) },
		[T_SUBSCRIBED] = { /* A.3.3 */
			IGNORE(NONE), PASS_ON(TO), IGNORE(NONE_IN), PASS_ON(TO_IN),
			IGNORE(TO), IGNORE(TO_IN), IGNORE(FROM), PASS_ON(BOTH), IGNORE(BOTH),
			IGNORE(NONE_OK), PASS_ON(TO_OK), IGNORE(TO_OK) },
		[T_UNSUBSCRIBED] = { /* A.3.4 */
			IGNORE(NONE), PASS_ON(NONE), IGNORE(NONE_IN), PASS_ON(NONE_IN),
			PASS_ON(NONE), PASS_ON(NONE_IN), IGNORE(FROM), PASS_ON(FROM), PASS_ON(FROM),
			IGNORE(NONE_OK), PASS_ON(NONE_OK), PASS_ON(NONE_OK) },
	},
};

#undef IGNORE
#undef PASS_ON
#undef AUTO

#endif
