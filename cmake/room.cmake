# SPDX-License-Identifier: Apache-2.0
# room(NAME "WHAT IT OWNS" [USES ROOM…] [LINKS LIBRARY…]): a directory of src as a library of its own. USES is all that its files may
# include of others; scripts/rooms holds them to it, and writes the table of docs/architecture.md from here. Another room sees
# include/closewatch/NAME; the headers in src/NAME are its own.
function(room name owns)
  cmake_parse_arguments(PARSE_ARGV 2 ROOM "" "" "USES;LINKS")
  set(library closewatch_${name})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cc)
  list(REMOVE_ITEM sources ${PROJECT_SOURCE_DIR}/src/app/main.cc)
  add_library(${library} STATIC ${sources})
  target_include_directories(${library} PUBLIC ${PROJECT_SOURCE_DIR}/include PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_definitions(${library} PUBLIC BOOST_ALL_NO_LIB BOOST_ASIO_NO_DEPRECATED)
  list(TRANSFORM ROOM_USES PREPEND closewatch_)
  target_link_libraries(${library} PUBLIC ${ROOM_USES} tl::expected PRIVATE closewatch_warnings fmt::fmt ${ROOM_LINKS})
  join_by_directory(${library})
endfunction()
