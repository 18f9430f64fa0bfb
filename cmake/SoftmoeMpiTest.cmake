# softmoe_mpi_test(NAME name RANKS n COMMAND program [argument...])
#
# A CTest that runs `program` as n ranks under mpirun, label `mpi`. It runs alone, since ranks that
# wait poll; every rank's output reaches the log with the rank's number before each line.

# What mpirun needs in containers (root, fewer cores than ranks, no single-copy permission), and the
# transports of one machine only.
set(SOFTMOE_MPIRUN_FLAGS
  --allow-run-as-root --oversubscribe --bind-to none --tag-output
  --mca mpi_yield_when_idle 1 --mca btl_vader_single_copy_mechanism none
  --mca pml ob1 --mca btl self,vader)

# Open MPI leaks at exit and allocates without frame pointers.
set(SOFTMOE_MPI_TEST_ENVIRONMENT
  OMP_NUM_THREADS=1
  ASAN_OPTIONS=fast_unwind_on_malloc=0
  LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/support/lsan_open_mpi.supp:print_suppressions=0)

function(softmoe_mpi_test)
  cmake_parse_arguments(arg "" "NAME;RANKS" "COMMAND" ${ARGN})
  add_test(NAME ${arg_NAME}
    COMMAND ${MPIEXEC_EXECUTABLE} ${SOFTMOE_MPIRUN_FLAGS} -n ${arg_RANKS} ${arg_COMMAND})
  set_tests_properties(${arg_NAME} PROPERTIES
    LABELS mpi PROCESSORS ${arg_RANKS} RUN_SERIAL TRUE TIMEOUT 300
    ENVIRONMENT "${SOFTMOE_MPI_TEST_ENVIRONMENT}")
endfunction()
