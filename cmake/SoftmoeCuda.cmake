# Where CUDA comes from: nowhere, the toolkit, or the emulation of tests/gpu_emulation.
#
# Files in folders named cuda/ and nccl/ and with_cuda.cpp are built where there is one, no_cuda.cpp and
# no_nccl.cpp where there is none. Targets: softmoe_cuda (runtime, cuBLAS), softmoe_nccl.

set(SOFTMOE_CUDA "off" CACHE STRING "off; toolkit: nvcc builds for real GPUs; emulated: tests without one")
set_property(CACHE SOFTMOE_CUDA PROPERTY STRINGS off toolkit emulated)
set(SOFTMOE_GPU_EMULATION "plain" CACHE STRING
  "plain; fibers: every CUDA thread is a ThreadSanitizer fiber; addresses: address and alignment checks")

if(SOFTMOE_CUDA STREQUAL "toolkit")
  # sm_80, sm_90, sm_100, and PTX for what comes later.
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 100-real 100-virtual)
  endif()
  set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
  enable_language(CUDA)
  # What CMake 3.25 does not know of this compiler.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
  # tests/cuda_build reads what ptxas says of registers and spills.
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_SOURCE_DIR}/cmake/nvcc_report.sh)
  if(CCACHE_PROGRAM)
    list(APPEND CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
  endif()
  find_package(CUDAToolkit REQUIRED)
  find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS} REQUIRED)
  find_library(NCCL_LIBRARY nccl HINTS ${CUDAToolkit_LIBRARY_DIR} REQUIRED)
  add_library(softmoe_cuda INTERFACE)
  target_link_libraries(softmoe_cuda INTERFACE CUDA::cudart CUDA::cublas CUDA::cublasLt)
  add_library(softmoe_nccl INTERFACE)
  target_link_libraries(softmoe_nccl INTERFACE ${NCCL_LIBRARY} softmoe_cuda)
  set(SOFTMOE_CUDA_HEADERS ${CUDAToolkit_INCLUDE_DIRS} ${NCCL_INCLUDE_DIR})
  list(REMOVE_DUPLICATES SOFTMOE_CUDA_HEADERS)
elseif(SOFTMOE_CUDA STREQUAL "emulated")
  add_subdirectory(${CMAKE_SOURCE_DIR}/tests/gpu_emulation)
  add_library(softmoe_cuda INTERFACE)
  target_link_libraries(softmoe_cuda INTERFACE softmoe_gpu_emulation)
  add_library(softmoe_nccl INTERFACE)
  target_link_libraries(softmoe_nccl INTERFACE softmoe_gpu_emulation)
  set(SOFTMOE_CUDA_HEADERS ${CMAKE_SOURCE_DIR}/tests/gpu_emulation/include)
elseif(NOT SOFTMOE_CUDA STREQUAL "off")
  message(FATAL_ERROR "SOFTMOE_CUDA is '${SOFTMOE_CUDA}', must be off, toolkit or emulated")
endif()

# softmoe_choose_sources(LIST): drops what this build does not have from a list of sources, and says
# how files of CUDA are compiled. They alone see its headers: everything else is compiled by the same
# words in every preset, so that a compiler cache knows it.
function(softmoe_choose_sources list)
  set(chosen)
  foreach(source IN LISTS ${list})
    file(RELATIVE_PATH path ${CMAKE_SOURCE_DIR} ${source})
    if(SOFTMOE_CUDA STREQUAL "off" AND path MATCHES "/((cuda|nccl)/|with_cuda\\.cpp$)")
      continue()
    endif()
    if(NOT SOFTMOE_CUDA STREQUAL "off" AND path MATCHES "/no_(cuda|nccl)\\.cpp$")
      continue()
    endif()
    if(path MATCHES "/((cuda|nccl)/|with_cuda\\.cpp$)")
      set(options)
      if(path MATCHES "\\.cpp$" OR SOFTMOE_CUDA STREQUAL "emulated")
        foreach(folder IN LISTS SOFTMOE_CUDA_HEADERS)
          list(APPEND options -isystem ${folder})
        endforeach()
      endif()
      if(path MATCHES "\\.cu$" AND SOFTMOE_CUDA STREQUAL "emulated")
        set_source_files_properties(${source} PROPERTIES LANGUAGE CXX)
      endif()
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${options}")
    endif()
    list(APPEND chosen ${source})
  endforeach()
  set(${list} ${chosen} PARENT_SCOPE)
endfunction()
