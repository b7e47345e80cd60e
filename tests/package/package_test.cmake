# SPDX-License-Identifier: MIT
#
# Run by ctest: see CMakeLists.txt for what BUILD, WORK, CONSUMER, LIBDIR, PKG_CONFIG, CC and FLAGS
# are.
cmake_minimum_required(VERSION 3.22)

function(run)
    execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE output
        ERROR_VARIABLE output)
    if(NOT result EQUAL 0)
        list(JOIN ARGV " " command)
        message(FATAL_ERROR "${command}\nended with ${result}:\n${output}")
    endif()
    set(output "${output}" PARENT_SCOPE)
endfunction()

# 1. Install, then move: nothing may remember where it was installed to.
file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/first)
file(RENAME ${WORK}/first ${WORK}/moved)
set(prefix ${WORK}/moved)

# 2. No file names the build folder or the first prefix.
file(GLOB_RECURSE texts ${prefix}/*.cmake ${prefix}/*.pc ${prefix}/*.h)
foreach(text IN LISTS texts)
    file(READ ${text} content)
    foreach(path ${BUILD} ${WORK})
        string(FIND "${content}" "${path}" at)
        if(NOT at EQUAL -1)
            message(FATAL_ERROR "${text} names ${path}")
        endif()
    endforeach()
endforeach()

set(ENV{LD_LIBRARY_PATH} "${prefix}/${LIBDIR}:$ENV{LD_LIBRARY_PATH}")
set(ENV{KVANT_BACKEND} host)

# 3. find_package
run(${CMAKE_COMMAND} -S ${CONSUMER} -B ${WORK}/cmake -DCMAKE_PREFIX_PATH=${prefix}
    -DCMAKE_C_COMPILER=${CC} "-DCMAKE_C_FLAGS=${FLAGS}")
run(${CMAKE_COMMAND} --build ${WORK}/cmake)
run(${WORK}/cmake/consumer)
message(STATUS "find_package: ${output}")

# 4. pkg-config
if(NOT PKG_CONFIG)
    message(STATUS "pkg-config is not installed: its half is left out")
    return()
endif()
set(ENV{PKG_CONFIG_PATH} ${prefix}/${LIBDIR}/pkgconfig)
run(${PKG_CONFIG} --cflags --libs kvant)
separate_arguments(pc_flags UNIX_COMMAND "${output}")
separate_arguments(flags UNIX_COMMAND "${FLAGS}")
run(${CC} -std=c11 ${flags} ${CONSUMER}/consumer.c -o ${WORK}/consumer ${pc_flags})
run(${WORK}/consumer)
message(STATUS "pkg-config: ${output}")
