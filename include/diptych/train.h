// Contrastive training of an image tower and a text tower on pairs of pictures and texts.
#ifndef DIPTYCH_TRAIN_H_
#define DIPTYCH_TRAIN_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "diptych/export.h"
#include "diptych/options.h"
#include "diptych/status.h"

namespace diptych {

/// What is trained: the shapes of the towers, or the checkpoints that they start from.
struct TrainModelOptions {
  std::string image_tower, text_tower;
  std::string init, init_image, init_text;
  int image_size = 0, embed_dim = 0;
  bool lock_image = false, lock_text = false;
  int image_blocks = -1, text_blocks = -1;
  int lora_image = 0, lora_text = 0;
  double lora_alpha = 16;

  template <class V>
  void Visit(V&& visit) {
    visit(Field{.name = "image_tower",
                .help = "vit:LAYERS,WIDTH,HEADS,pPATCH, resnet:A,B,C,D,wWIDTH, or a name such as ViT-B-32 or RN50",
                .value = "T"},
          image_tower);
    visit(
        Field{.name = "text_tower", .help = "transformer:LAYERS,WIDTH,HEADS, or a name such as ViT-B-32", .value = "T"},
        text_tower);
    visit(Field{.name = "init", .help = "start both towers from this model", .value = "M"}, init);
    visit(Field{.name = "init_image", .help = "start the image tower from this model", .value = "M"}, init_image);
    visit(Field{.name = "init_text", .help = "start the text tower from this model", .value = "M"}, init_text);
    visit(Field{.name = "image_size",
                .help = "side of the pictures; 0 is the checkpoint's, or 224",
                .value = "S",
                .min = 0,
                .max = 4096},
          image_size);
    visit(Field{.name = "embed_dim",
                .help = "width of the joint space; 0 is the checkpoint's, or 512",
                .value = "E",
                .min = 0,
                .max = 32768},
          embed_dim);
    visit(Field{.name = "lock_image", .help = "the image tower stays as it is (LiT)"}, lock_image);
    visit(Field{.name = "lock_text", .help = "the text tower stays as it is"}, lock_text);
    visit(Field{.name = "image_blocks",
                .help = "only the last N blocks of the image tower train; -1 is all",
                .value = "N",
                .min = -1,
                .max = 512},
          image_blocks);
    visit(Field{.name = "text_blocks",
                .help = "only the last N blocks of the text tower train; -1 is all",
                .value = "N",
                .min = -1,
                .max = 512},
          text_blocks);
    visit(Field{.name = "lora_image",
                .help = "train adapters of rank R in the image tower instead of its blocks; 0 is none",
                .value = "R",
                .min = 0,
                .max = 1024},
          lora_image);
    visit(Field{.name = "lora_text",
                .help = "train adapters of rank R in the text tower instead of its blocks; 0 is none",
                .value = "R",
                .min = 0,
                .max = 1024},
          lora_text);
    visit(Field{.name = "lora_alpha", .help = "adapters are scaled by X / R", .value = "X", .min = 0}, lora_alpha);
  }
};

/// What it is trained on.
struct TrainDataOptions {
  std::vector<std::string> train_data;
  std::vector<std::string> val_data;
  std::string image_column = "filepath", caption_column = "title";
  std::vector<std::string> templates;  // "templates" of class-per-folder data
  int shuffle_buffer = 5000;
  int val_limit = 2000;
  double crop_scale = 0.9;
  double flip = 0, color_jitter = 0, grayscale = 0;
  int rand_augment = 0;
  int rand_augment_magnitude = 9;

