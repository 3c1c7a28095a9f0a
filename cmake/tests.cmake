# One test program a folder, from every x_test.cc in it.
find_package(GTest REQUIRED)
include(GoogleTest)

foreach(library IN LISTS DIPTYCH_LIBRARIES)
  string(REPLACE "diptych_" "" folder ${library})
  file(GLOB test_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${folder}/*_test.cc)
  if(test_sources)
    add_executable(${folder}_test ${test_sources})
    target_link_libraries(${folder}_test PRIVATE ${library} GTest::gtest_main)
    target_compile_definitions(${folder}_test PRIVATE DIPTYCH_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    gtest_discover_tests(${folder}_test TEST_PREFIX ${folder}. DISCOVERY_TIMEOUT 60)
  endif()
endforeach()
