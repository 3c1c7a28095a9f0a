#include "api/option_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace diptych {

OptionText::OptionText(const char* const* words) {
  for (; words != nullptr && *words != nullptr; ++words) {
    const std::string word = *words;
    const size_t equals = word.find('=');
    if (equals == std::string::npos) {
      if (status_.ok()) status_ = InvalidArgument("option \"" + word + "\"", "has no value", "write name=value");
      continue;
    }
    std::string name = word.substr(0, equals);
    std::replace(name.begin(), name.end(), '-', '_');
    words_.emplace(std::move(name), word.substr(equals + 1));
  }
}

std::optional<std::string> OptionText::Take(const Field& field) {
  const auto it = words_.find(field.name);
  if (it == words_.end()) return std::nullopt;
  std::string value = std::move(it->second);
  words_.erase(it);
  return value;
}

void OptionText::Fail(const Field& field, const std::string& value, const std::string& wanted) {
  if (status_.ok()) status_ = InvalidArgument(field.name, "\"" + value + "\" is not " + wanted);
}

std::optional<double> OptionText::Number(const Field& field) {
  const std::optional<std::string> text = Take(field);
  if (!text) return std::nullopt;
  double value = 0;
  const char* end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc() || stop != end || !std::isfinite(value)) {
    Fail(field, *text, "a number");
    return std::nullopt;
  }
  if (value < field.min || value > field.max) {
    Fail(field, *text, "in its range");
    return std::nullopt;
  }
  return value;
}

void OptionText::operator()(const Field& field, bool& value) {
  const std::optional<std::string> text = Take(field);
  if (!text) return;
  if (*text != "true" && *text != "false") return Fail(field, *text, "true or false");
  value = *text == "true";
}

void OptionText::operator()(const Field& field, int& value) {
  const std::optional<double> number = Number(field);
  if (!number) return;
  if (*number != std::floor(*number) || std::abs(*number) > std::numeric_limits<int>::max()) {
    return Fail(field, std::to_string(*number), "a whole number");
  }
  value = static_cast<int>(*number);
}

void OptionText::operator()(const Field& field, double& value) {
  if (const std::optional<double> number = Number(field)) value = *number;
}

void OptionText::operator()(const Field& field, std::string& value) {
  const std::optional<std::string> text = Take(field);
  if (!text) return;
  const std::string choices = std::string("|") + field.choices + "|";
  if (*field.choices != '\0' && choices.find("|" + *text + "|") == std::string::npos) {
    return Fail(field, *text, std::string("one of ") + field.choices);
  }
  value = *text;
}

void OptionText::operator()(const Field& field, std::vector<std::string>& value) {
  const auto [begin, end] = words_.equal_range(field.name);
  if (begin == end) return;
  value.clear();
  for (auto it = begin; it != end; ++it) value.push_back(it->second);
  words_.erase(begin, end);
}

void OptionText::operator()(const Field& field, std::optional<double>& value) {
  if (const std::optional<double> number = Number(field)) value = *number;
}

Status OptionText::Finish() const {
  RETURN_IF_ERROR(status_);
  if (words_.empty()) return Status::Ok();
  return InvalidArgument("option \"" + words_.begin()->first + "\"", "is not known here");
}

}  // namespace diptych
