#include "index/store.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "core/half.h"
#include "support/failing_storage.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kE = 12;
const StoreIdentity kIdentity = {.model = "tiny", .fingerprint = "0123", .e = kE};

class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "store_test." + std::to_string(::getpid()) + "." +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string folder_;
};

// Every vector follows from its picture's path, so that a test can tell whether it belongs to it.
std::vector<float> VectorOf(const std::string& path) {
  std::mt19937 engine(static_cast<uint32_t>(std::hash<std::string>()(path)));
  std::normal_distribution<float> normal;
  std::vector<float> values(kE);
  double squares = 0;
  for (float& v : values) v = normal(engine), squares += static_cast<double>(v) * static_cast<double>(v);
  for (float& v : values) v /= static_cast<float>(std::sqrt(squares));
  return values;
}

StoredPicture PictureOf(const std::string& path, int width = 640) {
  return {.path = path,
          .bytes = static_cast<int64_t>(path.size()),
          .modified = 1717178400000000000,  // 2024-05-31 18:00 UTC
          .content = HashBytes({reinterpret_cast<const uint8_t*>(path.data()), path.size()}),
          .width = width,
          .height = 480,
          .phash = 0xfedcba9876543210u,
          .detail = {1, 2, 3, 0xfedcba9876543210u},
          .sharpness = 12.5,
          .caption = "a picture of " + path,
          .metadata = R"({"key": 3, "word": "red"})",
          .indexed = 1700000000};
}

void Add(Store& store, const std::string& path, int width = 640) {
  store.Add(PictureOf(path, width), VectorOf(path));
}

std::string Name(int64_t i) {
  return "/p/" + std::to_string(i) + ".jpg";
}

