// Options are plain structs that list their fields once, through Visit. Whatever turns something into options (flags
// of a command, fields of a JSON request, keywords of Python) is a visitor.
//
// A visitor is called as visit(Field, value) for each field, with value one of: bool, int, double, std::string,
// std::vector<std::string>, std::optional<double>. It may read the value (the default) or write it.
#ifndef DIPTYCH_OPTIONS_H_
#define DIPTYCH_OPTIONS_H_

#include <limits>
#include <string>
#include <vector>

namespace diptych {

/// How a field is called, explained and limited.
struct Field {
  const char* name;          // snake_case; as a flag in kebab-case
  const char* help;          // a phrase, without a full stop
  const char* value = "";    // what stands for the value in help: "FILE", "N"
  const char* choices = "";  // "a|b|c": nothing else is allowed
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  double implied = 0;       // std::optional<double>: the value of the bare flag
  bool positional = false;  // the arguments of a command that belong to no flag
};

/// Which model, and what it may use.
struct ModelOptions {
  std::string model;  // empty: the environment's DIPTYCH_MODEL, or "starter"
  std::string precision = "fp32";
  int threads = 0;  // 0: as many as the process may use
  int merge_tokens = 0;

  template <class V>
  void Visit(V&& visit) {
    visit(Field{.name = "model",
                .help = "a checkpoint folder or a model's name [$DIPTYCH_MODEL, else starter]",
                .value = "M"},
          model);
    visit(Field{.name = "precision",
                .help = "arithmetic of the towers; auto is the fastest here that keeps the model's accuracy",
                .choices = "fp32|bf16|int8|auto"},
          precision);
    visit(Field{.name = "threads",
                .help = "threads to use; 0 is every processor there is",
                .value = "N",
                .min = 0,
                .max = 1024},
          threads);
    visit(Field{.name = "merge_tokens",
                .help = "like patches that each block of a vision transformer merges: faster, and no longer exact",
                .value = "R",
                .min = 0,
                .max = 1024},
          merge_tokens);
  }
};

/// How pictures are read.
struct PictureOptions {
  int batch = 8;  // pictures a forward pass of one thread
  double max_megapixels = 100;
  bool allow_truncated = false;
  bool exif_rotate = false;
  std::string alpha;  // empty: as the model's reference does
  std::string resize = "pillow";
  bool fast_decode = false;

  template <class V>
  void Visit(V&& visit) {
    visit(Field{.name = "batch", .help = "pictures a pass of one thread", .value = "N", .min = 1, .max = 4096}, batch);
    VisitDecoding(visit);
  }
  /// The fields that matter where no tower runs.
  template <class V>
  void VisitDecoding(V&& visit) {
    visit(Field{.name = "max_megapixels",
                .help = "larger pictures are refused before they are decoded",
                .value = "X",
                .min = 0},
          max_megapixels);
    visit(Field{.name = "allow_truncated", .help = "take what decodes of a cut-off picture"}, allow_truncated);
    visit(Field{.name = "exif_rotate", .help = "turn pictures as their EXIF orientation says"}, exif_rotate);
    visit(Field{.name = "alpha",
                .help = "transparency: dropped, or laid on white [as the model's reference does]",
                .choices = "drop|white"},
          alpha);
    visit(Field{.name = "resize", .help = "whose resampling is followed to the bit", .choices = "pillow|torchvision"},
          resize);
    visit(Field{.name = "fast_decode",
                .help = "decode large JPEGs at a fraction of their size that still covers what the model sees: faster, "
                        "and no longer the reference's pixels"},
          fast_decode);
  }
};

/// Which pictures: files, folders, globs, addresses, .tar shards with ranges such as {000000..000010}, and "-" for a
/// list of paths on standard input.
struct InputOptions {
  std::vector<std::string> inputs;
  std::string files_from;
  bool allow_private = false;  // addresses of this machine and its networks too

  template <class V>
  void Visit(V&& visit) {
    visit(Field{.name = "input",
                .help = "pictures: files, folders, globs, addresses, .tar shards ({000000..000010}), - for a list on "
                        "standard input",
                .value = "INPUT",
                .positional = true},
          inputs);
    visit(Field{.name = "files_from", .help = "a file with a picture's path in each line", .value = "FILE"},
          files_from);
    visit(Field{.name = "allow_private", .help = "fetch http(s) addresses of private networks too"}, allow_private);
  }
};

/// Which texts, beside those that an option names singly.
struct TextOptions {
  std::vector<std::string> texts;
  std::string texts_file;

  template <class V>
  void Visit(V&& visit) {
    visit(Field{.name = "text", .help = "a text; repeat for more", .value = "T"}, texts);
    visit(Field{.name = "texts_file", .help = "a UTF-8 file with a text in each line, blank ones too", .value = "FILE"},
          texts_file);
  }
};

}  // namespace diptych

#endif  // DIPTYCH_OPTIONS_H_
