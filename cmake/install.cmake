# What `cmake --install` lays down: the program, the shared and the static library, headers, package files, the starter
# model, and oneDNN beside them where it is not the system's. The folders are fixed: the program finds its models by
# ../share.
include(CMakePackageConfigHelpers)

set(onednn_is_bundled FALSE)
if(onednn_folder AND dnnl_DIR MATCHES "^${onednn_folder}/")
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
  if(onednn_is_bundled)
    target_link_libraries(diptych_static INTERFACE $<INSTALL_INTERFACE:$<INSTALL_PREFIX>/lib/libdnnl.so.3>)
  else()
    target_link_libraries(diptych_static INTERFACE $<INSTALL_INTERFACE:dnnl>)
  endif()
  install(TARGETS diptych_shared diptych_static EXPORT diptych LIBRARY DESTINATION lib ARCHIVE DESTINATION lib)
  install(EXPORT diptych FILE diptychConfig.cmake NAMESPACE diptych:: DESTINATION lib/cmake/diptych)
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/diptychConfigVersion.cmake COMPATIBILITY SameMajorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/diptychConfigVersion.cmake DESTINATION lib/cmake/diptych)
  configure_file(cmake/diptych.pc.in ${PROJECT_BINARY_DIR}/diptych.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/diptych.pc DESTINATION lib/pkgconfig)
endif()
if(TARGET diptych_mpi)
  install(TARGETS diptych_mpi LIBRARY DESTINATION lib)
endif()
install(DIRECTORY include/diptych DESTINATION include)
install(DIRECTORY models/starter DESTINATION share/diptych/models)
install(FILES LICENSE DESTINATION share/doc/diptych)

if(onednn_is_bundled)
  install(DIRECTORY ${onednn_folder}/lib/ DESTINATION lib
          FILES_MATCHING PATTERN "libdnnl.so.*" PATTERN cmake EXCLUDE)
  install(FILES ${onednn_folder}/share/doc/onednn/LICENSE
                ${onednn_folder}/share/doc/onednn/THIRD-PARTY-PROGRAMS
          DESTINATION share/doc/diptych/onednn)
endif()

# The Python package, a component of its own: what a wheel holds. The libraries that not every system has come along.
if(DIPTYCH_PYTHON_FOUND)
  set(package_options COMPONENT python EXCLUDE_FROM_ALL)
  # DT_RPATH, not DT_RUNPATH: it holds for what the libraries inside need of each other as well.
  target_link_options(diptych_python PRIVATE -Wl,--disable-new-dtags)
  set_target_properties(diptych_python PROPERTIES INSTALL_RPATH "$ORIGIN/lib")
  install(TARGETS diptych_python LIBRARY DESTINATION diptych ${package_options})
  install(DIRECTORY python/diptych/ DESTINATION diptych ${package_options}
          FILES_MATCHING PATTERN "*.py" PATTERN py.typed PATTERN __pycache__ EXCLUDE)
  install(FILES ${PROJECT_BINARY_DIR}/python/diptych/_diptych.pyi LICENSE DESTINATION diptych ${package_options})
  install(DIRECTORY models/starter DESTINATION diptych/models ${package_options})
  if(onednn_is_bundled)
    install(DIRECTORY ${onednn_folder}/share/doc/onednn/ DESTINATION diptych/lib/licenses/onednn ${package_options}
            FILES_MATCHING PATTERN LICENSE PATTERN THIRD-PARTY-PROGRAMS)
  endif()
  install(CODE "set(package \$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/diptych)
execute_process(COMMAND ${Python_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tools/bundle_libraries.py
                        $<TARGET_FILE:diptych_python> \${package}/$<TARGET_FILE_NAME:diptych_python> \${package}/lib
                        ${CMAKE_CXX_COMPILER}
                COMMAND_ERROR_IS_FATAL ANY)" ${package_options})
endif()
