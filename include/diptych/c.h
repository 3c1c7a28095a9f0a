/* Diptych from C, and from everything that can call C. The stable interface of the library: within a major version
 * programs that were linked keep working.
 *
 *   #include <diptych/c.h>
 *   #include <stdio.h>
 *   int main(void) {
 *     const char* labels[] = {"cat", "dog"};
 *     diptych_picture picture = {.path = "cat.png"};
 *     diptych_prediction best;
 *     diptych_model* model = NULL;
 *     diptych_status* status = diptych_load("starter", NULL, &model);
 *     if (!status) status = diptych_classify(model, &picture, labels, 2, NULL, &best, 1);
 *     if (status) puts(diptych_status_message(status));
 *     else printf("%s %.3f\n", labels[best.label], best.probability);
 *     diptych_status_free(status);
 *     diptych_model_free(model);
 *   }
 *
 * Every call that can fail returns a status: NULL is success, anything else is owned by the caller. Text is UTF-8 that
 * ends with a zero. Results go to memory of the caller. A model may be used by many threads at once; handles may be
 * NULL where they are freed. Options are "name=value" with the names of the command line's flags, "_" or "-" alike, in
 * an array that ends with NULL; NULL is none. */
#ifndef DIPTYCH_C_H_
#define DIPTYCH_C_H_

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define DIPTYCH_C_EXPORT __attribute__((visibility("default")))
#else
#define DIPTYCH_C_EXPORT
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Of this header. Grows when something is added; nothing is taken away within a major version. */
#define DIPTYCH_C_VERSION 1

typedef struct diptych_status diptych_status;
typedef struct diptych_model diptych_model;

enum {
  DIPTYCH_OK = 0,
  DIPTYCH_INVALID_ARGUMENT = 1, /* the caller asked for something that makes no sense */
  DIPTYCH_NOT_FOUND = 2,        /* a file, model or name does not exist */
  DIPTYCH_CORRUPT = 3,          /* bytes that contradict their format */
  DIPTYCH_UNSUPPORTED = 4,      /* well-formed, but not something this build can do */
  DIPTYCH_LIMIT_EXCEEDED = 5,   /* larger than a stated limit */
  DIPTYCH_IO_ERROR = 6,         /* the operating system refused */
  DIPTYCH_UNAVAILABLE = 7,      /* the network, or something beyond it, did not answer */
  DIPTYCH_CANCELLED = 8,        /* the caller asked for an end */
  DIPTYCH_WRONG_PROCESS = 9     /* the process is a fork of the one that computed before */
};

/* A picture: one of a file, encoded bytes, or pixels. What is not used is 0. Nothing is kept after the call. */
typedef struct diptych_picture {
  const char* path;
  const void* bytes; /* of a JPEG, PNG, ... */
  size_t bytes_size;
  const uint8_t* rgb; /* (height, width, 3), rows from the top without gaps */
  int32_t width, height;
} diptych_picture;

typedef struct diptych_prediction {
  size_t label;       /* its place among the labels that were given */
  double probability; /* softmax over the labels; sigmoid for models with a logit bias */
  double logit;       /* scale * cosine + bias */
} diptych_prediction;

DIPTYCH_C_EXPORT const char* diptych_c_library_version(void); /* "0.1.0"; lives as long as the library */

DIPTYCH_C_EXPORT int diptych_status_code(const diptych_status* status);            /* NULL: DIPTYCH_OK */
DIPTYCH_C_EXPORT const char* diptych_status_message(const diptych_status* status); /* lives as long as the status */
DIPTYCH_C_EXPORT void diptych_status_free(diptych_status* status);

/* name: a checkpoint folder, "starter", a hub id, an open_clip pair; NULL or "": the environment's DIPTYCH_MODEL, else
 * "starter". Options: threads, precision, and those of how pictures are read. */
DIPTYCH_C_EXPORT diptych_status* diptych_load(const char* name, const char* const* options, diptych_model** model);
DIPTYCH_C_EXPORT void diptych_model_free(diptych_model* model);

DIPTYCH_C_EXPORT size_t diptych_embed_dim(const diptych_model* model);      /* E */
DIPTYCH_C_EXPORT size_t diptych_context_length(const diptych_model* model); /* most tokens of a text */

/* embeddings: (count, E), of length 1. The first picture that cannot be read is the error. */
DIPTYCH_C_EXPORT diptych_status* diptych_embed_pictures(const diptych_model* model, const diptych_picture* pictures,
                                                        size_t count, float* embeddings);
DIPTYCH_C_EXPORT diptych_status* diptych_embed_texts(const diptych_model* model, const char* const* texts, size_t count,
                                                     float* embeddings);

/* logits: (pictures, texts) = scale * cosine + bias of embeddings of length 1. */
DIPTYCH_C_EXPORT diptych_status* diptych_logits(const diptych_model* model, const float* pictures, size_t picture_count,
                                                const float* texts, size_t text_count, float* logits);

/* The best `prediction_count` of the labels, best first; at most as many as there are labels. Options: template,
 * templates. */
DIPTYCH_C_EXPORT diptych_status* diptych_classify(const diptych_model* model, const diptych_picture* picture,
                                                  const char* const* labels, size_t label_count,
                                                  const char* const* options, diptych_prediction* predictions,
                                                  size_t prediction_count);

/* ids: room for `capacity`; *count becomes how many there are, at most diptych_context_length(). Errors: no room. */
DIPTYCH_C_EXPORT diptych_status* diptych_tokenize(const diptych_model* model, const char* text, int32_t* ids,
                                                  size_t capacity, size_t* count);

#ifdef __cplusplus
}
#endif

#endif  // DIPTYCH_C_H_
