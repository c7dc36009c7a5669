/*
 * feature/feature_table.h -- the names of all features; feature_table.c puts them in order.
 */
#ifndef RELAY_FEATURE_FEATURE_TABLE_H
#define RELAY_FEATURE_FEATURE_TABLE_H

#include "relay/route/feature.h"

extern const struct feature feature_archive;
extern const struct feature feature_ask;
extern const struct feature feature_avatar;
extern const struct feature feature_blocking;
extern const struct feature feature_bookmarks;
extern const struct feature feature_caps;
extern const struct feature feature_caps_far;
extern const struct feature feature_carbons;
extern const struct feature feature_contact;
extern const struct feature feature_csi;
extern const struct feature feature_custody;
extern const struct feature feature_disco;
extern const struct feature feature_expiry;
extern const struct feature feature_hold;
extern const struct feature feature_invite;
extern const struct feature feature_keys;
extern const struct feature feature_last;
extern const struct feature feature_mailbox;
extern const struct feature feature_message;
extern const struct feature feature_ping;
extern const struct feature feature_presence;
extern const struct feature feature_presence_again;
extern const struct feature feature_private;
extern const struct feature feature_pubsub;
extern const struct feature feature_register;
extern const struct feature feature_retract;
extern const struct feature feature_roster;
extern const struct feature feature_services;
extern const struct feature feature_smacks;
extern const struct feature feature_strangers;
extern const struct feature feature_subscription;
extern const struct feature feature_time;
extern const struct feature feature_unsent;
extern const struct feature feature_vcard;
extern const struct feature feature_version;
extern const struct feature feature_words;

#endif
