# SPDX-License-Identifier: MIT
#
# The Vulkan backend once more, with a driver that says it has cooperative matrices and with the emulated
# form of their shader, as the conformance suite (conformance_vulkan_matrix) and as a test of what
# capabilities a device gets.
if(NOT "vulkan" IN_LIST KVANT_BACKENDS)
    return()
endif()

set(module ${PROJECT_BINARY_DIR}/generated/vulkan_emulated/attention_matrix.spv)
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/generated/vulkan_emulated)
add_custom_command(OUTPUT ${module}
    COMMAND ${KVANT_VULKAN_COMPILE} -I ${PROJECT_SOURCE_DIR}/api/contract
        -I ${PROJECT_SOURCE_DIR}/shaders -I ${CMAKE_CURRENT_SOURCE_DIR}
        -MD -MF ${module}.d -MT ${module}
        ${PROJECT_SOURCE_DIR}/shaders/attention_matrix.comp -o ${module}
    DEPENDS ${PROJECT_SOURCE_DIR}/shaders/attention_matrix.comp
    DEPFILE ${module}.d
    COMMENT "Compiling shaders/attention_matrix.comp, emulated"
    VERBATIM)
set(modules ${KVANT_VULKAN_MODULES})
list(FILTER modules EXCLUDE REGEX "/attention_matrix\\.spv$")
kvant_embed(emulated emulated_vulkan_shaders ${modules} ${module})

# Objects, which come before those of kvant_internal.
add_library(kvant_vulkan_forced OBJECT ${KVANT_VULKAN_SOURCES} ${emulated} forced_vulkan.c)
add_dependencies(kvant_vulkan_forced kvant_vulkan_modules)
set_source_files_properties(${KVANT_VULKAN_SOURCES} PROPERTIES COMPILE_DEFINITIONS
    "kvant_dynlib_symbol=forced_vulkan_symbol;kvant_vulkan_shaders=emulated_vulkan_shaders")
target_compile_definitions(kvant_vulkan_forced PRIVATE _GNU_SOURCE)
target_include_directories(kvant_vulkan_forced PUBLIC
    ${CMAKE_CURRENT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/backends/vulkan
    PRIVATE ${PROJECT_SOURCE_DIR}/shaders)
target_include_directories(kvant_vulkan_forced SYSTEM PUBLIC ${KVANT_VULKAN_INCLUDE_DIR})
target_link_libraries(kvant_vulkan_forced PUBLIC kvant_conformance PRIVATE kvant_warnings)

add_executable(conformance_vulkan_matrix
    ${PROJECT_SOURCE_DIR}/tests/conformance/conformance_main.c)
target_compile_definitions(conformance_vulkan_matrix PRIVATE _GNU_SOURCE)
target_link_libraries(conformance_vulkan_matrix
    PRIVATE kvant_vulkan_forced kvant_conformance kvant_warnings)
foreach(shape 16x16x32 8x8x16cpu)
    add_test(NAME extensions/vulkan_matrix-${shape}
        COMMAND conformance_vulkan_matrix --backend vulkan --quick --filter "*/variant=matrix")
    set_tests_properties(extensions/vulkan_matrix-${shape} PROPERTIES
        LABELS extensions TIMEOUT 900 SKIP_RETURN_CODE 3 ENVIRONMENT "FORCED_MATRIX=${shape}")
endforeach()

if(CMOCKA_FOUND)
    add_executable(vulkan_extensions_test vulkan_extensions_test.c)
    target_compile_definitions(vulkan_extensions_test PRIVATE _GNU_SOURCE)
    target_link_libraries(vulkan_extensions_test
        PRIVATE kvant_vulkan_forced kvant_conformance PkgConfig::CMOCKA kvant_warnings)
    add_test(NAME extensions/vulkan COMMAND vulkan_extensions_test)
    set_tests_properties(extensions/vulkan PROPERTIES
        LABELS extensions TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
