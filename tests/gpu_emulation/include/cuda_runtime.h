#pragma once

// The CUDA runtime as this project uses it, on a host without GPUs. A name that is missing here is
// not emulated.

#include <gpu_emulation/calls.h>
#include <gpu_emulation/kernel_code.h>
#include <gpu_emulation/launch.h>
#include <gpu_emulation/types.h>