// What the store holds; each picture's vector is checked, and that no slot is used twice.
std::map<std::string, StoredPicture> Contents(const Store& store) {
  std::map<std::string, StoredPicture> pictures;
  std::map<int64_t, int> slots;
  const Status status = store.ForEach([&](const StoredPicture& picture) {
    EXPECT_EQ(++slots[picture.slot], 1);
    EXPECT_TRUE(pictures.emplace(picture.path, picture).second) << picture.path << " is there twice";
    const std::vector<float> expected = VectorOf(picture.path);
    for (size_t i = 0; i < kE; ++i) {
      EXPECT_EQ(store.vectors().Row(picture.slot)[i], FloatToHalf(expected[i])) << picture.path;
    }
    return Status::Ok();
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(static_cast<int64_t>(pictures.size()), store.count());
  return pictures;
}

std::map<std::string, StoredPicture> Reopened(const std::string& folder) {
  Result<std::unique_ptr<Store>> store = Store::Open(folder);
  EXPECT_TRUE(store.ok()) << store.status().ToString();
  if (!store.ok()) return {};
  const Status verified = (*store)->Verify([](const Status& trouble) { ADD_FAILURE() << trouble.ToString(); });
  EXPECT_TRUE(verified.ok()) << verified.ToString();
  return Contents(**store);
}

TEST_F(StoreTest, KeepsWhatWasCommitted) {
  {
    auto store = *Store::OpenForWriting(folder_, kIdentity);
    Add(*store, "/p/a.jpg");
    Add(*store, "/p/it's \"b\"\n.jpg");
    ASSERT_TRUE(store->Commit().ok());
    Add(*store, "/p/never committed.jpg");
  }
  const auto pictures = Reopened(folder_);
  ASSERT_EQ(pictures.size(), 2u);
  const StoredPicture& a = pictures.at("/p/a.jpg");
  const StoredPicture expected = PictureOf("/p/a.jpg");
  EXPECT_EQ(a.content, expected.content);
  EXPECT_EQ(a.phash, expected.phash);
  EXPECT_EQ(a.detail, expected.detail);
  EXPECT_EQ(a.modified, expected.modified);
  EXPECT_EQ(a.caption, expected.caption);
  EXPECT_EQ(a.metadata, expected.metadata);
  EXPECT_EQ(a.sharpness, expected.sharpness);
  EXPECT_EQ(a.indexed, expected.indexed);
}

// As stores were before pictures had detailed hashes.
TEST_F(StoreTest, FirstVersionIsReadAndBroughtUpToDate) {
  {
    auto store = *Store::OpenForWriting(folder_, kIdentity);
    Add(*store, "/p/a.jpg");
    ASSERT_TRUE(store->Commit().ok());
  }
  {
    const SqlDatabase database = *SqlDatabase::Open(folder_ + "/store.db", SqlDatabase::Access::kWrite);
    ASSERT_TRUE(database.Run("ALTER TABLE pictures DROP COLUMN detail").ok());
    ASSERT_TRUE(database.Run("PRAGMA user_version = 1").ok());
  }
  EXPECT_EQ(Reopened(folder_).at("/p/a.jpg").detail, (std::array<uint64_t, 4>{}));
  EXPECT_EQ(Reopened(folder_).at("/p/a.jpg").phash, PictureOf("").phash);
  {
    auto store = *Store::OpenForWriting(folder_, kIdentity);
    Add(*store, "/p/b.jpg");
    ASSERT_TRUE(store->Commit().ok());
  }
  EXPECT_EQ(Reopened(folder_).at("/p/a.jpg").detail, (std::array<uint64_t, 4>{}));
  EXPECT_EQ(Reopened(folder_).at("/p/b.jpg").detail, PictureOf("").detail);
}

TEST_F(StoreTest, CountsPicturesWhetherOrNotItHasWrittenTheirNumberDown) {
  {
    auto store = *Store::OpenForWriting(folder_, kIdentity);
    for (int i = 0; i < 10; ++i) Add(*store, Name(i));
    ASSERT_TRUE(store->Commit().ok());
    store->Remove(Name(3));
    store->Rename(Name(1), {.path = Name(2)});
    ASSERT_TRUE(store->Commit().ok());
    EXPECT_EQ(store->count(), 8);
  }
  auto store = *Store::Open(folder_);
  store->ReadAhead();
  EXPECT_EQ(store->count(), 8);
  EXPECT_EQ(store->slots(), 10);
  const SqlDatabase database = *SqlDatabase::Open(folder_ + "/store.db", SqlDatabase::Access::kWrite);
  ASSERT_TRUE(database.Run("DELETE FROM facts WHERE key = 'pictures'").ok());  // as stores were before
  EXPECT_EQ((*Store::Open(folder_))->count(), 8);
}

TEST_F(StoreTest, ReplacesRemovesAndRenames) {
  auto store = *Store::OpenForWriting(folder_, kIdentity);
  for (int i = 0; i < 10; ++i) Add(*store, Name(i));
  ASSERT_TRUE(store->Commit().ok());
  Add(*store, Name(3), 800);
  Add(*store, Name(3), 900);  // twice in one commit: the last one counts
  store->Remove(Name(4));
  StoredPicture touched = PictureOf(Name(5));
  touched.modified = 7;
  store->Rename(Name(5), touched);
  ASSERT_TRUE(store->Commit().ok());
  auto pictures = Contents(*store);
  EXPECT_EQ(pictures.size(), 9u);
  EXPECT_EQ(pictures.at(Name(3)).width, 900);
  EXPECT_EQ(pictures.at(Name(5)).modified, 7);
  EXPECT_FALSE(pictures.contains(Name(4)));

  store->Rename(Name(6), {.path = "/q/6.jpg", .bytes = 5, .modified = 6});
  ASSERT_TRUE(store->Commit().ok());
  EXPECT_EQ(store->Get(6)->path, "/q/6.jpg");
}

TEST_F(StoreTest, GarbageIsCollectedWhileAReaderReads) {
  auto store = *Store::OpenForWriting(folder_, kIdentity);
  for (int i = 0; i < 3000; ++i) Add(*store, Name(i));
  ASSERT_TRUE(store->Commit().ok());
  for (int i = 0; i < 3000; i += 2) store->Remove(Name(i));
  ASSERT_TRUE(store->Commit().ok());
  const auto reader = *Store::Open(folder_);
  EXPECT_EQ(*store->CollectGarbage(), 1500);
  EXPECT_EQ(*store->CollectGarbage(), 0);
  EXPECT_EQ(store->slots(), 1500);
  Add(*store, "/p/after.jpg");
  ASSERT_TRUE(store->Commit().ok());
  EXPECT_EQ(Contents(*reader).size(), 1500u);  // still what it opened
  EXPECT_EQ(reader->slots(), 3000);
  EXPECT_EQ(Reopened(folder_).size(), 1501u);
  int64_t files = 0;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    files += entry.path().filename().string().starts_with("vectors-");
  }
  EXPECT_EQ(files, 1);
}

TEST_F(StoreTest, OneWriterManyReaders) {
  const auto store = *Store::OpenForWriting(folder_, kIdentity);
  const auto second = Store::OpenForWriting(folder_, kIdentity);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), StatusCode::kUnavailable);
  Add(*store, Name(0));
  ASSERT_TRUE(store->Commit().ok());
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      size_t last = 0;
      for (int round = 0; round < 20; ++round) {
        const size_t now = Reopened(folder_).size();
        EXPECT_GE(now, last);
        last = now;
      }
    });
  }
  for (int i = 1; i < 60; ++i) {
    Add(*store, Name(i));
    ASSERT_TRUE(store->Commit().ok());
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(Reopened(folder_).size(), 60u);
}

