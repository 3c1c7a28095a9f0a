// All that a user of the library has to write.
#include <diptych/model.h>

#include <cstdio>

int main(int argc, char** argv) {
  auto model = diptych::Model::Load();
  if (!model.ok()) return std::puts(model.status().ToString().c_str()), 1;
  auto result = model->Classify(argc > 1 ? argv[1] : "cat.png", {"cat", "dog", "bird", "car"});
  if (!result.ok()) return std::puts(result.status().ToString().c_str()), 1;
  for (const auto& p : result->predictions) std::printf("%s %.3f\n", p.label.c_str(), p.probability);
}
