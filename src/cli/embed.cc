#include "apps/embed.h"

#include <fmt/format.h>

#include "apps/array_file.h"
#include "apps/texts.h"
#include "cli/run_command.h"
#include "cli/session.h"

namespace diptych::cli {
namespace {

constexpr CommandHelp kHelp = {"embed", "Turns pictures, or texts, into vectors of the model's space.",
                               "diptych embed photos/ --out photos.npy\n"
                               "  diptych embed --text \"a photo of a cat\" --format json"};

struct Flags {
  PictureFlags pictures;
  TextOptions text;
  EmbedOptions embed;

  template <class V>
  void Visit(V&& visit) {
    text.Visit(visit);
    embed.Visit(visit);
    pictures.Visit(visit);
  }
};

// Rows for standard output. `key` is "path" or "text".
EmbeddingRowSink Printer(const std::string& format, const std::string& key) {
  return [format, key](const std::string& name, std::span<const float> embedding) {
    std::string numbers;
    const char* const separator = format == "text" ? " " : ",";
    for (const float value : embedding) numbers += (numbers.empty() ? "" : separator) + JsonNumber(value);
    if (format == "json") {
      numbers = fmt::format("{{\"{}\":{},\"embedding\":[{}]}}\n", key, JsonString(name), numbers);
    } else if (format == "csv") {
      numbers = CsvField(name) + "," + numbers + "\n";
    } else {
      numbers += "\n";
    }
    Print(numbers);
    return Status::Ok();
  };
}

// Runs `rows` with a sink that writes the file, or standard output where no file was asked for.
template <class Rows>
Result<RunCounts> Deliver(const Clip& clip, const std::string& out, const EmbeddingRowSink& printer, RowNames names,
                          const Rows& rows) {
  if (out.empty()) return rows(printer);
  ASSIGN_OR_RETURN(ArrayFile file, ArrayFile::Create(out, DType::kF32, Shape{clip.embed_dim()}, names));
  ASSIGN_OR_RETURN(const RunCounts counts, rows([&file](const std::string& name, std::span<const float> embedding) {
                     return file.Append(embedding.data(), name);
                   }));
  if (counts.done > 0) RETURN_IF_ERROR(file.Finish());
  return counts;
}

Result<int> EmbedTexts(const Flags& flags, const std::string& format) {
  ASSIGN_OR_RETURN(const std::vector<std::string> texts, GatherTexts(flags.text));
  if (texts.empty()) return InvalidArgument(flags.text.texts_file, "holds no texts");
  ASSIGN_OR_RETURN(const std::unique_ptr<Run> run, Run::Start(kHelp.name, flags.pictures.run));
  Runtime runtime{.threads = ThreadCount(flags.pictures.model)};
  run->Connect(runtime);
  ASSIGN_OR_RETURN(const std::unique_ptr<Clip> clip, OpenModel(flags.pictures.model));
  ASSIGN_OR_RETURN(
      const RunCounts counts,
      Deliver(*clip, flags.embed.out, Printer(format, "text"), RowNames::kTexts, [&](const EmbeddingRowSink& sink) {
        return EmbedTextRows(*clip, texts, !flags.embed.no_normalize, runtime, sink);
      }));
  return run->Finish(counts);
}

Result<int> EmbedPictures(const Flags& flags, const std::string& format) {
  ASSIGN_OR_RETURN(const ShardPart part, ParseShard(flags.embed.shard));
  ASSIGN_OR_RETURN(PictureSession session, StartPictures(kHelp.name, flags.pictures));
  session.inputs->Restrict(part);
  session.batch.normalize = !flags.embed.no_normalize;
  ASSIGN_OR_RETURN(const RunCounts counts, Deliver(*session.clip, part.Output(flags.embed.out), Printer(format, "path"),
                                                   RowNames::kPaths, [&](const EmbeddingRowSink& sink) {
                                                     return EmbedPictureRows(*session.clip, *session.inputs,
                                                                             session.batch, session.runtime, sink);
                                                   }));
  if (part.count > 1 && counts.done + counts.skipped == 0) {  // others have work
    return FinishOutput(kHelp.name, Status::Ok());
  }
  return session.run->Finish(counts);
}

Result<int> Embed(const Flags& flags, const std::string& format) {
  if (!flags.embed.shard.empty() && !flags.text.texts_file.empty()) {
    return InvalidArgument("shard", "takes a part of pictures, not of texts");
  }
  const bool texts = !flags.text.texts.empty() || !flags.text.texts_file.empty();
  const bool pictures = !flags.pictures.input.inputs.empty() || !flags.pictures.input.files_from.empty();
  if (texts && pictures) {
    return InvalidArgument("", "pictures and texts were given", "embed one kind at a time");
  }
  return texts ? EmbedTexts(flags, format) : EmbedPictures(flags, format);
}

}  // namespace

int RunEmbed(const Arguments& arguments) {
  return RunCommand<Flags>(kHelp, arguments, Embed);
}

}  // namespace diptych::cli
