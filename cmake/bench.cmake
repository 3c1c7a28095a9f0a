# bench/x_bench.cc is a program of its own, built by name only: `ninja kernels_bench`.
find_package(benchmark QUIET)
if(benchmark_FOUND AND TARGET diptych_kernels)
  add_executable(kernels_bench EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/bench/kernels_bench.cc)
  target_link_libraries(kernels_bench PRIVATE diptych_kernels benchmark::benchmark)
endif()
