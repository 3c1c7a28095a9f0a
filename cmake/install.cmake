# What `cmake --install` lays down: the program, the shared library, headers, package files, the starter model, and
# oneDNN beside them where it is not the system's. The folders are fixed: the program finds its models by ../share.
include(CMakePackageConfigHelpers)

set(onednn_is_bundled FALSE)
if(dnnl_DIR MATCHES "^${PROJECT_BINARY_DIR}/onednn/")
  set(onednn_is_bundled TRUE)
endif()

foreach(target diptych_cli diptych_shared)
  if(NOT TARGET ${target})
    continue()
  endif()
  set_target_properties(${target} PROPERTIES INSTALL_RPATH "$ORIGIN;$ORIGIN/../lib")
  if(NOT onednn_is_bundled)
    set_target_properties(${target} PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)  # a oneDNN that the builder named
  endif()
endforeach()

if(TARGET diptych_cli)
  install(TARGETS diptych_cli RUNTIME DESTINATION bin)
endif()
if(TARGET diptych_shared)
  install(TARGETS diptych_shared EXPORT diptych LIBRARY DESTINATION lib)
  install(EXPORT diptych FILE diptychConfig.cmake NAMESPACE diptych:: DESTINATION lib/cmake/diptych)
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/diptychConfigVersion.cmake COMPATIBILITY SameMajorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/diptychConfigVersion.cmake DESTINATION lib/cmake/diptych)
endif()
if(TARGET diptych_mpi)
  install(TARGETS diptych_mpi LIBRARY DESTINATION lib)
endif()
install(DIRECTORY include/diptych DESTINATION include)
install(DIRECTORY models/starter DESTINATION share/diptych/models)
install(FILES LICENSE DESTINATION share/doc/diptych)

if(onednn_is_bundled)
  install(DIRECTORY ${PROJECT_BINARY_DIR}/onednn/lib/ DESTINATION lib
          FILES_MATCHING PATTERN "libdnnl.so.*" PATTERN cmake EXCLUDE)
  install(FILES ${PROJECT_BINARY_DIR}/onednn/share/doc/onednn/LICENSE
                ${PROJECT_BINARY_DIR}/onednn/share/doc/onednn/THIRD-PARTY-PROGRAMS
          DESTINATION share/doc/diptych/onednn)
endif()
