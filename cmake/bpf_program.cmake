# SPDX-License-Identifier: Apache-2.0
# add_bpf_program(NAME SOURCE [FLAG…]): a library with NAME.object.h, by which SOURCE (below the project's directory), compiled for
# the kernel by CLOSEWATCH_BPF_CLANG, is part of the program.
find_program(CLOSEWATCH_BPF_CLANG NAMES clang clang-14 REQUIRED DOC "The clang that compiles for the kernel")

# compile_for_kernel(OBJECT CLANG SOURCE [FLAG…]): the object file by itself. SOURCE is below the project's directory, or absolute.
function(compile_for_kernel object clang source)
  cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${PROJECT_SOURCE_DIR})
  cmake_path(GET object PARENT_PATH directory)
  file(MAKE_DIRECTORY ${directory})
  add_custom_command(OUTPUT ${object}
    # With BTF, by which libbpf moves each access to where the running kernel has the field; v3 has 32-bit comparisons.
    COMMAND ${clang} -g -O2 -target bpf -mcpu=v3 -Wall -Werror ${ARGN} -I ${PROJECT_SOURCE_DIR}/src -I ${PROJECT_SOURCE_DIR}/src/kernel/bpf
            -MD -MF ${object}.d -c ${source} -o ${object}
    DEPENDS ${source} DEPFILE ${object}.d
    COMMENT "Compiling ${source} for the kernel by ${clang}")
endfunction()

function(add_bpf_program name source)
  set(directory ${CMAKE_CURRENT_BINARY_DIR}/bpf)
  set(object ${directory}/${name}.bpf.o)
  compile_for_kernel(${object} ${CLOSEWATCH_BPF_CLANG} ${source} ${ARGN})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/bpf_object.h.in ${directory}/${name}.object.h @ONLY)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/bpf_object.S.in ${directory}/${name}.object.S @ONLY)
  set_property(SOURCE ${directory}/${name}.object.S APPEND PROPERTY OBJECT_DEPENDS ${object})
  add_library(${name} STATIC ${directory}/${name}.object.S)
  target_include_directories(${name} SYSTEM INTERFACE ${directory})
endfunction()
