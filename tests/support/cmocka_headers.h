/* SPDX-License-Identifier: MIT
 *
 * cmocka wants these before itself.
 */
#ifndef KVANT_TESTS_CMOCKA_HEADERS_H
#define KVANT_TESTS_CMOCKA_HEADERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
