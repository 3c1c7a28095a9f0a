// Pictures of a store by meaning.
#ifndef DIPTYCH_SEARCH_H_
#define DIPTYCH_SEARCH_H_

#include <optional>
#include <string>
#include <vector>

#include "diptych/options.h"

namespace diptych {

struct SearchOptions {
  std::vector<std::string> texts;
  std::vector<std::string> images;
  std::string query;
  std::string store;
  int top = 10;
  std::string where;
  std::optional<double> fdr;
  bool likely = false;
  bool exact = false;
  std::string html;

  template <class V>
  void Visit(V&& visit) {
    visit(Field{.name = "text", .help = "what to look for, in words", .value = "TEXT", .positional = true}, texts);
    visit(Field{.name = "image", .help = "a picture, or an address, to look for; repeat for more", .value = "F"},
          images);
    visit(Field{.name = "query",
                .help = "a sum of words and pictures with weights: \"2:a dog + ./beach.jpg - snow\"",
                .value = "EXPR"},
          query);
    visit(Field{.name = "store", .help = "the folder of the store, or postgres://HOST,HOST/DATABASE", .value = "S"},
          store);
    visit(Field{.name = "top", .help = "pictures at most", .value = "K", .min = 1, .max = 100000}, top);
    visit(Field{.name = "where",
                .help = "only pictures for which this holds: \"width > 1000 and path like '%2024%'\"",
                .value = "COND"},
          where);
    visit(Field{.name = "fdr",
                .help = "stop where the expected share of wrong pictures would pass this",
                .value = "X",
                .min = 0,
                .max = 1,
                .implied = 0.1},
          fdr);
    visit(Field{.name = "likely",
                .help = "leave out pictures that more likely show something else than the words say"},
          likely);
    visit(Field{.name = "exact", .help = "read every vector instead of sketches first"}, exact);
    visit(Field{.name = "html", .help = "write a page with the pictures found", .value = "F.html"}, html);
  }
};

struct SearchHit {
  std::string path;
  double score = 0;              // cosine with the query
  std::optional<double> chance;  // with fdr or likely: that this picture does not belong to the answer
  int width = 0, height = 0;
  std::string caption;
};

struct SearchAnswer {
  std::vector<SearchHit> hits;       // best first
  std::vector<std::string> missing;  // shards on servers that did not answer, and why: the hits are those of the others
};

}  // namespace diptych

#endif  // DIPTYCH_SEARCH_H_
