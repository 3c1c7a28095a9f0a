#include "core/npy.h"

#include <cctype>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/output_file.h"

namespace diptych {
namespace {

constexpr std::string_view kMagic("\x93NUMPY\x01\x00", 8);
// Fixed, so that the header can be written anew when N is known. NumPy itself pads to a multiple of 64.
constexpr size_t kHeaderBytes = 128;

// The header of an array of `n` rows; without rows (row == nullptr) of the array `shape`.
std::string Header(DType dtype, const std::vector<int64_t>& dims) {
  CHECK(dtype == DType::kF32 || dtype == DType::kI32 || dtype == DType::kF16) << " not written as .npy: " << dtype;
  std::string text = std::string("{'descr': '") + (dtype == DType::kF32   ? "<f4'"
                                                   : dtype == DType::kI32 ? "<i4'"
                                                                          : "<f2'");
  text += ", 'fortran_order': False, 'shape': (";
  for (size_t i = 0; i < dims.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(dims[i]);
  text += dims.size() == 1 ? ",), }" : "), }";
  text.resize(kHeaderBytes - kMagic.size() - 2, ' ');
  text.back() = '\n';
  const char length[2] = {static_cast<char>(text.size() & 255), static_cast<char>(text.size() >> 8)};
  return std::string(kMagic) + std::string(length, 2) + text;
}

std::optional<DType> DTypeOfDescr(const std::string& descr) {
  if (descr == "<f4") return DType::kF32;
  if (descr == "<f2") return DType::kF16;
  if (descr == "<i4") return DType::kI32;
  return std::nullopt;
}

std::vector<int64_t> Dims(const Shape& shape) {
  std::vector<int64_t> dims;
  for (int i = 0; i < shape.rank(); ++i) dims.push_back(shape[i]);
  return dims;
}

// Reads the header's Python dictionary as far as .npy files go: three keys, in any order.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  bool Parse(std::string* descr, bool* fortran, std::vector<int64_t>* dims) {
    int seen = 0;
    if (!Take('{')) return false;
    while (!Take('}')) {
      std::string key;
      if (!String(&key) || !Take(':')) return false;
      const int bit = key == "descr" ? 1 : key == "fortran_order" ? 2 : key == "shape" ? 4 : 0;
      if (bit == 0 || (seen & bit) != 0) return false;
      seen |= bit;
      if (bit == 1 ? !String(descr) : bit == 2 ? !Bool(fortran) : !Tuple(dims)) return false;
      if (!Take(',') && !Peek('}')) return false;
    }
    Space();
    return seen == 7 && at_ == text_.size();
  }

 private:
  void Space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool Peek(char c) {
    Space();
    return at_ < text_.size() && text_[at_] == c;
  }
  bool Take(char c) { return Peek(c) && ++at_; }
  bool String(std::string* value) {
    if (!Take('\'')) return false;
    const size_t end = text_.find('\'', at_);
    if (end == std::string_view::npos) return false;
    *value = text_.substr(at_, end - at_);
    at_ = end + 1;
    return true;
  }
  bool Bool(bool* value) {
    Space();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(at_).starts_with(word)) return at_ += word.size(), *value = word == "True", true;
    }
    return false;
  }
  bool Tuple(std::vector<int64_t>* dims) {
    if (!Take('(')) return false;
    while (!Take(')')) {
      Space();
      int64_t value = 0;
      size_t digits = 0;
      for (; at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])); ++at_, ++digits) {
        value = value * 10 + (text_[at_] - '0');
        if (value > (int64_t{1} << 40)) return false;
      }
      if (digits == 0) return false;
      dims->push_back(value);
      if (!Take(',') && !Peek(')')) return false;
    }
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

struct NpyWriter::Impl {
  OutputFile file;
  DType dtype;
  std::vector<int64_t> dims;  // dims[0] is N
  size_t row_bytes;
};

NpyWriter::NpyWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
NpyWriter::NpyWriter(NpyWriter&&) noexcept = default;
NpyWriter& NpyWriter::operator=(NpyWriter&&) noexcept = default;
NpyWriter::~NpyWriter() = default;

Result<NpyWriter> NpyWriter::Create(const std::string& path, DType dtype, const Shape& row) {
  ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(path));
  std::vector<int64_t> dims = Dims(row);
  dims.insert(dims.begin(), 0);
  RETURN_IF_ERROR(file.Write(Header(dtype, dims)));
  const size_t row_bytes = static_cast<size_t>(row.NumElements()) * SizeOf(dtype);
  return NpyWriter(std::unique_ptr<Impl>(new Impl{std::move(file), dtype, std::move(dims), row_bytes}));
}

Status NpyWriter::Append(const void* row) {
  ++impl_->dims[0];
  return impl_->file.Write({static_cast<const char*>(row), impl_->row_bytes});
}

Status NpyWriter::Finish() {
  RETURN_IF_ERROR(impl_->file.Rewrite(0, Header(impl_->dtype, impl_->dims)));
  return impl_->file.Commit();
}

int64_t NpyWriter::rows() const {
  return impl_->dims[0];
}

Status WriteNpy(const std::string& path, TensorView array) {
  const std::string header = Header(array.dtype(), Dims(array.shape()));
  const std::string_view pieces[] = {header, {static_cast<const char*>(array.raw()), array.SizeBytes()}};
  return WriteFileAtomically(path, pieces);
}

Result<Tensor> ReadNpy(const std::string& path) {
  ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  const std::string_view bytes(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  if (bytes.size() < 10 || bytes.substr(0, 6) != kMagic.substr(0, 6)) return Corrupt(path, "is not a .npy file");
  if (bytes.substr(6, 2) != kMagic.substr(6)) return Unsupported(path, "is not version 1.0 of the .npy format");
  const size_t length = static_cast<uint8_t>(bytes[8]) | static_cast<size_t>(static_cast<uint8_t>(bytes[9])) << 8;
  if (bytes.size() - 10 < length) return Corrupt(path, "is cut off within its header");
  std::string descr;
  bool fortran = false;
  std::vector<int64_t> dims;
  if (!HeaderParser(bytes.substr(10, length)).Parse(&descr, &fortran, &dims)) {
    return Corrupt(path, "its .npy header is malformed");
  }
  const std::optional<DType> dtype = DTypeOfDescr(descr);
  if (!dtype || fortran || dims.empty() || dims.size() > Shape::kMaxRank) {
    return Unsupported(path, "only C-ordered float32, float16 and int32 arrays of 1 to 5 dimensions are read");
  }
  const std::string_view data = bytes.substr(10 + length);
  size_t expected = SizeOf(*dtype);
  for (const int64_t d : dims) {
    if (__builtin_mul_overflow(expected, static_cast<size_t>(d), &expected)) {
      return Corrupt(path, "its header describes an array that no file could hold");
    }
  }
  if (data.size() != expected) {
    return Corrupt(
        path, "holds " + std::to_string(data.size()) + " bytes of data, its header says " + std::to_string(expected));
  }
  Tensor array(*dtype, Shape(dims.data(), static_cast<int>(dims.size())));
  if (expected > 0) std::memcpy(array.mutable_view().mutable_raw(), data.data(), expected);
  return array;
}

}  // namespace diptych
