// Serves folders as repositories of a model hub: fake_hub PORT REPO=FOLDER...   (until standard input ends)
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <map>
#include <string>

#include "support/fake_hub.h"

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  if (argc < 3) {
    std::cerr << "usage: fake_hub PORT REPO=FOLDER...\n";
    return 2;
  }
  diptych::testing_support::FakeHub hub(std::stoi(argv[1]));
  for (int i = 2; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    const fs::path folder = argument.substr(equals + 1);
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream stream(entry.path(), std::ios::binary);
      files[fs::relative(entry.path(), folder).string()] = std::string(std::istreambuf_iterator<char>(stream), {});
    }
    hub.AddCommit(argument.substr(0, equals), "main", files);
  }
  std::cout << hub.url() << std::endl;
  std::cin.ignore(std::numeric_limits<std::streamsize>::max(), EOF);
  return 0;
}
