# add_bpf_program(NAME SOURCE [FLAG…]): an interface library with NAME.skel.h, in which SOURCE (below the project's folder)
# is, compiled for the kernel.
find_program(CLANG NAMES clang clang-14 REQUIRED)
# Debian keeps it where only root's PATH leads.
find_program(BPFTOOL bpftool PATHS /usr/sbin REQUIRED)

function(add_bpf_program name source)
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/bpf)
  set(object ${folder}/${name}.bpf.o)
  set(skeleton ${folder}/${name}.skel.h)
  file(MAKE_DIRECTORY ${folder})
  add_custom_command(OUTPUT ${object}
    # With BTF, by which libbpf moves each access to where the running kernel has the field; v3 has 32-bit comparisons.
    COMMAND ${CLANG} -g -O2 -target bpf -mcpu=v3 -Wall -Werror ${ARGN} -I ${PROJECT_SOURCE_DIR}/include -I ${PROJECT_SOURCE_DIR}/src/kernel/bpf
            -MD -MF ${object}.d -c ${PROJECT_SOURCE_DIR}/${source} -o ${object}
    DEPENDS ${PROJECT_SOURCE_DIR}/${source} DEPFILE ${object}.d
    COMMENT "Compiling ${source} for the kernel")
  add_custom_command(OUTPUT ${skeleton}
    # What is generated is not ours to lint.
    COMMAND echo '// NOLINTBEGIN' > ${skeleton}
    COMMAND ${BPFTOOL} gen skeleton ${object} name ${name}_bpf >> ${skeleton}
    COMMAND echo '// NOLINTEND' >> ${skeleton}
    DEPENDS ${object}
    COMMENT "Generating ${name}.skel.h")
  add_custom_target(${name}_skeleton DEPENDS ${skeleton})
  if(NOT TARGET skeletons)
    add_custom_target(skeletons)
  endif()
  add_dependencies(skeletons ${name}_skeleton)
  add_library(${name} INTERFACE)
  add_dependencies(${name} ${name}_skeleton)
  target_include_directories(${name} SYSTEM INTERFACE ${folder})
endfunction()
