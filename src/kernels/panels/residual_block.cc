#include "kernels/panels/residual_block.h"

#include <algorithm>
#include <cstring>

#include "kernels/parallel.h"

namespace diptych::kernels {
namespace {

// Of a band's filtered map and one panel of its expanded map: they stay in L2 beside weights and maps.
constexpr int64_t kBandBytes = 640 << 10;
constexpr int64_t kPixelBytes = kPanel * 2;
// Below this many rows a team shares the panels of the expanded map, not the rows: bands would compute too many rows
// twice.
constexpr int kRowsToShare = 28;

int64_t Rounded(int64_t bytes) {
  return (bytes + kPanelRowUnit * kPixelBytes + 63) / 64 * 64;
}

// Output rows [row, row + rows) of some pictures: more than one picture only with all of their rows.
struct Band {
  int64_t picture = 0, pictures = 1;
  int row = 0, rows = 0;
};

struct Bands {
  int64_t pictures_each = 1, rows_each = 0, of_pictures = 1, of_rows = 1;
  int64_t count() const { return of_pictures * of_rows; }
};

// Sizes that follow from those of the input. The filters take maps of (height, width) framed by padding.
struct Sizes {
  Sizes(const ResidualBlock& block, int64_t pictures, int in_height, int in_width) : pictures(pictures) {
    height = in_height;
    width = in_width;
    if (block.stem) {
      height = block.stem_geometry.OutSize(height, 3);
      width = block.stem_geometry.OutSize(width, 3);
    }
    const ConvGeometry& g = block.geometry;
    kernel = g.kernel_h;
    stride = g.stride;
    out_height = g.OutSize(height, kernel);
    out_width = g.OutSize(width, kernel);
    pad_top = g.PadBefore(height, kernel);
    pad_left = g.PadBefore(width, kernel);
    frame_width = std::max((out_width - 1) * stride + kernel, pad_left + width);
    panels = PanelsOf(block.filter.channels);
  }

  int FrameRows(int64_t rows) const { return static_cast<int>(rows - 1) * stride + kernel; }
  int64_t FrameBytes(int64_t rows) const { return int64_t{FrameRows(rows)} * frame_width * kPixelBytes; }
  int64_t FilteredBytes(int64_t rows) const { return rows * out_width * panels * kPixelBytes; }
  int64_t BandBytes(int64_t rows) const { return FrameBytes(rows) + FilteredBytes(rows); }

  Bands BandsFor(int threads) const {
    Bands bands;
    bands.pictures_each = std::clamp<int64_t>(kBandBytes / BandBytes(out_height), 1, pictures);
    bands.of_pictures = (pictures + bands.pictures_each - 1) / bands.pictures_each;
    const int64_t row_bytes = BandBytes(out_height) / out_height;
    bands.of_rows = (out_height * row_bytes + kBandBytes - 1) / kBandBytes;
    if (threads > 1) bands.of_rows = std::max<int64_t>(bands.of_rows, (2 * threads + pictures - 1) / pictures);
    bands.of_rows = std::min<int64_t>(bands.of_rows, out_height);
    if (bands.of_rows > 1) {
      bands.pictures_each = 1;
      bands.of_pictures = pictures;
    }
    bands.rows_each = (out_height + bands.of_rows - 1) / bands.of_rows;
    bands.of_rows = (out_height + bands.rows_each - 1) / bands.rows_each;
    return bands;
  }
  Band BandAt(const Bands& bands, int64_t i) const {
    const int64_t picture = i / bands.of_rows * bands.pictures_each, row = i % bands.of_rows * bands.rows_each;
    return {picture, std::min(bands.pictures_each, pictures - picture), static_cast<int>(row),
            static_cast<int>(std::min<int64_t>(bands.rows_each, out_height - row))};
  }

  int64_t pictures, panels;
  int height, width, out_height, out_width, kernel, stride, pad_top, pad_left, frame_width;
};

// One panel of what the filters take for a band: the map's rows that the band sees, and zeros around them.
class Frame {
 public:
  Frame(const Sizes& sizes, const Band& band, uint16_t* data) : data_(data), width_(sizes.frame_width) {
    const int first = band.row * sizes.stride - sizes.pad_top;
    rows_ = sizes.FrameRows(band.rows);
    top_ = std::max(0, -first);
    map_row_ = std::max(0, first);
    map_rows_ = std::min(sizes.height, first + static_cast<int>(rows_)) - map_row_;
    left_ = sizes.pad_left;
    inner_ = sizes.width;
    for (int64_t picture = 0; picture < band.pictures; ++picture) ClearBorder(this->picture(picture));
  }

