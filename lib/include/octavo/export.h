/* What the shared library shows: all else in it is hidden. */
#ifndef OCTAVO_EXPORT_H_
#define OCTAVO_EXPORT_H_

#define OCTAVO_API __attribute__((visibility("default")))
/* For what is inside a class that is shown. */
#define OCTAVO_HIDDEN __attribute__((visibility("hidden")))

#endif
