// Downloads a repository as the library does and prints its folder: hub_pull REPO REVISION [NEEDED...] [+WANTED...]
#include <iostream>
#include <string>

#include "hub/hub.h"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: hub_pull REPO REVISION [NEEDED...] [+WANTED...]\n";
    return 2;
  }
  diptych::hub::SnapshotOptions options;
  options.revision = argv[2];
  for (int i = 3; i < argc; ++i) {
    const std::string pattern = argv[i];
    if (pattern.starts_with('+')) {
      options.wants.push_back(pattern.substr(1));
    } else {
      options.needs.push_back({{{pattern}}});
    }
  }
  const auto folder = diptych::hub::Snapshot(argv[1], options);
  if (!folder.ok()) {
    std::cerr << folder.status().ToString() << "\n";
    return 1;
  }
  std::cout << *folder << std::endl;
  return 0;
}
