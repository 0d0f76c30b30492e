/* base/version.h: which leat this is; made by the build from meson.build and git. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

extern const char leat_version[]; /* "0.1.0" */
extern const char leat_commit[]; /* Short hash, "-dirty" behind it when it is not all; "unknown". */
extern const char leat_compiler[];

#endif
