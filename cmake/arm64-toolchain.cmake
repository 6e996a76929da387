# Cross build for 64-bit Arm with Debian's g++-aarch64-linux-gnu; programs run under qemu.
# scripts/install-deps --arm64 installs the compiler and unpacks the Arm libraries.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

# Libraries come from the sysroot alone. Headers and packages without code of their own (Eigen,
# nlohmann-json, CLI11, sentencepiece's headers) are the same for all machines and the host's.
get_filename_component(octavo_sysroot "${CMAKE_CURRENT_LIST_DIR}/../build/arm64-sysroot" ABSOLUTE)
set(CMAKE_FIND_ROOT_PATH ${octavo_sysroot} /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE BOTH)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE BOTH)

# The sysroot's libraries are found through the build's RPATH. The C library must be the one that
# belongs to the loader, also where the system has another for this architecture.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static -L /usr/aarch64-linux-gnu
    -E LD_LIBRARY_PATH=/usr/aarch64-linux-gnu/lib)
