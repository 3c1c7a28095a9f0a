#include "apps/similarity.h"

#include <fmt/format.h>

#include "apps/matrix_png.h"
#include "cli/run_command.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "core/npy.h"

namespace diptych::cli {
namespace {

constexpr CommandHelp kHelp = {"similarity", "Compares pictures with pictures and texts: the cosine of their vectors.",
                               "diptych similarity a.jpg b.jpg --text \"a cat\" --text \"a dog\"\n"
                               "  diptych similarity photos/ --matrix photos.png"};

struct Flags {
  SimilarityOptions similarity;
  PictureFlags pictures;

  template <class V>
  void Visit(V&& visit) {
    similarity.Visit(visit);
    pictures.Visit(visit);
  }
};

void PrintRows(const SimilarityMatrix& matrix, const std::string& format) {
  if (format == "csv") Print("a,b,cosine\n");
  const size_t m = matrix.b.names.size();
  int width = 0;
  for (const std::string& name : matrix.a.names) width = std::max(width, std::min(48, DisplayWidth(name)));
  for (size_t i = 0; i < matrix.a.names.size(); ++i) {
    for (size_t j = 0; j < m; ++j) {
      const std::string &a = matrix.a.names[i], &b = matrix.b.names[j];
      const float cosine = matrix.cosine[i * m + j];
      const bool more = format == "json" ? Print(fmt::format("{{\"a\":{},\"b\":{},\"cosine\":{}}}\n", JsonString(a),
                                                             JsonString(b), JsonNumber(cosine)))
                        : format == "csv"
                            ? Print(fmt::format("{},{},{}\n", CsvField(a), CsvField(b), JsonNumber(cosine)))
                            : Print(fmt::format("{:7.4f}  {}  {}\n", cosine, PadText(a, width), FitText(b, 1 << 20)));
      if (!more) return;
    }
  }
}

Result<int> Similarity(const Flags& flags, const std::string& format) {
  const std::string& out = flags.similarity.matrix;
  const bool png = out.ends_with(".png");
  if (!out.empty() && !png && !out.ends_with(".npy")) {
    return InvalidArgument("matrix", "\"" + out + "\" ends in neither .npy nor .png");
  }
  ASSIGN_OR_RETURN(PictureSession session, StartPictures(kHelp.name, flags.pictures));
  RunCounts counts;
  ASSIGN_OR_RETURN(
      const SimilarityMatrix matrix,
      CompareAll(*session.clip, *session.inputs, {flags.similarity, session.batch, png}, session.runtime, &counts));
  const bool empty = matrix.a.names.empty() || matrix.b.names.empty();
  if (out.empty()) {
    PrintRows(matrix, format);
  } else if (png && !empty) {
    RETURN_IF_ERROR(DrawMatrix(matrix, out));
  } else if (!empty) {
    const Shape shape{static_cast<int64_t>(matrix.a.names.size()), static_cast<int64_t>(matrix.b.names.size())};
    RETURN_IF_ERROR(WriteNpy(out, TensorView(matrix.cosine.data(), DType::kF32, shape)));
  }
  if (empty && counts.done > 0) return InvalidArgument("", "one side of the comparison has no readable input");
  return session.run->Finish(counts);
}

}  // namespace

int RunSimilarity(const Arguments& arguments) {
  return RunCommand<Flags>(kHelp, arguments, Similarity);
}

}  // namespace diptych::cli
