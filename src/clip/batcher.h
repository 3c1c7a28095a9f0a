// Many pictures -> embeddings, in order, in constant memory, decoding beside inference.
#ifndef DIPTYCH_CLIP_BATCHER_H_
#define DIPTYCH_CLIP_BATCHER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "clip/clip.h"
#include "core/file.h"
#include "core/status.h"
#include "image/decode.h"

namespace diptych {

/// A picture to be read: a name for messages and results, and the path to read its encoded bytes from, or another way
/// to come by them (a part of an archive, an address), or the reason why there are none; or the picture itself.
struct PictureRef {
  std::string name;                           // as the user gave it
  std::string path;                           // read from here unless `read` is set
  std::function<Result<std::string>()> read;  // by a worker; perhaps again later
  std::function<Result<Image>()> decoded;     // before both others: there is nothing to decode
};

/// Gives the next picture, or nothing at the end. Called by one thread at a time, but from several threads.
using PictureSource = std::function<std::optional<PictureRef>()>;

/// Told of each picture that could be read, by the workers, several at once: its position in the source, its encoded
/// bytes and its pixels, before its embedding comes to the sink.
using PictureInspector = std::function<void(int64_t index, ByteSpan bytes, const Image& image)>;

struct BatchOptions {
  int threads = 1;
  int batch = 8;  // pictures a forward pass of one worker
  bool normalize = true;
  DecodeOptions decode;
  std::optional<PreprocessConfig> preprocess;  // instead of the model's own; the same crop
  PictureInspector inspect;                    // may be empty
};

/// The encoded bytes of a picture.
Result<std::string> ReadPictureBytes(const PictureRef& ref);

/// Reads and decodes one picture; used by every worker, and by whoever needs pixels without a tower.
Result<Image> LoadPicture(const PictureRef& ref, const DecodeOptions& options);

/// One picture's outcome. `embedding` (E) is valid during the call only, and empty where `status` is an error.
struct EmbeddedPicture {
  int64_t index = 0;  // position in the source, from 0
  std::string name;
  Status status;
  std::span<const float> embedding;
  int width = 0, height = 0;  // of the file, before preprocessing
};

/// Called in the order of the source, never by two threads at once. Returning false stops the run.
using EmbeddingSink = std::function<bool(const EmbeddedPicture&)>;

/// Runs all pictures of `source` through decode, preprocessing and the image tower. Each of `threads` workers takes a
/// micro-batch through all three, single-threaded: no barriers, and decoding overlaps inference. A source with fewer
/// pictures than that gets one team for its forward pass. A bad picture is reported to the sink and harms no other.
void EmbedPictures(const Clip& clip, const PictureSource& source, const BatchOptions& options,
                   const EmbeddingSink& sink);

/// Ready pixels (count, 3, S, S) -> embeddings (count, E) by the same workers. `stop` set by another thread ends it
/// early, what is missing left as it was; `done` counts the pictures. Both may be null.
struct PixelRun {
  const float* pixels = nullptr;
  int64_t count = 0;
  float* embeddings = nullptr;
  const std::atomic<bool>* stop = nullptr;
  std::atomic<int64_t>* done = nullptr;
};
void EmbedPixels(const Clip& clip, const PixelRun& run, const BatchOptions& options);

}  // namespace diptych

#endif  // DIPTYCH_CLIP_BATCHER_H_
