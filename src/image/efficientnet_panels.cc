#include "image/efficientnet_panels.h"

#include <algorithm>
#include <utility>

#include "kernels/parallel.h"

namespace diptych {
namespace {

using kernels::kPanel;
using kernels::MutablePanels;
using kernels::Panels;
using kernels::PanelsOf;

// The first blocks take one picture after the other, while its maps are so large that those of several would not stay
// in L2; the others take several at once, so that weights are read once for all of them.
constexpr int64_t kPictures = 4;
constexpr int64_t kLargestBytes = 160 << 10;  // of a picture's map that goes into such a block

int64_t Values(int64_t rows, int64_t channels) {
  return PanelsOf(channels) * rows * kPanel + kernels::kPanelRowUnit * kPanel;
}

}  // namespace

// Some pictures on their way, and the memory that they need.
struct EfficientNetPanels::Piece {
  const float* pixels;  // (pictures, 3, S, S)
  int64_t first, pictures;
  float* mean;       // (pictures, head channels), or null
  uint16_t* memory;  // PieceValues
  std::byte* scratch;
  int64_t scratch_bytes;  // for each thread
  const ImageOutput& output;
};

EfficientNetPanels::EfficientNetPanels(Parts parts) : parts_(std::move(parts)) {
  const kernels::ConvGeometry& stem = parts_.blocks[0].stem_geometry;
  const int side = stem.OutSize(parts_.info.image_size, 3);
  maps_.push_back({side, side, parts_.blocks[0].filter.channels});
  for (const kernels::ResidualBlock& block : parts_.blocks) {
    const Map& in = maps_.back();
    maps_.push_back({block.geometry.OutSize(in.height, block.geometry.kernel_h),
                     block.geometry.OutSize(in.width, block.geometry.kernel_w), block.project.n});
  }
  first_ = 1;
  while (first_ < parts_.blocks.size() && Values(maps_[first_].pixels(), maps_[first_].channels) * 2 > kLargestBytes) {
    ++first_;
  }
}

EfficientNetPanels::MapValues EfficientNetPanels::LargestMaps(int64_t pictures) const {
  MapValues most;
  for (size_t k = 1; k < maps_.size(); ++k) {
    int64_t& values = k < first_ ? most.alone : most.together;
    values = std::max(values, Values((k < first_ ? 1 : pictures) * maps_[k].pixels(), maps_[k].channels));
  }
  return most;
}

// Two maps in turn of one picture, two of the piece, and the head's.
int64_t EfficientNetPanels::PieceValues(int64_t pictures) const {
  const MapValues most = LargestMaps(pictures);
  return 2 * (most.alone + most.together) + Values(pictures * maps_.back().pixels(), parts_.head.n);
}

int64_t EfficientNetPanels::ScratchBytes(int64_t pictures) const {
  int64_t bytes = 0;
  for (size_t k = 0; k < parts_.blocks.size(); ++k) {
    const int side = k == 0 ? parts_.info.image_size : maps_[k].height;
    bytes = std::max(bytes, kernels::ResidualScratch(parts_.blocks[k], k < first_ ? 1 : pictures, side, side));
  }
  return bytes;
}

void EfficientNetPanels::Forward(Context& context, const ImageInput& input, const ImageOutput& output) const {
  if (input.batch == 0) return;
  Arena& arena = context.arena();
  const Arena::Scope scope(arena);
  const int64_t threads = context.threads(), batch = input.batch, head = parts_.head.n;
  // Each thread has pictures of its own, or all work on the same ones.
  const bool apart = threads > 1 && batch >= threads;
  const int64_t pictures = std::clamp<int64_t>(apart ? batch / threads : batch, 1, kPictures);
  const int64_t workers = apart ? threads : 1, team = apart ? 1 : threads;
  const int64_t values = PieceValues(pictures), scratch_bytes = ScratchBytes(pictures);
  uint16_t* memory = arena.Allocate<uint16_t>(workers * values);
  std::byte* scratch = static_cast<std::byte*>(arena.AllocateBytes(static_cast<size_t>(threads * scratch_bytes)));
  float* mean = output.pooled == nullptr ? nullptr : arena.Allocate<float>(batch * head);
  const int64_t picture = int64_t{3} * parts_.info.image_size * parts_.info.image_size;
  const Context alone(1);
  const auto run = [&](const Context& own, int64_t i, int64_t rank) {
    const int64_t first = i * pictures;
    const Piece piece{.pixels = input.pixels + first * picture,
                      .first = first,
                      .pictures = std::min(pictures, batch - first),
                      .mean = mean == nullptr ? nullptr : mean + first * head,
                      .memory = memory + rank * values,
                      .scratch = scratch + rank * team * scratch_bytes,
                      .scratch_bytes = scratch_bytes,
                      .output = output};
    ForwardPiece(own, piece);
  };
  const int64_t pieces = (batch + pictures - 1) / pictures;
  if (apart) {
    kernels::ParallelForRanked(context, pieces, 1, [&](int64_t begin, int64_t end, int rank) {
      for (int64_t i = begin; i < end; ++i) run(alone, i, rank);
    });
  } else {
    for (int64_t i = 0; i < pieces; ++i) run(context, i, 0);
  }
  if (mean != nullptr) parts_.projection.Forward(context, mean, batch, output.pooled);
}

void EfficientNetPanels::RunBlock(const Context& context, const Piece& piece, size_t k,
                                  const kernels::ResidualInput& input, int64_t picture, const MutablePanels& y) const {
  kernels::RunResidual(context, parts_.blocks[k], input, piece.scratch, piece.scratch_bytes, y);
  const std::span<float* const> hidden = piece.output.hidden;
  if (k >= hidden.size() || hidden[k] == nullptr) return;
  const Map& map = maps_[k + 1];
  kernels::FromPanels(y, input.pictures * map.pixels(), map.channels,
                      hidden[k] + picture * parts_.info.hidden_size[k]);
}

void EfficientNetPanels::ForwardPiece(const Context& context, const Piece& piece) const {
  const int side = parts_.info.image_size;
  const MapValues most = LargestMaps(piece.pictures);
  uint16_t* const alone[] = {piece.memory, piece.memory + most.alone};
  uint16_t* const together[] = {alone[1] + most.alone, alone[1] + most.alone + most.together};
  const auto map_of = [&](size_t k) {  // what goes into block k > 0
    if (k < first_) return MutablePanels{{alone[k % 2], maps_[k].pixels() * kPanel}};
    return MutablePanels{{together[k % 2], piece.pictures * maps_[k].pixels() * kPanel}};
  };
  for (int64_t i = 0; i < piece.pictures; ++i) {
    for (size_t k = 0; k < first_; ++k) {
      kernels::ResidualInput input{.pictures = 1, .height = maps_[k].height, .width = maps_[k].width};
      if (k == 0) {
        input = {.pixels = piece.pixels + i * 3 * side * side, .pictures = 1, .height = side, .width = side};
      } else {
        input.x = map_of(k);
      }
      const MutablePanels y = k + 1 < first_ ? map_of(k + 1) : map_of(k + 1).At(i * maps_[k + 1].pixels());
      RunBlock(context, piece, k, input, piece.first + i, y);
    }
  }
  for (size_t k = first_; k < parts_.blocks.size(); ++k) {
    RunBlock(context, piece, k,
             {.x = map_of(k), .pictures = piece.pictures, .height = maps_[k].height, .width = maps_[k].width},
             piece.first, map_of(k + 1));
  }
  float* tokens = piece.output.tokens;
  if (piece.mean == nullptr && tokens == nullptr) return;

  const int64_t pixels = maps_.back().pixels(), rows = piece.pictures * pixels, channels = parts_.head.n;
  const MutablePanels features{{together[1] + most.together, rows * kPanel}};
  kernels::ParallelFor(context, PanelsOf(channels), 4, [&](int64_t begin, int64_t end) {
    kernels::MultiplyPanels({.x = map_of(parts_.blocks.size()),
                             .m = rows,
                             .w = &parts_.head,
                             .begin = begin,
                             .end = end,
                             .y = {{features.panel(begin), features.stride}}});
  });
  if (tokens != nullptr) kernels::FromPanels(features, rows, channels, tokens + piece.first * pixels * channels);
  for (int64_t i = 0; i < piece.pictures && piece.mean != nullptr; ++i) {
    kernels::MeanOfPanels(features.At(i * pixels), pixels, channels, piece.mean + i * channels);
  }
}

}  // namespace diptych
