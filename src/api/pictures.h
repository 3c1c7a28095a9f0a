// Pictures of the public interface as the layers below know them.
#ifndef DIPTYCH_API_PICTURES_H_
#define DIPTYCH_API_PICTURES_H_

#include <vector>

#include "clip/batcher.h"
#include "diptych/picture.h"

namespace diptych {

/// Shares the picture's bytes or pixels. Pixels whose number does not fit their format and size come as a picture that
/// tells so when it is read.
PictureRef RefOf(const Picture& picture);

/// A source of all of them in order. Keeps a reference to `pictures`.
PictureSource SourceOf(const std::vector<Picture>& pictures);

}  // namespace diptych

#endif  // DIPTYCH_API_PICTURES_H_
