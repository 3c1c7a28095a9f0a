#include "apps/query.h"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <utility>

#include "image/preprocess.h"

namespace diptych {
namespace {

bool IsPicture(const std::string& name) {
  std::error_code ignored;
  return name.starts_with("http://") || name.starts_with("https://") || std::filesystem::is_regular_file(name, ignored);
}

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool IsSign(std::string_view text, size_t i) {
  return (text[i] == '+' || text[i] == '-') && (i + 1 == text.size() || text[i + 1] == ' ');
}

// " + " or " - ", or one at the end: signs within words and paths are theirs.
size_t FindSign(std::string_view text) {
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i - 1] == ' ' && IsSign(text, i)) return i;
  }
  return text.size();
}

Result<QueryTerm> ParseTerm(std::string_view text, double sign) {
  QueryTerm term{.weight = sign};
  text = Trim(text);
  double weight = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), weight);
  if (error == std::errc() && end != text.data() + text.size() && *end == ':' && std::isfinite(weight)) {
    term.weight *= weight;
    text = Trim(text.substr(static_cast<size_t>(end - text.data()) + 1));
  }
  if (text.empty()) return InvalidArgument("query", "a term is empty", "write it as \"2:a dog + ./beach.jpg - snow\"");
  term.name = text;
  term.picture = IsPicture(term.name);
  return term;
}

Result<std::vector<float>> EmbedPicture(const Clip& clip, Context& context, const std::string& name,
                                        const BatchOptions& batch, const Runtime& runtime) {
  PictureRef ref{.name = name, .path = name};
  if (name.starts_with("http://") || name.starts_with("https://")) {
    if (!runtime.fetch) return Unsupported(name, "addresses cannot be fetched here", "give a file");
    ref.read = [&runtime, &name] { return runtime.fetch(name); };
  }
  ASSIGN_OR_RETURN(const Image image, LoadPicture(ref, batch.decode));
  const PreprocessConfig& preprocess = batch.preprocess ? *batch.preprocess : clip.config().preprocess;
  std::vector<float> pixels(size_t{3} * static_cast<size_t>(preprocess.crop) * static_cast<size_t>(preprocess.crop));
  Preprocess(image, preprocess, pixels.data());
  std::vector<float> embedding(static_cast<size_t>(clip.embed_dim()));
  clip.EncodeImages(context, pixels.data(), 1, embedding.data());
  return embedding;
}

}  // namespace

Result<std::vector<QueryTerm>> ParseQuery(std::string_view text) {
  std::vector<QueryTerm> terms;
  double sign = 1;
  text = Trim(text);
  if (!text.empty() && IsSign(text, 0)) {
    sign = text[0] == '-' ? -1 : 1;
    text.remove_prefix(1);
  }
  while (true) {
    const size_t end = FindSign(text);
    ASSIGN_OR_RETURN(QueryTerm term, ParseTerm(text.substr(0, end), sign));
    terms.push_back(std::move(term));
    if (end == text.size()) return terms;
    sign = text[end] == '-' ? -1 : 1;
    text.remove_prefix(end + 1);
  }
}

Result<std::vector<QueryTerm>> GatherTerms(const SearchOptions& options) {
  std::vector<QueryTerm> terms;
  for (const std::string& text : options.texts) terms.push_back({.name = text});
  for (const std::string& image : options.images) terms.push_back({.name = image, .picture = true});
  if (!options.query.empty()) {
    ASSIGN_OR_RETURN(const std::vector<QueryTerm> more, ParseQuery(options.query));
    terms.insert(terms.end(), more.begin(), more.end());
  }
  if (!terms.empty()) return terms;
  return InvalidArgument("", "nothing to look for", "give words, --image FILE or --query EXPR");
}

Result<std::vector<float>> EmbedQuery(const Clip& clip, const std::vector<QueryTerm>& terms, const BatchOptions& batch,
                                      const Runtime& runtime) {
  const size_t e = static_cast<size_t>(clip.embed_dim());
  Context context(runtime.threads);
  std::vector<double> sum(e);
  for (const QueryTerm& term : terms) {
    std::vector<float> embedding(e);
    if (term.picture) {
      ASSIGN_OR_RETURN(embedding, EmbedPicture(clip, context, term.name, batch, runtime));
    } else {
      clip.EncodeTexts(context, std::span(&term.name, 1), embedding.data());
    }
    for (size_t i = 0; i < e; ++i) sum[i] += term.weight * static_cast<double>(embedding[i]);
  }
  double squares = 0;
  for (const double value : sum) squares += value * value;
  if (!(squares > 1e-10)) return InvalidArgument("query", "its terms cancel each other: nothing is left to look for");
  std::vector<float> query;
  for (const double value : sum) query.push_back(static_cast<float>(value / std::sqrt(squares)));
  return query;
}

}  // namespace diptych
