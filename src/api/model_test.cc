#include "diptych/model.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <thread>

#include "core/file.h"
#include "image/decode.h"
#include "image/resize.h"

namespace diptych {
namespace {

const std::string kSource = DIPTYCH_SOURCE_DIR;
const std::string kCat = kSource + "/examples/cat.png";

const Model& Starter() {
  static const Model model = *Model::Load({.model = kSource + "/models/starter", .threads = 2});
  return model;
}

float Distance(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return std::numeric_limits<float>::infinity();
  float most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

Picture RawCat() {
  const Image rgb = ConvertToRgb(*LoadImage(kCat, {}));
  RawPicture raw{.width = rgb.width, .height = rgb.height};
  raw.pixels.assign(rgb.pixels.begin(), rgb.pixels.end());
  return Picture::FromPixels(raw);
}

TEST(Model, APictureIsTheSameInEveryForm) {
  const std::string bytes = *ReadFile(kCat);
  const std::vector<float> of_file = *Starter().EmbedImage(kCat);
  EXPECT_LT(Distance(*Starter().EmbedImage(Picture::FromBytes(bytes)), of_file), 1e-5);
  EXPECT_LT(Distance(*Starter().EmbedImage(RawCat()), of_file), 1e-5);
  const std::vector<float> pixels = *Starter().processor().Pixels({kCat});
  EXPECT_LT(Distance(*Starter().EmbedPixels(pixels.data(), 1), of_file), 1e-5);
}

TEST(Model, PicturesAreDecodedWhenTheyAreWanted) {
  const Picture cat = RawCat();
  std::atomic<int> calls = 0;
  const Picture later = Picture::FromDecoder([&]() -> Result<RawPicture> {
    ++calls;
    return *cat.raw();
  });
  const std::vector<float> row = *Starter().EmbedImage(later);
  EXPECT_EQ(calls, 1);
  const std::vector<float> rows = *Starter().EmbedImages(std::vector<Picture>(9, later));
  EXPECT_EQ(calls, 10);
  EXPECT_LT(Distance(row, *Starter().EmbedImage(cat)), 1e-5);
  EXPECT_LT(Distance({rows.end() - Starter().embed_dim(), rows.end()}, row), 1e-5);

  const Picture refuses = Picture::FromDecoder([] { return Result<RawPicture>(Unavailable("camera", "is off")); });
  EXPECT_EQ(Starter().EmbedImages({cat, refuses, cat}).status().ToString(), "camera: is off");
  const Picture short_of_pixels = Picture::FromDecoder([] { return Result<RawPicture>(RawPicture{.width = 3}); });
  EXPECT_EQ(Starter().EmbedImage(short_of_pixels).status().code(), StatusCode::kInvalidArgument);
}

TEST(Model, ManyPixelsAndOneGiveTheSameRows) {
  const std::vector<float> one = *Starter().processor().Pixels({kCat});
  constexpr int64_t kCount = 21;  // no multiple of threads or batches
  std::vector<float> pixels;
  for (int64_t i = 0; i < kCount; ++i) {
    for (const float x : one) pixels.push_back(x * (1.0f - 0.02f * static_cast<float>(i)));
  }
  Watch watch;
  const std::vector<float> rows = *Starter().EmbedPixels(pixels.data(), kCount, {}, &watch);
  EXPECT_EQ(watch.done, kCount);
  const auto e = static_cast<std::ptrdiff_t>(Starter().embed_dim());
  for (int64_t i = 0; i < kCount; ++i) {
    const std::vector<float> row(rows.begin() + i * e, rows.begin() + (i + 1) * e);
    const float* mine = pixels.data() + static_cast<size_t>(i) * one.size();
    EXPECT_LT(Distance(row, *Starter().EmbedPixels(mine, 1)), 1e-5) << i;
  }
}

TEST(Model, IdsGiveWhatTheirTextGives) {
  const std::vector<float> wanted = *Starter().EmbedText("a photo of a cat");
  std::vector<int32_t> ids = Starter().Tokenize("a photo of a cat");
  const auto length = static_cast<int64_t>(ids.size());
  EXPECT_LT(Distance(*Starter().EmbedIds(ids.data(), 1, length), wanted), 1e-5);
  ids.resize(30, Starter().processor().info().pad_id);
  EXPECT_LT(Distance(*Starter().EmbedIds(ids.data(), 1, 30), wanted), 1e-5);
}

TEST(Model, CallsOfManyThreadsAreBatchedAndRight) {
  const std::string pictures[] = {kCat, kSource + "/examples/coffee.jpg", kSource + "/examples/rocket.jpg"};
  std::vector<std::vector<float>> wanted;
  for (const std::string& picture : pictures) wanted.push_back(*Starter().EmbedImage(picture));
  std::vector<float> worst(12);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < worst.size(); ++i) {
    threads.emplace_back([&, i] { worst[i] = Distance(*Starter().EmbedImage(pictures[i % 3]), wanted[i % 3]); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const float distance : worst) EXPECT_LT(distance, 1e-5);
}

TEST(Model, AWatchEndsALongCall) {
  Watch watch;
  watch.stop = true;
  const std::vector<Picture> many(1000, Picture(kCat));
  EXPECT_EQ(Starter().EmbedImages(many, {}, &watch).status().code(), StatusCode::kCancelled);
  EXPECT_LT(watch.done, 100);
  EXPECT_EQ(Starter().EmbedTexts({"a", "b"}, {}, &watch).status().code(), StatusCode::kCancelled);
  EXPECT_EQ(Starter().processor().Pixels(many, &watch).status().code(), StatusCode::kCancelled);
  const std::vector<float> pixels(16 * 3 * 224 * 224);
  EXPECT_EQ(Starter().EmbedPixels(pixels.data(), 16, {}, &watch).status().code(), StatusCode::kCancelled);
}

TEST(Model, BadInputIsAStatus) {
  const auto code = [](const auto& result) { return result.status().code(); };
  EXPECT_EQ(code(Starter().EmbedImage("no/such.png")), StatusCode::kNotFound);
  EXPECT_EQ(code(Starter().EmbedImage(Picture::FromBytes("no picture"))), StatusCode::kUnsupported);
  RawPicture raw{.width = 3, .height = 3, .pixels = "too few"};
  EXPECT_EQ(code(Starter().EmbedImage(Picture::FromPixels(raw))), StatusCode::kInvalidArgument);
  raw.width = 0;
  EXPECT_EQ(code(Starter().EmbedImage(Picture::FromPixels(raw))), StatusCode::kInvalidArgument);
  raw = {.format = PixelFormat::kPalette, .width = 1, .height = 1, .pixels = "x", .palette = std::string(769, 'x')};
  EXPECT_EQ(code(Starter().EmbedImage(Picture::FromPixels(raw))), StatusCode::kInvalidArgument);
  std::vector<float> pixels(3 * 224 * 224);
  pixels[1000] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(code(Starter().EmbedPixels(pixels.data(), 1)), StatusCode::kInvalidArgument);
  pixels[1000] = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(code(Starter().EmbedPixels(pixels.data(), 1)), StatusCode::kInvalidArgument);
  const std::vector<int32_t> ids = {-1, 1 << 30};
  EXPECT_EQ(code(Starter().EmbedIds(ids.data(), 1, 1)), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Starter().EmbedIds(ids.data() + 1, 1, 1)), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Starter().EmbedIds(ids.data(), 1, 100000)), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Starter().Logits(std::vector<float>(3), {})), StatusCode::kInvalidArgument);
}

TEST(Model, AForkOfWhatComputedIsToldSo) {
  ASSERT_TRUE(Starter().EmbedImage(kCat).ok());
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const bool pixels = Starter().processor().Pixels({kCat}).ok();
    const StatusCode code = Starter().EmbedImage(kCat).status().code();
    std::_Exit(pixels && code == StatusCode::kWrongProcess ? 0 : 1);
  }
  int how = 0;
  ASSERT_EQ(::waitpid(child, &how, 0), child);
  EXPECT_TRUE(WIFEXITED(how) && WEXITSTATUS(how) == 0);
}

TEST(Processor, LongTextsAreCutOnlyWhereThatIsAsked) {
  std::string text;
  for (int i = 0; i < 500; ++i) text += "cat ";
  const Processor& processor = Starter().processor();
  const auto context = static_cast<size_t>(processor.info().context_length);
  EXPECT_EQ(processor.Tokenize(text).size(), context);
  EXPECT_EQ(processor.Tokenize(text, /*truncate=*/false).size(), 502);
}

TEST(Processor, NeedsNoWeights) {
  const Result<Processor> processor = Processor::Load({.model = kSource + "/models/starter"});
  ASSERT_TRUE(processor.ok()) << processor.status().ToString();
  EXPECT_EQ(*processor->Pixels({kCat}), *Starter().processor().Pixels({kCat}));
  EXPECT_EQ(processor->Tokenize("a cat"), Starter().Tokenize("a cat"));
  EXPECT_EQ(Processor::OfArchitecture("ViT-B-32")->Tokenize("a diagram"),
            (std::vector<int32_t>{49406, 320, 22697, 49407}));
  EXPECT_FALSE(Processor::OfArchitecture("no such").ok());
}

}  // namespace
}  // namespace diptych
