# SPDX-License-Identifier: MIT
#
# Reads api/contract/kernels.def: KVANT_KERNELS becomes the list of kernel names, and a kernel that
# lacks one of its four files stops the configuration. KVANT_CONTRACT_HASH covers the whole contract.

file(STRINGS ${PROJECT_SOURCE_DIR}/api/contract/kernels.def manifest REGEX "^KVANT_KERNEL\\(")
set(KVANT_KERNELS)
foreach(line IN LISTS manifest)
    string(REGEX REPLACE "^KVANT_KERNEL\\(([a-z_]+),.*" "\\1" name "${line}")
    list(APPEND KVANT_KERNELS ${name})
    foreach(file host_ref/${name}.c cl/${name}.cl shaders/${name}.comp cuda/${name}.cu)
        if(NOT EXISTS ${PROJECT_SOURCE_DIR}/${file})
            message(FATAL_ERROR
                "kernel '${name}' is in api/contract/kernels.def, but ${file} does not exist")
        endif()
    endforeach()
endforeach()

# KVANT_TUNED_CUDA, _OPENCL, _VULKAN: kernel_variant for each entry of api/contract/variants.def.
set(pattern "^KVANT_TUNED_([A-Z]+)\\(([a-z_]+), ([a-z0-9_]+),")
file(STRINGS ${PROJECT_SOURCE_DIR}/api/contract/variants.def variants REGEX "${pattern}")
set(KVANT_TUNED_CUDA)
set(KVANT_TUNED_OPENCL)
set(KVANT_TUNED_VULKAN)
foreach(line IN LISTS variants)
    string(REGEX MATCH "${pattern}" row "${line}")
    set(name ${CMAKE_MATCH_2}_${CMAKE_MATCH_3})
    list(APPEND KVANT_TUNED_${CMAKE_MATCH_1} ${name})
    set(file_CUDA cuda/${name}.cu)
    set(file_OPENCL cl/${name}.cl)
    set(file_VULKAN shaders/${name}.comp)
    if(NOT EXISTS ${PROJECT_SOURCE_DIR}/${file_${CMAKE_MATCH_1}})
        message(FATAL_ERROR "'${name}' is in api/contract/variants.def, but "
            "${file_${CMAKE_MATCH_1}} does not exist")
    endif()
endforeach()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
    ${PROJECT_SOURCE_DIR}/api/contract/variants.def)

set(contract_files lang.h arith.h codebook.h layout.h params.h kernels.def)
set(contract_text "")
foreach(file IN LISTS contract_files)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
        ${PROJECT_SOURCE_DIR}/api/contract/${file})
    file(SHA256 ${PROJECT_SOURCE_DIR}/api/contract/${file} hash)
    string(APPEND contract_text "${hash}")
endforeach()
string(SHA256 KVANT_CONTRACT_HASH "${contract_text}")
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/contract_hash.h CONTENT
"/* Written by CMake: SHA-256 over api/contract/. */
#define KVANT_CONTRACT_HASH \"${KVANT_CONTRACT_HASH}\"
")
