#include "hub/hub.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "core/file.h"
#include "hub/digest.h"
#include "support/fake_hub.h"

namespace diptych::hub {
namespace {

namespace fs = std::filesystem;
using testing_support::FakeHub;

constexpr char kRepo[] = "org/model";

std::string Weights() {
  std::string bytes;
  for (int i = 0; i < 300'000; ++i) bytes.push_back(static_cast<char>(i * 31 >> 3));
  return bytes;
}

class Hub : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "diptych_hub_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    environment_.cache = name;
    environment_.endpoint = hub_.url();
    environment_.retry_seconds = 0.01;
    environment_.stall_seconds = 5;
    files_ = {{"config.json", "{}"},
              {"model.safetensors", Weights()},
              {"1_Pooling/config.json", "{\"a\": 1}"},
              {"README.md", "text"}};
    commit_ = hub_.AddCommit(kRepo, "main", files_);
  }
  void TearDown() override { fs::remove_all(environment_.cache); }

  Result<std::string> Pull(SnapshotOptions options = {}) { return Snapshot(kRepo, options, environment_); }
  std::string ErrorOf(const SnapshotOptions& options = {}) {
    const auto folder = Pull(options);
    return folder.ok() ? "ok" : folder.status().ToString();
  }
  // What a model needs: its config, and weights in one of two forms.
  static SnapshotOptions Model() {
    SnapshotOptions options;
    options.needs = {{{{"config.json"}}},
                     {{{"model.safetensors"}, {"model.safetensors.index.json", "model-*-of-*.safetensors"}}}};
    options.wants = {"tokenizer.json"};
    return options;
  }
  std::string Folder() const { return environment_.cache + "/models--org--model"; }
  std::string BlobOf(const std::string& file) const {
    return fs::read_symlink(Folder() + "/snapshots/" + commit_ + "/" + file).string();
  }
  // Where the weights' bytes belong: their SHA-256 is their name.
  std::string WeightsBlob() const {
    Digest digest(Digest::Kind::kSha256);
    digest.Update(files_.at("model.safetensors"));
    return Folder() + "/blobs/" + digest.Finish();
  }
  void Put(const std::string& path, const std::string& bytes) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
  }
  static bool Contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  FakeHub hub_;
  Environment environment_;
  std::map<std::string, std::string> files_;
  std::string commit_;
};

TEST_F(Hub, EverythingComesInTheLayoutOfThePythonLibrary) {
  const auto folder = Pull();
  ASSERT_TRUE(folder.ok()) << folder.status().ToString();
  EXPECT_EQ(*folder, Folder() + "/snapshots/" + commit_);
  for (const auto& [name, bytes] : files_) EXPECT_EQ(*ReadFile(*folder + "/" + name), bytes);
  EXPECT_EQ(*ReadFile(Folder() + "/refs/main"), commit_);
  EXPECT_EQ(BlobOf("model.safetensors").substr(0, 12), "../../blobs/");
  EXPECT_EQ(fs::path(BlobOf("model.safetensors")).filename().string().size(), 64u);
  EXPECT_EQ(BlobOf("1_Pooling/config.json").substr(0, 15), "../../../blobs/");
  EXPECT_EQ(fs::path(BlobOf("config.json")).filename().string().size(), 40u);
  EXPECT_TRUE(fs::exists(environment_.cache + "/CACHEDIR.TAG"));
  for (const auto& entry : fs::directory_iterator(Folder() + "/blobs")) {
    EXPECT_FALSE(entry.path().string().ends_with(".incomplete"));
  }
}

TEST_F(Hub, WhatIsThereIsNotDownloadedAgain) {
  ASSERT_TRUE(Pull(Model()).ok());
  const size_t calls = hub_.calls().size();
  ASSERT_TRUE(Pull(Model()).ok());
  EXPECT_EQ(hub_.calls().size(), calls);  // complete: the hub is not even asked
  SnapshotOptions update = Model();
  update.update = true;
  ASSERT_TRUE(Pull(update).ok());
  EXPECT_EQ(hub_.calls().size(), calls + 1);  // asked where the revision is, nothing else
}