  uint16_t* picture(int64_t i) const { return data_ + i * rows_ * row_size(); }
  uint16_t* first() const { return data_ + top_ * row_size() + left_ * kPanel; }  // the first pixel inside
  int64_t row_size() const { return width_ * kPanel; }
  int map_row() const { return map_row_; }    // the first row of the map inside
  int map_rows() const { return map_rows_; }  // how many
  PixelFrame Pixels() const { return {inner_, map_rows_, width_ - inner_, (rows_ - map_rows_) * width_}; }

 private:
  void ClearBorder(uint16_t* at) const {
    const int64_t right = width_ - left_ - inner_;
    std::memset(at, 0, static_cast<size_t>(top_ * width_ * kPixelBytes));
    at += top_ * row_size();
    for (int row = 0; row < map_rows_; ++row, at += row_size()) {
      std::memset(at, 0, static_cast<size_t>(left_ * kPixelBytes));
      std::memset(at + (left_ + inner_) * kPanel, 0, static_cast<size_t>(right * kPixelBytes));
    }
    std::memset(at, 0, static_cast<size_t>((rows_ - top_ - map_rows_) * width_ * kPixelBytes));
  }

  uint16_t* data_;
  int64_t width_, rows_, top_, left_, inner_;
  int map_row_, map_rows_;
};

// Everything of one call.
struct Job {
  const ResidualBlock& block;
  const ResidualInput& input;
  const Sizes& sizes;
  const MutablePanels& y;

  int64_t InputRow(int64_t picture, int row) const { return (picture * sizes.height + row) * sizes.width; }

  void FillFromPixels(const Band& band, const Frame& frame, int64_t panel, uint16_t* columns) const {
    const ConvGeometry& g = block.stem_geometry;
    uint16_t* scratch = columns + (kWindowRows * sizes.width + kPanelRowUnit) * kPanel;
    const PixelFrame pixels = frame.Pixels();
    for (int64_t i = 0; i < band.pictures; ++i) {
      const PixelWindows windows{input.pixels + (band.picture + i) * 3 * input.height * input.width, input.width,
                                 g.PadBefore(input.width, 3), sizes.width};
      uint16_t* to = frame.first() + (frame.picture(i) - frame.picture(0));
      for (int64_t row = 0; row < frame.map_rows(); row += kWindowRows) {
        const int64_t rows = std::min<int64_t>(kWindowRows, frame.map_rows() - row);
        PixelColumns(windows, frame.map_row() + row, frame.map_row() + row + rows, scratch, columns);
        MultiplyPanels({.x = {columns, 0},
                        .m = rows * sizes.width,
                        .w = &*block.stem,
                        .begin = panel,
                        .end = panel + 1,
                        .y = {{to + row * frame.row_size(), 0}},
                        .frame = pixels});
      }
    }
  }

  // One panel of what the filters take.
  void Fill(const Band& band, const Frame& frame, int64_t panel, uint16_t* columns) const {
    if (block.stem) return FillFromPixels(band, frame, panel, columns);
    const Panels x = input.x.At(InputRow(band.picture, frame.map_row()));
    if (block.expand) {
      return MultiplyPanels({.x = x,
                             .m = band.pictures * frame.map_rows() * sizes.width,
                             .w = &*block.expand,
                             .begin = panel,
                             .end = panel + 1,
                             .y = {{frame.first(), 0}},
                             .frame = frame.Pixels()});
    }
    for (int64_t i = 0; i < band.pictures; ++i) {
      const uint16_t* from = input.x.panel(panel) + InputRow(band.picture + i, frame.map_row()) * kPanel;
      uint16_t* to = frame.first() + (frame.picture(i) - frame.picture(0));
      for (int row = 0; row < frame.map_rows(); ++row) {
        std::copy_n(from + row * sizes.width * kPanel, sizes.width * kPanel, to + row * frame.row_size());
      }
    }
  }

  void Filter(const Band& band, const Frame& frame, int64_t panel, uint16_t* filtered) const {
    const int64_t pixels = int64_t{band.rows} * sizes.out_width;
    for (int64_t i = 0; i < band.pictures; ++i) {
      FilterPanel(block.filter, panel,
                  {.x = frame.picture(i),
                   .x_row = frame.row_size(),
                   .rows = band.rows,
                   .width = sizes.out_width,
                   .y = filtered + (panel * band.pictures + i) * pixels * kPanel});
    }
  }

