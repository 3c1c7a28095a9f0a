#include "cli/parser.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>
#include <utility>

#include "cli/exit_code.h"

namespace diptych::cli {
namespace {

std::string FlagName(const char* name) {
  std::string flag = std::string("--") + name;
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::vector<std::string> SplitChoices(const char* choices) {
  std::vector<std::string> all;
  std::string rest = choices;
  while (!rest.empty()) {
    const size_t bar = std::min(rest.find('|'), rest.size());
    all.push_back(rest.substr(0, bar));
    rest.erase(0, bar + 1);
  }
  return all;
}

bool ParseNumber(const std::string& text, double* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(*value);
}

std::string Plain(double value) {
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

// The range that a value must lie in, as a sentence's end; empty when it lies there.
std::string OutOfRange(const Field& field, double value) {
  if (value >= field.min && value <= field.max) return "";
  if (std::isinf(field.max)) return "must be at least " + Plain(field.min);
  return "must be between " + Plain(field.min) + " and " + Plain(field.max);
}

}  // namespace

struct Parser::Impl {
  CommandHelp help;
  CLI::App app;
  std::map<std::string, double> bare;  // flags whose value may be left out -> what that means

  // A number that has to be parsed whole, and lie in its range.
  template <class T>
  CLI::Option* AddNumber(const Field& field, const std::string& name, const std::function<void(T)>& set) {
    const bool whole = std::is_integral_v<T>;
    const auto read = [field, set, whole](const CLI::results_t& texts) {
      double value = 0;
      if (!ParseNumber(texts.back(), &value) || (whole && value != std::floor(value))) {
        throw CLI::ValidationError(FlagName(field.name),
                                   "\"" + texts.back() + "\" is not a " + (whole ? "whole number" : "number"));
      }
      const std::string wrong = OutOfRange(field, value);
      if (!wrong.empty()) throw CLI::ValidationError(FlagName(field.name), wrong);
      if (whole && std::abs(value) > 2e9) throw CLI::ValidationError(FlagName(field.name), "is too large");
      set(static_cast<T>(value));
      return true;
    };
    CLI::Option* option = app.add_option(name, read, field.help);
    option->type_name(*field.value != '\0' ? field.value : "X");
    return option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
};

Parser::Parser(const CommandHelp& help) : impl_(std::make_unique<Impl>()) {
  impl_->help = help;
  CLI::App& app = impl_->app;
  app.name(std::string("diptych ") + help.name);
  app.description(help.summary);
  app.footer(std::string("Example:\n  ") + help.example);
  app.set_help_flag("--help", "this text");
  app.get_formatter()->column_width(30);
  app.get_formatter()->label("OPTION", "OPTIONS");
}

Parser::~Parser() = default;

void Parser::operator()(const Field& field, bool& value) {
  impl_->app.add_flag(FlagName(field.name), value, field.help);
}

void Parser::operator()(const Field& field, int& value) {
  impl_->AddNumber<int>(field, FlagName(field.name), [&value](int v) { value = v; })
      ->default_str(std::to_string(value));
}

void Parser::operator()(const Field& field, double& value) {
  impl_->AddNumber<double>(field, FlagName(field.name), [&value](double v) { value = v; })->default_str(Plain(value));
}

void Parser::operator()(const Field& field, std::string& value) {
  const std::string initial = value;
  CLI::Option* option = impl_->app.add_option(FlagName(field.name), value, field.help);
  option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  option->type_name(*field.choices != '\0' ? field.choices : *field.value != '\0' ? field.value : "TEXT");
  if (!initial.empty()) option->default_str(initial);
  if (*field.choices == '\0') return;
  const std::string choices = field.choices;
  option->check(CLI::Validator(
      [choices](std::string& given) -> std::string {
        const std::vector<std::string> allowed = SplitChoices(choices.c_str());
        if (std::find(allowed.begin(), allowed.end(), given) != allowed.end()) return "";
        return "\"" + given + "\" is not one of " + choices;
      },
      ""));
}

void Parser::operator()(const Field& field, std::vector<std::string>& value) {
  if (field.positional) {
    impl_->app.add_option(field.value, value, field.help)
        ->type_name("")
        ->expected(0, CLI::detail::expected_max_vector_size);
    return;
  }
  CLI::Option* option = impl_->app.add_option(FlagName(field.name), value, field.help);
  option->type_name(*field.value != '\0' ? field.value : "TEXT");
  option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->allow_extra_args(false);
}

void Parser::operator()(const Field& field, std::optional<double>& value) {
  impl_->bare[FlagName(field.name)] = field.implied;
  CLI::Option* option = impl_->AddNumber<double>(field, FlagName(field.name), [&value](double v) { value = v; });
  option->type_name(std::string("[") + field.value + "=" + Plain(field.implied) + "]");
}

std::optional<int> Parser::Parse(const std::vector<std::string>& arguments) {
  // CLI11 takes arguments from the back. A flag with an optional value takes the next argument only if it is a number.
  std::vector<std::string> reversed;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const auto bare = impl_->bare.find(arguments[i]);
    double ignored = 0;
    const bool has_value = i + 1 < arguments.size() && ParseNumber(arguments[i + 1], &ignored);
    reversed.push_back(bare == impl_->bare.end() || has_value ? arguments[i]
                                                              : arguments[i] + "=" + Plain(bare->second));
  }
  std::reverse(reversed.begin(), reversed.end());
  try {
    impl_->app.parse(std::move(reversed));
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    const std::string help = impl_->app.help();
    std::fwrite(help.data(), 1, help.size(), stdout);
    return std::fflush(stdout) == 0 ? kExitOk : kExitFailure;
  } catch (const CLI::ParseError& error) {
    std::string message = error.what();
    std::replace(message.begin(), message.end(), '\n', ' ');
    std::fprintf(stderr, "diptych %s: %s; see diptych %s --help\n", impl_->help.name, message.c_str(),
                 impl_->help.name);
    return kExitUsage;
  }
}

}  // namespace diptych::cli
