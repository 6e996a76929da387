# cmake --install: the library for C, C++, CMake and pkg-config, the program, its manual and
# completions. Everything can be moved afterwards.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/octavo)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/lib/include/octavo DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/NOTICE
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(TARGETS octavo EXPORT octavoTargets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS octavo_static EXPORT octavoStaticTargets
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS octavo_cli)

# CMake: the static target apart, since it alone asks for the libraries below octavo.
foreach(targets octavoTargets octavoStaticTargets)
  install(EXPORT ${targets} NAMESPACE octavo:: DESTINATION ${config_dir})
endforeach()
configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/octavoConfig.cmake.in ${PROJECT_BINARY_DIR}/octavoConfig.cmake
  INSTALL_DESTINATION ${config_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/octavoConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/octavoConfig.cmake
              ${PROJECT_BINARY_DIR}/octavoConfigVersion.cmake
              ${PROJECT_SOURCE_DIR}/cmake/FindSentencePiece.cmake
              ${PROJECT_SOURCE_DIR}/cmake/FindxxHash.cmake
        DESTINATION ${config_dir})

# pkg-config: paths from where the .pc file is, unless a directory was given as an absolute one.
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH up ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" up "${up}")
set(pc_prefix "\${pcfiledir}/${up}")
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
  set(pc_prefix ${CMAKE_INSTALL_PREFIX})
endif()
foreach(kind LIB INCLUDE)
  set(pc_${kind} "\${prefix}/${CMAKE_INSTALL_${kind}DIR}")
  if(IS_ABSOLUTE ${CMAKE_INSTALL_${kind}DIR})
    set(pc_${kind} ${CMAKE_INSTALL_${kind}DIR})
  endif()
endforeach()
# What a static link needs, by name: the same libraries as OCTAVO_LINK_LIBRARIES. Requires.private
# would ask everyone for their .pc files, also those who link the shared library.
set(names hwy fmt xxhash)
if(OCTAVO_TEXT)
  list(APPEND names sentencepiece)
endif()
if(OCTAVO_HAVE_ONEDNN)
  list(APPEND names dnnl)
endif()
if(OCTAVO_HAVE_CUDA)
  list(APPEND names cudart_static dl rt)
endif()
foreach(name ${OpenMP_CXX_LIB_NAMES} ${CMAKE_CXX_IMPLICIT_LINK_LIBRARIES})
  if(name MATCHES "^(gomp|omp|pthread|stdc\\+\\+|c\\+\\+|m)$")
    list(APPEND names ${name})
  endif()
endforeach()
list(REMOVE_DUPLICATES names)
list(TRANSFORM names PREPEND -l)
list(JOIN names " " pc_libraries)
if(OCTAVO_HAVE_CUDA)
  string(PREPEND pc_libraries "-L${CUDAToolkit_LIBRARY_DIR} ")
endif()
foreach(name octavo octavo-static)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/${name}.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${pkgconfig_dir})
endforeach()

# The manual, and completions as the program itself writes them.
configure_file(${PROJECT_SOURCE_DIR}/cli/octavo.1.in ${PROJECT_BINARY_DIR}/octavo.1 @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/octavo.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
if(OCTAVO_SANITIZE)
  return()  # what is not for use is not run while it is built
endif()
foreach(shell bash zsh fish)
  set(script ${PROJECT_BINARY_DIR}/completions/octavo.${shell})
  add_custom_command(OUTPUT ${script} DEPENDS octavo_cli VERBATIM
    COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/completions
    COMMAND octavo_cli completions ${shell} > ${script})
  list(APPEND scripts ${script})
endforeach()
add_custom_target(octavo_completions ALL DEPENDS ${scripts})
install(FILES ${PROJECT_BINARY_DIR}/completions/octavo.bash RENAME octavo
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${PROJECT_BINARY_DIR}/completions/octavo.zsh RENAME _octavo
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${PROJECT_BINARY_DIR}/completions/octavo.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
