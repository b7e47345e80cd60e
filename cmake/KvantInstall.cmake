# SPDX-License-Identifier: MIT
#
# What `cmake --install` puts where: the library (component runtime), and the headers, the CMake
# package and the pkg-config file (component dev). Everything is relocatable: no path of the build
# or of the prefix is written into a file.

option(KVANT_INSTALL "Create install rules" ${PROJECT_IS_TOP_LEVEL})
if(NOT KVANT_INSTALL)
    return()
endif()

include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/kvant)

install(TARGETS kvant EXPORT kvantTargets
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT dev
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
install(DIRECTORY api/include/kvant DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev
    FILES_MATCHING PATTERN "*.h")

install(EXPORT kvantTargets NAMESPACE kvant:: DESTINATION ${package_dir} COMPONENT dev)
configure_package_config_file(cmake/kvantConfig.cmake.in
    ${PROJECT_BINARY_DIR}/generated/kvantConfig.cmake
    INSTALL_DESTINATION ${package_dir}
    NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/generated/kvantConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES
    ${PROJECT_BINARY_DIR}/generated/kvantConfig.cmake
    ${PROJECT_BINARY_DIR}/generated/kvantConfigVersion.cmake
    DESTINATION ${package_dir} COMPONENT dev)

# The prefix in kvant.pc is relative to the file itself, when the directories are below the prefix.
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
foreach(directory LIBDIR INCLUDEDIR)
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${directory}}")
        set(pc_${directory} "${CMAKE_INSTALL_${directory}}")
    else()
        set(pc_${directory} "\${prefix}/${CMAKE_INSTALL_${directory}}")
    endif()
endforeach()
if(IS_ABSOLUTE "${pkgconfig_dir}")
    set(pc_prefix "${CMAKE_INSTALL_PREFIX}")
else()
    file(RELATIVE_PATH up "/${pkgconfig_dir}" "/")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(pc_prefix "\${pcfiledir}/${up}")
endif()
# Those who link the static library need what it needs.
set(pc_libs_private "-lm")
foreach(library IN LISTS CMAKE_DL_LIBS)
    string(APPEND pc_libs_private " -l${library}")
endforeach()
if(BUILD_SHARED_LIBS)
    set(pc_libs "")
else()
    set(pc_libs " ${pc_libs_private}")
endif()
configure_file(cmake/kvant.pc.in ${PROJECT_BINARY_DIR}/generated/kvant.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/generated/kvant.pc DESTINATION ${pkgconfig_dir} COMPONENT dev)
