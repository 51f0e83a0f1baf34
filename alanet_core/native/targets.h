/* Marks: what others call, what is always inlined, and what is compiled for several processors. */
#ifndef ALANET_TARGETS_H
#define ALANET_TARGETS_H

#define EXPORTED __attribute__((visibility("default")))
#define INLINED static inline __attribute__((always_inline))

/* The loader picks the version that the processor can run. All give the same bits: sums are written in a fixed order,
 * and -ffp-contract=off keeps a product and a sum two roundings. It needs a loader that knows ifunc (glibc), and a
 * compiler that knows these names (GCC 12, Clang 18). */
#if !defined(CLONED) && defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)
#include <features.h>
#if defined(__GLIBC__) && (defined(__clang__) ? __clang_major__ >= 18 : __GNUC__ >= 12)
#define CLONED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#define ALANET_CLONES
#endif
#endif
#ifndef CLONED
#define CLONED
#endif

#endif
