/*
 * feature/quota.h -- how much an account's mailbox holds, and who may still add to it.
 *
 * Counted in memory at each change, from the numbers the store keeps in the same transactions: a look costs the same
 * whatever waits (attack R9). The part kept for contacts: strangers together take half of each bound at most, so that a
 * flood from addresses that are in nobody's roster leaves the other half to those that are.
 */
#ifndef RELAY_FEATURE_QUOTA_H
#define RELAY_FEATURE_QUOTA_H

#include <stdbool.h>
#include <stddef.h>

struct account;
struct event;
struct pending_tally;

/* The sender is not in the roster of the account that the event goes to, and is not that account. */
bool quota_is_stranger(const struct event *event);
/* May one more message of this sender wait? A bound is passed by one message at most. */
bool quota_mailbox_has_room(const struct event *event);
/* One more waits; taken back when the event is not kept. */
void quota_mailbox_take(struct event *event, size_t bytes);
/* So much is gone. */
void quota_mailbox_left(struct account *account, const struct pending_tally *left);

#endif
