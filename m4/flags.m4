dnl flags.m4 -- compiler and linker flags: C17, all warnings, hardening by default, sanitizers and fuzzing on request.

dnl LAZO_TRY_CFLAG(FLAG): add it to LAZO_CFLAGS where the compiler takes it.
AC_DEFUN([LAZO_TRY_CFLAG], [
	lazo_save=$CFLAGS; CFLAGS="$CFLAGS -Werror $1"
	AC_MSG_CHECKING([whether $CC takes $1])
	AC_COMPILE_IFELSE([AC_LANG_PROGRAM()], [AC_MSG_RESULT([yes]); LAZO_CFLAGS="$LAZO_CFLAGS $1"], [AC_MSG_RESULT([no])])
	CFLAGS=$lazo_save])
AC_DEFUN([LAZO_TRY_LDFLAG], [
	lazo_save=$LDFLAGS; LDFLAGS="$LDFLAGS -Werror $1"
	AC_MSG_CHECKING([whether the linker takes $1])
	AC_LINK_IFELSE([AC_LANG_PROGRAM()], [AC_MSG_RESULT([yes]); LAZO_LDFLAGS="$LAZO_LDFLAGS $1"], [AC_MSG_RESULT([no])])
	LDFLAGS=$lazo_save])

AC_DEFUN([LAZO_FLAGS], [
	LAZO_CPPFLAGS="-D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64"
	LAZO_CFLAGS="-std=c17 -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wno-format-nonliteral"
	LAZO_LDFLAGS=""
	AS_IF([test "x$enable_werror" != xno], [LAZO_CFLAGS="$LAZO_CFLAGS -Werror"])
	lazo_san="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g"
	AS_IF([test "x$enable_fuzzing" = xyes], [
		LAZO_CFLAGS="$LAZO_CFLAGS $lazo_san -O1"
		LAZO_TRY_CFLAG([-fsanitize=fuzzer-no-link])
		AS_CASE([$LAZO_CFLAGS], [*fuzzer-no-link*], [],
			[AC_MSG_ERROR([--enable-fuzzing needs libFuzzer. On Debian: apt install clang libclang-rt-14-dev, and CC=clang])])
		LAZO_LDFLAGS="$LAZO_LDFLAGS -fsanitize=address,undefined"
		AC_DEFINE([SANITIZED], [1], [Built with sanitizers: limits of memory and time are not checked.])
	], [test "x$enable_sanitizers" = xyes], [
		lazo_before=$LAZO_CFLAGS
		LAZO_TRY_CFLAG([$lazo_san])
		AS_IF([test "x$LAZO_CFLAGS" = "x$lazo_before"], [AC_MSG_ERROR([--enable-sanitizers: $CC has none])])
		LAZO_LDFLAGS="$LAZO_LDFLAGS -fsanitize=address,undefined"
		AC_DEFINE([SANITIZED], [1], [Built with sanitizers: limits of memory and time are not checked.])
	], [
		dnl _FORTIFY_SOURCE needs optimisation; a distribution may have set its own level already.
		LAZO_TRY_CFLAG([-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -O2])
		LAZO_TRY_CFLAG([-fstack-protector-strong])
		LAZO_TRY_CFLAG([-fstack-clash-protection])
		LAZO_TRY_CFLAG([-fcf-protection])
		lazo_hardened=yes
	])
	AM_CONDITIONAL([HARDENED], [test "x$lazo_hardened" = xyes])
	LAZO_TRY_CFLAG([-fPIE])
	LAZO_TRY_LDFLAG([-pie])
	LAZO_TRY_LDFLAG([-Wl,-z,relro -Wl,-z,now])
	LAZO_TRY_LDFLAG([-Wl,-z,noexecstack])
	LAZO_TRY_LDFLAG([-Wl,--as-needed])
	dnl Else a function of ours takes the place of a library's of the same name: libunbound would call our event_add for libevent's.
	dnl What is meant to do so is in a library of its own: client/liblinkexpat.a.
	LAZO_TRY_LDFLAG([-Wl,--exclude-libs,librelay.a:libclient.a:libproto.a])
	AC_SUBST([LAZO_CPPFLAGS]) AC_SUBST([LAZO_CFLAGS]) AC_SUBST([LAZO_LDFLAGS])])