  // Rows [begin, end) of the band's filtered pixels, panels [first, last) of the output.
  void Project(const Band& band, const uint16_t* filtered, int64_t begin, int64_t end, int64_t first,
               int64_t last) const {
    const int64_t pixels = band.pictures * band.rows * sizes.out_width;
    const int64_t row = (band.picture * sizes.out_height + band.row) * sizes.out_width + begin;
    PanelProduct product{.x = {filtered + begin * kPanel, pixels * kPanel},
                         .m = end - begin,
                         .w = &block.project,
                         .begin = first,
                         .end = last,
                         .y = {{y.panel(first) + row * kPanel, y.stride}}};
    if (block.shortcut) product.residual = {input.x.panel(first) + row * kPanel, input.x.stride};
    MultiplyPanels(product);
  }
};

// A thread's scratch: a frame, what comes out of the filters, and columns of pixels.
struct Scratch {
  Scratch(const Sizes& sizes, const Band& band, std::byte* memory) {
    frame = reinterpret_cast<uint16_t*>(memory);
    memory += Rounded(band.pictures * sizes.FrameBytes(band.rows));
    filtered = reinterpret_cast<uint16_t*>(memory);
    columns = reinterpret_cast<uint16_t*>(memory + Rounded(band.pictures * sizes.FilteredBytes(band.rows)));
  }
  uint16_t *frame, *filtered, *columns;
};

}  // namespace

int64_t ResidualScratch(const ResidualBlock& block, int64_t pictures, int height, int width) {
  const Sizes sizes(block, pictures, height, width);
  const Bands bands = sizes.BandsFor(1);
  const bool shared = sizes.out_height < kRowsToShare;
  const int64_t rows = shared ? sizes.out_height : bands.rows_each, each = shared ? pictures : bands.pictures_each;
  int64_t bytes = Rounded(each * sizes.FrameBytes(rows)) + Rounded(each * sizes.FilteredBytes(rows));
  if (block.stem) {
    bytes += (kWindowRows * sizes.width + kPanelRowUnit) * kPixelBytes + 2 * PixelColumnsScratch(sizes.width);
  }
  return (bytes + 4095) / 4096 * 4096;
}

void RunResidual(const Context& context, const ResidualBlock& block, const ResidualInput& input, std::byte* scratch,
                 int64_t scratch_bytes, const MutablePanels& y) {
  const Sizes sizes(block, input.pictures, input.height, input.width);
  const Job job{block, input, sizes, y};
  const int64_t outputs = PanelsOf(block.project.n);
  if (context.threads() > 1 && sizes.out_height < kRowsToShare) {
    const Band all{0, input.pictures, 0, sizes.out_height};
    uint16_t* filtered = Scratch(sizes, all, scratch).filtered;
    ParallelForRanked(context, sizes.panels, 1, [&](int64_t begin, int64_t end, int rank) {
      const Scratch own(sizes, all, scratch + rank * scratch_bytes);
      const Frame frame(sizes, all, own.frame);
      for (int64_t panel = begin; panel < end; ++panel) {
        job.Fill(all, frame, panel, own.columns);
        job.Filter(all, frame, panel, filtered);
      }
    });
    constexpr int64_t kRows = 128;
    const int64_t pixels = input.pictures * sizes.out_height * sizes.out_width, blocks = (pixels + kRows - 1) / kRows;
    return ParallelFor(context, outputs * blocks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = i % blocks * kRows, panel = i / blocks;
        job.Project(all, filtered, row, std::min(pixels, row + kRows), panel, panel + 1);
      }
    });
  }
  const Bands bands = sizes.BandsFor(context.threads());
  ParallelForRanked(context, bands.count(), 1, [&](int64_t begin, int64_t end, int rank) {
    for (int64_t i = begin; i < end; ++i) {
      const Band band = sizes.BandAt(bands, i);
      const Scratch own(sizes, band, scratch + rank * scratch_bytes);
      const Frame frame(sizes, band, own.frame);
      for (int64_t panel = 0; panel < sizes.panels; ++panel) {
        job.Fill(band, frame, panel, own.columns);
        job.Filter(band, frame, panel, own.filtered);
      }
      job.Project(band, own.filtered, 0, band.pictures * band.rows * sizes.out_width, 0, outputs);
    }
  });
}

}  // namespace diptych::kernels
