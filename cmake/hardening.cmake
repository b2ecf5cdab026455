# SPDX-License-Identifier: Apache-2.0
# What compiler and linker do for a program that may be attacked; tests/hardening looks whether they did. The program for the kernel has
# flags of its own.
include(CheckPIESupported)
check_pie_supported()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# With optimisation across files the code is made when it is linked, by these flags.
set(HARDENING -fstack-protector-strong -fstack-clash-protection)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND HARDENING -fcf-protection=full)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  list(APPEND HARDENING -mbranch-protection=standard)
endif()
add_compile_options(${HARDENING})
add_link_options(${HARDENING} LINKER:-z,relro,-z,now,-z,noexecstack)

# It needs the optimiser, and the sanitizers look closer than it does.
add_compile_options($<$<CONFIG:Release>:-U_FORTIFY_SOURCE> $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=3>)
