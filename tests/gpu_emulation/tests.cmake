# Tests of the emulation itself, and the main of tests on emulated GPUs. Included by
# tests/CMakeLists.txt where SOFTMOE_CUDA is `emulated`.

set(emulation_dir ${CMAKE_CURRENT_LIST_DIR})

add_library(softmoe_gpu_emulation_main STATIC
  ${emulation_dir}/emulation_main.cpp ${emulation_dir}/fault_listener.cpp)
target_link_libraries(softmoe_gpu_emulation_main
  PUBLIC softmoe_compiler softmoe_gpu_emulation GTest::gmock)
target_link_libraries(gpu_tests PRIVATE softmoe_gpu_emulation_main)

# Kernels of the tests start as all kernels do, so these are compiled as .cu files are.
file(GLOB emulation_tests CONFIGURE_DEPENDS
  ${emulation_dir}/*_test.cpp ${emulation_dir}/planted/*.cpp)
add_executable(gpu_emulation_tests ${emulation_tests})
target_link_libraries(gpu_emulation_tests PRIVATE softmoe_test_support softmoe_gpu_emulation_main)
add_dependencies(gpu gpu_emulation_tests)
gtest_discover_tests(gpu_emulation_tests TEST_PREFIX "gpu_emulation." DISCOVERY_TIMEOUT 60
  PROPERTIES LABELS gpu_emulation TIMEOUT 300)
