# Checks of the tree itself, each a test: layers, style, documents, and that no test was left out.
find_package(Python3 REQUIRED COMPONENTS Interpreter)

function(add_check name)
  add_test(NAME checks.${name} COMMAND ${Python3_EXECUTABLE} ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endfunction()

add_check(self_test tests/checks_test.py)
add_check(bench_records tests/bench_records_test.py)
add_check(layers tools/check_layers.py .)
add_check(style tools/check_style.py .)
add_check(docs tools/check_docs.py .)
add_check(tests tools/check_tests.py . ${PROJECT_BINARY_DIR})
if(TARGET diptych_cli)
  add_check(readme tools/check_docs.py . --run ${PROJECT_BINARY_DIR} README.md)
  add_check(training_guide tools/check_docs.py . --run ${PROJECT_BINARY_DIR} docs/training.md)
endif()
if(TARGET diptych_shared AND NOT DIPTYCH_SANITIZE)  # a user's program would have to be built with the sanitizers too
  add_test(NAME checks.install COMMAND ${PROJECT_SOURCE_DIR}/tests/install_test.sh ${PROJECT_BINARY_DIR})
endif()
