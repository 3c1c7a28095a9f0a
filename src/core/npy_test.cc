#include "core/npy.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "core/file.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

class Npy : public testing::Test {
 protected:
  Npy() : folder_(fs::temp_directory_path() / ("diptych_npy_" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
  }
  ~Npy() override { fs::remove_all(folder_); }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  // A file of this header and data, as hostile as wanted.
  std::string Write(const std::string& header, const std::string& data, const std::string& magic = "\x93NUMPY") {
    std::string bytes = magic + std::string("\x01\x00", 2);
    bytes += static_cast<char>(header.size() & 255);
    bytes += static_cast<char>(header.size() >> 8);
    std::ofstream(Path("x.npy"), std::ios::binary) << bytes << header << data;
    return Path("x.npy");
  }

  fs::path folder_;
};

TEST_F(Npy, RowsOfUnknownNumberComeBack) {
  {
    Result<NpyWriter> writer = NpyWriter::Create(Path("a.npy"), DType::kF32, Shape{3});
    ASSERT_TRUE(writer.ok()) << writer.status().ToString();
    for (int i = 0; i < 40000; ++i) {
      const float row[] = {static_cast<float>(i), 0.5f, -1.0f};
      ASSERT_TRUE(writer->Append(row).ok());
    }
    EXPECT_FALSE(fs::exists(Path("a.npy")));
    ASSERT_TRUE(writer->Finish().ok());
  }
  Result<Tensor> back = ReadNpy(Path("a.npy"));
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(back->shape(), Shape({40000, 3}));
  EXPECT_EQ(back->data<float>()[3 * 39999], 39999.0f);
  EXPECT_EQ(back->data<float>()[3 * 39999 + 2], -1.0f);
}

TEST_F(Npy, HeaderIsNumPysOwnForm) {
  Result<NpyWriter> writer = NpyWriter::Create(Path("a.npy"), DType::kI32, Shape{2, 4});
  const int32_t row[8] = {7};
  ASSERT_TRUE(writer->Append(row).ok());
  ASSERT_TRUE(writer->Finish().ok());
  const std::string bytes = *ReadFile(Path("a.npy"));
  ASSERT_EQ(bytes.size(), 128u + 32u);
  EXPECT_EQ(bytes.substr(10, 62), "{'descr': '<i4', 'fortran_order': False, 'shape': (1, 2, 4), }");
  EXPECT_EQ(bytes[127], '\n');
}

TEST_F(Npy, NothingIsLeftOfAnUnfinishedFile) {
  {
    Result<NpyWriter> writer = NpyWriter::Create(Path("a.npy"), DType::kF32, Shape{1});
    const float row = 1;
    ASSERT_TRUE(writer->Append(&row).ok());
  }
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(Npy, ADeviceStaysADevice) {
  Result<NpyWriter> writer = NpyWriter::Create("/dev/null", DType::kF32, Shape{1});
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(Npy, WholeArraysOfOneDimension) {
  const float values[] = {1, 2, 3};
  ASSERT_TRUE(WriteNpy(Path("v.npy"), TensorView(values, DType::kF32, Shape{3})).ok());
  Result<Tensor> back = ReadNpy(Path("v.npy"));
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(back->shape(), Shape({3}));
}

TEST_F(Npy, HeadersOfOthersAreUnderstood) {
  const std::string path = Write("{'shape':(2,),'fortran_order':False,'descr':'<f4'}\n", std::string(8, '\0'));
  EXPECT_TRUE(ReadNpy(path).ok()) << ReadNpy(path).status().ToString();
}

TEST_F(Npy, HostileFilesAreRefused) {
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", data(8, '\0');
  EXPECT_EQ(ReadNpy(Write(good, data.substr(1))).status().code(), StatusCode::kCorrupt);
  EXPECT_EQ(ReadNpy(Write(good, data + "x")).status().code(), StatusCode::kCorrupt);
  EXPECT_EQ(ReadNpy(Write(good, data, "\x93NUMPZ")).status().code(), StatusCode::kCorrupt);
  for (const std::string header :
       {"", "{", "{}", "{'descr': '<f4'}", "{'descr': '<f4', 'descr': '<f4', 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000,1000000000,1000000000)}",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,)}"}) {
    EXPECT_EQ(ReadNpy(Write(header, data)).status().code(), StatusCode::kCorrupt) << header;
  }
  for (const std::string header : {"{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}",
                                   "{'descr': '<f4', 'fortran_order': True, 'shape': (2,)}",
                                   "{'descr': '<f4', 'fortran_order': False, 'shape': ()}",
                                   "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,2)}"}) {
    EXPECT_EQ(ReadNpy(Write(header, data)).status().code(), StatusCode::kUnsupported) << header;
  }
}

}  // namespace
}  // namespace diptych
