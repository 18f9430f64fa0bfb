// Compiled against NCCL's own header, where it is.

#include "tests/gpu_emulation/nccl_signatures.h"