  template <class V>
  void Visit(V&& visit) {
    visit(
        Field{.name = "train_data",
              .help = "webdataset shards (DIR/{000000..000009}.tar), a CSV or TSV file, a folder of pictures with .txt "
                      "files, or a folder a class; may be repeated",
              .value = "D"},
        train_data);
    visit(Field{.name = "val_data",
                .help = "the same, for validation; shards with a NAME.classes.tsv beside them are labelled",
                .value = "D"},
          val_data);
    visit(Field{.name = "image_column", .help = "of CSV and TSV: the pictures' paths", .value = "NAME"}, image_column);
    visit(Field{.name = "caption_column", .help = "of CSV and TSV: the texts", .value = "NAME"}, caption_column);
    visit(Field{.name = "template",
                .help = "a caption for folders named by class, with {} for the name; may be repeated",
                .value = "T"},
          templates);
    visit(Field{.name = "shuffle_buffer",
                .help = "samples of which the next is drawn; 0 keeps their order",
                .value = "N",
                .min = 0,
                .max = 10000000},
          shuffle_buffer);
    visit(Field{.name = "val_limit",
                .help = "pairs or labelled pictures used of each validation set; 0 is all",
                .value = "N",
                .min = 0},
          val_limit);
    visit(Field{.name = "crop_scale",
                .help = "smallest share of a picture that a random crop keeps; 1 crops as in inference",
                .value = "X",
                .min = 0.01,
                .max = 1},
          crop_scale);
    visit(Field{.name = "flip", .help = "chance to mirror a picture", .value = "P", .min = 0, .max = 1}, flip);
    visit(Field{.name = "color_jitter",
                .help = "strength of random brightness, contrast and saturation, a quarter of it of hue",
                .value = "X",
                .min = 0,
                .max = 1},
          color_jitter);
    visit(Field{.name = "grayscale", .help = "chance to take the colour away", .value = "P", .min = 0, .max = 1},
          grayscale);
    visit(Field{.name = "rand_augment",
                .help = "random operations on each picture (RandAugment); 0 is none",
                .value = "N",
                .min = 0,
                .max = 16},
          rand_augment);
    visit(Field{.name = "rand_augment_magnitude", .help = "their strength, of 31", .value = "X", .min = 0, .max = 30},
          rand_augment_magnitude);
  }
};

/// How it is trained. Defaults are open_clip's, but for the length of the warm-up.
struct TrainRecipeOptions {
  std::string loss = "infonce";
  std::string distill;
  double distill_weight = 1, hard_negatives = 0;
  int batch = 64;
  int accum = 1;
  bool recompute = false;
  int steps = 0;
  double epochs = 0;
  double lr = 5e-4, lr_image = 1, lr_text = 1, lr_scale = 1, layer_decay = 1;
  std::string schedule = "cosine";
  int warmup = 100, cooldown = 0;
  double weight_decay = 0.2, beta1 = 0.9, beta2 = 0.98, eps = 1e-6, clip_norm = 0, ema = 0;
  int seed = 0;

  template <class V>
  void Visit(V&& visit) {
    visit(
        Field{
            .name = "loss", .help = "CLIP's softmax over the batch, or SigLIP's sigmoid", .choices = "infonce|siglip"},
        loss);
    visit(Field{.name = "distill", .help = "learn from this model's similarities too", .value = "M"}, distill);
    visit(Field{.name = "distill_weight", .help = "weight of that loss", .value = "X", .min = 0}, distill_weight);
    visit(Field{.name = "hard_negatives",
                .help = "how much more near wrong pairs count (beta of HN-NCE)",
                .value = "X",
                .min = 0,
                .max = 10},
          hard_negatives);
    visit(Field{.name = "batch", .help = "pairs a step, over all processes", .value = "N", .min = 2, .max = 1000000},
          batch);
    visit(Field{.name = "accum",
                .help = "pieces that the towers take a batch in: the same gradient in less memory",
                .value = "N",
                .min = 1,
                .max = 100000},
          accum);
    visit(Field{.name = "recompute", .help = "compute each block twice instead of keeping it: less memory"}, recompute);
    visit(Field{.name = "steps", .help = "updates in all; 0 asks --epochs", .value = "N", .min = 0}, steps);
    visit(Field{.name = "epochs", .help = "passes over the data, if --steps is not given", .value = "X", .min = 0},
          epochs);
    visit(Field{.name = "lr", .help = "learning rate after the warm-up", .value = "X", .min = 0}, lr);
    visit(Field{.name = "lr_image", .help = "multiple of it for the image tower", .value = "X", .min = 0}, lr_image);
    visit(Field{.name = "lr_text", .help = "multiple of it for the text tower", .value = "X", .min = 0}, lr_text);
    visit(Field{.name = "lr_scale", .help = "multiple of it for the scale and bias", .value = "X", .min = 0}, lr_scale);
    visit(Field{.name = "layer_decay",
                .help = "each block learns at this multiple of the rate of the one above it",
                .value = "X",
                .min = 0,
                .max = 1},
          layer_decay);
    visit(Field{.name = "schedule", .help = "of the rate, after the warm-up", .choices = "cosine|constant|cooldown"},
          schedule);
    visit(Field{.name = "warmup", .help = "steps in which the rate rises", .value = "N", .min = 0}, warmup);
    visit(Field{.name = "cooldown", .help = "last steps in which it falls (cooldown)", .value = "N", .min = 0},
          cooldown);
    visit(Field{.name = "weight_decay", .help = "of AdamW", .value = "X", .min = 0}, weight_decay);
    visit(Field{.name = "beta1", .help = "of AdamW", .value = "X", .min = 0, .max = 0.9999}, beta1);
    visit(Field{.name = "beta2", .help = "of AdamW", .value = "X", .min = 0, .max = 0.99999}, beta2);
    visit(Field{.name = "eps", .help = "of AdamW", .value = "X", .min = 0}, eps);
    visit(Field{.name = "clip_norm", .help = "largest norm of all gradients; 0 is no limit", .value = "X", .min = 0},
          clip_norm);
    visit(Field{.name = "ema",
                .help = "decay of an average of the weights, which is then what is saved; 0 is none",
                .value = "X",
                .min = 0,
                .max = 0.999999},
          ema);
    visit(Field{.name = "seed", .help = "of weights, order and augmentation", .value = "N", .min = 0}, seed);
  }
};

/// What is written, and when.
struct TrainOutputOptions {
  std::string out;
  std::string layout = "open_clip";
  int checkpoint_every = 0;
  int val_every = 0;
  bool resume = false;

