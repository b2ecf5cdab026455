# SPDX-License-Identifier: Apache-2.0
# With CMAKE_UNITY_BUILD (the presets lint, asan-ubsan and tsan) the files of a directory are read as one, so that what they
# all include is read once. Hence what a file keeps to itself has a name that no other file of its directory uses.
function(join_by_directory target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD_MODE GROUP)
  get_target_property(sources ${target} SOURCES)
  foreach(source ${sources})
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} OUTPUT_VARIABLE path)
    cmake_path(GET path PARENT_PATH directory)
    cmake_path(GET directory FILENAME directory)
    set_source_files_properties(${source} TARGET_DIRECTORY ${target} PROPERTIES UNITY_GROUP ${directory})
  endforeach()
endfunction()
