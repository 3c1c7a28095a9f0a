#include "core/status.h"

#include <gtest/gtest.h>

#include <memory>

namespace diptych {
namespace {

TEST(Status, OkIsTheDefaultAndHasEmptyParts) {
  const Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::kOk);
  EXPECT_EQ(status.where() + status.what() + status.hint(), "");
  EXPECT_EQ(status.ToString(), "ok");
}

TEST(Status, IsOneLineOfWhereWhatHint) {
  EXPECT_EQ(Corrupt("a.json", "is torn", "fetch it again").ToString(), "a.json: is torn; fetch it again");
  EXPECT_EQ(NotFound("a.json", "no such file").ToString(), "a.json: no such file");
  EXPECT_EQ(InvalidArgument("", "nothing to do").ToString(), "nothing to do");
  EXPECT_EQ(IoError("evil\nname\x1b[2J", "is\tbad").ToString(), "evil?name?[2J: is?bad");
}

TEST(Status, WithinPutsTheOuterPlaceFirst) {
  const Status inner = Corrupt("field", "is wrong", "fix it");
  EXPECT_EQ(inner.Within("file").ToString(), "file: field: is wrong; fix it");
  EXPECT_EQ(inner.Within("file").code(), StatusCode::kCorrupt);
  EXPECT_EQ(Unavailable("", "no answer").Within("host").ToString(), "host: no answer");
  EXPECT_TRUE(Status::Ok().Within("file").ok());
}

Result<std::unique_ptr<int>> Half(int number) {
  if (number % 2 != 0) return InvalidArgument("number", "is odd");
  return std::make_unique<int>(number / 2);
}

Status Quarter(int number, int* quarter) {
  ASSIGN_OR_RETURN(const std::unique_ptr<int> half, Half(number));
  ASSIGN_OR_RETURN(const std::unique_ptr<int> result, Half(*half));
  *quarter = *result;
  return Status::Ok();
}

Status Twice(int number) {
  int quarter = 0;
  RETURN_IF_ERROR(Quarter(number, &quarter));
  RETURN_IF_ERROR(Quarter(quarter, &quarter));
  return Status::Ok();
}

TEST(Result, HoldsMoveOnlyValuesAndPassesErrorsOn) {
  int quarter = 0;
  EXPECT_TRUE(Quarter(8, &quarter).ok());
  EXPECT_EQ(quarter, 2);
  EXPECT_EQ(Quarter(6, &quarter).ToString(), "number: is odd");
  EXPECT_TRUE(Twice(16).ok());
  EXPECT_FALSE(Twice(8).ok());
}

TEST(ResultDeathTest, TakingTheValueOfAnErrorSaysWhichError) {
  const Result<std::unique_ptr<int>> odd = Half(3);
  EXPECT_DEATH((void)odd.value(), "number: is odd");
  EXPECT_DEATH(Result<int>(Status::Ok()), "needs a value");
}

}  // namespace
}  // namespace diptych
