#include "train/delimited.h"

#include <algorithm>

namespace diptych::train {

Result<bool> DelimitedReader::Next(std::vector<std::string>* fields) {
  fields->clear();
  while (true) {
    const std::string_view rest = text_.substr(at_);
    if (rest.starts_with("\xEF\xBB\xBF")) {
      at_ += 3;
    } else if (rest.starts_with("\n") || rest.starts_with("\r\n")) {
      at_ += rest[0] == '\n' ? 1 : 2;
      ++line_;
    } else {
      break;
    }
  }
  begin_ = at_;
  row_line_ = line_;
  if (at_ == text_.size()) return false;
  while (true) {
    fields->emplace_back();
    if (const Status status = ReadField(&fields->back()); !status.ok()) {
      at_ = text_.size();
      return status;
    }
    if (AtEndOfRow()) break;
    ++at_;  // the separator
  }
  if (at_ < text_.size()) {
    ++at_;
    ++line_;
  }
  return true;
}

Status DelimitedReader::ReadField(std::string* field) {
  const std::string where = "line " + std::to_string(row_line_);
  const auto over_limit = [&] { return at_ - begin_ > kMaxRow; };
  if (at_ < text_.size() && text_[at_] == '"') {
    ++at_;
    while (true) {
      if (at_ == text_.size() || over_limit()) {
        return Corrupt(where, "a field's quote is not closed", "write \"\" for a quote within a quoted field");
      }
      const char c = text_[at_++];
      if (c == '"' && (at_ == text_.size() || text_[at_] != '"')) break;
      if (c == '"') ++at_;
      if (c == '\n') ++line_;
      field->push_back(c);
    }
  }
  const size_t plain = at_;  // what follows a closing quote is part of the field, too
  while (!AtEndOfRow() && text_[at_] != separator_) ++at_;
  if (over_limit()) return Corrupt(where, "a row of more than 1 MiB");
  field->append(text_.substr(plain, at_ - plain));
  if (AtEndOfRow() && at_ > plain && text_[at_ - 1] == '\r') field->pop_back();
  return Status::Ok();
}

std::optional<size_t> FindColumn(const std::vector<std::string>& header, std::string_view name) {
  const auto found = std::find(header.begin(), header.end(), name);
  if (found == header.end()) return std::nullopt;
  return static_cast<size_t>(found - header.begin());
}

}  // namespace diptych::train
