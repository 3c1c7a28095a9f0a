// What stands behind the handles of the public interface.
#ifndef DIPTYCH_API_IMPL_H_
#define DIPTYCH_API_IMPL_H_

#include <memory>

#include "api/call_batcher.h"
#include "apps/runtime.h"
#include "clip/batcher.h"
#include "clip/classifier.h"
#include "diptych/model.h"
#include "diptych/processor.h"

namespace diptych {

struct Processor::Impl {
  ProcessorInfo info;
  std::shared_ptr<const Tokenizer> tokenizer;
  BatchOptions batch;  // with its preprocess set
};

ProcessorInfo MakeProcessorInfo(const std::string& name, const ClipConfig& config, const Tokenizer& tokenizer);

struct LabelSet::Impl {
  Classifier classifier;
  std::string model;  // fingerprint of the one that made it
};

struct Model::Impl {
  std::shared_ptr<const Clip> clip;
  std::string name;
  Runtime runtime;
  std::shared_ptr<CallBatcher> calls;
  std::shared_ptr<const Processor::Impl> before;
  Processor processor;

  Impl(std::shared_ptr<const Clip> loaded, const ModelOptions& options);
  Status SetPictures(const PictureOptions& options);
};

}  // namespace diptych

#endif  // DIPTYCH_API_IMPL_H_
