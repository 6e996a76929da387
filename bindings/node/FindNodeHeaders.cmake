# OCTAVO_NODE_INCLUDE_DIR: where node_api.h is, and OCTAVO_NODE_PROGRAM, which it belongs to, of
# OCTAVO_NODE_VERSION. A Node that came as an archive has its headers beside it.
find_program(OCTAVO_NODE_PROGRAM NAMES node nodejs)
set(hints)
set(OCTAVO_NODE_VERSION 0)
if(OCTAVO_NODE_PROGRAM)
  execute_process(COMMAND ${OCTAVO_NODE_PROGRAM} --version OUTPUT_VARIABLE OCTAVO_NODE_VERSION)
  string(REGEX REPLACE ".*v([0-9.]+).*" "\\1" OCTAVO_NODE_VERSION "${OCTAVO_NODE_VERSION}")
  get_filename_component(program "${OCTAVO_NODE_PROGRAM}" REALPATH)
  get_filename_component(folder "${program}" DIRECTORY)
  set(hints "${folder}/../include")
endif()
find_path(OCTAVO_NODE_INCLUDE_DIR node_api.h HINTS ${hints} PATH_SUFFIXES node nodejs)
mark_as_advanced(OCTAVO_NODE_PROGRAM OCTAVO_NODE_INCLUDE_DIR)