TEST_F(Hub, OnlyWhatIsAskedForComes) {
  ASSERT_TRUE(Pull(Model()).ok());
  EXPECT_EQ(hub_.CountCalls("README.md"), 0u);
  EXPECT_TRUE(fs::exists(Folder() + "/.no_exist/" + commit_ + "/tokenizer.json"));
  SnapshotOptions more = Model();
  more.wants = {"*/config.json"};
  ASSERT_TRUE(Pull(more).ok());
  more.update = true;
  ASSERT_TRUE(Pull(more).ok());
  EXPECT_TRUE(fs::exists(Folder() + "/snapshots/" + commit_ + "/1_Pooling/config.json"));
}

TEST_F(Hub, TheFirstFormThatIsThereIsTaken) {
  hub_.AddCommit(kRepo, "sharded",
                 {{"config.json", "{}"},
                  {"model.safetensors.index.json", "{}"},
                  {"model-00001-of-00002.safetensors", "a"},
                  {"model-00002-of-00002.safetensors", "b"}});
  hub_.AddCommit(
      kRepo, "torn",
      {{"config.json", "{}"}, {"model.safetensors.index.json", "{}"}, {"model-00002-of-00002.safetensors", "b"}});
  SnapshotOptions options = Model();
  options.revision = "sharded";
  const auto folder = Pull(options);
  ASSERT_TRUE(folder.ok()) << folder.status().ToString();
  EXPECT_EQ(*ReadFile(*folder + "/model-00002-of-00002.safetensors"), "b");
  options.revision = "torn";
  EXPECT_EQ(ErrorOf(options),
            "org/model: the repository has no model-00001-of-00002.safetensors; it may hold a model "
            "of another kind");
}

TEST_F(Hub, OfTheFormThatIsNearestTheMissingFileIsNamed) {
  SnapshotOptions options;
  options.needs = {{{{"open_clip_config.json", "open_clip_model.safetensors"}, {"config.json", "pytorch_model.bin"}}}};
  EXPECT_TRUE(Contains(ErrorOf(options), "the repository has no pytorch_model.bin;")) << ErrorOf(options);
  options.needs = {{{{"a.json", "b"}, {"c.json", "d"}, {"a.json", "e"}}}};
  EXPECT_TRUE(Contains(ErrorOf(options), "the repository has no a.json or c.json;")) << ErrorOf(options);
}

TEST_F(Hub, BranchesTagsAndCommits) {
  const std::string tagged = hub_.AddCommit(kRepo, "refs/pr/1", {{"config.json", "[1]"}});
  SnapshotOptions options;
  options.revision = "refs/pr/1";
  EXPECT_EQ(*ReadFile(*Pull(options) + "/config.json"), "[1]");
  EXPECT_EQ(*ReadFile(Folder() + "/refs/refs/pr/1"), tagged);
  options.revision = commit_;
  EXPECT_EQ(*ReadFile(*Pull(options) + "/config.json"), "{}");
  EXPECT_FALSE(fs::exists(Folder() + "/refs/" + commit_));
  options.revision = "v9";
  EXPECT_EQ(ErrorOf(options), "org/model at v9: the hub has no such revision (HTTP 404); check its name");
}

TEST_F(Hub, ARevisionThatMovedIsFollowedOnUpdate) {
  ASSERT_TRUE(Pull(Model()).ok());
  files_["config.json"] = "{\"new\": 1}";
  const std::string newer = hub_.AddCommit(kRepo, "main", files_);
  EXPECT_EQ(*ReadFile(*Pull(Model()) + "/config.json"), "{}");
  SnapshotOptions update = Model();
  update.update = true;
  EXPECT_EQ(*ReadFile(*Pull(update) + "/config.json"), "{\"new\": 1}");
  EXPECT_EQ(*ReadFile(Folder() + "/refs/main"), newer);
  EXPECT_EQ(hub_.CountCalls("GET /" + fs::path(BlobOf("model.safetensors")).filename().string()), 1u);  // shared blob
}

