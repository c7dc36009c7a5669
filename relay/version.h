/* version.h -- what the programs say they are. */
#ifndef RELAY_VERSION_H
#define RELAY_VERSION_H
#include "config.h"
#define LAZO_NAME    "Lazo"
#define LAZO_VERSION PACKAGE_VERSION
#endif
