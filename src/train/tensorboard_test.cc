#include "train/tensorboard.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/file.h"

namespace diptych::train {
namespace {

TEST(TensorboardTest, CrcIsCastagnolis) {
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);            // the check value of CRC-32C
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);  // RFC 3720, B.4
}

// The bytes of tensorflow.Event(step=300, summary={tag: "loss", simple_value: 1.5}) after its wall time.
TEST(TensorboardTest, EventsAreProtocolBuffersInRecords) {
  char folder[] = "/tmp/diptych_events_XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  {
    Result<EventWriter> writer = EventWriter::Create(folder);
    ASSERT_TRUE(writer.ok()) << writer.status().ToString();
    const std::vector<std::pair<std::string, double>> scalars = {{"loss", 1.5}};
    ASSERT_TRUE(writer->Write(300, scalars).ok());
  }
  std::string bytes;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) bytes += *ReadFile(entry.path().string());
  const std::string payload("\x10\xac\x02\x2a\x0d\x0a\x0b\x0a\x04loss\x15\x00\x00\xc0\x3f", 18);
  const size_t at = bytes.find(payload);
  ASSERT_NE(at, std::string::npos);
  EXPECT_NE(bytes.find("brain.Event:2"), std::string::npos);
  // Nine bytes of wall time come before, twelve of length and its checksum before these, four of checksum at the end.
  EXPECT_EQ(bytes.size(), at + payload.size() + 4);
  EXPECT_EQ(bytes[at - 21], static_cast<char>(payload.size() + 9));
  std::filesystem::remove_all(folder);
}

TEST(TensorboardTest, AFolderThatIsNotThereIsAnError) {
  EXPECT_EQ(EventWriter::Create("/nonexistent/folder").status().code(), StatusCode::kIoError);
}

}  // namespace
}  // namespace diptych::train
