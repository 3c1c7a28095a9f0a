// A similarity matrix drawn: a heat map with thumbnails and captions along its sides.
#ifndef DIPTYCH_APPS_MATRIX_PNG_H_
#define DIPTYCH_APPS_MATRIX_PNG_H_

#include <string>

#include "apps/similarity.h"
#include "core/status.h"

namespace diptych {

/// -> a PNG's bytes. Colours run from the smallest to the greatest value of the matrix, with a scale beside it; values
/// stand in the cells where they fit. `extent` is about how many pixels all cells together may take on their longer
/// side (a cell has 18 to 96); `where` is for messages. Errors: more than 500 rows or columns, nothing that could be
/// drawn.
Result<std::string> MatrixPng(const SimilarityMatrix& matrix, int extent, const std::string& where);

/// The same into a file. Errors: it cannot be written.
Status DrawMatrix(const SimilarityMatrix& matrix, const std::string& path);

}  // namespace diptych

#endif  // DIPTYCH_APPS_MATRIX_PNG_H_
