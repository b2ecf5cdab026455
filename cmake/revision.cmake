# SPDX-License-Identifier: Apache-2.0
# Writes OUT, the source of what was built from: REVISION and DATE where they are given, else what git says of SOURCE. Run at each
# build, as a commit changes no file that CMake watches; OUT is written only where it differs.
#   cmake -DSOURCE=DIRECTORY -DOUT=FILE [-DREVISION=… -DDATE=…] -P cmake/revision.cmake
if(NOT REVISION)
  execute_process(COMMAND git -C ${SOURCE} log -1 --format=%H%n%cI OUTPUT_VARIABLE commit RESULT_VARIABLE failed ERROR_QUIET)
  if(failed)
    set(REVISION "")
    set(DATE "")
  else()
    string(REGEX MATCH "^([0-9a-f]+)\n([^\n]+)" matched "${commit}")
    set(REVISION ${CMAKE_MATCH_1})
    set(DATE ${CMAKE_MATCH_2})
    execute_process(COMMAND git -C ${SOURCE} diff-index --quiet HEAD RESULT_VARIABLE differs ERROR_QUIET)
    if(differs)
      string(APPEND REVISION "-modified")
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT ${OUT} @ONLY CONTENT [[#include "closewatch/base/build_info.h"

namespace closewatch {

const char* build_revision() { return "@REVISION@"; }

const char* build_date() { return "@DATE@"; }

}  // namespace closewatch
]])
