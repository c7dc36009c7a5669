/*
 * feature/presence.h -- what subscriptions, rosters and messages need of presence.
 */
#ifndef RELAY_FEATURE_PRESENCE_H
#define RELAY_FEATURE_PRESENCE_H

struct account;
struct arena;
struct event;
struct xml;

/* Once the event is committed and what it sends has been sent: the contact (bare JID text) sees every
 * available resource of the account, or sees them go. */
void presence_show_after(struct event *event, struct account *account, const char *contact);
void presence_hide_after(struct event *event, struct account *account, const char *contact);
/* The same at once, in after-functions. */
void presence_show_now(struct account *account, struct arena *arena, const char *contact);
/* Each available resource's last presence once more to all who may see it; in after-functions. */
void presence_say_again(struct account *account, struct arena *arena);
/* The account's available resources see the contact's present presence, where it may be seen; in after-functions. */
void presence_hear_now(struct account *account, struct arena *arena, const char *contact);

#endif
