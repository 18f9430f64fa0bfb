#pragma once

#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

/// x := 0. Any element type.
using FillZeroOp = void(TensorView x, Stream& stream);
FillZeroOp fill_zero;
namespace reference {
FillZeroOp fill_zero;
}
namespace cpu {
FillZeroOp fill_zero;
}
namespace cuda {
FillZeroOp fill_zero;
}

/// target := source, of the same type and size.
using CopyOp = void(ConstTensorView source, TensorView target, Stream& stream);
CopyOp copy;
namespace reference {
CopyOp copy;
}
namespace cpu {
CopyOp copy;
}
namespace cuda {
CopyOp copy;
}

/// target += source, of the same floating type and size.
using AddOp = void(ConstTensorView source, TensorView target, Stream& stream);
AddOp add;
namespace reference {
AddOp add;
}
namespace cpu {
AddOp add;
}
namespace cuda {
AddOp add;
}

/// sum := the sum of x in rising order of fixed blocks, as one f64.
/// @param sum [1], f64
using SumOp = void(ConstTensorView x, View<double> sum, Stream& stream);
SumOp sum;
namespace reference {
SumOp sum;
}
namespace cpu {
SumOp sum;
}

/// sum := the sum of squares of x, as one f64, in rising order of fixed blocks. @param sum [1]
SumOp sum_squares;
namespace reference {
SumOp sum_squares;
}
namespace cpu {
SumOp sum_squares;
}

}  // namespace softmoe::ops