  template <class V>
  void Visit(V&& visit) {
    visit(Field{.name = "out", .help = "folder of the checkpoint, the metrics and the report", .value = "DIR"}, out);
    visit(Field{.name = "layout", .help = "whose files the checkpoint is", .choices = "open_clip|hf"}, layout);
    visit(Field{.name = "checkpoint_every",
                .help = "steps between checkpoints; 0 is at the end alone",
                .value = "N",
                .min = 0},
          checkpoint_every);
    visit(Field{.name = "val_every", .help = "steps between validations; 0 is ten in the run", .value = "N", .min = 0},
          val_every);
    visit(Field{.name = "resume", .help = "go on from the last checkpoint in --out"}, resume);
  }
};

struct TrainOptions {
  TrainModelOptions model;
  TrainDataOptions data;
  TrainRecipeOptions recipe;
  TrainOutputOptions output;
  std::string precision = "fp32";
  int threads = 0;

  template <class V>
  void Visit(V&& visit) {
    data.Visit(visit);
    output.Visit(visit);
    model.Visit(visit);
    recipe.Visit(visit);
    visit(Field{.name = "precision",
                .help = "of matrix products; bf16 keeps weights and sums in fp32",
                .choices = "fp32|bf16"},
          precision);
    visit(Field{.name = "threads",
                .help = "threads of a process; 0 is every processor there is",
                .value = "N",
                .min = 0,
                .max = 1024},
          threads);
  }
};

/// One measurement of a run: a step's, or a validation's. Names are "loss", "logit_scale", "lr", "pairs_per_s",
/// "data_s" (waited for the batch), "gradient_s" (forward, loss, backward), "update_s" (the optimiser), "val/loss",
/// "val/image_to_text_r1", "val/top1/NAME", ...
struct TrainMetric {
  std::string name;
  double value = 0;
};

struct TrainStep {
  int64_t step = 0, steps = 0;  // done, of the whole run
  std::vector<TrainMetric> metrics;
  double seconds_left = 0;
};

/// Called by the first process alone, in order. Empty members are allowed.
struct TrainSinks {
  std::function<void(const TrainStep&)> step;
  std::function<void(int64_t step, const std::vector<TrainMetric>&)> validation;
  std::function<void(const std::string& note)> note;  // for people: where it goes on, what was not written
  /// Set by a signal or another thread: the run then writes a checkpoint and ends. May be null.
  const std::atomic<bool>* stop = nullptr;
};

struct TrainSummary {
  int64_t step = 0, steps = 0;
  bool stopped = false;  // before its end, because it was told to
  int64_t skipped = 0;   // samples that could not be used, of all processes
  std::string skips;     // what was wrong with them: "2 broken pictures (a.jpg: ..., b.jpg: ...), 1 ..."
};

/// Trains in this process alone. Errors: the options, the data, the model; a loss that is not finite; a file that
/// cannot be written; a fork of the process that computed (see Model).
DIPTYCH_EXPORT Result<TrainSummary> Train(const TrainOptions& options, const TrainSinks& sinks = {});

}  // namespace diptych

#endif  // DIPTYCH_TRAIN_H_
