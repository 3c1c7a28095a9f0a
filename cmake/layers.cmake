# One library target a folder of src/ with what lies below it, linked as src/LAYERS grants.
#   x.cc        belongs to the folder's library
#   x_test.cc   to its tests (cmake/tests.cmake)

add_library(diptych_flags INTERFACE)
target_include_directories(diptych_flags INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
target_compile_options(diptych_flags INTERFACE -Wall -Wextra -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(diptych_flags INTERFACE -Wno-restrict)  # GCC bug 105651: "literal" + std::string
endif()
target_link_libraries(diptych_flags INTERFACE Threads::Threads nlohmann_json::nlohmann_json fmt::fmt)
if(DIPTYCH_SANITIZE)
  target_compile_options(diptych_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all
                                                 -fno-omit-frame-pointer)
  target_link_options(diptych_flags INTERFACE -fsanitize=address,undefined)
endif()
if(DIPTYCH_FUZZ)
  target_compile_options(diptych_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

set(DIPTYCH_LIBRARIES "")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/LAYERS)
file(STRINGS ${PROJECT_SOURCE_DIR}/src/LAYERS lines REGEX "^[a-z]")
foreach(line IN LISTS lines)
  string(REGEX MATCH "^([a-z_]+) *:(.*)$" _ "${line}")
  set(folder ${CMAKE_MATCH_1})
  separate_arguments(granted UNIX_COMMAND "${CMAKE_MATCH_2}")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${folder}/*.cc)
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  # An optional dependency is a pair of files of which one is built, never an #ifdef.
  if(HEIF_FOUND)
    list(FILTER sources EXCLUDE REGEX "/heif_none\\.cc$")
  else()
    list(FILTER sources EXCLUDE REGEX "/heif_libheif\\.cc$")
  endif()
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    list(FILTER sources EXCLUDE REGEX "/(attention_amx|panel_product_amx|tile_gemm)_none\\.cc$")
  else()
    list(FILTER sources EXCLUDE REGEX "/(attention_amx|panel_product_amx|tile_gemm|tile_pack)\\.cc$")
  endif()
  if(PQ_FOUND)
    list(FILTER sources EXCLUDE REGEX "/remote_none\\.cc$")
  else()
    list(FILTER sources EXCLUDE REGEX "/(remote|postgres)_libpq\\.cc$")
  endif()
  list(FILTER sources EXCLUDE REGEX "/mpi_communicator\\.cc$")  # a library of its own, below
  if(NOT sources OR folder STREQUAL "cli" OR folder STREQUAL "python")
    continue()  # the program is made below, Python's extension in python.cmake; an empty folder has not come yet
  endif()
  add_library(diptych_${folder} STATIC ${sources})
  target_link_libraries(diptych_${folder} PUBLIC diptych_flags)
  foreach(other IN LISTS granted)
    if(TARGET diptych_${other})
      target_link_libraries(diptych_${folder} PUBLIC diptych_${other})
    endif()
  endforeach()
  list(APPEND DIPTYCH_LIBRARIES diptych_${folder})
endforeach()

# GCC's own intrinsics leave the lanes that they do not use unset, and it then warns of them (bug 105593).
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/kernels/attention/attention_amx.cc
                            ${PROJECT_SOURCE_DIR}/src/kernels/panels/panel_product_amx.cc
                            ${PROJECT_SOURCE_DIR}/src/kernels/products/tile_gemm.cc
                            ${PROJECT_SOURCE_DIR}/src/kernels/products/tile_pack.cc PROPERTIES
                            COMPILE_OPTIONS "-Wno-maybe-uninitialized;-Wno-uninitialized")

# CLIP's merges are bytes inside the program.
set(clip_merges ${PROJECT_SOURCE_DIR}/src/text/clip_merges.bin)
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/text/clip_vocabulary.cc PROPERTIES
                            COMPILE_DEFINITIONS "DIPTYCH_CLIP_MERGES=\"${clip_merges}\"" OBJECT_DEPENDS ${clip_merges})

# The libraries that each folder alone may see.
set(externals_core ${CMAKE_DL_LIBS})
set(externals_kernels DNNL::dnnl OpenMP::OpenMP_CXX PkgConfig::HWY)
set(externals_hub CURL::libcurl)
set(externals_image OpenMP::OpenMP_CXX JPEG::JPEG TIFF::TIFF GIF::GIF PkgConfig::SPNG PkgConfig::WEBP)
set(externals_index PkgConfig::SQLITE OpenMP::OpenMP_CXX)  # kernels/parallel.h
if(PQ_FOUND)
  list(APPEND externals_index PkgConfig::PQ)
endif()
set(externals_text PkgConfig::UTF8PROC)
set(externals_train OpenMP::OpenMP_CXX)  # kernels/parallel.h
foreach(library IN LISTS DIPTYCH_LIBRARIES)
  string(REPLACE "diptych_" "externals_" externals ${library})
  target_link_libraries(${library} PRIVATE ${${externals}})
endforeach()
if(HEIF_FOUND)  # its headers alone: heif_libheif.cc loads it where there is a picture for it
  target_include_directories(diptych_image SYSTEM PRIVATE ${HEIF_INCLUDE_DIRS})
endif()

# What runs several processes of a training job. The program loads it where mpirun started it, and only there: Open MPI
# is dozens of libraries.
if(OMPI_FOUND AND TARGET diptych_train)
  add_library(diptych_mpi MODULE ${PROJECT_SOURCE_DIR}/src/train/mpi_communicator.cc)
  target_link_libraries(diptych_mpi PRIVATE diptych_core PkgConfig::OMPI)
  target_compile_definitions(diptych_mpi PRIVATE OMPI_SKIP_MPICXX)  # its C++ bindings are another library
endif()

# The library that is installed: only what include/diptych/ declares is visible.
if(TARGET diptych_api)
  target_compile_definitions(diptych_api PRIVATE DIPTYCH_VERSION="${PROJECT_VERSION}")
  add_library(diptych_shared SHARED $<TARGET_OBJECTS:diptych_api>)
  set_target_properties(diptych_shared PROPERTIES OUTPUT_NAME diptych VERSION ${PROJECT_VERSION}
                                                  SOVERSION ${PROJECT_VERSION_MAJOR} EXPORT_NAME diptych
                                                  LINKER_LANGUAGE CXX)
  target_link_libraries(diptych_shared PRIVATE diptych_apps)
  target_link_options(diptych_shared PRIVATE -Wl,--exclude-libs,ALL)
  target_include_directories(diptych_shared INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                                      $<INSTALL_INTERFACE:include>)
  target_compile_features(diptych_shared INTERFACE cxx_std_20)

  # The same as an archive of everything, for programs that are handed on as one file. What it stands on is linked by
  # the program: shared libraries of the system, by name, and oneDNN (cmake/install.cmake).
  add_library(diptych_static STATIC)
  foreach(library IN LISTS DIPTYCH_LIBRARIES)
    target_sources(diptych_static PRIVATE $<TARGET_OBJECTS:${library}>)
  endforeach()
  set_target_properties(diptych_static PROPERTIES OUTPUT_NAME diptych EXPORT_NAME static LINKER_LANGUAGE CXX)
  target_include_directories(diptych_static INTERFACE $<INSTALL_INTERFACE:include>)
  target_compile_features(diptych_static INTERFACE cxx_std_20)
  set(static_names ${HWY_LIBRARIES} ${SPNG_LIBRARIES} ${WEBP_LIBRARIES} ${SQLITE_LIBRARIES} ${UTF8PROC_LIBRARIES}
                   ${PQ_LIBRARIES} jpeg tiff gif curl fmt gomp pthread ${CMAKE_DL_LIBS})
  target_link_libraries(diptych_static INTERFACE "$<INSTALL_INTERFACE:${static_names}>")
endif()

file(GLOB cli_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/cli/*.cc)
list(FILTER cli_sources EXCLUDE REGEX "_test\\.cc$")
if(cli_sources AND TARGET diptych_apps)
  add_executable(diptych_cli ${cli_sources})
  set_target_properties(diptych_cli PROPERTIES OUTPUT_NAME diptych)
  target_link_libraries(diptych_cli PRIVATE diptych_apps CLI11::CLI11)
  target_compile_definitions(diptych_cli PRIVATE DIPTYCH_VERSION="${PROJECT_VERSION}")
endif()