TEST_F(StoreTest, RefusesAnotherModel) {
  { const auto store = *Store::OpenForWriting(folder_, kIdentity); }
  const auto other = Store::OpenForWriting(folder_, {.model = "large", .fingerprint = "4567", .e = kE});
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(other.status().ToString().find("tiny"), std::string::npos);
  EXPECT_FALSE(Store::OpenForWriting(folder_, {.model = "tiny", .fingerprint = "0123", .e = kE + 1}).ok());
}

TEST_F(StoreTest, SaysWhatIsNotAStore) {
  EXPECT_EQ(Store::Open(folder_).status().code(), StatusCode::kNotFound);
  fs::create_directories(folder_);
  std::ofstream(folder_ + "/store.db") << "this is no database, however long it may be: " << std::string(4096, 'x');
  EXPECT_EQ(Store::Open(folder_).status().code(), StatusCode::kCorrupt);
  std::ofstream(folder_ + "/store.db", std::ios::trunc) << "";
  EXPECT_EQ(Store::Open(folder_).status().code(), StatusCode::kNotFound);
}

TEST_F(StoreTest, FindsDamage) {
  {
    const auto store = *Store::OpenForWriting(folder_, kIdentity);
    for (int i = 0; i < 50; ++i) Add(*store, Name(i));
    ASSERT_TRUE(store->Commit().ok());
  }
  const std::string vectors = folder_ + "/vectors-0.bin";
  {
    std::fstream file(vectors, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<int64_t>(kVectorHeaderBytes) + 7 * kE * 2 + 3);
    file.put('\x55');
  }
  std::vector<std::string> found;
  const auto store = *Store::Open(folder_);
  ASSERT_TRUE(store->Verify([&](const Status& trouble) { found.push_back(trouble.where()); }).ok());
  EXPECT_EQ(found, std::vector<std::string>{Name(7)});

  fs::resize_file(vectors, kVectorHeaderBytes + 49 * kE * 2);
  EXPECT_EQ(Store::Open(folder_).status().code(), StatusCode::kCorrupt);
  EXPECT_EQ(Store::OpenForWriting(folder_, kIdentity).status().code(), StatusCode::kCorrupt);
  for (const int64_t at : {0, 9, 13, 17, 25}) {  // each field of the header
    fs::resize_file(vectors, kVectorHeaderBytes + 50 * kE * 2);
    std::fstream file(vectors, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const char byte = static_cast<char>(file.get());
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 0x40));
    file.flush();
    EXPECT_FALSE(Store::Open(folder_).ok()) << at;
    file.seekp(at);
    file.put(byte);
  }
  EXPECT_TRUE(Store::Open(folder_).ok());
}

