# libFuzzer targets: one program from each tests/fuzz/x_fuzz.cc, linked with the folders that it exercises.
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "DIPTYCH_FUZZ needs clang: cmake --preset fuzz")
endif()

function(diptych_fuzz name)
  add_executable(${name}_fuzz ${PROJECT_SOURCE_DIR}/tests/fuzz/${name}_fuzz.cc)
  target_link_libraries(${name}_fuzz PRIVATE ${ARGN})
  target_link_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
endfunction()

diptych_fuzz(safetensors diptych_checkpoint)
diptych_fuzz(torch diptych_checkpoint)
