# One test program a folder of src/, from every x_test.cc in it and below it.
find_package(GTest REQUIRED)
include(GoogleTest)

# What several tests stand on: servers on the loopback, and from each x_main.cc a program that runs them by themselves.
file(GLOB support_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/support/*.cc)
set(support_programs ${support_sources})
list(FILTER support_sources EXCLUDE REGEX "_main\\.cc$")
list(FILTER support_programs INCLUDE REGEX "_main\\.cc$")
add_library(diptych_test_support STATIC ${support_sources})
target_include_directories(diptych_test_support PUBLIC ${PROJECT_SOURCE_DIR}/tests)
target_link_libraries(diptych_test_support PUBLIC diptych_hub)
foreach(source IN LISTS support_programs)
  string(REGEX REPLACE ".*/(.*)_main\\.cc$" "\\1" program ${source})
  add_executable(${program} ${source})
  target_link_libraries(${program} PRIVATE diptych_test_support)
endforeach()
target_link_libraries(mpi_ranks PRIVATE diptych_train)
set(test_support_hub diptych_test_support)
set(test_support_index PkgConfig::SQLITE)  # tests/support/failing_storage.h

foreach(library IN LISTS DIPTYCH_LIBRARIES)
  string(REPLACE "diptych_" "" folder ${library})
  file(GLOB_RECURSE test_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${folder}/*_test.cc)
  if(test_sources)
    add_executable(${folder}_test ${test_sources})
    target_link_libraries(${folder}_test PRIVATE ${library} ${test_support_${folder}} GTest::gtest_main)
    target_include_directories(${folder}_test PRIVATE ${PROJECT_SOURCE_DIR}/tests)
    target_compile_definitions(${folder}_test PRIVATE DIPTYCH_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    gtest_discover_tests(${folder}_test TEST_PREFIX ${folder}. DISCOVERY_TIMEOUT 60)
  endif()
endforeach()

# What computes, once more with the instructions of older CPUs (DIPTYCH_MAX_ISA); those that this one lacks change
# nothing.
foreach(isa sse4 avx2 avx512 avx512_bf16)
  foreach(folder kernels nn clip)
    add_test(NAME isa.${isa}.${folder} COMMAND ${folder}_test --gtest_brief=1)
    set_tests_properties(isa.${isa}.${folder} PROPERTIES ENVIRONMENT DIPTYCH_MAX_ISA=${isa} TIMEOUT 600)
  endforeach()
endforeach()

# The built program as its users see it.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
if(TARGET diptych_mpi)
  add_test(NAME e2e.mpi COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/e2e/mpi_test.py
                                $<TARGET_FILE:mpi_ranks>)
  set_tests_properties(e2e.mpi PROPERTIES TIMEOUT 300)
endif()
if(TARGET diptych_cli)
  add_test(NAME e2e.cli COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/e2e/cli_test.py
                                $<TARGET_FILE:diptych_cli> ${PROJECT_SOURCE_DIR})
  set_tests_properties(e2e.cli PROPERTIES TIMEOUT 900)
  add_test(NAME e2e.store COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/e2e/store_test.py
                                  $<TARGET_FILE:diptych_cli> ${PROJECT_SOURCE_DIR})
  set_tests_properties(e2e.store PROPERTIES TIMEOUT 600)
  add_test(NAME e2e.postgres COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/e2e/postgres_test.py
                                     $<TARGET_FILE:diptych_cli> ${PROJECT_SOURCE_DIR})
  set_tests_properties(e2e.postgres PROPERTIES TIMEOUT 600)
  add_test(NAME e2e.hub COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/e2e/hub_test.py
                                $<TARGET_FILE:diptych_cli> $<TARGET_FILE:fake_hub> ${PROJECT_SOURCE_DIR})
  set_tests_properties(e2e.hub PROPERTIES TIMEOUT 300)
  set(train_tests train train_errors)
  if(TARGET diptych_mpi)
    list(APPEND train_tests train_mpi)
  endif()
  foreach(name IN LISTS train_tests)
    add_test(NAME e2e.${name} COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/e2e/${name}_test.py
                                      $<TARGET_FILE:diptych_cli> ${PROJECT_SOURCE_DIR})
    set_tests_properties(e2e.${name} PROPERTIES TIMEOUT 300)
  endforeach()
endif()

# The Python package: from the build tree, and as a wheel holds it.
if(DIPTYCH_PYTHON_FOUND)
  execute_process(COMMAND ${Python_EXECUTABLE} -c "import pytest, PIL, numpy" RESULT_VARIABLE missing OUTPUT_QUIET
                  ERROR_QUIET)
  if(missing)
    message(STATUS "The tests of Python's package are left out: pytest, Pillow or numpy was not found")
  else()
    add_test(NAME python.package COMMAND Python::Interpreter -m pytest WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(python.package PROPERTIES TIMEOUT 300 ENVIRONMENT
      "PYTHONPATH=${PROJECT_BINARY_DIR}/python;PYTHONDONTWRITEBYTECODE=1;DIPTYCH_LIBRARY=$<TARGET_FILE:diptych_shared>")
    # Each error 10,000 times: some minutes, so not among the tests.
    add_custom_target(leak_check
      ${CMAKE_COMMAND} -E env PYTHONPATH=${PROJECT_BINARY_DIR}/python PYTHONDONTWRITEBYTECODE=1 DIPTYCH_LEAK_RUNS=10000
      ${Python_EXECUTABLE} -m pytest tests/python/test_errors.py -s -k memory WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
      USES_TERMINAL)
    add_dependencies(leak_check diptych_python)
    add_test(NAME python.wheel COMMAND ${PROJECT_SOURCE_DIR}/tests/python_package_test.sh ${PROJECT_BINARY_DIR}
                                       ${Python_EXECUTABLE})
  endif()
endif()