TEST_F(Hub, ACutConnectionIsResumed) {
  hub_.SetFault("model.safetensors", {.times = 3, .cut_after = 50'000});
  const auto folder = Pull();
  ASSERT_TRUE(folder.ok()) << folder.status().ToString();
  EXPECT_EQ(*ReadFile(*folder + "/model.safetensors"), files_["model.safetensors"]);
  EXPECT_EQ(hub_.CountCalls("bytes=50000-"), 2u);  // once at the hub, which redirects, once at its storage
  EXPECT_EQ(hub_.CountCalls("bytes=150000-"), 2u);
}

TEST_F(Hub, AnInterruptedDownloadGoesOnInTheNextRun) {
  Put(WeightsBlob() + ".incomplete", Weights().substr(0, 123'456));
  const auto folder = Pull();
  ASSERT_TRUE(folder.ok()) << folder.status().ToString();
  EXPECT_EQ(*ReadFile(*folder + "/model.safetensors"), Weights());
  EXPECT_EQ(hub_.CountCalls("bytes=123456-"), 2u);
}

TEST_F(Hub, APartialFileOfOtherBytesIsDownloadedAnew) {
  Put(WeightsBlob() + ".incomplete", std::string(1000, 'x'));
  EXPECT_EQ(*ReadFile(*Pull() + "/model.safetensors"), Weights());
  fs::remove(WeightsBlob());
  Put(WeightsBlob() + ".incomplete", Weights() + "longer");
  EXPECT_EQ(*ReadFile(*Pull() + "/model.safetensors"), Weights());
}

TEST_F(Hub, AServerThatIgnoresRangesSendsItAllAgain) {
  Put(WeightsBlob() + ".incomplete", Weights().substr(0, 1000));
  hub_.SetFault("model.safetensors", {.ignore_range = true});
  EXPECT_EQ(*ReadFile(*Pull() + "/model.safetensors"), Weights());
}

TEST_F(Hub, AConnectionThatIsAlwaysCutEndsInAnError) {
  hub_.SetFault("model.safetensors", {.cut_after = 0});
  const std::string error = ErrorOf();
  EXPECT_TRUE(Contains(error, "org/model: ") && Contains(error, "the connection was cut")) << error;
  EXPECT_FALSE(Contains(error, "secret")) << error;  // the storage's signed address stays out of it
  EXPECT_FALSE(fs::exists(Folder() + "/refs/main"));
  hub_.ClearFaults();
  EXPECT_TRUE(Pull().ok());
}

TEST_F(Hub, WrongBytesAreRefused) {
  for (const char* file : {"config.json", "model.safetensors"}) {  // git's checksum, and SHA-256
    hub_.SetFault(file, {.corrupt = true});
    EXPECT_TRUE(Contains(ErrorOf(), "its bytes do not have the checksum ")) << ErrorOf();
    EXPECT_FALSE(fs::exists(Folder() + "/snapshots/" + commit_ + "/" + file));
    hub_.ClearFaults();
  }
  EXPECT_FALSE(fs::exists(WeightsBlob()));
  EXPECT_FALSE(fs::exists(WeightsBlob() + ".incomplete"));
  EXPECT_TRUE(Pull().ok());
}

// A limit of this process on the size of files stands for a disk that is full.
TEST_F(Hub, AFullDiskIsNamedAndNothingIsLost) {
  const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small = {100'000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string error = ErrorOf(Model());
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(error, "org/model: " + WeightsBlob() +
                       ".incomplete: cannot be written: File too large; what has come is kept: free some space and run "
                       "it again, or choose another folder with HF_HUB_CACHE");
  EXPECT_TRUE(Pull(Model()).ok());
  EXPECT_EQ(hub_.CountCalls("bytes=100000-"), 2u);
}

TEST_F(Hub, AFileThatDoesNotFitIsRefusedBeforehand) {
  hub_.SetFault("model.safetensors", {.claimed_size = int64_t{1} << 55});
  EXPECT_TRUE(Contains(ErrorOf(), "model.safetensors needs 36028797018 MB there, ")) << ErrorOf();
}

TEST_F(Hub, TokensAndGates) {
  hub_.Protect(kRepo, "good");
  EXPECT_EQ(ErrorOf(),
            "org/model: the hub has no such repository, or it is private (HTTP 401); check its name; a private "
            "one needs HF_TOKEN");
  environment_.token = "bad";
  EXPECT_EQ(ErrorOf(), "org/model: the hub refuses the token (HTTP 401); set HF_TOKEN to a valid one, or remove it");
  environment_.token = "good";
  EXPECT_TRUE(Pull().ok());  // the storage would have answered 400 to a token
  hub_.Protect("org/gated", "good", true);
  EXPECT_EQ(Snapshot("org/gated", {}, environment_).status().ToString(),
            "org/gated: is gated: access must be asked for on its page at " + hub_.url() +
                " (HTTP 403); HF_TOKEN's account has not been given it");
  EXPECT_TRUE(Contains(Snapshot("org/none", {}, environment_).status().ToString(), "no such repository"));
}

TEST_F(Hub, OfflineTheMissingFileIsNamed) {
  environment_.offline = true;
  EXPECT_EQ(ErrorOf(Model()), "org/model: config.json is not in the cache (" + Folder() +
                                  ") and HF_HUB_OFFLINE is set; run `diptych pull org/model` where there is a network");
  environment_.offline = false;
  ASSERT_TRUE(Pull(Model()).ok());
  environment_.offline = true;
  EXPECT_TRUE(Pull(Model()).ok());
  fs::remove(WeightsBlob());
  const size_t calls = hub_.calls().size();
  EXPECT_TRUE(
      Contains(ErrorOf(Model()), "org/model: model.safetensors or model.safetensors.index.json is not in the cache"));
  EXPECT_EQ(hub_.calls().size(), calls);
}

TEST_F(Hub, AHubThatIsDownDoesNotMatterIfAllIsCached) {
  hub_.SetDown(true);
  EXPECT_EQ(ErrorOf(Model()),
            "org/model: the hub answered HTTP 503, and config.json is not in the cache; try again later");
  hub_.SetDown(false);
  ASSERT_TRUE(Pull(Model()).ok());
  fs::remove_all(Folder() +
                 "/.no_exist");  // as if Python had filled it: whether there is a tokenizer.json is not known
  hub_.SetDown(true);
  EXPECT_TRUE(Pull(Model()).ok());
  environment_.endpoint = "http://127.0.0.1:1";
  EXPECT_TRUE(Pull(Model()).ok());
  SnapshotOptions update = Model();
  update.update = true;
  EXPECT_TRUE(Contains(ErrorOf(update), "cannot be reached")) << ErrorOf(update);
}

TEST_F(Hub, ACacheThatWasLeftHalfWrittenIsCompleted) {
  ASSERT_TRUE(Pull(Model()).ok());
  fs::remove(WeightsBlob());  // the link now leads to nothing
  EXPECT_TRUE(Pull(Model()).ok());
  Put(Folder() + "/refs/main", "");  // cut while it was written
  EXPECT_TRUE(Pull(Model()).ok());
  EXPECT_EQ(*ReadFile(Folder() + "/refs/main"), commit_);
  fs::remove(Folder() + "/snapshots/" + commit_ + "/model.safetensors");
  Put(WeightsBlob(), "short");  // a blob of another size is no blob
  EXPECT_EQ(*ReadFile(*Pull(Model()) + "/model.safetensors"), Weights());
}

TEST_F(Hub, WaitsForTheLockThatAnotherProcessHolds) {
  ASSERT_TRUE(Pull(Model()).ok());
  fs::remove(WeightsBlob());
  const std::string lock =
      environment_.cache + "/.locks/models--org--model/" + fs::path(WeightsBlob()).filename().string() + ".lock";
  ASSERT_TRUE(fs::exists(lock));
  const int fd = ::open(lock.c_str(), O_RDWR);
  ASSERT_EQ(::flock(fd, LOCK_EX), 0);
  std::thread other([&] {  // finishes the download, as a Python process would, and lets go
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    Put(WeightsBlob(), Weights());
    ::close(fd);
  });
  const size_t before = hub_.CountCalls("GET /" + fs::path(WeightsBlob()).filename().string());
  EXPECT_TRUE(Pull(Model()).ok());
  other.join();
  EXPECT_EQ(hub_.CountCalls("GET /" + fs::path(WeightsBlob()).filename().string()), before);
}

TEST_F(Hub, ManyAtOnceDownloadOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] { EXPECT_EQ(ErrorOf(Model()), "ok"); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(hub_.CountCalls("GET /" + fs::path(WeightsBlob()).filename().string()), 1u);
  EXPECT_EQ(*ReadFile(*Pull(Model()) + "/model.safetensors"), Weights());
}

TEST_F(Hub, ProgressCountsBytesUpToTheTotal) {
  SnapshotOptions options;
  int64_t last = 0, total = 0;
  options.progress = [&](const SnapshotOptions::Progress& progress) {
    EXPECT_GE(progress.bytes, last);
    EXPECT_FALSE(progress.file.empty());
    last = progress.bytes;
    total = progress.bytes_total;
  };
  ASSERT_TRUE(Pull(options).ok());
  int64_t sum = 0;
  for (const auto& [name, bytes] : files_) sum += static_cast<int64_t>(bytes.size());
  EXPECT_EQ(total, sum);
  EXPECT_EQ(last, sum);
}

TEST_F(Hub, NamesThatLeaveTheCacheAreRefused) {
  for (const char* repo : {"", "a/b/c", "../x", "a/..", "a--b/c", "/a", "a/", "a b", "a/.b", "org/model-"}) {
    EXPECT_EQ(Snapshot(repo, {}, environment_).status().code(), StatusCode::kInvalidArgument) << repo;
  }
  SnapshotOptions options;
  for (const char* revision : {"", "../main", "a/../b", "/etc", "a//b", "a\\b", "a\nb", "."}) {
    options.revision = revision;
    EXPECT_EQ(Pull(options).status().code(), StatusCode::kInvalidArgument) << revision;
  }
  hub_.AddCommit("org/evil", "main", {{"../../../escape", "x"}});
  EXPECT_TRUE(Contains(Snapshot("org/evil", {}, environment_).status().ToString(), "name leaves the folder"));
  EXPECT_TRUE(hub_.CountCalls("HEAD") == 0);
}

TEST(HubEndpoint, WhatIsNoHubIsNamed) {
  testing_support::HttpServer page([](const testing_support::HttpCall&) {
    return testing_support::HttpReply{200, {"Content-Type: text/html"}, "<html>Log in to the hotel's network</html>"};
  });
  Environment environment;
  environment.cache = testing::TempDir() + "diptych_no_hub";
  environment.endpoint = page.url();
  const std::string error = Snapshot(kRepo, {}, environment).status().ToString();
  EXPECT_TRUE(error.starts_with(page.url() + ": is not a model hub: ")) << error;
}

// Sets variables for the life of a test and clears them again.
class Variables {
 public:
  Variables(std::initializer_list<std::pair<const char*, std::string>> values) : values_(values) {
    for (const auto& [name, value] : values_) ::setenv(name, value.c_str(), 1);
  }
  ~Variables() {
    for (const auto& [name, value] : values_) ::unsetenv(name);
  }

 private:
  std::vector<std::pair<const char*, std::string>> values_;
};

TEST(HubEnvironment, IsReadAsThePythonLibraryReadsIt) {
  const std::string home = testing::TempDir() + "diptych_home";
  fs::create_directories(home + "/.cache/huggingface");
  std::ofstream(home + "/.cache/huggingface/token") << " from-file\n";
  const Variables clean{{"HOME", home}};
  EXPECT_EQ(Environment::FromProcess().cache, home + "/.cache/huggingface/hub");
  EXPECT_EQ(Environment::FromProcess().token, "from-file");
  EXPECT_EQ(Environment::FromProcess().endpoint, "https://huggingface.co");
  EXPECT_FALSE(Environment::FromProcess().offline);
  {
    const Variables set{{"XDG_CACHE_HOME", "/xdg"}};
    EXPECT_EQ(Environment::FromProcess().cache, "/xdg/huggingface/hub");
  }
  {
    const Variables set(
        {{"HF_HOME", "~/hf"}, {"HF_TOKEN", "from-variable\n"}, {"HF_ENDPOINT", "https://mirror.example/"}});
    EXPECT_EQ(Environment::FromProcess().cache, home + "/hf/hub");
    EXPECT_EQ(Environment::FromProcess().token, "from-variable");
    EXPECT_EQ(Environment::FromProcess().endpoint, "https://mirror.example");
  }
  {
    const Variables set{{"HF_HOME", "/hf"}, {"HUGGINGFACE_HUB_CACHE", "/old"}, {"HF_HUB_OFFLINE", "Yes"}};
    EXPECT_EQ(Environment::FromProcess().cache, "/old");
    EXPECT_TRUE(Environment::FromProcess().offline);
  }
  const Variables set{{"HF_HUB_CACHE", "/new"},
                      {"HUGGINGFACE_HUB_CACHE", "/old"},
                      {"HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"},
                      {"HF_HUB_DOWNLOAD_TIMEOUT", "7"}};
  EXPECT_EQ(Environment::FromProcess().cache, "/new");
  EXPECT_EQ(Environment::FromProcess().token, "");
  EXPECT_EQ(Environment::FromProcess().stall_seconds, 7);
  fs::remove_all(home);
}

}  // namespace
}  // namespace diptych::hub
