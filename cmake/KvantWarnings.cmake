# SPDX-License-Identifier: MIT
#
# The warnings that every C target of the project is compiled with.

option(KVANT_WERROR "Treat warnings as errors" ON)

add_library(kvant_warnings INTERFACE)
target_compile_options(kvant_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>
    $<$<BOOL:${KVANT_WERROR}>:-Werror>)
