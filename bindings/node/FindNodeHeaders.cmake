# OCTAVO_NODE_INCLUDE_DIR: where node_api.h is, and OCTAVO_NODE_PROGRAM, which it belongs to. A Node
# that came as an archive has its headers beside it.
find_program(OCTAVO_NODE_PROGRAM NAMES node nodejs)
set(hints)
if(OCTAVO_NODE_PROGRAM)
  get_filename_component(program "${OCTAVO_NODE_PROGRAM}" REALPATH)
  get_filename_component(folder "${program}" DIRECTORY)
  set(hints "${folder}/../include")
endif()
find_path(OCTAVO_NODE_INCLUDE_DIR node_api.h HINTS ${hints} PATH_SUFFIXES node nodejs)
mark_as_advanced(OCTAVO_NODE_PROGRAM OCTAVO_NODE_INCLUDE_DIR)
