// What oneDNN is told of a convolution. Private to kernels/.
#ifndef DIPTYCH_KERNELS_CONV_CONV_DESCS_H_
#define DIPTYCH_KERNELS_CONV_CONV_DESCS_H_

#include <cstdint>

#include "kernels/conv/conv.h"
#include "oneapi/dnnl/dnnl.hpp"

namespace diptych::kernels {

/// Of a convolution over channels-last maps of this size.
struct ConvDescs {
  ConvDescs(const ConvGeometry& geometry, int64_t b, int64_t h, int64_t w);

  dnnl::memory::desc x, y;
  dnnl::memory::dims strides, pad_before, pad_after;
};

/// A weight as parameters hold it, (OC, C/groups, KH, KW).
dnnl::memory::desc PlainWeight(const ConvGeometry& geometry);

/// The same dims in whatever layout the library likes.
dnnl::memory::desc AnyWeight(const ConvGeometry& geometry);

/// A convolution that is a product of rows: each pixel is one.
bool IsPointwise(const ConvGeometry& geometry);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_CONV_CONV_DESCS_H_