// Commits of 1, 2, 3, ... pictures with a removal each, and a collection of garbage, until something fails. Returns how
// many pictures must be there: those of the commits that succeeded.
std::map<std::string, int> WriteUntilItFails(const std::string& folder, FailingStorage& storage) {
  std::map<std::string, int> committed;
  const StoreOptions options = {.storage = &storage, .vfs = FailingStorage::kVfs};
  auto store = Store::OpenForWriting(folder, kIdentity, options);
  if (!store.ok()) return committed;
  int64_t next = 0;
  std::map<std::string, int> state;
  for (int batch = 1; batch <= 4; ++batch) {
    for (int i = 0; i < batch; ++i, ++next) {
      Add(**store, Name(next));
      state[Name(next)] = 1;
    }
    if (batch > 1) {
      (*store)->Remove(Name(next - batch - 1));
      state.erase(Name(next - batch - 1));
    }
    if (!(*store)->Commit().ok()) {
      EXPECT_FALSE((*store)->Commit().ok()) << "a store that failed goes on";
      return committed;
    }
    committed = state;
    if (batch == 3 && !(*store)->CollectGarbage().ok()) return committed;
  }
  return committed;
}

TEST_F(StoreTest, SurvivesTheFailureOfEveryOperation) {
  int64_t operations = 0;
  {
    FailingStorage storage(-1);
    EXPECT_EQ(WriteUntilItFails(folder_, storage).size(), 7u);
    operations = storage.operations();
  }
  EXPECT_GT(operations, 30);
  for (int64_t fail_at = 0; fail_at < operations; ++fail_at) {
    SCOPED_TRACE(fail_at);
    fs::remove_all(folder_);
    std::map<std::string, int> committed;
    {
      FailingStorage storage(fail_at);
      committed = WriteUntilItFails(folder_, storage);
    }
    // A writer comes after the disk has been helped, reads what was committed, and goes on.
    auto store = Store::OpenForWriting(folder_, kIdentity);
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    const auto pictures = Contents(**store);
    for (const auto& [path, one] : committed) {
      // A commit whose very last write failed may have been kept all the same; then it is there whole.
      EXPECT_TRUE(pictures.contains(path) || pictures.size() > committed.size()) << path;
    }
    EXPECT_GE(pictures.size(), committed.size());
    Add(**store, "/p/after.jpg");
    ASSERT_TRUE((*store)->Commit().ok());
    store->reset();
    EXPECT_EQ(Reopened(folder_).size(), pictures.size() + 1);
  }
}

// A process that writes until it is killed. It tells through the pipe what it has committed.
void WriteUntilKilled(const std::string& folder, int pipe) {
  auto store = Store::OpenForWriting(folder, kIdentity);
  if (!store.ok()) ::_exit(1);
  int64_t next = (*store)->slots();
  while (true) {
    for (int i = 0; i < 20; ++i, ++next) Add(**store, Name(next));
    if (!(*store)->Commit().ok()) ::_exit(1);
    if (::write(pipe, &next, sizeof next) != sizeof next) ::_exit(1);
  }
}

TEST_F(StoreTest, SurvivesAHundredKills) {
  std::mt19937 engine(5);
  int64_t before = 0;
  for (int round = 0; round < 100; ++round) {
    SCOPED_TRACE(round);
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) WriteUntilKilled(folder_, ends[1]);
    ::close(ends[1]);
    ::usleep(engine() % 30000);
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status));
    int64_t told = before, next = 0;
    while (::read(ends[0], &next, sizeof next) == sizeof next) told = next;
    ::close(ends[0]);
    if (!fs::exists(folder_ + "/store.db")) continue;  // killed before anything was
    auto store = Store::OpenForWriting(folder_, kIdentity);
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    const auto pictures = Contents(**store);
    const auto count = static_cast<int64_t>(pictures.size());
    EXPECT_GE(count, told);       // nothing that was committed is missing
    EXPECT_LE(count, told + 20);  // the commit under way may have been kept
    EXPECT_EQ(count % 20, 0);     // whole
    for (int64_t i = 0; i < count; ++i) EXPECT_TRUE(pictures.contains(Name(i)));
    before = count;
  }
  EXPECT_GT(before, 100);
  Reopened(folder_);
}

}  // namespace
}  // namespace diptych
