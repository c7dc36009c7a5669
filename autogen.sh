#!/bin/sh
# Make ./configure from configure.ac. Needs autoconf, automake, pkg-config and gettext (scripts/install-deps).
set -e
cd "$(dirname "$0")"
exec autoreconf --install --force --warnings=all,no-portability
