#include "diptych/store.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <utility>
#include <vector>

#include "diptych/dedup.h"
#include "python/arrays.h"
#include "python/model.h"
#include "python/options.h"
#include "python/run.h"
#include "python/texts.h"

namespace diptych::python {
namespace {

constexpr const char* kSearchHidden[] = {"text"};
constexpr const char* kIndexHidden[] = {"input"};

// A path, or an iterable of them.
std::vector<std::string> PathsOf(nb::handle given, const char* name) {
  const bool single = nb::isinstance<nb::str>(given) || nb::hasattr(given, "__fspath__");
  if (single) return {PathText(given, name)};
  if (!nb::hasattr(given, "__iter__")) {
    RaiseTypeError(std::string(name) + " must be a path or a sequence of paths, not " + TypeName(given));
  }
  std::vector<std::string> paths;
  for (nb::handle one : nb::iter(given)) paths.push_back(PathText(one, name));
  return paths;
}

IndexSummary IndexPictures(const PyModel& self, nb::handle pictures, nb::kwargs keywords) {
  const nb::object progress = Pop(keywords, "progress");
  InputOptions inputs;
  IndexOptions options;
  ReadKeywords("index", keywords, kIndexHidden, inputs, options);
  if (!pictures.is_none()) inputs.inputs = PathsOf(pictures, "pictures");
  const bool bar = progress.is_none() || progress.ptr() == Py_True;
  const auto work = [model = self.model, inputs, options](Watch& watch) {
    return model.Index(inputs, options, &watch);
  };
  return Run(work, {.total = bar ? std::optional<int64_t>(0) : std::nullopt});
}

std::vector<SearchHit> SearchPictures(const PyModel& self, nb::handle texts, nb::kwargs keywords) {
  SearchOptions options;
  ReadKeywords("search", keywords, kSearchHidden, options);
  bool single = false;
  if (!texts.is_none()) options.texts = TextsOf(texts, &single);
  SearchAnswer answer = Run([model = self.model, options](Watch&) { return model.Search(options); }, {});
  for (const std::string& shard : answer.missing) {
    const std::string sentence = "partial: a shard did not answer: " + shard;
    if (PyErr_WarnEx(PyExc_RuntimeWarning, sentence.c_str(), 1) != 0) throw nb::python_error();
  }
  return std::move(answer.hits);
}

DedupAnswer DedupFromPython(nb::kwargs keywords) {
  const nb::object archives = Pop(keywords, "archives"), threads = Pop(keywords, "threads");
  DedupOptions options;
  ReadKeywords("dedup", keywords, {}, options);
  const std::vector<std::string> shards =
      archives.is_none() ? std::vector<std::string>() : PathsOf(archives, "archives");
  if (!threads.is_none() && !PyLong_Check(threads.ptr())) {
    RaiseTypeError("threads must be an int, not " + TypeName(threads));
  }
  const int team = threads.is_none() ? 0 : nb::cast<int>(threads);
  return Run([=](Watch&) { return Dedup(options, shards, team); }, {});
}

// The status of what gives no value, for Run.
Result<bool> Done(const Status& status) {
  if (!status.ok()) return status;
  return true;
}

nb::object Rows(const std::string& store) {
  StoreRows rows = Run([=](Watch&) { return ReadStore(store); }, {});
  const size_t n = rows.paths.size(), e = static_cast<size_t>(rows.embed_dim);
  nb::object embeddings = NumpyOf(std::move(rows.embeddings), {n, e});
  return nb::make_tuple(rows.paths, embeddings);
}

void BindIndexResults(nb::module_& m) {
  nb::class_<SkippedPicture>(m, "SkippedPicture", "A picture that was passed over, and why.")
      .def_ro("path", &SkippedPicture::path)
      .def_ro("reason", &SkippedPicture::reason)
      .def("__repr__", [](const SkippedPicture& s) { return "<SkippedPicture " + s.reason + ">"; });
  nb::class_<IndexSummary>(m, "IndexSummary", "What index() did.")
      .def_prop_ro("added", [](const IndexSummary& s) { return s.counts.added; })
      .def_prop_ro("changed", [](const IndexSummary& s) { return s.counts.changed; }, "other bytes under a known path")
      .def_prop_ro("renamed", [](const IndexSummary& s) { return s.counts.renamed; })
      .def_prop_ro("unchanged", [](const IndexSummary& s) { return s.counts.unchanged; })
      .def_prop_ro("removed", [](const IndexSummary& s) { return s.counts.removed; })
      .def_ro("pictures", &IndexSummary::pictures, "in the store now")
      .def_ro("skipped", &IndexSummary::skipped)
      .def("__repr__", [](const IndexSummary& s) {
        return "<IndexSummary: " + std::to_string(s.counts.added) + " added, " + std::to_string(s.pictures) +
               " pictures>";
      });
  nb::class_<SearchHit>(m, "SearchHit", "A picture that was found.")
      .def_ro("path", &SearchHit::path)
      .def_ro("score", &SearchHit::score, "cosine with the query")
      .def_ro("chance", &SearchHit::chance, "with fdr or likely: that this picture does not belong to the answer")
      .def_ro("width", &SearchHit::width)
      .def_ro("height", &SearchHit::height)
      .def_ro("caption", &SearchHit::caption)
      .def("__repr__", [](const SearchHit& h) {
        return "<SearchHit " + std::to_string(h.score).substr(0, 5) + " " + h.path + ">";
      });
}

void BindDedupResults(nb::module_& m) {
  nb::class_<DuplicateRow>(m, "DuplicateRow", "A picture of a group of duplicates.")
      .def_ro("group", &DuplicateRow::group, "from 0")
      .def_ro("path", &DuplicateRow::path)
      .def_ro("keep", &DuplicateRow::keep)
      .def_ro("tier", &DuplicateRow::tier, "exact, near or semantic: its likeness to the picture that is kept")
      .def_ro("cosine", &DuplicateRow::cosine, "with the picture that is kept, where embeddings were compared")
      .def("__repr__", [](const DuplicateRow& r) {
        return "<DuplicateRow of group " + std::to_string(r.group) + ": " + (r.keep ? "keep" : r.tier) + " " + r.path +
               ">";
      });
  nb::class_<DedupAnswer>(m, "Duplicates", "Groups of duplicates, the picture that is kept first in each.")
      .def_ro("rows", &DedupAnswer::rows)
      .def_prop_ro("pictures", [](const DedupAnswer& a) { return a.counts.pictures; }, "that were looked at")
      .def_prop_ro("groups", [](const DedupAnswer& a) { return a.counts.groups; })
      .def_prop_ro("exact", [](const DedupAnswer& a) { return a.counts.exact; }, "that can go")
      .def_prop_ro("near", [](const DedupAnswer& a) { return a.counts.near; }, "that can go")
      .def_prop_ro("semantic", [](const DedupAnswer& a) { return a.counts.semantic; }, "that can go")
      .def_prop_ro("recall", [](const DedupAnswer& a) { return a.counts.recall; },
                   "share found of the pairs that brute force finds for a sample of the pictures")
      .def_prop_ro("recall_least", [](const DedupAnswer& a) { return a.counts.recall_least; },
                   "share found of all pairs, at least, with 95 % confidence")
      .def_prop_ro("recall_pairs", [](const DedupAnswer& a) { return a.counts.recall_pairs; },
                   "pairs of the sample; where it has none, nothing is known")
      .def_ro("moved", &DedupAnswer::moved, "files, by apply or back again by undo")
      .def_ro("skipped", &DedupAnswer::skipped)
      .def("__len__", [](const DedupAnswer& a) { return a.rows.size(); })
      .def("__repr__", [](const DedupAnswer& a) {
        return "<Duplicates: " + std::to_string(a.counts.groups) + " groups among " +
               std::to_string(a.counts.pictures) + " pictures>";
      });
}

void BindStoreInfo(nb::module_& m) {
  nb::class_<StoreInfo>(m, "StoreInfo", "What a store holds.")
      .def_ro("model", &StoreInfo::model, "whose embeddings it holds")
      .def_ro("fingerprint", &StoreInfo::fingerprint)
      .def_ro("embed_dim", &StoreInfo::embed_dim, "E")
      .def_ro("pictures", &StoreInfo::pictures)
      .def_ro("vectors", &StoreInfo::vectors, "those of pictures that are gone too")
      .def_ro("sketched", &StoreInfo::sketched, "vectors that a search need not read whole")
      .def("__repr__", [](const StoreInfo& i) {
        return "<StoreInfo: " + std::to_string(i.pictures) + " pictures, " + i.model + ">";
      });
  m.def("store_info", [](nb::handle store) { return Unwrap(DescribeStore(PathText(store, "store"))); },
        nb::arg("store"), nb::sig("def store_info(store: str | os.PathLike[str]) -> StoreInfo"));
  m.def("store_verify", [](nb::handle store) {
          return Run([folder = PathText(store, "store")](Watch&) { return VerifyStore(folder); }, {});
        },
        nb::arg("store"), nb::sig("def store_verify(store: str | os.PathLike[str]) -> list[str]"));
  m.def("store_gc", [](nb::handle store) {
          return Run([folder = PathText(store, "store")](Watch&) { return CompactStore(folder); }, {}).changed;
        },
        nb::arg("store"), nb::sig("def store_gc(store: str | os.PathLike[str]) -> int"));
  m.def("store_merge", [](nb::handle store, nb::handle others) {
          const std::string into = PathText(store, "store");
          return Run([into, all = PathsOf(others, "others")](Watch&) { return MergeStores(into, all); }, {}).changed;
        },
        nb::arg("store"), nb::arg("others"),
        nb::sig("def store_merge(store: str | os.PathLike[str], others: str | os.PathLike[str] | "
                "collections.abc.Iterable[str | os.PathLike[str]]) -> int"));
  m.def("store_export", [](nb::handle store, nb::handle folder) {
          const std::string from = PathText(store, "store"), to = PathText(folder, "folder");
          Run([from, to](Watch&) { return Done(ExportStore(from, to)); }, {});
        },
        nb::arg("store"), nb::arg("folder"),
        nb::sig("def store_export(store: str | os.PathLike[str], folder: str | os.PathLike[str]) -> None"));
  m.def("store_rows", [](nb::handle store) { return Rows(PathText(store, "store")); }, nb::arg("store"),
        nb::sig("def store_rows(store: str | os.PathLike[str]) -> "
                "tuple[list[str], numpy.typing.NDArray[numpy.float32]]"));
}

}  // namespace

void BindStoreCalls(nb::class_<PyModel>& model) {
  const std::string paths = "str | os.PathLike[str] | collections.abc.Iterable[str | os.PathLike[str]]";
  const Description index = Describe<InputOptions, IndexOptions>(
      {.name = "index",
       .arguments = "self, pictures: " + paths + " | None = None",
       .keywords = "progress: bool | None = None",
       .result = "IndexSummary",
       .doc = "Keeps a store of this model's embeddings up to date with pictures: files, folders, globs, addresses,\n"
              ".tar shards. Only what is new or changed is embedded; what cannot be read is passed over and listed."},
      kIndexHidden);
  model.def("index", &IndexPictures, nb::arg("pictures") = nb::none(), nb::arg("keywords"),
            nb::sig(index.signature.c_str()), index.doc.c_str());
  const Description search = Describe<SearchOptions>(
      {.name = "search",
       .arguments = "self, texts: str | collections.abc.Iterable[str] | None = None",
       .result = "list[SearchHit]",
       .doc = "The pictures of a store that are nearest to words, pictures, or a sum of both, best first. Shards on\n"
              "servers that do not answer are a RuntimeWarning: the hits are then those of the others."},
      kSearchHidden);
  model.def("search", &SearchPictures, nb::arg("texts") = nb::none(), nb::arg("keywords"),
            nb::sig(search.signature.c_str()), search.doc.c_str());
  model.def(
      "import_arrays",
      [](const PyModel& self, nb::handle store, nb::handle arrays) {
        const std::string folder = PathText(store, "store");
        const auto work = [model = self.model, folder, all = PathsOf(arrays, "arrays")](Watch&) {
          return model.ImportArrays(folder, all);
        };
        return Run(work, {}).changed;
      },
      nb::arg("store"), nb::arg("arrays"),
      nb::sig(("def import_arrays(self, store: str | os.PathLike[str], arrays: " + paths + ") -> int").c_str()),
      "Adds the rows of each F.npy, embeddings of this model, under the paths of F.paths.txt beside it to a store.");
}

void BindStores(nb::module_& m) {
  BindIndexResults(m);
  BindDedupResults(m);
  BindStoreInfo(m);
  const Description dedup = Describe<DedupOptions>(
      {.name = "dedup",
       .keywords = "archives: str | os.PathLike[str] | collections.abc.Iterable[str | os.PathLike[str]] | None = None, "
                   "threads: int = 0",
       .result = "Duplicates",
       .doc = "Groups of duplicates among the pictures of a store (see Model.index), and what the options ask to be\n"
              "done with them. `archives` are the .tar shards that `shards` writes anew. Nothing is ever deleted."});
  m.def("dedup", &DedupFromPython, nb::arg("keywords"), nb::sig(dedup.signature.c_str()), dedup.doc.c_str());
}

}  // namespace diptych::python
