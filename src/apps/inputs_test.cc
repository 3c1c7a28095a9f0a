#include "apps/inputs.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace diptych {
namespace {

namespace fs = std::filesystem;

class Inputs : public testing::Test {
 protected:
  Inputs() : folder_(fs::temp_directory_path() / ("diptych_inputs_" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
  }
  ~Inputs() override { fs::remove_all(folder_); }

  std::string Touch(const std::string& name) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << name;
    return (folder_ / name).string();
  }

  // The names of all pictures, relative to the folder; "!" before those that only tell why there is none.
  std::vector<std::string> Names(const InputOptions& options, Fetcher fetch = nullptr) {
    Result<std::unique_ptr<PictureInputs>> inputs = PictureInputs::Open(options, std::move(fetch));
    if (!inputs.ok()) return {inputs.status().ToString()};
    total_ = (*inputs)->total();
    std::vector<std::string> names;
    while (std::optional<PictureRef> ref = (*inputs)->Next()) {
      const bool bad = ref->read && !ref->read().ok();
      std::string name = ref->name;
      if (name.starts_with(folder_.string())) name = name.substr(folder_.string().size() + 1);
      names.push_back((bad ? "!" : "") + name);
    }
    return names;
  }

  fs::path folder_;
  std::optional<int64_t> total_;
};

using Strings = std::vector<std::string>;

TEST_F(Inputs, FoldersAreSortedAndHoldPicturesOnly) {
  for (const char* name : {"b/2.jpg", "b/10.JPEG", "a.png", "notes.txt", ".hidden.png", ".git/x.png", "c"}) Touch(name);
  EXPECT_EQ(Names({.inputs = {folder_.string()}}), (Strings{"a.png", "b/10.JPEG", "b/2.jpg"}));
  EXPECT_EQ(total_, 3);
}

TEST_F(Inputs, ALinkToAFolderAboveIsNotFollowed) {
  Touch("a.png");
  fs::create_directory_symlink(folder_, folder_ / "loop");
  EXPECT_EQ(Names({.inputs = {folder_.string()}}), Strings{"a.png"});
}

TEST_F(Inputs, NamedFilesAreTakenWhateverTheyAreCalled) {
  Touch("x[1].bin");
  EXPECT_EQ(Names({.inputs = {(folder_ / "x[1].bin").string()}}), Strings{"x[1].bin"});
  EXPECT_EQ(Names({.inputs = {(folder_ / "missing.jpg").string()}}), Strings{"missing.jpg"});
}

TEST_F(Inputs, AnEmptyFolderIsReportedInItsPlace) {
  fs::create_directories(folder_ / "none");
  Touch("a.png");
  const Strings names = Names({.inputs = {(folder_ / "none").string(), (folder_ / "a.png").string()}});
  EXPECT_EQ(names, (Strings{"!none", "a.png"}));
}

TEST_F(Inputs, AddressesGoToTheFetcher) {
  const InputOptions options{.inputs = {"http://h/a.jpg", "https://h/b.jpg"}};
  EXPECT_EQ(Names(options), (Strings{"!http://h/a.jpg", "!https://h/b.jpg"}));
  const Fetcher fetch = [](const std::string& url) -> Result<std::string> {
    if (url.ends_with("a.jpg")) return url;
    return Unavailable(url, "no answer");
  };
  EXPECT_EQ(Names(options, fetch), (Strings{"http://h/a.jpg", "!https://h/b.jpg"}));
}

TEST_F(Inputs, AnArchiveThatIsNoneIsReported) {
  std::ofstream(folder_ / "x.tar") << std::string(2000, 'x');
  EXPECT_EQ(Names({.inputs = {(folder_ / "x.tar").string()}}), Strings{"!x.tar"});
  EXPECT_FALSE(total_.has_value());
}

}  // namespace
}  // namespace diptych
