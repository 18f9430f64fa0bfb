# Libraries from outside, each with one home in the house (tests/house holds the list).

find_package(Threads REQUIRED)
find_package(fmt CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(yaml-cpp CONFIG REQUIRED)     # runtime/config
find_package(prometheus-cpp CONFIG REQUIRED)  # runtime/metrics
find_package(Boost REQUIRED)  # runtime/metrics: Beast, headers alone
find_package(CLI11 CONFIG REQUIRED)        # launcher
set(MPI_DETERMINE_LIBRARY_VERSION TRUE)   # `softmoe doctor` compares it with the one that runs
find_package(MPI REQUIRED COMPONENTS CXX)  # parallel/mpi
find_package(ZLIB REQUIRED)                # training/corpus
find_package(Protobuf REQUIRED)            # coordinator
find_package(gRPC CONFIG REQUIRED)         # coordinator
find_package(OpenSSL REQUIRED)             # coordinator

# OpenBLAS by its serial archive: threads are ours, over experts and row blocks, never inside a GEMM,
# and the build that runs is the one that was linked (libopenblas.so.0 may resolve to any of three).
find_library(OPENBLAS_LIBRARY NAMES libopenblas.a
  HINTS /usr/lib/x86_64-linux-gnu/openblas-serial /usr/lib/aarch64-linux-gnu/openblas-serial REQUIRED)
find_path(OPENBLAS_INCLUDE cblas.h
  HINTS /usr/include/x86_64-linux-gnu/openblas-serial /usr/include/aarch64-linux-gnu/openblas-serial
  REQUIRED)
add_library(softmoe_blas INTERFACE)
target_link_libraries(softmoe_blas INTERFACE ${OPENBLAS_LIBRARY})
# The serial archive hands out its buffers without a lock; runtime/ops/cpu/blas.cpp puts one around.
target_link_options(softmoe_blas INTERFACE
  LINKER:--wrap=blas_memory_alloc LINKER:--wrap=blas_memory_free)
target_include_directories(softmoe_blas SYSTEM INTERFACE ${OPENBLAS_INCLUDE})

# oneDNN, which multiplies faster where there is AVX-512. Its threads are OpenMP's, and kept at one.
# By its file: its CMake package asks for OpenCL, which nothing here uses.
find_library(ONEDNN_LIBRARY dnnl REQUIRED)
find_path(ONEDNN_INCLUDE oneapi/dnnl/dnnl.h REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
target_link_libraries(softmoe_blas INTERFACE ${ONEDNN_LIBRARY} ${OpenMP_gomp_LIBRARY})
target_include_directories(softmoe_blas SYSTEM INTERFACE ${ONEDNN_INCLUDE})
