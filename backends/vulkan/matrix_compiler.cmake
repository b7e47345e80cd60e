# SPDX-License-Identifier: MIT
#
# Sets KVANT_MATRIX_COMPILER to the command that compiles attention's variant `matrix`, up to `-o`,
# KVANT_MATRIX_COMPILER_NAME to glslc or glslang, whichever that is, and KVANT_MATRIX_VALIDATOR to a
# spirv-val that knows what it makes; each of them to nothing where there is none.
# GL_KHR_cooperative_matrix (2023) is younger than many compilers, so they are asked: glslc, else
# glslang.
find_program(KVANT_GLSLANG NAMES glslang glslangValidator)
mark_as_advanced(KVANT_GLSLANG)

set(probe ${PROJECT_BINARY_DIR}/generated/vulkan/matrix_probe)
file(CONFIGURE OUTPUT ${probe}.comp CONTENT [[
#version 450
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
layout(local_size_x = 32) in;
shared uvec4 bytes[32];
void main()
{
    coopmat<uint8_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA> a;
    coopMatLoad(a, bytes, 0, 2, gl_CooperativeMatrixLayoutRowMajor);
    coopMatStore(a, bytes, 16, 2, gl_CooperativeMatrixLayoutRowMajor);
}
]])

set(KVANT_MATRIX_COMPILER)
set(KVANT_MATRIX_COMPILER_NAME)
set(KVANT_MATRIX_VALIDATOR)
set(with_glslc ${KVANT_GLSLC} -O --target-env=vulkan1.1 -Werror)
set(with_glslang ${KVANT_GLSLANG} -V --quiet --target-env vulkan1.1)
foreach(compiler glslc glslang)
    string(TOUPPER ${compiler} upper)
    if(NOT KVANT_MATRIX_COMPILER AND KVANT_${upper})
        execute_process(COMMAND ${with_${compiler}} ${probe}.comp -o ${probe}.spv
            RESULT_VARIABLE result OUTPUT_QUIET ERROR_QUIET)
        if(result EQUAL 0)
            set(KVANT_MATRIX_COMPILER ${with_${compiler}})
            set(KVANT_MATRIX_COMPILER_NAME ${compiler})
        endif()
    endif()
endforeach()

if(NOT KVANT_MATRIX_COMPILER)
    message(STATUS "kvant: glslc and glslang are too old for GL_KHR_cooperative_matrix: "
        "no variant matrix of attention (KVANT_GLSLANG names a newer glslang)")
    return()
endif()
list(GET KVANT_MATRIX_COMPILER 0 program)
message(STATUS "kvant: variant matrix of attention compiled by ${program}")
if(KVANT_SPIRV_VAL)
    execute_process(COMMAND ${KVANT_SPIRV_VAL} --target-env vulkan1.1 ${probe}.spv
        RESULT_VARIABLE result OUTPUT_QUIET ERROR_QUIET)
    if(result EQUAL 0)
        set(KVANT_MATRIX_VALIDATOR ${KVANT_SPIRV_VAL})
    else()
        message(STATUS "kvant: spirv-val is too old for the variant matrix, which is not validated")
    endif()
endif()
