/* SPDX-License-Identifier: MIT
 *
 * Backends with a planted bug, to prove that the conformance suite can fail. They execute every
 * launch on the scalar host reference and then damage what it wrote.
 */
#ifndef KVANT_TESTS_FAULTY_BACKEND_H
#define KVANT_TESTS_FAULTY_BACKEND_H

#include "backend.h"

/* X(name, what it does) */
#define KVANT_FAULTS(X)                                                                            \
    X(none, "passes everything on")                                                                \
    X(flip, "flips the lowest bit of one output word")                                             \
    X(overrun, "writes one word beyond the last output word")                                      \
    X(skip, "leaves the last output word unwritten")                                               \
    X(input, "changes one word of a read-only binding")                                            \
    X(launch, "reports a failure of every launch")

#define KVANT_FAULTY_BACKEND(name, text) extern const kvant_backend kvant_backend_faulty_##name;
KVANT_FAULTS(KVANT_FAULTY_BACKEND)
#undef KVANT_FAULTY_BACKEND

#endif
