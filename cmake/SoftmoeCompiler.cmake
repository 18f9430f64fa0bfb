# One compiler setting for the whole house.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

set(SOFTMOE_CPU_ARCH "native" CACHE STRING "-march of the build; 'native' is this machine")
set(SOFTMOE_SANITIZE "" CACHE STRING "comma-separated sanitizers, or empty")

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

add_library(softmoe_compiler INTERFACE)
target_include_directories(softmoe_compiler INTERFACE ${CMAKE_SOURCE_DIR})
set(softmoe_cxx_options
  -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Woverloaded-virtual
  -Wno-missing-field-initializers  # designated initializers lean on the defaults of a struct
  -Wno-psabi  # vectors wider than the processor's pass between functions of one build alone
  -Werror
  -Wno-error=maybe-uninitialized  # depends on the optimiser, and by that on the processor
  -march=${SOFTMOE_CPU_ARCH}
  # No errno and no traps from <cmath>: loops over sqrt and fma become vectors. The order of
  # floating-point sums stays as written.
  -fno-math-errno -fno-trapping-math)
target_compile_options(softmoe_compiler INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${softmoe_cxx_options}>")
# nvcc: constexpr functions of the host are the device's too.
target_compile_options(softmoe_compiler INTERFACE
  "$<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;-Werror=all-warnings;-Xptxas=-v;-Xcompiler=-Wall,-Wextra,-Werror>")

if(SOFTMOE_SANITIZE)
  target_compile_options(softmoe_compiler INTERFACE
    -fsanitize=${SOFTMOE_SANITIZE} -fno-omit-frame-pointer -O1 -g1)
  if(SOFTMOE_SANITIZE MATCHES "undefined")
    target_compile_options(softmoe_compiler INTERFACE -fno-sanitize-recover=undefined)
  endif()
  target_link_options(softmoe_compiler INTERFACE -fsanitize=${SOFTMOE_SANITIZE})
endif()

# softmoe_uses_regex(SOURCE...): of the calling folder. GCC 12 takes members of std::regex for
# uninitialised once a sanitizer has instrumented them (GCC bug 105562).
function(softmoe_uses_regex)
  if(SOFTMOE_SANITIZE)
    set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS -Wno-maybe-uninitialized)
  endif()
endfunction()
