/*
 * ns.h -- every namespace, once. Sorted by standard.
 */
#ifndef PROTO_NS_H
#define PROTO_NS_H

#define NS_XML           "http://www.w3.org/XML/1998/namespace"
#define NS_STREAM        "http://etherx.jabber.org/streams"
#define NS_CLIENT        "jabber:client"
#define NS_SERVER        "jabber:server"
#define NS_STREAM_ERRORS "urn:ietf:params:xml:ns:xmpp-streams"
#define NS_STANZA_ERRORS "urn:ietf:params:xml:ns:xmpp-stanzas"
#define NS_TLS           "urn:ietf:params:xml:ns:xmpp-tls"
#define NS_SASL          "urn:ietf:params:xml:ns:xmpp-sasl"
#define NS_BIND          "urn:ietf:params:xml:ns:xmpp-bind"
#define NS_SESSION       "urn:ietf:params:xml:ns:xmpp-session"
#define NS_ROSTER        "jabber:iq:roster"
#define NS_ROSTERVER     "urn:xmpp:features:rosterver"
#define NS_PREAPPROVAL   "urn:xmpp:features:pre-approval"
#define NS_FORM          "jabber:x:data"                       /* XEP-0004 */
#define NS_DISCO_INFO    "http://jabber.org/protocol/disco#info"  /* XEP-0030 */
#define NS_DISCO_ITEMS   "http://jabber.org/protocol/disco#items" /* XEP-0030 */
#define NS_RSM           "http://jabber.org/protocol/rsm"      /* XEP-0059 */
#define NS_PUBSUB        "http://jabber.org/protocol/pubsub"   /* XEP-0060 */
#define NS_PUBSUB_EVENT  "http://jabber.org/protocol/pubsub#event"
#define NS_PUBSUB_OWNER  "http://jabber.org/protocol/pubsub#owner"
#define NS_PUBSUB_ERRORS "http://jabber.org/protocol/pubsub#errors"
#define NS_PUBSUB_CONFIG "http://jabber.org/protocol/pubsub#node_config"
#define NS_PUBSUB_PUBLISH_OPTIONS "http://jabber.org/protocol/pubsub#publish-options"
#define NS_PRIVATE       "jabber:iq:private"                   /* XEP-0049 */
#define NS_BOOKMARKS_OLD "storage:bookmarks"                   /* XEP-0048 */
#define NS_VCARD         "vcard-temp"                          /* XEP-0054 */
#define NS_LAST          "jabber:iq:last"                      /* XEP-0012 */
#define NS_OOB           "jabber:x:oob"                        /* XEP-0066 */
#define NS_REGISTER      "jabber:iq:register"                  /* XEP-0077 */
#define NS_REGISTER_FEATURE "http://jabber.org/features/iq-register"
#define NS_AVATAR_DATA   "urn:xmpp:avatar:data"                /* XEP-0084 */
#define NS_AVATAR        "urn:xmpp:avatar:metadata"
#define NS_CHATSTATES    "http://jabber.org/protocol/chatstates" /* XEP-0085 */
#define NS_VERSION       "jabber:iq:version"                   /* XEP-0092 */
#define NS_CAPS          "http://jabber.org/protocol/caps"     /* XEP-0115 */
#define NS_VCARD_UPDATE  "vcard-temp:x:update"                 /* XEP-0153 */
#define NS_RECEIPTS      "urn:xmpp:receipts"                   /* XEP-0184 */
#define NS_BLOCKING      "urn:xmpp:blocking"                   /* XEP-0191 */
#define NS_BLOCKING_ERRORS "urn:xmpp:blocking:errors"
#define NS_SM            "urn:xmpp:sm:3"                       /* XEP-0198 */
#define NS_PING          "urn:xmpp:ping"                       /* XEP-0199 */
#define NS_TIME          "urn:xmpp:time"                       /* XEP-0202 */
#define NS_DELAY         "urn:xmpp:delay"                      /* XEP-0203 */
#define NS_EXTDISCO      "urn:xmpp:extdisco:2"                 /* XEP-0215 */
#define NS_CARBONS       "urn:xmpp:carbons:2"                  /* XEP-0280 */
#define NS_FORWARD       "urn:xmpp:forward:0"                  /* XEP-0297 */
#define NS_HASHES        "urn:xmpp:hashes:2"                   /* XEP-0300 */
#define NS_MAM           "urn:xmpp:mam:2"                      /* XEP-0313 */
#define NS_MARKERS       "urn:xmpp:chat-markers:0"             /* XEP-0333 */
#define NS_HINTS         "urn:xmpp:hints"                      /* XEP-0334 */
#define NS_CSI           "urn:xmpp:csi:0"                      /* XEP-0352 */
#define NS_SID           "urn:xmpp:sid:0"                      /* XEP-0359 */
#define NS_EME           "urn:xmpp:eme:0"                      /* XEP-0380 */
#define NS_REPORTING     "urn:xmpp:reporting:1"                /* XEP-0377 */
#define NS_OMEMO         "eu.siacs.conversations.axolotl"      /* XEP-0384 0.3.0 */
#define NS_OMEMO_DEVICES "eu.siacs.conversations.axolotl.devicelist"
#define NS_OMEMO_BUNDLES "eu.siacs.conversations.axolotl.bundles"
#define NS_BIND2         "urn:xmpp:bind:0"                     /* XEP-0386 */
#define NS_SASL2         "urn:xmpp:sasl:2"                     /* XEP-0388 */
#define NS_VCARD_CONVERSION "urn:xmpp:pep-vcard-conversion:0"   /* XEP-0398 */
#define NS_INVITE        "urn:xmpp:invite"                     /* XEP-0401 */
#define NS_BOOKMARKS     "urn:xmpp:bookmarks:1"                /* XEP-0402 */
#define NS_RETRACT       "urn:xmpp:message-retract:1"          /* XEP-0424 */
#define NS_SASL_CB       "urn:xmpp:sasl-cb:0"                  /* XEP-0440 */
#define NS_PREAUTH       "urn:xmpp:pars:0"                     /* XEP-0379, 0445 */
#define NS_IBR_TOKEN     "urn:xmpp:ibr-token:0"                /* XEP-0445 */
#define NS_LIMITS        "urn:xmpp:stream-limits:0"            /* XEP-0478 */
#define NS_DIALBACK      "jabber:server:dialback"              /* XEP-0220 */
#define NS_DIALBACK_FEATURE "urn:xmpp:features:dialback"
#define NS_BIDI          "urn:xmpp:bidi"                       /* XEP-0288 */
#define NS_BIDI_FEATURE  "urn:xmpp:features:bidi"
#define NS_FAST          "urn:xmpp:fast:0"                     /* XEP-0484 */
#define NS_BRIEF         "urn:lazo:brief:0"
#define NS_CUSTODY       "urn:lazo:custody:0"
#define NS_COURIER       "urn:lazo:courier:0"

#endif
