# SPDX-License-Identifier: Apache-2.0
# For programs of arm64, built on Debian of another architecture. `scripts/packages arm64` installs what it takes: compilers, and the
# libraries of that architecture beside this one's (multiarch). The presets release-arm64 and dev-arm64 use it.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_ASM_COMPILER aarch64-linux-gnu-gcc)
# pkg-config is asked at configuration only.
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig)
