# SPDX-License-Identifier: MIT
#
# kvant_embed(<output variable> <table> FILES...): a generated C source that defines
# `const kvant_embedded <table>[]` with the files' bytes. Nothing is written to the source tree.

add_executable(kvant_embed_tool ${PROJECT_SOURCE_DIR}/tools/embed/embed.c)
set_target_properties(kvant_embed_tool PROPERTIES C_STANDARD 11)

function(kvant_embed output_variable table)
    set(source ${PROJECT_BINARY_DIR}/generated/${table}.c)
    add_custom_command(OUTPUT ${source}
        COMMAND kvant_embed_tool ${source} ${table} ${ARGN}
        DEPENDS kvant_embed_tool ${ARGN} ${PROJECT_BINARY_DIR}/generated/contract_hash.h
        COMMENT "Embedding ${table}"
        VERBATIM)
    set(${output_variable} ${source} PARENT_SCOPE)
endfunction()
