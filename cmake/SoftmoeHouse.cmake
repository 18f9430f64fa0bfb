# The order of the folders, in one table. softmoe_library() refuses an edge that is not in it;
# tests/house checks the #include lines against the same table.

set(SOFTMOE_USES_runtime "")
set(SOFTMOE_USES_parallel runtime)
set(SOFTMOE_USES_router runtime)
set(SOFTMOE_USES_budget runtime)
set(SOFTMOE_USES_experts runtime parallel router budget)
set(SOFTMOE_USES_model runtime parallel router budget experts)
# Of the tokenizer only the headers that lay down the protocol; the program is never linked.
set(SOFTMOE_USES_training runtime parallel router budget experts model tokenizer)
set(SOFTMOE_USES_coordinator runtime budget)
set(SOFTMOE_USES_launcher runtime parallel router budget experts model training coordinator)
set(SOFTMOE_USES_tokenizer "")

# softmoe_library(NAME [DIRS dir...] [USES folder...] [PRIVATE library...])
#
# Declares the target softmoe_NAME from every .cpp and .cu in its folder (or in DIRS) that this build
# has (SoftmoeCuda.cmake). USES are folders of
# the house; PRIVATE are libraries from outside whose only home is this folder.
function(softmoe_library name)
  cmake_parse_arguments(arg "" "" "DIRS;USES;PRIVATE" ${ARGN})
  if(NOT arg_DIRS)
    set(arg_DIRS .)
  endif()
  set(sources)
  foreach(dir IN LISTS arg_DIRS)
    file(GLOB_RECURSE found CONFIGURE_DEPENDS
      ${CMAKE_CURRENT_SOURCE_DIR}/${dir}/*.cpp ${CMAKE_CURRENT_SOURCE_DIR}/${dir}/*.cu)
    list(APPEND sources ${found})
  endforeach()
  softmoe_choose_sources(sources)
  add_library(softmoe_${name} STATIC ${sources})
  target_link_libraries(softmoe_${name} PUBLIC softmoe_compiler fmt::fmt Threads::Threads)
  foreach(used IN LISTS arg_USES)
    if(NOT used IN_LIST SOFTMOE_USES_${name})
      message(FATAL_ERROR "${name}/ may not use ${used}/: the order of the house is in "
                          "cmake/SoftmoeHouse.cmake")
    endif()
    target_link_libraries(softmoe_${name} PUBLIC softmoe_${used})
  endforeach()
  target_link_libraries(softmoe_${name} PRIVATE ${arg_PRIVATE})
endfunction()
