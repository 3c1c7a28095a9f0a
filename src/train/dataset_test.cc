#include "train/dataset.h"

#include "support/train_data.h"

namespace diptych::train {
namespace {

using Strings = std::vector<std::string>;

class DatasetTest : public FolderTest {
 protected:
  static std::unique_ptr<Dataset> Open(const DatasetOptions& options) {
    Result<std::unique_ptr<Dataset>> dataset = OpenDataset(options);
    EXPECT_TRUE(dataset.ok()) << dataset.status().ToString();
    return dataset.ok() ? std::move(*dataset) : nullptr;
  }
  static std::string Error(const DatasetOptions& options) {
    const Result<std::unique_ptr<Dataset>> dataset = OpenDataset(options);
    return dataset.ok() ? "no error" : dataset.status().ToString();
  }
};

TEST_F(DatasetTest, ShardsAreIndexedBySample) {
  Write("s-000.tar", ShardOfPairs(0, 3));
  Write("s-001.tar", ShardOfPairs(3, 2));
  const auto dataset = Open({.paths = {Path("s-{000..001}.tar")}});
  ASSERT_EQ(dataset->size(), 5);
  EXPECT_EQ(std::vector<int64_t>(dataset->shard_begins().begin(), dataset->shard_begins().end()),
            (std::vector<int64_t>{0, 3}));
  for (int i = 0; i < 5; ++i) {
    const Result<Sample> sample = dataset->Read(i);
    ASSERT_TRUE(sample.ok()) << sample.status().ToString();
    EXPECT_EQ(sample->key, (i < 3 ? "s-000.tar/" : "s-001.tar/") + std::to_string(i));
    EXPECT_EQ(sample->picture, NoisePng(static_cast<uint64_t>(i)));
    EXPECT_EQ(sample->captions, Strings{"caption " + std::to_string(i)});
    EXPECT_EQ(sample->label, -1);
  }
  EXPECT_EQ(dataset->skipped().total(), 0);
  EXPECT_EQ(Open({.paths = {folder_}})->size(), 5);  // the folder is its shards
  EXPECT_EQ(Open({.paths = {Path("s-001.tar"), Path("s-{000,001}.tar")}})->size(), 7);
}

TEST_F(DatasetTest, MembersOfAShard) {
  std::string tar = TarFile("p", PaxRecord("path", "dir/long." + std::string(200, 'x')), 'x') + TarFile("short", "");
  tar += TarHeader("dir/", TarOctal(0), '5');
  tar += TarFile("dir/a.JPG", "jpeg") + TarFile("dir/a.txt", "one\r\n\n  two  \none\n");
  tar += TarFile("dir/a.json", R"({"caption": "three", "captions": ["two", "four"], "width": 7})");
  tar += TarFile("dir/a.mask.png", "not this one") + TarFile("dir/a.cls", "12\n");
  tar += TarFile("README", "no key") + TarFile("dir/.hidden.png", "no key");
  tar += TarFile("b.json", R"({"caption": "of b"})") + TarFile("b.webp", "webp");
  const auto dataset = Open({.paths = {Write("m.tar", tar + kTarEnd)}});
  ASSERT_EQ(dataset->size(), 2) << dataset->skipped().ToString();
  const Sample a = *dataset->Read(0), b = *dataset->Read(1);
  EXPECT_EQ(a.key, "m.tar/dir/a");
  EXPECT_EQ(a.picture, "jpeg");
  EXPECT_EQ(a.captions, (Strings{"one", "two", "three", "four"}));
  EXPECT_EQ(a.label, 12);
  EXPECT_EQ(b.picture, "webp");
  EXPECT_EQ(b.captions, Strings{"of b"});
}

TEST_F(DatasetTest, IncompleteSamplesAreCounted) {
  std::string tar = PairInTar("a", "x", "y") + TarFile("b.png", "x") + TarFile("c.txt", "y") + TarFile("d.cls", "1");
  for (int i = 0; i < 7; ++i) tar += TarFile("e" + std::to_string(i) + ".png", "x");
  const auto dataset = Open({.paths = {Write("s.tar", tar + kTarEnd)}});
  EXPECT_EQ(dataset->size(), 1);
  EXPECT_EQ(dataset->skipped()[SkipReason::kNoPicture].names, (Strings{"s.tar/c", "s.tar/d"}));
  EXPECT_EQ(dataset->skipped()[SkipReason::kNoCaption].count, 8);
  EXPECT_EQ(dataset->skipped()[SkipReason::kNoCaption].names.size(), SkipCounts::kMaxNames);
  EXPECT_EQ(dataset->skipped().ToString(),
            "2 without a picture (s.tar/c, s.tar/d), "
            "8 without a caption (s.tar/b, s.tar/e0, s.tar/e1, s.tar/e2, s.tar/e3, ...)");
}

TEST_F(DatasetTest, ASampleThatCannotBeReadIsAnErrorOfItsOwn) {
  const std::string tar = TarFile("a.png", "x") + TarFile("a.json", "{") + TarFile("b.png", "x") +
                          TarFile("b.json", R"({"caption": 5})") + PairInTar("c", "x", "good") +
                          TarFile("c.json", "{") + PairInTar("d", "x", std::string((1 << 20) + 1, 'd')) +
                          PairInTar("e", "x", "y") + TarFile("e.cls", "one") + PairInTar("f", "x", " \n");
  const auto dataset = Open({.paths = {Write("s.tar", tar + kTarEnd)}});
  ASSERT_EQ(dataset->size(), 6);
  EXPECT_EQ(dataset->Read(0).status().where(), "s.tar/a.json");
  EXPECT_EQ(dataset->Read(1).status().where(), "s.tar/b.json");
  EXPECT_EQ(dataset->Read(2)->captions, Strings{"good"});
  EXPECT_EQ(dataset->Read(3).status().code(), StatusCode::kLimitExceeded);
  EXPECT_EQ(dataset->Read(4).status().ToString(), "s.tar/e.cls: is not the row of a class");
  EXPECT_TRUE(dataset->Read(5)->captions.empty());
}

TEST_F(DatasetTest, DamagedShardsKeepWhatComesBefore) {
  const std::string whole = ShardOfPairs(0, 4);
  const size_t pair = PairInTar("0", NoisePng(0), "caption 0").size();
  Write("cut.tar", whole.substr(0, 2 * pair + 700));
  Write("empty.tar", "");
  const auto dataset = Open({.paths = {Path("cut.tar"), Path("empty.tar")}});
  EXPECT_EQ(dataset->size(), 2);
  EXPECT_EQ(dataset->skipped()[SkipReason::kDamagedShard].count, 2);
  EXPECT_NE(dataset->skipped().ToString().find("the archive is cut off"), std::string::npos);

  Write("gone.tar", whole);
  const auto shrunk = Open({.paths = {Path("gone.tar")}});
  Write("gone.tar", whole.substr(0, pair));
  EXPECT_TRUE(shrunk->Read(0).ok());
  EXPECT_EQ(shrunk->Read(3).status().code(), StatusCode::kCorrupt);
}

TEST_F(DatasetTest, ErrorsOfShardsNameThem) {
  EXPECT_EQ(Error({.paths = {Path("s-{0..1}.tar")}}), Path("s-0.tar") + ": no such file or folder");
  Write("text.tar", std::string(600, 't'));
  EXPECT_NE(Error({.paths = {Path("text.tar")}}).find("is not a tar archive"), std::string::npos);
  Write("none.tar", TarFile("a.png", "x") + kTarEnd);
  EXPECT_EQ(Error({.paths = {Path("none.tar")}}),
            Path("none.tar") + ": the data set is empty; skipped: 1 without a caption (none.tar/a)");
  EXPECT_EQ(Error({}), "no training data was given");
  EXPECT_NE(Error({.paths = {Path("{2..1}")}}).find("runs backwards"), std::string::npos);
}

TEST_F(DatasetTest, MutantShardsNeverReadOutside) {
  const std::string good = TarFile("p", PaxRecord("path", "k.png"), 'x') + TarFile("k", "picture") +
                           TarFile("k.txt", "text") + TarFile("l.png", "p") + TarFile("l.json", R"({"caption": "c"})") +
                           TarFile("l.cls", "3") + kTarEnd;
  Rng rng(1);
  for (int i = 0; i < 2000; ++i) {
    std::string mutant = good.substr(0, rng.Below(4) == 0 ? rng.Below(good.size()) : good.size());
    for (int k = 0; k < 3 && !mutant.empty(); ++k) mutant[rng.Below(mutant.size())] = static_cast<char>(rng.NextU32());
    const auto dataset = OpenDataset({.paths = {Write("mutant.tar", mutant)}});
    if (!dataset.ok()) continue;
    for (int64_t s = 0; s < (*dataset)->size(); ++s) {
      const Result<Sample> sample = (*dataset)->Read(s);
      EXPECT_TRUE(!sample.ok() || sample->picture.size() <= good.size());
    }
  }
}

TEST_F(DatasetTest, ClassesOfShards) {
  Write("set.classes.tsv", "label\tid\tname\tphrase\n0\ta\tcat\ta cat\n1\tb\topen box\tan open box\n");
  const std::string tar = TarFile("a.png", "x") + TarFile("a.cls", "1") + PairInTar("b", "x", "its own") +
                          TarFile("b.cls", " 0\n") + TarFile("c.png", "x") + TarFile("c.cls", "2") + kTarEnd;
  Write("set-val-000000.tar", tar);
  const auto dataset = Open({.paths = {Path("set-val-000000.tar")}, .templates = {"{}!", "one {}"}});
  ASSERT_EQ(dataset->classes().size(), 2u);
  EXPECT_EQ(dataset->classes()[1].name, "open box");
  EXPECT_EQ(dataset->classes()[1].phrase, "an open box");
  EXPECT_EQ(dataset->Read(0)->captions, (Strings{"open box!", "one open box"}));
  EXPECT_EQ(dataset->Read(0)->label, 1);
  EXPECT_EQ(dataset->Read(1)->captions, Strings{"its own"});
  EXPECT_EQ(dataset->Read(2).status().ToString(), "set-val-000000.tar/c.cls: row 2 of 2 classes");

  Write("other.tsv", "name\nx\ny\nz\n");
  EXPECT_EQ(Open({.paths = {Path("set-val-000000.tar")}, .classes = Path("other.tsv")})->Read(2)->label, 2);
  for (const char* bad : {"", "id\nx\n", "name\n", "name\tlabel\nx\t1\n", "name\tx\n\tx\n"}) {
    Write("set.classes.tsv", bad);
    EXPECT_NE(Error({.paths = {Path("set-val-000000.tar")}}).find("set.classes.tsv"), std::string::npos) << bad;
  }
}

TEST_F(DatasetTest, TablesByColumnNames) {
  Write("pictures/a.png", "of a");
  Write("b.png", "of b");
  Write("t.csv", "title,filepath,url\n\"A, \"\"quoted\"\"\",pictures/a.png,u\nB," + Path("b.png") +
                     ",u\nonly one\n,b.png,u\nC,,u\nD,none.png,u\n");
  const auto dataset = Open({.paths = {Path("t.csv")}});
  ASSERT_EQ(dataset->size(), 3);
  EXPECT_EQ(dataset->Read(0)->picture, "of a");
  EXPECT_EQ(dataset->Read(0)->captions, Strings{"A, \"quoted\""});
  EXPECT_EQ(dataset->Read(0)->key, "pictures/a.png");
  EXPECT_EQ(dataset->Read(1)->picture, "of b");
  EXPECT_EQ(dataset->Read(2).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(dataset->skipped()[SkipReason::kBadRow].names, Strings{"t.csv line 4: 1 fields"});
  EXPECT_EQ(dataset->skipped()[SkipReason::kNoCaption].names, Strings{"t.csv line 5"});
  EXPECT_EQ(dataset->skipped()[SkipReason::kNoPicture].names, Strings{"t.csv line 6"});
  EXPECT_TRUE(dataset->shard_begins().empty());

  Write("u.tsv", "image\ttext\nb.png\tfrom a tsv\n");
  const DatasetOptions renamed{.paths = {Path("u.tsv")}, .picture_column = "image", .caption_column = "text"};
  EXPECT_EQ(Open(renamed)->Read(0)->captions, Strings{"from a tsv"});
  Write("semicolons.csv", "filepath;title\nb.png;x, y\n");
  EXPECT_EQ(Open({.paths = {Path("semicolons.csv")}, .separator = ';'})->Read(0)->captions, Strings{"x, y"});
}

TEST_F(DatasetTest, MutantTablesAreReadOrRefused) {
  Write("a.png", "of a");
  const std::string good = "filepath,title,label\r\na.png,\"A, \"\"b\"\"\",1\na.png,c,2\nnone.png,d\n";
  Rng rng(1);
  for (int i = 0; i < 2000; ++i) {
    std::string mutant = good.substr(0, rng.Below(4) == 0 ? rng.Below(good.size()) : good.size());
    for (int k = 0; k < 3 && !mutant.empty(); ++k) {
      mutant[rng.Below(mutant.size())] = static_cast<char>(rng.Below(2) == 0 ? rng.NextU32() : "\",\n\r"[rng.Below(4)]);
    }
    const auto dataset = OpenDataset({.paths = {Write("mutant.csv", mutant)}});
    if (!dataset.ok()) continue;
    for (int64_t s = 0; s < (*dataset)->size(); ++s) {
      const Result<Sample> sample = (*dataset)->Read(s);
      EXPECT_TRUE(!sample.ok() || sample->picture == "of a" || sample->key != "a.png");
    }
  }
}

TEST_F(DatasetTest, MutantCaptionsAndClassesAreReadOrRefused) {
  const std::string json = R"({"caption": "one", "captions": ["two", "thr\u00e9\ud83d\ude00e"], "n": 1.5e3})";
  const std::string classes = "label\tid\tname\n0\ta\tcat\n1\tb\t\"open \"\"box\"\n";
  Rng rng(2);
  const auto mutant_of = [&rng](std::string text) {
    for (int k = 0; k < 3; ++k) text[rng.Below(text.size())] = static_cast<char>(rng.NextU32());
    return text;
  };
  for (int i = 0; i < 2000; ++i) {
    Write("s.classes.tsv", mutant_of(classes));
    Write("s.tar", TarFile("a.png", "x") + TarFile("a.json", mutant_of(json)) + TarFile("a.cls", mutant_of(" 1\n ")) +
                       kTarEnd);
    const auto dataset = OpenDataset({.paths = {Path("s.tar")}});
    if (!dataset.ok()) continue;
    const Result<Sample> sample = (*dataset)->Read(0);
    EXPECT_TRUE(!sample.ok() || sample->label < static_cast<int32_t>((*dataset)->classes().size()));
  }
}

TEST_F(DatasetTest, ErrorsOfTables) {
  EXPECT_EQ(Error({.paths = {Write("a.csv", "filepath;title\nx;y\n")}}),
            Path("a.csv") +
                ": has no column \"filepath\"; split at ',' its columns are: filepath;title; name the "
                "columns or another separator");
  EXPECT_NE(Error({.paths = {Write("b.csv", "filepath,title\n\"x,y\n")}}).find("b.csv: line 2"), std::string::npos);
  EXPECT_NE(Error({.paths = {Write("c.tsv", "filepath\ttitle\n")}}).find("the data set is empty"), std::string::npos);
  const auto dataset = Open({.paths = {Write("d.csv", "filepath,title\nx,a longer caption\n")}});
  Write("d.csv", "filepath,title\n");
  EXPECT_EQ(dataset->Read(0).status().code(), StatusCode::kCorrupt);
}

TEST_F(DatasetTest, FoldersWithCaptions) {
  Write("f/b.png", "of b");
  Write("f/b.txt", "b one\nb two\n");
  Write("f/sub/a.jpeg", "of a");
  Write("f/sub/a.txt", "a");
  Write("f/c.png", "of c");
  const auto dataset = Open({.paths = {Path("f")}});
  ASSERT_EQ(dataset->size(), 2);
  EXPECT_EQ(dataset->Read(0)->picture, "of b");
  EXPECT_EQ(dataset->Read(0)->captions, (Strings{"b one", "b two"}));
  EXPECT_EQ(dataset->Read(1)->key, Path("f/sub/a.jpeg"));
  EXPECT_EQ(dataset->skipped()[SkipReason::kNoCaption].names, Strings{Path("f/c.png")});
  std::filesystem::remove(Path("f/b.txt"));
  EXPECT_EQ(dataset->Read(0).status().code(), StatusCode::kNotFound);
}

TEST_F(DatasetTest, FoldersByClass) {
  Write("c/red_car/1.png", "1");
  Write("c/boat/deep/2.png", "2");
  Write("c/empty/readme", "");
  Write("d/boat/3.png", "3");
  const auto dataset = Open({.paths = {Path("c"), Path("d")}, .templates = {"a {}.", "{}"}});
  ASSERT_EQ(dataset->size(), 3);
  ASSERT_EQ(dataset->classes().size(), 2u);
  EXPECT_EQ(dataset->classes()[0].name, "boat");
  EXPECT_EQ(dataset->classes()[1].name, "red car");
  EXPECT_EQ(dataset->Read(1)->picture, "3");
  EXPECT_EQ(dataset->Read(1)->label, 0);
  EXPECT_EQ(dataset->Read(2)->captions, (Strings{"a red car.", "red car"}));
  EXPECT_NE(Error({.paths = {Path("c")}, .templates = {"no braces"}}).find("no braces"), std::string::npos);
}

TEST_F(DatasetTest, FormatsAreToldApart) {
  Write("f/a.png", "x");
  Write("f/a.txt", "y");
  Write("s.tar", ShardOfPairs(0, 1));
  EXPECT_NE(Error({.paths = {Path("f"), Path("s.tar")}}).find("another kind of data set"), std::string::npos);
  Write("x.zip", "");
  EXPECT_NE(Error({.paths = {Path("x.zip")}}).find("is no kind of data set"), std::string::npos);
  Write("shard.data", ShardOfPairs(0, 1));
  EXPECT_EQ(Open({.paths = {Path("shard.data")}, .format = DatasetFormat::kShards})->size(), 1);
  std::filesystem::create_directories(Path("nothing"));
  EXPECT_NE(Error({.paths = {Path("nothing")}}).find("the data set is empty"), std::string::npos);
  EXPECT_NE(Error({.paths = {Path("nothing")}, .format = DatasetFormat::kShards}).find("no .tar"), std::string::npos);
}

TEST_F(DatasetTest, TheRealShardsAreWhole) {
  const std::string folder = std::string(DIPTYCH_SOURCE_DIR) + "/../shared/data/train";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  const auto dataset = Open({.paths = {folder + "/free-{000000..000001}.tar"}});
  EXPECT_EQ(dataset->size(), 11510);
  EXPECT_EQ(dataset->skipped().total(), 0) << dataset->skipped().ToString();
  EXPECT_EQ(dataset->Read(0)->captions, Strings{"a photo of a crab."});
  EXPECT_EQ(dataset->Read(11509)->key.substr(0, 16), "free-000001.tar/");
}

}  // namespace
}  // namespace diptych::train
