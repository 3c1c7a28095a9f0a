// What the shared library shows. Everything else is hidden.
#ifndef DIPTYCH_EXPORT_H_
#define DIPTYCH_EXPORT_H_

#define DIPTYCH_EXPORT __attribute__((visibility("default")))

#endif  // DIPTYCH_EXPORT_H_
