/* A program in C99 that knows the C header alone: every function of it, and what each says of bad input. */
#include <diptych/c.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(diptych_status* status) {
  if (!status) return;
  puts(diptych_status_message(status));
  exit(1);
}

/* The call must have failed with this code. */
static void expect(diptych_status* status, int code) {
  if (diptych_status_code(status) != code) {
    printf("code %d, wanted %d: %s\n", diptych_status_code(status), code, diptych_status_message(status));
    exit(1);
  }
  diptych_status_free(status);
}

static void check_errors(const diptych_model* model) {
  float row[4096];
  size_t count = 0;
  int32_t id = 0;
  diptych_model* none = NULL;
  diptych_prediction prediction;
  const char* labels[] = {"cat", NULL};
  const char* bad_options[] = {"threads=many", NULL};
  diptych_picture nothing = {0}, missing = {.path = "no/such.png"}, garbage = {.bytes = "xyz", .bytes_size = 3};
  diptych_picture flat = {.rgb = (const uint8_t*)"xyz", .width = 1, .height = 0};
  expect(diptych_load("no-such-model", NULL, &none), DIPTYCH_NOT_FOUND);
  expect(diptych_load("starter", bad_options, &none), DIPTYCH_INVALID_ARGUMENT);
  expect(diptych_load("starter", NULL, NULL), DIPTYCH_INVALID_ARGUMENT);
  expect(diptych_embed_pictures(model, &nothing, 1, row), DIPTYCH_INVALID_ARGUMENT);
  expect(diptych_embed_pictures(model, &missing, 1, row), DIPTYCH_NOT_FOUND);
  expect(diptych_embed_pictures(model, &garbage, 1, row), DIPTYCH_UNSUPPORTED);
  expect(diptych_embed_pictures(model, &flat, 1, row), DIPTYCH_INVALID_ARGUMENT);
  expect(diptych_embed_pictures(NULL, &missing, 1, row), DIPTYCH_INVALID_ARGUMENT);
  expect(diptych_embed_texts(model, labels, 2, row), DIPTYCH_INVALID_ARGUMENT);
  expect(diptych_embed_texts(model, labels, 0, row), DIPTYCH_INVALID_ARGUMENT);
  expect(diptych_classify(model, &missing, labels, 1, NULL, &prediction, 2), DIPTYCH_INVALID_ARGUMENT);
  expect(diptych_tokenize(model, "a cat", &id, 1, &count), DIPTYCH_INVALID_ARGUMENT);
  diptych_status_free(NULL);
  diptych_model_free(NULL);
}

int main(int argc, char** argv) {
  const char* options[] = {"threads=2", "max-megapixels=50", NULL};
  const char* labels[] = {"cat", "dog", "bird", "car"};
  const char* templates[] = {"template=a picture of a {}", NULL};
  diptych_picture picture = {.path = argc > 1 ? argv[1] : "cat.png"};
  diptych_model* model = NULL;
  check(diptych_load("starter", options, &model));

  diptych_prediction best[2];
  check(diptych_classify(model, &picture, labels, 4, templates, best, 2));
  printf("%s %.3f\n", labels[best[0].label], best[0].probability);

  const size_t e = diptych_embed_dim(model);
  float* rows = malloc(sizeof *rows * 5 * e);
  check(diptych_embed_pictures(model, &picture, 1, rows));
  check(diptych_embed_texts(model, labels, 4, rows + e));
  float logits[4], length = 0;
  check(diptych_logits(model, rows, 1, rows + e, 4, logits));
  for (size_t i = 0; i < e; ++i) length += rows[i] * rows[i];
  if (fabsf(length - 1) > 1e-4f || !(logits[0] > logits[3])) return puts("embeddings are not what they should be"), 1;

  int32_t ids[512];
  size_t count = 0;
  check(diptych_tokenize(model, "a photo of a cat", ids, 512, &count));
  if (count < 4 || count > diptych_context_length(model)) return puts("too few or too many tokens"), 1;
  check_errors(model);
  if (strlen(diptych_c_library_version()) < 5) return 1;
  free(rows);
  diptych_model_free(model);
  return 0;
}
