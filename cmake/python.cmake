# Python's extension, src/python on top of include/diptych, and the package around it (python/diptych). Built where
# nanobind is found: by tools/prepare.sh in <build>/venv, by pip in its own environment, or in the Python that is named
# in Python_EXECUTABLE. <build>/python is then a folder for PYTHONPATH.
set(DIPTYCH_PYTHON_FOUND FALSE)
if(NOT DIPTYCH_PYTHON OR NOT TARGET diptych_api OR DIPTYCH_SANITIZE)
  return()
endif()
if(NOT Python_EXECUTABLE AND EXISTS ${PROJECT_BINARY_DIR}/venv/bin/python)
  set(Python_EXECUTABLE ${PROJECT_BINARY_DIR}/venv/bin/python)
endif()
find_package(Python 3.10 COMPONENTS Interpreter Development.Module ${SKBUILD_SABI_COMPONENT})
if(Python_FOUND)
  execute_process(COMMAND ${Python_EXECUTABLE} -m nanobind --cmake_dir OUTPUT_VARIABLE nanobind_ROOT
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  find_package(nanobind CONFIG QUIET)
endif()
if(NOT Python_FOUND OR NOT nanobind_FOUND)
  if(NOT DIPTYCH_PYTHON STREQUAL "AUTO")
    message(FATAL_ERROR "DIPTYCH_PYTHON is ${DIPTYCH_PYTHON}, but nanobind and Python's headers were not both found")
  endif()
  message(STATUS "Python's extension is left out: nanobind or Python's headers were not found")
  return()
endif()
set(DIPTYCH_PYTHON_FOUND TRUE)

file(GLOB python_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/python/*.cc)
nanobind_add_module(diptych_python NOMINSIZE NB_SUPPRESS_WARNINGS ${python_sources})
target_link_libraries(diptych_python PRIVATE diptych_api)
# No symbol of ours or of a library inside meets those of other extensions in the same process.
target_link_options(diptych_python PRIVATE -Wl,--exclude-libs,ALL)
set_target_properties(diptych_python PROPERTIES OUTPUT_NAME _diptych
                                                LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/python/diptych)

# The package as it will be installed, its Python files and the starter as links into the source tree.
set(package ${PROJECT_BINARY_DIR}/python/diptych)
set(package_source ${PROJECT_SOURCE_DIR}/python/diptych)
file(MAKE_DIRECTORY ${package})
file(GLOB package_files CONFIGURE_DEPENDS ${package_source}/*.py ${package_source}/py.typed)
foreach(file IN LISTS package_files)
  get_filename_component(name ${file} NAME)
  file(CREATE_LINK ${file} ${package}/${name} SYMBOLIC)
endforeach()
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/models ${package}/models SYMBOLIC)
nanobind_add_stub(diptych_python_stub MODULE _diptych OUTPUT ${package}/_diptych.pyi PYTHON_PATH ${package}
                  DEPENDS diptych_python)
